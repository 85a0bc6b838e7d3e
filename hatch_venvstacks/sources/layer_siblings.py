"""The siblings of a layer and of those below it, and what locks say of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.model.lock import LockedProject
from hatch_venvstacks.sources.held_below import HeldProject
from hatch_venvstacks.sources.siblings import find_siblings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.pylock import Pylock

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.runtime import CPython
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
    from hatch_venvstacks.sources.siblings import Sibling


@dataclass(frozen=True)
class LockedSibling:
    """A sibling that a lock adds: its normalized name, its folder (absolute), its version.

    The version is empty where it is computed when the wheel is built.
    """

    name: str
    root: Path
    version: str


def find_layer_siblings(
    spec: LayerSpec, cpython: CPython, sibling_wheels: SiblingWheels
) -> tuple[Sibling, ...]:
    """The siblings of the layer ``spec``, which stands on ``cpython``.

    :raises VenvLayerError: where one cannot be used, or not be built to see what it requires.
    """
    return find_siblings(spec, lambda folder: sibling_wheels.build_metadata(folder, cpython))


def find_held_siblings(
    below: Sequence[tuple[LayerSpec, Lock]], cpython: CPython, sibling_wheels: SiblingWheels
) -> list[HeldProject]:
    """The siblings that the layers ``below`` hold; the arguments are as above."""
    return [
        HeldProject(
            name=sibling.name,
            version=sibling.version,
            layer=layer.name,
            metadata=sibling.metadata,
            root=sibling.root,
            sibling=True,
            static=sibling.static,
        )
        for layer, lock in below
        if lock.inputs.projects
        for sibling in find_layer_siblings(layer, cpython, sibling_wheels)
        if sibling.name in lock.inputs.projects
    ]


def locked_projects(pylock: Pylock, siblings: Sequence[Sibling]) -> dict[str, LockedProject]:
    """What is known of the siblings in ``pylock``, by their names."""
    names = {package.name for package in pylock.packages if package.directory is not None}
    return {
        sibling.name: LockedProject(sibling.version, sibling.digest, sibling.static)
        for sibling in siblings
        if sibling.name in names
    }


def locked_siblings(lock: Lock, platform: str) -> list[LockedSibling]:
    """The siblings that ``lock`` adds on the target platform of that name, sorted by name."""
    found = []
    for package in lock.added(platform):
        if package.directory is not None and package.directory.path is not None:
            locked = lock.inputs.projects[str(package.name)]
            root = Path(os.path.normpath(lock.path.parent / package.directory.path))
            version = locked.version if locked.static else ""
            found.append(LockedSibling(str(package.name), root, version))
    return sorted(found, key=lambda sibling: sibling.name)
