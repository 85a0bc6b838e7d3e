"""Target platforms: their names, the wheel tags they accept, their marker environments.

The names are those of ``design``'s table: ``linux_x86_64``, ``linux_aarch64``, ``macosx_arm64``,
``macosx_x86_64``, ``win_amd64``, ``win_arm64``. They follow the platform part of wheel tags
(https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/).
"""

from __future__ import annotations

import platform
import sysconfig
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.errors import VenvLayerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.markers import Environment
    from packaging.tags import Tag


@dataclass(frozen=True)
class TargetPlatform:
    """One kind of machine that a layer is built for.

    ``sys_platform``, ``platform_system``, ``os_name`` and ``machine`` are the values of the
    :pep:`508` markers there; ``uv`` is the name that uv's ``--python-platform`` takes.
    """

    name: str
    sys_platform: str
    platform_system: str
    os_name: str
    machine: str
    uv: str

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


PLATFORMS = {
    platform.name: platform
    for platform in (
        TargetPlatform(
            "linux_x86_64", "linux", "Linux", "posix", "x86_64", "x86_64-manylinux_2_28"
        ),
        TargetPlatform(
            "linux_aarch64", "linux", "Linux", "posix", "aarch64", "aarch64-manylinux_2_28"
        ),
        TargetPlatform(
            "macosx_arm64", "darwin", "Darwin", "posix", "arm64", "aarch64-apple-darwin"
        ),
        TargetPlatform(
            "macosx_x86_64", "darwin", "Darwin", "posix", "x86_64", "x86_64-apple-darwin"
        ),
        TargetPlatform("win_amd64", "win32", "Windows", "nt", "AMD64", "x86_64-pc-windows-msvc"),
        TargetPlatform("win_arm64", "win32", "Windows", "nt", "ARM64", "aarch64-pc-windows-msvc"),
    )
}

# What `uv --python-platform` takes as the oldest system of the above names (uv 0.13).
LINUX_GLIBC = (2, 28)
MACOS_RELEASE = (13, 0)


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
        "platform_release": "",
        "platform_system": target.platform_system,
        "platform_version": "",
        "python_full_version": full,
        "platform_python_implementation": "CPython",
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": target.sys_platform,
    }


def _platform_tags(target: TargetPlatform) -> Iterator[str]:
    from packaging.tags import mac_platforms

    if target.sys_platform == "darwin":
        yield from mac_platforms(MACOS_RELEASE, target.machine)
    elif target.sys_platform == "linux":
        yield from _manylinux_tags(target.machine)
        yield f"linux_{target.machine}"
    else:
        yield target.name


def _manylinux_tags(machine: str) -> Iterator[str]:
    # The legacy names stand for a glibc release (PEP 600).
    legacy = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
    oldest = 5 if machine == "x86_64" else 17
    for minor in range(LINUX_GLIBC[1], oldest - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if (2, minor) in legacy:
            yield f"{legacy[2, minor]}_{machine}"
