"""Families of systems with releases, and the oldest systems that a layer runs on.

What is built for one release of a family runs on all later ones: wheels name the oldest in their
platform tags
(https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/). A family more
is a row more at the end of this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# Two numbers; none for systems whose releases do not matter to wheels.
Release = tuple[int, ...]

# The releases of glibc that uv has names for.
_UV_GLIBC = (17, 28, *range(31, 41))


@dataclass(frozen=True)
class SystemFamily:
    """Systems that run what was built for an older release of theirs.

    ``name`` is the one for people; ``sys_platform``, ``platform_system`` and ``os_name`` are the
    values of the :pep:`508` markers. ``tags`` gives the platform tags of wheels that a machine with
    that oldest release accepts, best first; ``uv`` gives what follows the machine in a name of uv's
    ``--python-platform``, and ``uv_variable`` is the one of its environment that takes the release.

    A family with releases has an ``option`` of the layer's table, whose values look like
    ``pattern`` (two groups, the numbers) and begin with ``prefix``. They are from ``first`` to
    ``last`` (empty: to any); without one it is ``default``. ``kernel`` gives the
    ``platform_release`` of markers, empty where it is not known.
    """

    name: str
    sys_platform: str
    platform_system: str
    os_name: str
    tags: Callable[[str, Release], Iterable[str]] = field(repr=False)
    uv: Callable[[Release], str] = field(repr=False)
    uv_variable: str = ""
    option: str = ""
    prefix: str = ""
    pattern: str = ""
    default: Release = ()
    first: Release = ()
    last: Release = ()
    kernel: Callable[[Release], str] = field(default=lambda _: "", repr=False)

    def since(self, release: Release) -> OldestSystem:
        """The oldest system of this family with that release."""
        return OldestSystem(self, release)

    def parsed(self, text: str) -> Release:
        """The release that the option's value ``text`` names; empty where it looks otherwise."""
        match = re.fullmatch(self.pattern, text)
        return (int(match[1]), int(match[2])) if match else ()


@dataclass(frozen=True)
class OldestSystem:
    """A release of a family: what runs on it runs on the later ones."""

    family: SystemFamily
    release: Release

    @property
    def number(self) -> str:
        """The release for people: ``2.28``."""
        return _dotted(self.release)

    @property
    def spelled(self) -> str:
        """The release as the option has it: ``glibc@2.28``."""
        return f"{self.family.prefix}{self.number}"

    def __str__(self) -> str:
        return f"{self.family.name} {self.number}".rstrip()


@dataclass(frozen=True)
class OldestSystems:
    """The oldest systems that something names, at most one of each family."""

    named: tuple[OldestSystem, ...] = ()

    def named_of(self, family: SystemFamily) -> OldestSystem | None:
        """That of ``family``, where one is named."""
        return next((system for system in self.named if system.family == family), None)

    def of(self, family: SystemFamily) -> OldestSystem:
        """That of ``family``, by default the family's own."""
        return self.named_of(family) or family.since(family.default)

    def by_option(self) -> Iterator[tuple[str, list[str]]]:
        """The options that name them, with their values as they are written."""
        for option, families in families_by_option().items():
            found = [system for family in families if (system := self.named_of(family))]
            if found:
                yield option, [system.spelled for system in found]


def recorded(systems: Iterable[OldestSystem]) -> OldestSystems:
    """What a lock says of ``systems``: the oldest of each family.

    Every option is there: where none of its families is, with the default of the first of them.
    """
    oldest: dict[str, OldestSystem] = {}
    for system in sorted(systems, key=lambda system: system.release, reverse=True):
        oldest[system.family.name] = system
    found = []
    for families in families_by_option().values():
        known = [oldest[family.name] for family in families if family.name in oldest]
        found += known or [families[0].since(families[0].default)]
    return OldestSystems(tuple(found))


def families_by_option() -> Mapping[str, list[SystemFamily]]:
    """The options that name oldest systems, with the families whose releases they take."""
    options: dict[str, list[SystemFamily]] = {}
    for family in FAMILIES:
        if family.option:
            options.setdefault(family.option, []).append(family)
    return options


def _dotted(release: Release) -> str:
    return ".".join(map(str, release))


def _manylinux_tags(machine: str, release: Release) -> Iterator[str]:
    # The legacy names stand for a glibc release (PEP 600).
    legacy = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
    first = 5 if machine == "x86_64" else 17
    for minor in range(release[1], first - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if (2, minor) in legacy:
            yield f"{legacy[2, minor]}_{machine}"
    yield f"linux_{machine}"


def _musllinux_tags(machine: str, release: Release) -> Iterator[str]:
    # PEP 656.
    for minor in range(release[1], -1, -1):
        yield f"musllinux_1_{minor}_{machine}"
    # Of a wheel that was not repaired for distribution nobody knows which C library it is for.
    yield f"linux_{machine}"


def _macos_tags(machine: str, release: Release) -> Iterator[str]:
    from packaging.tags import mac_platforms

    yield from mac_platforms((release[0], release[1]), machine)


def _windows_tags(machine: str, _: Release) -> Iterator[str]:
    yield f"win_{machine.lower()}"


def _uv_glibc(release: Release) -> str:
    known = next((minor for minor in _UV_GLIBC if minor >= release[1]), _UV_GLIBC[-1])
    return f"manylinux_2_{known}"


def _darwin(release: Release) -> str:
    """The release of Darwin in a release of macOS.

    14 to 19 for macOS 10.10 to 10.15, 20 to 24 for 11 to 15, and 25 for macOS 26
    (https://en.wikipedia.org/wiki/Darwin_(operating_system)#Release_history).
    """
    major, minor = release
    if major == 10:
        return f"{minor + 4}.0.0"
    return f"{major + 9 if major < 26 else major - 1}.0.0"


# The defaults are those that uv takes for its `--python-platform` names
# (https://docs.astral.sh/uv/reference/cli/#uv-pip-install).
GLIBC = SystemFamily(
    *("glibc", "linux", "Linux", "posix"),
    tags=_manylinux_tags,
    uv=_uv_glibc,
    option="linux-target",
    prefix="glibc@",
    pattern=r"glibc@(2)\.(\d{1,3})",
    default=(2, 28),
    first=(2, _UV_GLIBC[0]),
    last=(2, _UV_GLIBC[-1]),
)
# uv (0.13) has one name for musl, which means 1.2: the release that wheels are built for today.
MUSL = SystemFamily(
    *("musl", "linux", "Linux", "posix"),
    tags=_musllinux_tags,
    uv=lambda _: "unknown-linux-musl",
    option="linux-target",
    prefix="musl@",
    pattern=r"musl@(1)\.(\d{1,3})",
    default=(1, 2),
    first=(1, 1),
    last=(1, 2),
)
MACOS = SystemFamily(
    *("macOS", "darwin", "Darwin", "posix"),
    tags=_macos_tags,
    uv=lambda _: "apple-darwin",
    uv_variable="MACOSX_DEPLOYMENT_TARGET",
    option="macos-target",
    pattern=r"(\d{1,2})\.(\d{1,2})",
    default=(13, 0),
    # The first that any CPython of these minor releases runs on.
    first=(10, 9),
    kernel=_darwin,
)
WINDOWS = SystemFamily(
    *("Windows", "win32", "Windows", "nt"),
    tags=_windows_tags,
    uv=lambda _: "pc-windows-msvc",
)
FAMILIES = (GLIBC, MUSL, MACOS, WINDOWS)
