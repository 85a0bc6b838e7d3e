"""Segments in a row: one archive of a layer, the same bytes wherever it is built."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.segment import Plan, Segment, check_paths, compress, cut, head

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Archive:
    """A packed layer: the file, its size in bytes, its SHA-256 (hex), its segments in order."""

    path: Path
    size: int
    sha256: str
    segments: tuple[Segment, ...]


def pack(plans: Sequence[Plan], top: str, level: int, path: Path, work: Path) -> Archive:
    """Pack ``plans`` in their order into the archive ``path``, a ``tar.zst`` file.

    ``top`` is the layer's folder, ``level`` zstd's compression level, ``work`` an empty folder.
    All cores are used; each segment is compressed by one of them, so that their number does not
    show in the result.

    :raises BuildError: where two plans claim one path, or a file cannot be read.
    """
    check_paths(plans)
    parts = [head(plans), *(part for plan in plans for part in cut(plan))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        tasks = [
            pool.submit(compress, part, top, level, work / str(i), last=i == len(parts) - 1)
            for i, part in enumerate(parts)
        ]
        try:
            segments = tuple(task.result() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
    return _concatenate(segments, path)


def _concatenate(segments: tuple[Segment, ...], path: Path) -> Archive:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for segment in segments:
            with segment.path.open("rb") as source:
                while chunk := source.read(2**20):
                    digest.update(chunk)
                    file.write(chunk)
            segment.path.unlink()
    size = sum(segment.size for segment in segments)
    return Archive(path, size, digest.hexdigest(), segments)
