"""The folders that paths in a layer are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def parents(paths: Iterable[str]) -> set[str]:
    """All folders that ``paths``, which are relative and have slashes, are in, near and far."""
    found: set[str] = set()
    for nearest in {path.rpartition("/")[0] for path in paths}:
        folder = nearest
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found
