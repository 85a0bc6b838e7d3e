"""Segments in a row: one archive of a layer, the same bytes wherever it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.archive_format import ArchiveFormat, Compression, compression_of
from hatch_venvstacks.digest import file_sha256
from hatch_venvstacks.segment import Plan, Segment, check_paths, cut, head
from hatch_venvstacks.tar_archive import write_tar
from hatch_venvstacks.zip_archive import write_zip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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


def pack(
    plans: Sequence[Plan],
    top: str,
    archive_format: ArchiveFormat,
    level: int,
    path: Path,
    work: Path,
) -> Archive:
    """Pack ``plans`` in their order into the archive ``path``.

    ``top`` is the layer's folder, ``level`` the compression level on the scale of zstd, ``work`` an
    empty folder. All cores are used; each segment is compressed by one of them, so that their
    number does not show in the result.

    :raises BuildError: where two plans claim one path, a file cannot be read, or the format cannot
        hold a member.
    """
    check_paths(plans)
    parts = [head(plans), *(part for plan in plans for part in cut(plan))]
    compression = compression_of(archive_format, level)
    write = write_zip if archive_format is ArchiveFormat.ZIP else write_tar
    segments = write(parts, top, compression, path, work)
    size = sum(segment.size for segment in segments)
    return Archive(path, archive_format, compression, size, file_sha256(path), segments)
