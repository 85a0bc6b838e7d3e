"""Segments in a row: one archive of a layer, the same bytes wherever it is built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hatch_venvstacks.archive_format import ArchiveFormat, Compression
from hatch_venvstacks.digest import file_sha256
from hatch_venvstacks.packed import StoredSegment
from hatch_venvstacks.parallel import on_all_cores
from hatch_venvstacks.segment import Plan, Segment, check_paths, cut, head
from hatch_venvstacks.tar_archive import compress
from hatch_venvstacks.zip_archive import write_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hatch_venvstacks.packed import Shelf

_CHUNK = 2**20


class DamagedSegmentError(Exception):
    """A segment in the store was not what it should be, and is gone from it: build again."""


@dataclass(frozen=True)
class Archive:
    """A packed layer: the file, its size in bytes, its SHA-256 (hex), its segments in order.

    Every byte of the file belongs to one of the segments.
    """

    path: Path
    format: ArchiveFormat
    compression: Compression
    size: int
    sha256: str
    segments: tuple[Segment, ...]


def pack(plans: Sequence[Plan], shelf: Shelf, path: Path, work: Path) -> Archive:
    """Pack ``plans`` in their order into the archive ``path``.

    Segments come from ``shelf``, where it has them, and are kept there; ``work`` is an empty
    folder. All cores are used; each segment is compressed by one of them, so that their number does
    not show in the result.

    :raises BuildError: where two plans claim one path, a file cannot be read, or the format cannot
        hold a member.
    :raises DamagedSegmentError: where segments from the shelf cannot be used.
    """
    check_paths(plans)
    if shelf.format is ArchiveFormat.ZIP:
        parts = [head(plans), *(part for plan in plans for part in cut(plan))]
        segments = write_zip(parts, shelf.top, shelf.compression.level, path, work)
        size = sum(segment.size for segment in segments)
        return Archive(path, shelf.format, shelf.compression, size, file_sha256(path), segments)
    return _tar([head(plans), *plans], shelf, path, work)


def _tar(plans: Sequence[Plan], shelf: Shelf, path: Path, work: Path) -> Archive:
    # The last segment closes the file, so it is not like one that stands elsewhere.
    known = [shelf.find(plan.key) if plan is not plans[-1] else None for plan in plans]
    tasks: list[Callable[[], tuple[int, StoredSegment]]] = []
    for number, (plan, packed) in enumerate(zip(plans, known, strict=True)):
        if packed is not None:
            tasks += (partial(_verified, number, one, shelf) for one in packed.segments)
            continue
        parts = list(cut(plan)) or [plan]
        for part in parts:
            last = plan is plans[-1] and part is parts[-1]
            file = work / str(len(tasks))
            tasks.append(partial(_compressed, number, part, shelf, file, last=last))
    pieces = on_all_cores(tasks)
    for number, (plan, packed) in enumerate(zip(plans[:-1], known, strict=False)):
        if packed is None:
            shelf.keep(plan, [piece for owner, piece in pieces if owner == number])
    segments = tuple(Segment(plans[number], piece.size, piece.sha256) for number, piece in pieces)
    digest = _join([piece.path for _, piece in pieces], path, work)
    size = sum(segment.size for segment in segments)
    return Archive(path, shelf.format, shelf.compression, size, digest, segments)


def _compressed(
    number: int, part: Plan, shelf: Shelf, file: Path, *, last: bool
) -> tuple[int, StoredSegment]:
    segment = compress(part, shelf.top, shelf.compression.level, file, last=last)
    return number, StoredSegment(file, segment.size, segment.sha256)


def _verified(number: int, segment: StoredSegment, shelf: Shelf) -> tuple[int, StoredSegment]:
    try:
        intact = file_sha256(segment.path) == segment.sha256
    except OSError:  # another build has just removed it
        intact = False
    if not intact:
        shelf.drop(segment)
        raise DamagedSegmentError(segment.sha256)
    return number, segment


def _join(files: Sequence[Path], path: Path, work: Path) -> str:
    """Write ``files`` one after the other into ``path``; give its SHA-256 (hex).

    Those in the folder ``work`` are removed, so that the room for them is not needed twice.
    """
    digest = hashlib.sha256()
    with path.open("wb") as archive:
        for file in files:
            for chunk in _chunks(file):
                digest.update(chunk)
                archive.write(chunk)
            if file.parent == work:
                file.unlink()
    return digest.hexdigest()


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk
