"""Where the CPython of a runtime layer comes from, for a target platform.

Three sources: python-build-standalone
(https://gregoryszorc.com/docs/python-build-standalone/main/), archives that the project names, and
the CPython that runs the build. The lock holds what was chosen, and a build takes nothing else.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.model.spec import LockedRuntime, RuntimeArchive, RuntimeOrigin, RuntimeRequest
from hatch_venvstacks.sources.runtimes.tree import RuntimeTree, header_version, runtime_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.context import Context
    from hatch_venvstacks.model.lock import LockedLayer
    from hatch_venvstacks.store.store import Store

__all__ = ["RuntimeTree", "interpreter", "lock_runtime", "provide_runtime", "runtime_files"]

_RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download"
_MIRROR = "UV_PYTHON_INSTALL_MIRROR"
# The objects of a "full" archive of python-build-standalone are many times what is needed.
_SKIPPED = ("python/build/",)


def lock_runtime(
    request: RuntimeRequest,
    platforms: Sequence[str],
    root: Path,
    *,
    store: Store,
    reporter: Reporter,
    previous: LockedRuntime | None = None,
) -> LockedRuntime:
    """Choose the CPython that ``request`` asks for, for all ``platforms``.

    ``root`` is the project's folder, to which ``file:`` addresses are relative. ``previous`` is
    what the lock holds now: it is kept as long as it fits. Only for archives that the project names
    something is fetched, to see which release they hold.

    :raises RuntimeSourceError: where there is no such CPython for one of the platforms.
    """
    if previous is not None and _still_fits(previous, request, platforms):
        archives = {name: previous.archives[name] for name in platforms if previous.archives}
        return LockedRuntime(previous.origin, previous.version, archives)
    if request.origin is RuntimeOrigin.STANDALONE:
        from hatch_venvstacks.sources.runtimes.standalone import find_release

        return find_release(request.version, platforms)
    if request.origin is RuntimeOrigin.ARCHIVE:
        return _lock_archives(request, platforms, root, store, reporter)
    return _lock_host(request, platforms)


def provide_runtime(
    locked: LockedRuntime,
    platform: str,
    root: Path,
    *,
    store: Store,
    work: Path,
    reporter: Reporter,
    unread: bool = False,
) -> RuntimeTree:
    """The tree of the locked CPython for ``platform``: in the store, or copied into ``work``.

    ``work`` is a folder of the caller's, empty or missing, for the copy that ``host`` makes. What
    lies in the store must not be changed; ``unread`` is that of
    :meth:`~hatch_venvstacks.store.store.Store.runtime_dir`. ``UV_PYTHON_INSTALL_MIRROR`` stands for
    the address of python-build-standalone's releases, as it does for uv.

    :raises RuntimeSourceError: where the tree cannot be had, or is not what the lock says.
    """
    if locked.origin is RuntimeOrigin.HOST:
        from hatch_venvstacks.sources.runtimes.host import describe
        from hatch_venvstacks.sources.runtimes.host_copy import copy_host

        _check_host_platform(platform)
        host = describe()
        _check_minor(host.minor, locked.minor)
        copy_host(host, work)
        return RuntimeTree(work, host.version, host.minor)
    archive = _archive(locked.archives, platform)
    tree = _unpacked(archive, platform, root, store, reporter, unread=unread)
    if tree.version != locked.version:
        raise RuntimeSourceError(
            f"The archive of the runtime for `{platform}` holds CPython {tree.version}, but"
            f" CPython {locked.version} is locked",
            hint="Name archives of one release for all platforms, then lock the layer again",
        )
    return tree


def interpreter(
    locked: LockedRuntime, platform: str, root: Path, *, store: Store, reporter: Reporter
) -> Path:
    """A CPython of the locked minor release, for this machine, whose platform is ``platform``.

    For ``host`` it is the installation that the build runs on, never a virtual environment. Else it
    is the locked one; where only other platforms are locked, the installation that the build runs
    on if that will do, or a release of python-build-standalone.

    :raises RuntimeSourceError: where none can be had, or it is not what the lock says.
    """
    if locked.origin is RuntimeOrigin.HOST:
        from hatch_venvstacks.sources.runtimes.host import describe

        host = describe()
        _check_minor(host.minor, locked.minor)
        return host.executable
    if platform not in locked.archives:
        from hatch_venvstacks.sources.runtimes.substitute import substitute

        return substitute(
            locked,
            platform,
            lambda one: _unpacked(one, platform, root, store, reporter, unread=True),
        )
    # An archive is never copied, so no folder for a copy is needed.
    work = Path()
    return provide_runtime(
        locked, platform, root, store=store, work=work, reporter=reporter, unread=True
    ).executable


def _still_fits(previous: LockedRuntime, request: RuntimeRequest, platforms: Sequence[str]) -> bool:
    if previous.origin is not request.origin or not _matches(previous.version, request.version):
        return False
    if request.origin is RuntimeOrigin.HOST:
        # The interpreter that runs the build may have become another one.
        return False
    if request.origin is RuntimeOrigin.ARCHIVE:
        return all(previous.archives.get(p) == request.archives.get(p) for p in platforms)
    return set(platforms) <= set(previous.archives)


def _matches(version: str, wanted: str) -> bool:
    """Whether the release ``version`` is ``wanted``, one of its patch releases, or all the same."""
    return not wanted or version == wanted or version.startswith(f"{wanted}.")


def _lock_archives(
    request: RuntimeRequest,
    platforms: Sequence[str],
    root: Path,
    store: Store,
    reporter: Reporter,
) -> LockedRuntime:
    archives = {name: _archive(request.archives, name) for name in platforms}
    here = host_platform().name
    looked_at = here if here in archives else platforms[0]
    tree = _unpacked(archives[looked_at], looked_at, root, store, reporter)
    if not _matches(tree.version, request.version):
        raise RuntimeSourceError(
            f'`python = "cpython@{request.version}"` asks for another CPython than the archive'
            f" for `{looked_at}` in `python-source` holds, {tree.version}",
            hint="Change one of the two",
        )
    return LockedRuntime(request.origin, tree.version, archives)


def _lock_host(request: RuntimeRequest, platforms: Sequence[str]) -> LockedRuntime:
    from hatch_venvstacks.sources.runtimes.host import CHANGE_PYTHON, check_host, describe

    for platform in platforms:
        _check_host_platform(platform)
    host = describe()
    if not _matches(host.version, request.version):
        raise RuntimeSourceError(
            f'`python = "cpython@{request.version}"` with `python-source = "host"` needs that'
            f" Python to run the build, but CPython {host.version} runs it (`{host.executable}`)",
            hint=CHANGE_PYTHON,
        )
    check_host(host)
    return LockedRuntime(request.origin, host.minor)


def _check_host_platform(platform: str) -> None:
    here = host_platform().name
    if platform != here:
        raise RuntimeSourceError(
            f'`python-source = "host"` gives a runtime for this machine, `{here}`, and none for'
            f" `{platform}`",
            hint='Use `python-source = "python-build-standalone"`, or build on such a machine',
        )


def _check_minor(found: str, locked: str) -> None:
    from hatch_venvstacks.sources.runtimes.host import CHANGE_PYTHON

    if found != locked:
        raise RuntimeSourceError(
            f"The runtime is locked for CPython {locked}, but CPython {found} runs the build, which"
            ' `python-source = "host"` would copy',
            hint=f"Build with CPython {locked}, or lock the layer again. {CHANGE_PYTHON}",
        )


def _archive(archives: Mapping[str, RuntimeArchive], platform: str) -> RuntimeArchive:
    if platform not in archives:
        known = ", ".join(f"`{name}`" for name in sorted(archives)) or "none"
        raise RuntimeSourceError(
            f"There is no CPython for `{platform}`; there is one for: {known}",
            hint="Add it to `python-source`, or the platform to `platforms`, then lock again",
        )
    return archives[platform]


def _unpacked(
    archive: RuntimeArchive,
    platform: str,
    root: Path,
    store: Store,
    reporter: Reporter,
    *,
    unread: bool = False,
) -> RuntimeTree:
    from hatch_venvstacks.common.redaction import shown
    from hatch_venvstacks.deployment.unpack import unpack
    from hatch_venvstacks.sources.runtimes.fetch import fetch

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            packed, everything = Path(scratch, "archive"), Path(scratch, "tree")
            fetch(_mirrored(archive.url), archive.sha256, packed, root=root, reporter=reporter)
            everything.mkdir()
            unpack(packed, everything, shown(archive.url), RuntimeSourceError, skipped=_SKIPPED)
            for entry in sorted(_top(everything).iterdir()):
                shutil.move(entry, folder / entry.name)

    folder = store.runtime_dir(archive.sha256.lower(), make, unread=unread)
    version = header_version(folder)
    if version is None:
        raise _no_cpython(archive, platform, "no C header `patchlevel.h` that tells its release")
    tree = RuntimeTree(folder, version, ".".join(version.split(".")[:2]))
    if not tree.executable.is_file():
        raise _no_cpython(archive, platform, f"no `bin/python{tree.minor}` and no `python.exe`")
    return tree


def _no_cpython(archive: RuntimeArchive, platform: str, reason: str) -> RuntimeSourceError:
    from hatch_venvstacks.common.redaction import shown

    return RuntimeSourceError(
        f"The archive `{shown(archive.url)}` for `{platform}` holds no CPython: there is {reason}",
        hint="Use an `install_only` archive of python-build-standalone, or one of its shape",
    )


def _top(folder: Path) -> Path:
    """The folder that is to become ``sys.prefix``; archives wrap it in up to two others."""
    for name in ("python/install", "python"):
        if (folder / name).is_dir():
            return folder / name
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder


def _mirrored(url: str) -> str:
    mirror = os.environ.get(_MIRROR, "").rstrip("/")
    return mirror + url.removeprefix(_RELEASES) if mirror and url.startswith(_RELEASES) else url


def runtime_identity(layer: LockedLayer, context: Context) -> str:
    """What stands for the CPython below ``layer`` on the platform that is built for.

    :raises RuntimeSourceError: where the host's would be copied, and cannot be looked at.
    """
    if layer.runtime.origin is RuntimeOrigin.HOST:
        from hatch_venvstacks.sources.runtimes.host import describe
        from hatch_venvstacks.sources.runtimes.host_copy import fingerprint

        return fingerprint(describe(), context.store)
    archive = layer.runtime.archives.get(context.platform.name)
    return archive.sha256.lower() if archive else ""
