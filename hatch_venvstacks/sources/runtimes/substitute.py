"""A CPython for the machine that builds, where the layers are locked for other platforms only.

It never becomes a part of a layer. uv looks at it to see which wheels its release accepts, and
whether a module is in the standard library is asked of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeArchive, RuntimeTree
    from hatch_venvstacks.sources.runtimes.host import HostPython


def find_substitute(
    locked: LockedRuntime,
    platform: str,
    unpack: Callable[[RuntimeArchive], RuntimeTree],
    running: HostPython | None = None,
) -> Path:
    """A CPython of the minor release of ``locked``, and not older, for the machine ``platform``.

    It is the installation that the build runs on (``running``), or a release of
    python-build-standalone, which ``unpack`` fetches: that which is ``locked``, or the newest one.

    :raises RuntimeSourceError: where there is none, with what was tried.
    """
    running = running or describe()
    fault = _fault(running, locked)
    if not fault:
        return running.executable
    tried = [f"CPython {running.version} in `{running.prefix}`, which runs the build: {fault}"]
    for version in (locked.version, locked.minor):
        fetched = _fetch(version, platform, locked, unpack)
        if not isinstance(fetched, str):
            return fetched
        tried.append(fetched)
    shown = ", ".join(f"`{name}`" for name in locked.archives)
    raise RuntimeSourceError(
        f"A CPython {locked.minor} for this machine ({platform}) is needed, {locked.version} or"
        f" later, to install wheels for other machines, and none was found: the runtime is locked"
        f" for {shown} only",
        detail="\n".join("  " + line for text in dict.fromkeys(tried) for line in text.split("\n")),
        hint=Mend(
            f"Add `{platform}` to `platforms` of the runtime layer and lock it again, or build with"
            " such a CPython. {change_python}"
        ),
    )


def _fault(running: HostPython, locked: LockedRuntime) -> str:
    """Why the installation will not do; empty where it does."""
    if running.implementation != "cpython":
        return f"it is {running.implementation}"
    if running.debug or running.free_threaded:
        return "its wheels are others"
    if running.minor != locked.minor:
        return "it is of another minor release"
    if _numbers(running.version) < _numbers(locked.version):
        return "it is older, and wheels may ask for the release that is locked"
    return "" if running.executable.is_file() else f"`{running.executable}` is missing"


def _fetch(
    version: str,
    platform: str,
    locked: LockedRuntime,
    unpack: Callable[[RuntimeArchive], RuntimeTree],
) -> Path | str:
    """The interpreter of a release, or why there is none."""
    try:
        return unpack(_release(version, platform, locked)).executable
    except RuntimeSourceError as error:
        return str(error)


def _release(version: str, platform: str, locked: LockedRuntime) -> RuntimeArchive:
    from hatch_venvstacks.sources.runtimes.releases import find_release

    found = find_release(version, [platform])
    if _numbers(found.version) < _numbers(locked.version):
        raise RuntimeSourceError(
            f"The newest CPython {version} of python-build-standalone for `{platform}` is"
            f" {found.version}"
        )
    return found.archives[platform]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
