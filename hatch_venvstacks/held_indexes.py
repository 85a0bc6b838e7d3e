"""Where the layers below have what they hold from.

A layer above resolves it once more, at the same version. It may look into indexes in another order,
or find one explicit that came first below (``priority-indexes``).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.index_url import local_path, same_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.pylock import Package

    from hatch_venvstacks.indexes import ResolutionIndexes
    from hatch_venvstacks.lock import Lock
    from hatch_venvstacks.spec import Index


def with_held(indexes: ResolutionIndexes, below: Sequence[Lock]) -> ResolutionIndexes:
    """``indexes`` with where the locks ``below`` (in import order) have their packages from.

    Only indexes that have a name can be referred to.
    """
    named = [index for index in indexes.indexes if index.name]
    held: dict[str, tuple[tuple[str, str], ...]] = {}
    for lock in below:
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for package in lock.pylock.packages:
            for index in named:
                if _is_from(package, index, lock.path.parent):
                    marker = str(package.marker or "")
                    name = str(package.name)
                    found[name] = (*found.get(name, ()), (index.name, marker))
                    break
        held = {**found, **held}
    return replace(indexes, held=held)


def _is_from(package: Package, index: Index, folder: Path) -> bool:
    if package.index:
        return same_url(package.index, index.url)
    local = local_path(index.url)
    paths = (wheel.path for wheel in package.wheels or () if wheel.path)
    return any(Path(os.path.normpath(folder / path)).parent == local for path in paths)
