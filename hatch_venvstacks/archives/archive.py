"""Segments in a row: one archive of a layer, the same bytes wherever it is built."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hatch_venvstacks.archives import tar_format, zip_format
from hatch_venvstacks.archives.kept_segments import StoredSegment
from hatch_venvstacks.archives.member_paths import check_paths
from hatch_venvstacks.archives.parallel import run_on_all_cores
from hatch_venvstacks.archives.plan import Plan, Segment, content_length, cut, head
from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.reporter import Progress, in_units
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.compression import Compression
    from hatch_venvstacks.archives.kept_segments import SegmentStore
    from hatch_venvstacks.common.reporter import Reporter


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


@dataclass(frozen=True)
class _Piece:
    """What lies between two cuts of the plan of that ``number``, compressed."""

    number: int
    stored: StoredSegment


def pack(
    plans: Sequence[Plan],
    segment_store: SegmentStore,
    path: Path,
    work: Path,
    reporter: Reporter | None = None,
) -> Archive:
    """Pack ``plans`` in their order into the archive ``path``.

    Segments come from ``segment_store``, where it has them, and go there; ``work`` is an empty
    folder; ``reporter`` is told how far it is. All cores are used; each segment is compressed by
    one of them, so that their number does not show in the result.

    :raises BuildError: where two plans claim one path, a file cannot be read, or the format cannot
        hold a member.
    :raises DamagedSegmentError: where segments from the store cannot be used.
    """
    check_paths(plans)
    plans = [head(plans), *(plan for plan in plans if plan.members)]
    # The last segment closes a tar file, so it is not like one that stands elsewhere.
    known = [segment_store.find(plan.key) if plan is not plans[-1] else None for plan in plans]
    fresh = [plan for plan, packed in zip(plans, known, strict=True) if packed is None]
    total = sum(content_length(member) for plan in fresh for member in plan.members)
    progress = Progress(reporter, f"Packing {path.name}", total, in_units) if reporter else None
    tasks: list[Callable[[], _Piece]] = []
    for number, (plan, packed) in enumerate(zip(plans, known, strict=True)):
        if packed is not None:
            for segment in packed.segments:
                tasks.append(
                    partial(_verify, number, segment, segment_store, work / str(len(tasks)))
                )
            continue
        parts = list(cut(plan)) or [plan]
        for part in parts:
            last = plan is plans[-1] and part is parts[-1]
            file = work / str(len(tasks))
            tasks.append(partial(_compress, number, part, segment_store, file, progress, last=last))
    pieces = run_on_all_cores(tasks)
    for number, (plan, packed) in enumerate(zip(plans[:-1], known, strict=False)):
        if packed is None:
            segment_store.keep(plan, [piece.stored for piece in pieces if piece.number == number])
    segments, sha256 = _join(pieces, plans, segment_store, path, work)
    size = sum(segment.size for segment in segments)
    return Archive(path, segment_store.format, segment_store.compression, size, sha256, segments)


def _compress(
    number: int,
    part: Plan,
    segment_store: SegmentStore,
    file: Path,
    progress: Progress | None,
    *,
    last: bool,
) -> _Piece:
    if segment_store.format is ArchiveFormat.ZIP:
        zip_format.compress(part, segment_store.top, segment_store.compression, file)
    else:
        tar_format.compress(part, segment_store.top, segment_store.compression, file, last=last)
    if progress is not None:
        progress.add(sum(content_length(member) for member in part.members))
    return _Piece(number, StoredSegment(file, file.stat().st_size, file_sha256(file)))


def _verify(number: int, segment: StoredSegment, segment_store: SegmentStore, file: Path) -> _Piece:
    """The ``segment`` of the store; as ``file``, too, because other builds may remove it there."""
    with suppress(OSError):
        os.link(segment.path, file)
    place = file if file.exists() else segment.path
    try:
        intact = file_sha256(place) == segment.sha256
    except OSError:  # another build has just removed it
        intact = False
    if not intact:
        segment_store.drop(segment)
        raise DamagedSegmentError(segment.sha256)
    return _Piece(number, replace(segment, path=place))


def _join(
    pieces: Sequence[_Piece],
    plans: Sequence[Plan],
    segment_store: SegmentStore,
    path: Path,
    work: Path,
) -> tuple[tuple[Segment, ...], str]:
    """Write the archive; give what its segments are, and its SHA-256 (hex)."""

    def discard(file: Path) -> None:
        # The room for it is not needed twice.
        if file.parent == work:
            file.unlink()

    files = [piece.stored.path for piece in pieces]
    try:
        if segment_store.format is ArchiveFormat.ZIP:
            sizes = zip_format.join(files, path, discard)
            whole = file_sha256(path)
        else:
            whole = tar_format.join(files, path, discard)
            sizes = [(piece.stored.size, piece.stored.sha256) for piece in pieces]
    except FileNotFoundError as error:
        # Where it could not be held: a store on another file system, or of another user.
        missing = (piece.stored for piece in pieces if str(piece.stored.path) == error.filename)
        lost = next(missing, None)
        if lost is None:
            raise
        segment_store.drop(lost)
        raise DamagedSegmentError(lost.sha256) from error
    segments = tuple(
        Segment(plans[piece.number], size, sha256)
        for piece, (size, sha256) in zip(pieces, sizes, strict=True)
    )
    return segments, whole
