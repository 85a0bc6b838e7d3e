"""Target platforms: their names, the wheel tags they accept, their marker environments.

The names (see ``docs/reference/platforms.md``) are ``linux_x86_64``, ``linux_aarch64``,
``macosx_arm64``, ``macosx_x86_64``, ``win_amd64``, ``win_arm64``. They follow the platform part of
wheel tags
(https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/).
"""

from __future__ import annotations

import platform
import sysconfig
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from hatch_venvstacks.common.errors import VenvLayerError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from packaging.markers import Environment, Marker
    from packaging.tags import Tag


# The oldest systems that a layer runs on unless it says otherwise: those that uv takes for its
# `--python-platform` names (https://docs.astral.sh/uv/reference/cli/#uv-pip-install).
LINUX_GLIBC = (2, 28)
MACOS_RELEASE = (13, 0)
# The releases of glibc that uv has names for.
UV_GLIBC = (17, 28, *range(31, 41))


@dataclass(frozen=True)
class TargetPlatform:
    """One kind of machine that a layer is built for, and the oldest system of its kind.

    ``sys_platform``, ``platform_system``, ``os_name`` and ``machine`` are the values of the
    :pep:`508` markers there. ``oldest`` is a release of glibc on Linux, one of macOS there, and
    empty on Windows.
    """

    name: str
    sys_platform: str
    platform_system: str
    os_name: str
    machine: str
    oldest: tuple[int, ...] = ()

    @property
    def marker(self) -> str:
        """The :pep:`508` marker that holds on this platform and no other one of ours."""
        return (
            f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.machine}'"
            " and platform_python_implementation == 'CPython'"
        )

    def marker_for_uv(self, minor: str) -> str:
        """:attr:`marker` with what follows from it under CPython ``minor`` (``"3.11"``).

        uv (0.13) does not know that ``implementation_name`` goes with
        ``platform_python_implementation`` nor ``os_name`` with ``sys_platform``, and it compares
        the marker of a requirement with the environment and with ``requires-python`` one after the
        other, never with both together: it would resolve what is needed elsewhere only.
        """
        return (
            f"{self.marker} and implementation_name == 'cpython' and os_name == '{self.os_name}'"
            f" and python_version == '{minor}'"
        )

    @property
    def release(self) -> str:
        """The ``platform_release`` of markers on the oldest system; empty where it is not known.

        On macOS it is Darwin's: 14 to 19 for macOS 10.10 to 10.15, 20 to 24 for 11 to 15, and 25
        for macOS 26 (https://en.wikipedia.org/wiki/Darwin_(operating_system)#Release_history).
        """
        if self.sys_platform != "darwin":
            return ""
        major, minor = self.oldest[0], self.oldest[1]
        if major == 10:
            return f"{minor + 4}.0.0"
        return f"{major + 9 if major < 26 else major - 1}.0.0"

    @property
    def uv(self) -> str:
        """The name that uv's ``--python-platform`` takes.

        On macOS the oldest release goes with it in the environment (:attr:`uv_environment`).
        """
        architecture = {"arm64": "aarch64", "amd64": "x86_64"}.get(
            self.machine.lower(), self.machine
        )
        if self.sys_platform == "darwin":
            return f"{architecture}-apple-darwin"
        if self.sys_platform == "win32":
            return f"{architecture}-pc-windows-msvc"
        known = next((minor for minor in UV_GLIBC if minor >= self.oldest[1]), UV_GLIBC[-1])
        return f"{architecture}-manylinux_2_{known}"

    @property
    def uv_environment(self) -> dict[str, str]:
        """What uv needs in its environment to choose wheels for this platform."""
        if self.sys_platform != "darwin":
            return {}
        return {"MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, self.oldest))}

    def since(self, linux: tuple[int, int], macos: tuple[int, int]) -> TargetPlatform:
        """The platform with other oldest systems: a release of glibc, one of macOS."""
        if self.sys_platform == "linux":
            return replace(self, oldest=linux)
        if self.sys_platform == "darwin":
            # The first macOS for these machines.
            return replace(self, oldest=max(macos, (11, 0)) if self.machine == "arm64" else macos)
        return self


PLATFORMS = {
    one.name: one
    for one in (
        TargetPlatform("linux_x86_64", "linux", "Linux", "posix", "x86_64", LINUX_GLIBC),
        TargetPlatform("linux_aarch64", "linux", "Linux", "posix", "aarch64", LINUX_GLIBC),
        TargetPlatform("macosx_arm64", "darwin", "Darwin", "posix", "arm64", MACOS_RELEASE),
        TargetPlatform("macosx_x86_64", "darwin", "Darwin", "posix", "x86_64", MACOS_RELEASE),
        TargetPlatform("win_amd64", "win32", "Windows", "nt", "AMD64"),
        TargetPlatform("win_arm64", "win32", "Windows", "nt", "ARM64"),
    )
}


def common_marker(chosen: Collection[TargetPlatform], among: Sequence[TargetPlatform]) -> str:
    """The simplest :pep:`508` marker that, ``among`` these platforms, holds on the ``chosen`` ones.

    It is empty where they are all of them.
    """
    if len(chosen) == len(among):
        return ""
    systems = list(dict.fromkeys(one.sys_platform for one in among))
    missing = [
        system for system in systems if not any(one.sys_platform == system for one in chosen)
    ]
    whole = [
        system
        for system in systems
        if all(one in chosen for one in among if one.sys_platform == system)
    ]
    if len(missing) == 1 and 1 < len(whole) == len(systems) - 1:
        return f"sys_platform != '{missing[0]}'"
    parts = []
    for system in systems:
        if system in whole:
            parts.append(f"sys_platform == '{system}'")
        elif system not in missing:
            parts += [
                f"sys_platform == '{system}' and platform_machine == '{one.machine}'"
                for one in chosen
                if one.sys_platform == system
            ]
    return " or ".join(parts)


def host_platform(tag: str | None = None, machine: str | None = None) -> TargetPlatform:
    """The target platform of this machine.

    ``tag`` is what :func:`sysconfig.get_platform` says, ``machine`` what :func:`platform.machine`
    does; the latter counts where one build of Python serves several machines (``universal2``).

    :raises VenvLayerError: where this machine is none of the target platforms.
    """
    tag = sysconfig.get_platform() if tag is None else tag
    system, _, rest = tag.partition("-")
    built_for = rest.rpartition("-")[2]
    if built_for == "universal2":
        built_for = platform.machine() if machine is None else machine
    name = f"{system}_{built_for}"
    if name not in PLATFORMS or "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")):
        raise VenvLayerError(
            f"This machine ({tag}) is not a target platform of layers",
            hint=f"Layers are built for: {', '.join(PLATFORMS)}; on Linux with glibc",
        )
    return PLATFORMS[name]


def wheel_tags(target: TargetPlatform, python: str) -> Iterator[Tag]:
    """The wheel tags that ``target`` accepts under CPython ``python`` (``"3.11"``), best first.

    Source: https://packaging.pypa.io/en/stable/tags.html.
    """
    from packaging.tags import compatible_tags, cpython_tags

    major, minor = (int(part) for part in python.split(".")[:2])
    names = list(_platform_tags(target))
    yield from cpython_tags((major, minor), [f"cp{major}{minor}"], names)
    yield from compatible_tags((major, minor), f"cp{major}{minor}", names)


def marker_environment(target: TargetPlatform, python: str) -> Environment:
    """The values of the :pep:`508` markers on ``target`` under CPython ``python``.

    ``python`` is a release (``"3.11.13"``) or a minor release, which stands for its first one.
    """
    full = python if python.count(".") == 2 else f"{python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": target.os_name,
        "platform_machine": target.machine,
        "platform_release": target.release,
        "platform_system": target.platform_system,
        "platform_version": "",
        "python_full_version": full,
        "platform_python_implementation": "CPython",
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": target.sys_platform,
    }


def marker_holds(marker: Marker | str | None, target: TargetPlatform, python: str) -> bool:
    """Whether a :pep:`508` marker holds on ``target`` under CPython ``python``; none always does.

    Extras and dependency groups count as not asked for.
    """
    from packaging.markers import Marker

    if not marker:
        return True
    parsed = Marker(marker) if isinstance(marker, str) else marker
    environment = cast("dict[str, str]", {**marker_environment(target, python), "extra": ""})
    return parsed.evaluate(environment, context="lock_file")


def unknown_facts(marker: Marker | None, target: TargetPlatform, python: str) -> tuple[str, ...]:
    """The variables that decide whether ``marker`` holds on ``target``, and are not known of it."""
    if marker is None:
        return ()
    environment = cast("dict[str, str]", {**marker_environment(target, python), "extra": ""})
    found = marker.evaluate(environment, context="lock_file")
    return tuple(
        name
        for name in ("platform_release", "platform_version")
        # Where it matters, it does so between the lowest and the highest.
        if not environment[name]
        and marker.evaluate({**environment, name: "99999.0"}, context="lock_file") != found
    )


def _platform_tags(target: TargetPlatform) -> Iterator[str]:
    from packaging.tags import mac_platforms

    if target.sys_platform == "darwin":
        yield from mac_platforms((target.oldest[0], target.oldest[1]), target.machine)
    elif target.sys_platform == "linux":
        yield from _manylinux_tags(target)
        yield f"linux_{target.machine}"
    else:
        yield target.name


def _manylinux_tags(target: TargetPlatform) -> Iterator[str]:
    # The legacy names stand for a glibc release (PEP 600).
    legacy = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
    first = 5 if target.machine == "x86_64" else 17
    for minor in range(target.oldest[1], first - 1, -1):
        yield f"manylinux_2_{minor}_{target.machine}"
        if (2, minor) in legacy:
            yield f"{legacy[2, minor]}_{target.machine}"
