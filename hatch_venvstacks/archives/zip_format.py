"""Plans as a ``zip`` file: a run of entries each, and one directory of them all at the end.

The bytes depend on the plans and on zlib: names, modes, times and order are set here, and nothing
of them is read from the file system. Symbolic links are as Info-ZIP writes them: files with the
mode of a link, whose content is the target. The format is that of
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, with its zip64 part only where a size
or a place needs more than 32 bits.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import replace
from typing import IO, TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from hatch_venvstacks.archives.plan import content_length, read_exactly
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hatch_venvstacks.archives.compression import Compression
    from hatch_venvstacks.archives.plan import Member, Plan

# 2107-12-31T23:59:58Z in seconds: the last moment that an entry can have.
_LAST_TIME = 4_354_819_198
_UNIX = 3
_FOLDER_OF_DOS = 0x10
# In bytes; its length has 16 bits, and a folder's name gets a slash.
_LONGEST_NAME = 2**16 - 2
_CHUNK = 2**20


def compress(plan: Plan, top: str, compression: Compression, path: Path) -> None:
    """Write the entries of ``plan`` to the new file ``path``, as a zip file of their own.

    ``top`` is the layer's folder, the first part of every entry's name.

    :raises BuildError: where a file cannot be read, or changes while it is read; where a member has
        a name that a zip file cannot hold.
    """
    with ZipFile(path, "w") as archive:
        for member in plan.members:
            source = _with_target(member)
            entry = _entry(source, top, plan.mtime, compression.level)
            with archive.open(entry, "w") as stream:
                for chunk in read_exactly(source, entry.file_size):
                    stream.write(chunk)


def join(
    files: Iterable[Path], path: Path, discard: Callable[[Path], None]
) -> list[tuple[int, str]]:
    """Write the entries of the zip ``files`` in their order into the file ``path``.

    ``discard`` is called with each of ``files`` that is not needed any more. Gives the size in
    bytes and the SHA-256 (hex) of what came of each; the directory of all entries, at the end,
    belongs to the last.
    """
    with path.open("w+b") as file:
        ends = []
        with ZipFile(file, "w") as archive:
            for source in files:
                ends.append(_append(source, archive, file))
                discard(source)
        ends[-1] = file.seek(0, os.SEEK_END)
        file.seek(0)
        sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        return [(size, _sha256(file, size)) for size in sizes]


def _append(source: Path, archive: ZipFile, file: IO[bytes]) -> int:
    """Copy the entries of ``source`` to the end of ``archive``, which is written to ``file``.

    Gives the new end. zipfile has no way to copy entries as they are. What it is told here is all
    that its directory is made of, by names that have been the same since Python 2.
    """
    start = file.tell()
    with source.open("rb") as opened, ZipFile(opened) as run:
        entries, left = run.infolist(), run.start_dir
        opened.seek(0)
        while left and (chunk := opened.read(min(left, _CHUNK))):
            file.write(chunk)
            left -= len(chunk)
    for entry in entries:
        entry.header_offset += start
        # What the directory of the one file says of large ones is said anew for the other.
        entry.extra = b""
    archive.filelist.extend(entries)
    archive.start_dir = file.tell()
    return archive.start_dir


def _with_target(member: Member) -> Member:
    """``member``, where it is a link with its target as the content."""
    if not member.link:
        return member
    return replace(member, content=member.link.encode("utf-8", "surrogateescape"))


def _entry(member: Member, top: str, mtime: int, level: int) -> ZipInfo:
    """The header of ``member``, with the length of the content that must follow it."""
    is_folder = member.content is None
    name = _name(f"{top}/{member.path}" if member.path else top)
    # The times of a zip file have no zone: here they are UTC.
    moment = time.gmtime(min(max(mtime, MEMBER_TIME), _LAST_TIME))
    entry = ZipInfo(f"{name}/" if is_folder else name, moment[:6])
    entry.create_system = _UNIX
    if is_folder:
        entry.external_attr = (stat.S_IFDIR | 0o755) << 16 | _FOLDER_OF_DOS
    elif member.link:
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    else:
        entry.external_attr = (stat.S_IFREG | (0o755 if member.executable else 0o644)) << 16
    entry.file_size = content_length(member)
    # Some readers take what lies there for a link's target, compressed or not.
    is_stored = member.link or not entry.file_size
    entry.compress_type = ZIP_STORED if is_stored else ZIP_DEFLATED
    # From 3.13 on it has a public name, and still this one.
    entry._compresslevel = level  # type: ignore[attr-defined] # noqa: SLF001
    return entry


def _name(path: str) -> str:
    """``path``, where a zip file can hold it so that every reader takes it for the same."""
    if not _is_portable(path):
        raise BuildError(
            f"A zip file cannot hold the name {path!r}",
            hint="Names are UTF-8 of at most 65,534 bytes, without a backslash: rename the file",
        )
    return path


def _is_portable(path: str) -> bool:
    # zipfile cuts a name at NUL; on Windows a backslash parts folders.
    if "\0" in path or "\\" in path:
        return False
    try:
        return len(path.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _sha256(file: IO[bytes], size: int) -> str:
    """The SHA-256 (hex) of the next ``size`` bytes of ``file``."""
    digest = hashlib.sha256()
    while size and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()
