"""Target platforms: their names, the wheel tags they accept, their marker environments.

The names (see ``docs/reference/platforms.md``) are ``linux_x86_64``, ``linux_aarch64``,
``musllinux_x86_64``, ``musllinux_aarch64``, ``macosx_arm64``, ``macosx_x86_64``, ``win_amd64``,
``win_arm64``. They follow the platform part of
wheel tags
(https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/).
"""

from __future__ import annotations

import platform
import sysconfig
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from hatch_venvstacks.common.errors import VenvLayerError
from hatch_venvstacks.model.oldest_systems import GLIBC, MACOS, MUSL, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.markers import Environment, Marker
    from packaging.tags import Tag

    from hatch_venvstacks.model.oldest_systems import (
        OldestSystem,
        OldestSystems,
        Release,
        SystemFamily,
    )


@dataclass(frozen=True)
class TargetPlatform:
    """One kind of machine that a layer is built for, and the oldest system that must run it.

    ``machine`` is the ``platform_machine`` of :pep:`508` markers there, ``first`` the release of
    the family that was the first for such machines (empty where that does not matter).
    """

    name: str
    machine: str
    oldest: OldestSystem
    first: Release = ()

    @property
    def family(self) -> SystemFamily:
        """The family of systems that it stands for."""
        return self.oldest.family

    @property
    def sys_platform(self) -> str:
        """The ``sys_platform`` of markers."""
        return self.family.sys_platform

    @property
    def os_name(self) -> str:
        """The ``os_name`` of markers."""
        return self.family.os_name

    @property
    def marker(self) -> str:
        """The :pep:`508` marker that holds on this platform.

        Of our other ones it holds on that with another C library: see :func:`environments`.
        """
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
    def uv(self) -> str:
        """The name that uv's ``--python-platform`` takes.

        What more it must know of the oldest release stands in :attr:`uv_environment`.
        """
        architecture = {"arm64": "aarch64", "amd64": "x86_64"}.get(
            self.machine.lower(), self.machine
        )
        return f"{architecture}-{self.family.uv(self.oldest.release)}"

    @property
    def uv_environment(self) -> dict[str, str]:
        """What uv needs in its environment to choose wheels for this platform."""
        variable = self.family.uv_variable
        return {variable: self.oldest.number} if variable else {}

    def since(self, systems: OldestSystems) -> TargetPlatform:
        """The platform with that of ``systems`` which is of its family."""
        oldest = systems.of(self.family)
        return replace(self, oldest=self.family.since(max(oldest.release, self.first)))


def _platform(name: str, machine: str, family: SystemFamily, first: Release = ()) -> TargetPlatform:
    return TargetPlatform(name, machine, family.since(family.default), first)


PLATFORMS = {
    platform.name: platform
    for platform in (
        _platform("linux_x86_64", "x86_64", GLIBC),
        _platform("linux_aarch64", "aarch64", GLIBC),
        _platform("musllinux_x86_64", "x86_64", MUSL),
        _platform("musllinux_aarch64", "aarch64", MUSL),
        _platform("macosx_arm64", "arm64", MACOS, first=(11, 0)),
        _platform("macosx_x86_64", "x86_64", MACOS),
        _platform("win_amd64", "AMD64", WINDOWS),
        _platform("win_arm64", "ARM64", WINDOWS),
    )
}


def environments(platforms: Iterable[TargetPlatform]) -> tuple[TargetPlatform, ...]:
    """The first of ``platforms`` of each marker: markers do not know the others.

    Linux with glibc and Linux with musl are one and the same to :pep:`508`.
    """
    found: dict[str, TargetPlatform] = {}
    for target in platforms:
        found.setdefault(target.marker, target)
    return tuple(found.values())


def common_marker(chosen: Iterable[TargetPlatform], among: Iterable[TargetPlatform]) -> str:
    """The simplest :pep:`508` marker that, ``among`` these platforms, holds on the ``chosen`` ones.

    It is empty where they are all of them. Platforms of one marker are chosen together.
    """
    markers, among = {platform.marker for platform in chosen}, environments(among)
    chosen = [platform for platform in among if platform.marker in markers]
    if len(chosen) == len(among):
        return ""
    systems = list(dict.fromkeys(platform.sys_platform for platform in among))
    missing = [
        system
        for system in systems
        if not any(platform.sys_platform == system for platform in chosen)
    ]
    whole = [
        system
        for system in systems
        if all(platform in chosen for platform in among if platform.sys_platform == system)
    ]
    if len(missing) == 1 and 1 < len(whole) == len(systems) - 1:
        return f"sys_platform != '{missing[0]}'"
    parts = []
    for system in systems:
        if system in whole:
            parts.append(f"sys_platform == '{system}'")
        elif system not in missing:
            parts += [
                f"sys_platform == '{system}' and platform_machine == '{platform.machine}'"
                for platform in chosen
                if platform.sys_platform == system
            ]
    return " or ".join(parts)


def host_platform(
    tag: str | None = None, machine: str | None = None, family: SystemFamily | None = None
) -> TargetPlatform:
    """The target platform of this machine.

    ``tag`` is what :func:`sysconfig.get_platform` says, ``machine`` what :func:`platform.machine`
    does; the latter counts where one build of Python serves several machines (``universal2``).
    ``family`` is the C library of a Python on Linux, as :func:`c_library` finds it.

    :raises VenvLayerError: where this machine is none of the target platforms.
    """
    tag = sysconfig.get_platform() if tag is None else tag
    system, _, rest = tag.partition("-")
    built_for = rest.rpartition("-")[2]
    if built_for == "universal2":
        built_for = platform.machine() if machine is None else machine
    if system == "linux" and (family or _c_library_here()) == MUSL:
        system = "musllinux"
    name = f"{system}_{built_for}"
    if name not in PLATFORMS:
        raise VenvLayerError(
            f"This machine ({tag}) is not a target platform of layers",
            hint=f"Layers are built for: {', '.join(PLATFORMS)}",
        )
    return PLATFORMS[name]


def c_library(tags: Iterable[str], built_for: str) -> SystemFamily:
    """The C library of a Python on Linux.

    ``tags`` are the platform tags that it accepts; ``built_for`` is the machine that it was
    configured for, which counts as well: the tags of a program without a loader name no C library.
    """
    accepted = any(tag.startswith("musllinux_") for tag in tags)
    return MUSL if accepted or built_for.endswith("-musl") else GLIBC


def _c_library_here() -> SystemFamily:
    from packaging.tags import platform_tags

    return c_library(platform_tags(), str(sysconfig.get_config_var("HOST_GNU_TYPE")))


def wheel_tags(target: TargetPlatform, python: str) -> Iterator[Tag]:
    """The wheel tags that ``target`` accepts under CPython ``python`` (``"3.11"``), best first.

    Source: https://packaging.pypa.io/en/stable/tags.html.
    """
    from packaging.tags import compatible_tags, cpython_tags

    major, minor = (int(part) for part in python.split(".")[:2])
    names = list(target.family.tags(target.machine, target.oldest.release))
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
        "platform_release": target.family.kernel(target.oldest.release),
        "platform_system": target.family.platform_system,
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
