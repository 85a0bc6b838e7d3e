"""Which builds of python-build-standalone there are, by the table that pbs-installer brings.

Source: https://pbs-installer.readthedocs.io/.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeArchive, RuntimeOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence

# (platform, arch) of pbs-installer's table. It leaves out builds for musl (2026.10.25), and has no
# field that would tell them from those for glibc.
_NAMES = {
    "linux_x86_64": ("linux", "x86_64"),
    "linux_aarch64": ("linux", "aarch64"),
    "macosx_arm64": ("macos", "aarch64"),
    "macosx_x86_64": ("macos", "x86_64"),
    "win_amd64": ("windows", "x86_64"),
    "win_arm64": ("windows", "aarch64"),
}
_UPDATE = "Newer releases come with newer versions of `pbs-installer`"


def find_release(version: str, platforms: Sequence[str]) -> LockedRuntime:
    """The builds of CPython ``version`` for ``platforms``.

    For a minor release (``"3.11"``) it is the newest patch release that has builds for all of them.

    :raises RuntimeSourceError: where there is none, or where a build's hash is not known.
    """
    unknown = [name for name in platforms if name not in _NAMES]
    if unknown:
        raise _untold(unknown)
    wanted = [version] if version.count(".") == 2 else _patch_releases(version, platforms)
    for release in wanted:
        builds = {name: _build(release, name) for name in platforms}
        found = {name: build for name, build in builds.items() if build is not None}
        if len(found) == len(builds):
            return LockedRuntime(RuntimeOrigin.STANDALONE, release, found)
    raise _missing(version, platforms)


def _patch_releases(minor: str, platforms: Sequence[str]) -> list[str]:
    """The patch releases of ``minor`` down from the newest that all ``platforms`` may have."""
    newest = [_newest(minor, platform) for platform in platforms]
    if not newest or None in newest:
        return []
    first = min(release for release in newest if release is not None)
    return [f"{minor}.{micro}" for micro in range(first, -1, -1)]


def _newest(minor: str, platform: str) -> int | None:
    found = _lookup(minor, platform)
    return None if found is None else int(found[0].rpartition(".")[2])


def _build(release: str, platform: str) -> RuntimeArchive | None:
    found = _lookup(release, platform)
    if found is None:
        return None
    _, url, sha256 = found
    if not sha256:
        raise RuntimeSourceError(
            f"No SHA-256 is known of python-build-standalone's CPython {release} for `{platform}`",
            hint="Use a newer patch release, or name `{ url, sha256 }` in `python-source`",
        )
    return RuntimeArchive(url, sha256)


def _lookup(version: str, platform: str) -> tuple[str, str, str | None] | None:
    """Release, address and hash of the newest build of ``version``."""
    from pbs_installer import get_download_link

    system, machine = _NAMES[platform]
    options: dict[str, Any] = {}
    # Since 2026.10.25 PBS_INSTALLER_BASE_URL changes the addresses; a lock holds the public ones.
    if "base_url" in inspect.signature(get_download_link).parameters:
        options["base_url"] = ""
    try:
        found, (url, sha256) = get_download_link(version, machine, system, **options)
    except ValueError:
        return None
    return f"{found.major}.{found.minor}.{found.micro}", url, sha256


def _untold(platforms: Sequence[str]) -> RuntimeSourceError:
    names = ", ".join(f"`{name}`" for name in platforms)
    return RuntimeSourceError(
        f"The table of `pbs-installer` has no builds of python-build-standalone for {names}",
        hint="Name the archives of all platforms in `python-source`, each as `{ url, sha256 }`",
    )


def _missing(version: str, platforms: Sequence[str]) -> RuntimeSourceError:
    minor = ".".join(version.split(".")[:2])
    lacking = [name for name in platforms if _lookup(version, name) is None] or list(platforms)
    known = []
    for name in platforms:
        newest = _newest(minor, name)
        if newest is not None:
            known.append(f"`{name}` has {_some_releases(minor, newest, name)}")
    names = ", ".join(f"`{name}`" for name in lacking)
    return RuntimeSourceError(
        f"python-build-standalone has no CPython {version} for {names}",
        detail="; ".join(known) if known else _known_minors(platforms),
        hint=f"Use one of these, or name `{{ url, sha256 }}` in `python-source`. {_UPDATE}",
    )


def _some_releases(minor: str, newest: int, platform: str) -> str:
    releases = (f"{minor}.{micro}" for micro in range(newest, -1, -1))
    found = [release for release in releases if _lookup(release, platform) is not None]
    return ", ".join(reversed(found))


def _known_minors(platforms: Sequence[str]) -> str:
    found = [
        f"3.{minor}"
        for minor in range(10, 30)
        if all(_newest(f"3.{minor}", name) is not None for name in platforms)
    ]
    return f"It has: {', '.join(found)}" if found else ""
