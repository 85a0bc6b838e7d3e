"""What a distribution brings into a layer, as far as it matters to other layers.

An inventory is made of a distribution that is installed, and kept in the store: what a wheel holds
does not change.
"""

from __future__ import annotations

import posixpath
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.composition.native_files import Native

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.spec import LayerSpec

# What inventories hold, and how: a change raises it, and makes those in the store anew.
FORMAT = 2


class Inventory:
    """The files of one distribution, or of another part of a layer.

    ``files`` maps paths in the layer to digests, which are equal for equal content. ``inits`` says
    of each ``__init__.py`` which :class:`~hatch_venvstacks.composition.namespaces.InitKind` it is,
    and ``natives`` what the dynamic loader reads of programs and libraries.
    """

    def __init__(
        self,
        name: str,
        version: str,
        files: Mapping[str, str] | None = None,
        inits: Mapping[str, str] | None = None,
        natives: Mapping[str, Native] | None = None,
    ) -> None:
        self.name, self.version = name, version
        self.files, self.inits, self.natives = files or {}, inits or {}, natives or {}
        self._splits: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {}

    def names_in(self, folder: str) -> frozenset[str]:
        """The names of the files and folders in ``folder``."""
        names, _ = self._split(folder)
        return names

    def outside(self, folder: str) -> tuple[str, ...]:
        """The paths of the files that are not in ``folder`` or below it, in their order."""
        _, outside = self._split(folder)
        return outside

    def _split(self, folder: str) -> tuple[frozenset[str], tuple[str, ...]]:
        # All checks of a build ask for the same one, of thousands of files.
        if folder not in self._splits:
            start, names, outside = f"{folder}/", set(), []
            for path in self.files:
                if path.startswith(start):
                    names.add(path[len(start) :].partition("/")[0])
                else:
                    outside.append(path)
            self._splits[folder] = frozenset(names), tuple(outside)
        return self._splits[folder]


@dataclass(frozen=True)
class LayerContents:
    """What a layer of a stack holds: its ``name``, and the inventories of its ``parts``.

    ``extended`` are the packages, as folders below the site directory, whose ``__init__.py`` in
    this layer finds the parts in all others. ``excluded`` are patterns of libraries that upper
    layers may not link. ``below`` are the names of the layers that it stands on.
    """

    name: str
    parts: tuple[Inventory, ...]
    below: frozenset[str] = frozenset()
    excluded: tuple[str, ...] = ()
    extended: frozenset[str] = frozenset()

    def names_in(self, folder: str) -> set[str]:
        """The names of the files and folders in ``folder``."""
        return {name for part in self.parts for name in part.names_in(folder)}


def is_known(first: str, second: str, layers: Sequence[LayerContents]) -> bool:
    """Whether a layer below the top one of ``layers`` has both named layers in its own stack."""
    return any({first, second} <= {layer.name, *layer.below} for layer in layers[1:])


@dataclass(frozen=True)
class LowerLayer:
    """What is known of a layer below: what it is, what it has locked, and what it holds."""

    spec: LayerSpec
    lock: Lock
    contents: LayerContents


def is_excluded(layer: LayerContents, path: str) -> bool:
    """Whether ``layer`` keeps its library at ``path`` for itself."""
    names = (path, posixpath.basename(path))
    return any(fnmatchcase(name, pattern) for pattern in layer.excluded for name in names)


def visible(layers: Sequence[LayerContents]) -> list[LayerContents]:
    """``layers`` without what does not count in them.

    Of a distribution that several layers hold, that is all but the one in the first of them.
    """
    held: set[str] = set()
    result = []
    for layer in layers:
        parts = tuple(part for part in layer.parts if part.name not in held)
        result.append(replace(layer, parts=parts))
        held |= {part.name for part in layer.parts}
    return result


def in_several(holders: Iterable[AbstractSet[str]]) -> set[str]:
    """The names that more than one of ``holders`` has."""
    seen: set[str] = set()
    several: set[str] = set()
    for names in holders:
        several |= seen & names
        seen |= names
    return several


def to_document(inventory: Inventory) -> dict[str, Any]:
    """``inventory`` as a value for JSON."""
    return {
        "name": inventory.name,
        "version": inventory.version,
        "files": dict(inventory.files),
        "inits": dict(inventory.inits),
        "natives": {path: asdict(native) for path, native in inventory.natives.items()},
    }


def from_document(document: Mapping[str, Any]) -> Inventory:
    """The inverse of :func:`to_document`."""
    natives = {
        path: Native(
            native["soname"],
            needed=tuple(native["needed"]),
            rpath=tuple(native["rpath"]),
            runpath=tuple(native["runpath"]),
        )
        for path, native in document["natives"].items()
    }
    return Inventory(**{**document, "natives": natives})
