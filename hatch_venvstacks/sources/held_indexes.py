"""Where the layers below have what they hold from.

A layer above resolves it once more, at the same version. It may look into indexes in another order,
or find one explicit that came first below (``priority-indexes``).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.model.index import local_path, same_url
from hatch_venvstacks.model.platforms import common_marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.pylock import Package

    from hatch_venvstacks.model.index import Index
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.sources.indexes import ResolutionIndexes


def with_held(
    indexes: ResolutionIndexes, below: Sequence[Lock], platforms: Sequence[TargetPlatform]
) -> ResolutionIndexes:
    """``indexes`` with where the locks ``below`` (in import order) have their packages from.

    On each of the ``platforms`` the first lock that holds a package there counts. Only indexes that
    have a name can be referred to.
    """
    named = [index for index in indexes.indexes if index.name]
    places: dict[str, dict[str, list[TargetPlatform]]] = {}
    for platform in platforms:
        for name, index in _held_on(platform, named, below).items():
            places.setdefault(name, {}).setdefault(index, []).append(platform)
    held = {
        name: tuple((index, common_marker(where, platforms)) for index, where in found.items())
        for name, found in places.items()
    }
    return replace(indexes, held=held)


def _held_on(
    platform: TargetPlatform, named: Sequence[Index], below: Sequence[Lock]
) -> dict[str, str]:
    """The names of packages that are held on ``platform``, and of the indexes they are from."""
    found: dict[str, str] = {}
    for lock in below:
        for package in lock.added(platform.name):
            fitting = (index.name for index in named if _is_from(package, index, lock.path.parent))
            found.setdefault(str(package.name), next(fitting, ""))
    return {name: index for name, index in found.items() if index}


def _is_from(package: Package, index: Index, folder: Path) -> bool:
    if package.index:
        return same_url(package.index, index.url)
    local = local_path(index.url)
    paths = (wheel.path for wheel in package.wheels or () if wheel.path)
    return any(Path(os.path.normpath(folder / path)).parent == local for path in paths)
