"""Unpack an archive that somebody else made, so that nothing can land outside its folder."""

from __future__ import annotations

import calendar
import gzip
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from errno import EACCES, EDQUOT, EIO, ENOSPC, EPERM, EROFS
from functools import partial
from typing import IO, TYPE_CHECKING, cast

from hatch_venvstacks.common.errors import UnpackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BLOCK = 1 << 20
# How a zip file begins: an entry, the end of one without entries, or the mark of one in parts
# (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7, 4.3.16, 8.5.3). All of it
# counts, because a tar file begins with a name, which may be `PK…`.
_ZIP = (b"PK\3\4", b"PK\5\6", b"PK\7\b")


@dataclass(frozen=True)
class _Member:
    """An entry of an archive; ``kind`` is ``file``, ``folder``, ``link`` (symbolic) or ``hard``.

    ``mtime`` is the time of its last change, in seconds since 1970.
    """

    name: str
    kind: str
    mtime: float
    executable: bool = False
    target: str = ""
    content: Callable[[], IO[bytes]] | None = None


def unpack(archive: Path, folder: Path, name: str, *, skipped: tuple[str, ...] = ()) -> None:
    """Unpack ``archive``: a tar file (plain, gzip, zstd, xz) or a zip file, by its first bytes.

    ``folder`` exists and is empty; what lies there gets the modes 0644 and 0755, and the times of
    the archive. Folders that are ``skipped`` (``"python/build/"``) are left out. Errors call the
    archive ``name``.

    :raises UnpackError: where the archive cannot be read, or where a member would lie outside,
        replaces another one, or is neither file, folder nor link.
    """
    try:
        with archive.open("rb") as file:
            _write_all(_members(file), folder, skipped)
    except ModuleNotFoundError as cause:
        raise UnpackError(
            f"The archive `{name}` cannot be unpacked: {cause}",
            hint="Install `zstandard` for this Python, or use an archive of another format",
        ) from cause
    except _damages() as cause:
        raise UnpackError(
            f"The archive `{name}` cannot be unpacked: {cause}",
            hint="It is to be a `.tar`, `.tar.gz`, `.tar.zst`, `.tar.xz` or `.zip` file",
        ) from cause
    except OSError as cause:
        # A full or read-only disk is not the archive's fault, as a name is that is too long.
        if cause.errno in (ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EIO):
            raise
        raise UnpackError(f"The archive `{name}` cannot be unpacked: {cause}") from cause
    except _RefusedError as cause:
        raise UnpackError(
            f"The archive `{name}` is refused: {cause}",
            hint="Use an archive from a source that you trust",
        ) from cause


def _damages() -> tuple[type[Exception], ...]:
    """What is raised for an archive that is damaged."""
    damages = (
        tarfile.TarError,
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        lzma.LZMAError,
        zlib.error,
        EOFError,
        UnicodeError,
        # What zipfile raises for encrypted members and for compression that it does not know.
        RuntimeError,
        NotImplementedError,
    )
    # Where layers run, it may be missing: all other formats need the standard library only.
    with suppress(ModuleNotFoundError):
        import zstandard

        return (*damages, zstandard.ZstdError)
    return damages


def _members(file: IO[bytes]) -> Iterator[_Member]:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(_ZIP):
        return _zip_members(file)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return _tar_members(cast("IO[bytes]", reader))
    if magic.startswith(b"\x1f\x8b"):
        return _tar_members(cast("IO[bytes]", gzip.GzipFile(fileobj=file)))
    if magic.startswith(b"\xfd7zXZ"):
        return _tar_members(lzma.LZMAFile(file))
    return _tar_members(file)


def _tar_members(stream: IO[bytes]) -> Iterator[_Member]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK) as tar:
        for info in tar:
            kinds = {
                "file": info.isreg(),
                "folder": info.isdir(),
                "link": info.issym(),
                "hard": info.islnk(),
            }
            kind = next((kind for kind, found in kinds.items() if found), "special file")
            yield _Member(
                info.name,
                kind,
                info.mtime,
                bool(info.mode & 0o111),
                info.linkname,
                partial(_tar_content, tar, info),
            )


def _tar_content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise tarfile.ReadError(f"`{info.name}` has no content")
    return content


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            mtime = _zip_time(info)
            if info.is_dir():
                yield _Member(info.filename, "folder", mtime)
            elif stat.S_ISLNK(mode):
                yield _Member(info.filename, "link", mtime, target=archive.read(info).decode())
            else:
                yield _Member(
                    info.filename,
                    "file",
                    mtime,
                    bool(mode & 0o111),
                    content=partial(archive.open, info),
                )


def _zip_time(info: zipfile.ZipInfo) -> float:
    """In seconds since 1970; zip files hold no time zone, and ours are UTC."""
    try:
        return calendar.timegm((*info.date_time, 0, 0, 0))
    except ValueError:  # the month may be 0, where there is no time
        return 0


def _write_all(members: Iterator[_Member], folder: Path, skipped: tuple[str, ...]) -> None:
    links: set[str] = set()
    times: dict[Path, float] = {}
    for member in members:
        name = _checked(member.name)
        if name == "." or (skipped and f"{name}/".startswith(skipped)):
            continue
        # Whoever writes through a link writes somewhere else; trees that were packed have no such.
        if any(parent in links for parent in _parents(name)):
            raise _RefusedError(f"`{member.name}` lies behind a link")
        place = folder / name
        if os.path.lexists(place) and not (member.kind == "folder" and name not in links):
            raise _RefusedError(f"it holds `{member.name}` twice")
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(member, place, folder)
        times[place] = member.mtime
        if member.kind == "link":
            links.add(name)
    _check_links(links, folder)
    # Writing a file touches its folder, so the times come last, the deepest first.
    for place in sorted(times, reverse=True):
        _date(place, times[place])


def _write(member: _Member, place: Path, folder: Path) -> None:
    if member.kind == "folder":
        place.mkdir(exist_ok=True)
        place.chmod(0o755)
    elif member.kind == "link":
        if member.target.startswith("/") or "\\" in member.target:
            raise _RefusedError(f"the link `{member.name}` leads to `{member.target}`")
        place.symlink_to(member.target)
    elif member.kind == "hard":
        shutil.copy(folder / _hard_target(member, folder), place)
    elif member.kind == "file" and member.content is not None:
        with member.content() as source, place.open("xb") as file:
            shutil.copyfileobj(source, file, _BLOCK)
        place.chmod(0o755 if member.executable else 0o644)
    else:
        raise _RefusedError(f"`{member.name}` is a {member.kind}")


def _date(place: Path, mtime: float) -> None:
    if os.utime in os.supports_follow_symlinks or not place.is_symlink():
        # Of times that no file can have, there is no need.
        with suppress(OverflowError, ValueError, OSError):
            os.utime(place, (mtime, mtime), follow_symlinks=not place.is_symlink())


def _checked(name: str) -> str:
    clean = posixpath.normpath(name)
    parts = name.split("/")
    if clean.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0] or "\0" in name:
        raise _RefusedError(f"`{name}` would lie outside")
    return clean


def _hard_target(member: _Member, folder: Path) -> str:
    target = _checked(member.target)
    if not (folder / target).is_file() or (folder / target).is_symlink():
        raise _RefusedError(
            f"the link `{member.name}` leads to `{member.target}`, which is no file"
        )
    return target


def _check_links(links: set[str], folder: Path) -> None:
    # Only when all are there: a link that looks harmless can lead out by way of another one.
    inside = os.path.realpath(folder) + os.sep
    for name in sorted(links):
        target = os.path.realpath(folder / name)
        if not target.startswith(inside):
            raise _RefusedError(f"the link `{name}` leads out")


def _parents(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name


class _RefusedError(Exception):
    """A member may not be written."""
