"""Plans as a tar file: a run of tar members each, compressed on its own, or as it is.

The bytes of a segment depend on its plan and nothing else: owner, mode, time and order of members
are set here. Concatenated segments are one valid archive: a compressed file may consist of several
units (:mod:`hatch_venvstacks.archives.compression`), and a tar file has no index.
"""

from __future__ import annotations

import hashlib
import tarfile
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.compression import open_stream
from hatch_venvstacks.archives.plan import content_length, read_exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hatch_venvstacks.archives.compression import Compression
    from hatch_venvstacks.archives.plan import Member, Plan

_BLOCK = tarfile.BLOCKSIZE
# Two zero blocks end a tar archive (POSIX pax, "ustar Interchange Format").
END_OF_ARCHIVE = bytes(2 * _BLOCK)
_CHUNK = 2**20


def compress(
    plan: Plan, top: str, compression: Compression, path: Path, *, last: bool = False
) -> None:
    """Write the segment of ``plan`` to the new file ``path``.

    ``top`` is the layer's folder, the first part of every member's name; the ``last`` segment of an
    archive closes the tar file.

    :raises BuildError: where a file cannot be read, or changes while it is read.
    """
    headers = [(member, *_header(member, top, plan.mtime)) for member in plan.members]
    size = sum(len(header) + length + -length % _BLOCK for _, header, length in headers)
    size += len(END_OF_ARCHIVE) if last else 0
    with path.open("wb") as file:
        stream = open_stream(compression, file, size)
        for member, header, length in headers:
            stream.write(header)
            for chunk in read_exactly(member, length):
                stream.write(chunk)
            stream.write(bytes(-length % _BLOCK))
        if last:
            stream.write(END_OF_ARCHIVE)
        stream.finish()


def join(files: Iterable[Path], path: Path, discard: Callable[[Path], None]) -> str:
    """Write the segments in ``files`` one after the other into the file ``path``.

    ``discard`` is called with each of them that is not needed any more. Gives the SHA-256 (hex) of
    the whole.
    """
    digest = hashlib.sha256()
    with path.open("wb") as archive:
        for file in files:
            with file.open("rb", buffering=0) as source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    archive.write(chunk)
            discard(file)
    return digest.hexdigest()


def _header(member: Member, top: str, mtime: int) -> tuple[bytes, int]:
    """The tar header of ``member``, and the length of the content that must follow it."""
    info = tarfile.TarInfo(f"{top}/{member.path}" if member.path else top)
    info.mtime = mtime
    info.mode = 0o755 if member.executable else 0o644
    if member.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, member.link, 0o777
    elif member.content is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size = content_length(member)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"), info.size
