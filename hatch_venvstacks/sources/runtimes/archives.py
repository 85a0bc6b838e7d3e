"""CPythons that come as archives: fetched, checked, unpacked into the store, looked at."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import RuntimeSourceError, UnpackError
from hatch_venvstacks.config.environment_variables import runtime_mirror
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeTree
from hatch_venvstacks.sources.runtimes.tree import read_header_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_venvstacks.model.runtime import RuntimeArchive, RuntimeRequest
    from hatch_venvstacks.model.workshop import Workshop

_RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download"
# The objects of a "full" archive of python-build-standalone are many times what is needed.
_SKIPPED = ("python/build/",)


class ArchiveSource:
    """What all sources share whose locks hold an archive for each platform.

    ``root`` is the project's folder, to which ``file:`` addresses are relative.
    ``UV_PYTHON_INSTALL_MIRROR`` stands for the address of python-build-standalone's releases, as it
    does for uv.
    """

    def __init__(self, root: Path, workshop: Workshop) -> None:
        self._root, self._workshop = root, workshop

    def changes(self, _locked: LockedRuntime) -> list[str]:
        return []

    def provide(
        self, locked: LockedRuntime, platform: str, _work: Path, *, unread: bool = False
    ) -> RuntimeTree:
        """``unread`` is that of :meth:`~hatch_venvstacks.store.store.Store.ensure_runtime`."""
        tree = self._unpacked(_archive(locked.archives, platform), platform, unread=unread)
        if tree.version != locked.version:
            raise RuntimeSourceError(
                f"The archive of the runtime for `{platform}` holds CPython {tree.version}, but"
                f" CPython {locked.version} is locked",
                hint="Name archives of one release for all platforms, then lock the layer again",
            )
        return tree

    def provide_interpreter(self, locked: LockedRuntime) -> Path:
        """Where only other platforms are locked: a substitute for this machine."""
        here = self._workshop.host.name
        if here in locked.archives:
            # Nothing is copied, so that no folder for a copy is needed.
            return self.provide(locked, here, Path(), unread=True).executable
        from hatch_venvstacks.sources.runtimes.substitute import find_substitute

        return find_substitute(
            locked, here, lambda archive: self._unpacked(archive, here, unread=True)
        )

    def key(self, locked: LockedRuntime, platform: str) -> str:
        archive = locked.archives.get(platform)
        return archive.sha256.lower() if archive else ""

    def interpreter_key(self, locked: LockedRuntime) -> str:
        archive = locked.archives.get(self._workshop.host.name)
        # The CPython that runs the build, or what is fetched where that will not do.
        return f"cpython {locked.version} {archive.sha256 if archive else sys.version}"

    def libraries(self, locked: LockedRuntime, platform: str, work: Path) -> Sequence[Path]:
        return sorted((self.provide(locked, platform, work).root / "lib").glob("*"))

    def _unpacked(
        self, archive: RuntimeArchive, platform: str, *, unread: bool = False
    ) -> RuntimeTree:
        folder = self._workshop.store.ensure_runtime(
            archive.sha256.lower(), lambda folder: self._unpack(archive, folder), unread=unread
        )
        version = read_header_version(folder)
        if version is None:
            raise _no_cpython(
                archive, platform, "no C header `patchlevel.h` that tells its release"
            )
        tree = RuntimeTree(folder, version, ".".join(version.split(".")[:2]))
        if not tree.executable.is_file():
            reason = f"no `bin/python{tree.minor}` and no `python.exe`"
            raise _no_cpython(archive, platform, reason)
        return tree

    def _unpack(self, archive: RuntimeArchive, folder: Path) -> None:
        from hatch_venvstacks.common.redaction import shown_url
        from hatch_venvstacks.deployment.unpack import unpack
        from hatch_venvstacks.sources.runtimes.fetch import fetch

        reporter = self._workshop.reporter
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            packed, everything = Path(scratch, "archive"), Path(scratch, "tree")
            fetch(
                _mirrored(archive.url), archive.sha256, packed, root=self._root, reporter=reporter
            )
            everything.mkdir()
            try:
                unpack(packed, everything, shown_url(archive.url), skipped=_SKIPPED)
            except UnpackError as error:
                raise RuntimeSourceError(error.message, hint=error.hint) from error
            for entry in sorted(_top(everything).iterdir()):
                shutil.move(entry, folder / entry.name)


class NamedArchives(ArchiveSource):
    """The archives that the project names, one for each platform."""

    def lock(
        self,
        request: RuntimeRequest,
        platforms: Sequence[str],
        previous: LockedRuntime | None = None,
    ) -> LockedRuntime:
        """Something is fetched only to see which release the archives hold."""
        if previous is not None and _still_fits(previous, request, platforms):
            archives = {name: previous.archives[name] for name in platforms}
            return LockedRuntime(previous.origin, previous.version, archives)
        archives = {name: _archive(request.archives, name) for name in platforms}
        here = self._workshop.host.name
        looked_at = here if here in archives else platforms[0]
        tree = self._unpacked(archives[looked_at], looked_at)
        if not request.accepts(tree.version):
            raise RuntimeSourceError(
                f'`python = "cpython@{request.version}"` asks for another CPython than the archive'
                f" for `{looked_at}` in `python-source` holds, {tree.version}",
                hint="Change one of the two",
            )
        return LockedRuntime(request.origin, tree.version, archives)


def _still_fits(previous: LockedRuntime, request: RuntimeRequest, platforms: Sequence[str]) -> bool:
    return (
        previous.origin is request.origin
        and request.accepts(previous.version)
        and all(
            name in previous.archives and previous.archives[name] == request.archives.get(name)
            for name in platforms
        )
    )


def _archive(archives: Mapping[str, RuntimeArchive], platform: str) -> RuntimeArchive:
    if platform not in archives:
        known = ", ".join(f"`{name}`" for name in sorted(archives)) or "none"
        raise RuntimeSourceError(
            f"There is no CPython for `{platform}`; there is one for: {known}",
            hint="Add it to `python-source`, or the platform to `platforms`, then lock again",
        )
    return archives[platform]


def _no_cpython(archive: RuntimeArchive, platform: str, reason: str) -> RuntimeSourceError:
    from hatch_venvstacks.common.redaction import shown_url

    return RuntimeSourceError(
        f"The archive `{shown_url(archive.url)}` for `{platform}` holds no CPython: there is"
        f" {reason}",
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
    mirror = runtime_mirror()
    return mirror + url.removeprefix(_RELEASES) if mirror and url.startswith(_RELEASES) else url
