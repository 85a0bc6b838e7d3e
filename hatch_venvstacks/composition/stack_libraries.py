"""The libraries of all layers of a stack as if they lay in one folder."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_venvstacks.common.paths import parents
from hatch_venvstacks.composition.inventory import is_excluded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hatch_venvstacks.composition.inventory import LayerContents
    from hatch_venvstacks.composition.native_files import Native

    # Gives the libraries of the CPython, by their paths in the runtime layer.
    FindLibraries = Callable[[], Mapping[str, Native]]


# Tags in the names of extension modules: https://peps.python.org/pep-3149/.
_EXTENSIONS = (".cpython-", ".abi3.")


@dataclass(frozen=True)
class FoundLibrary:
    """A library: the names of its layer and of its distribution, what it says, a digest."""

    layer: str
    distribution: str
    native: Native
    digest: str


class StackLibraries:
    """The files of all layers as if they were in one folder.

    ``layers`` are in import order, the top one first; elsewhere they are named. ``find_runtime``
    gives the libraries of the CPython, which belong to the last one.
    """

    def __init__(
        self, layers: Sequence[LayerContents], site: str, find_runtime: FindLibraries
    ) -> None:
        self.site, self._find_runtime = site, find_runtime
        self._layers = {layer.name: layer for layer in layers}
        self.top, *self.lower = self._layers
        self._natives = {layer.name: dict(_found_in(layer)) for layer in layers}
        self._stacks: dict[str, list[str]] = {}

    def natives(self, layer: str) -> list[tuple[str, FoundLibrary]]:
        return self._sorted[layer]

    @cached_property
    def _sorted(self) -> dict[str, list[tuple[str, FoundLibrary]]]:
        return {name: sorted(found.items()) for name, found in self._natives.items()}

    @cached_property
    def _folders(self) -> dict[str, set[str]]:
        return {
            name: parents(path for part in layer.parts for path in part.files)
            for name, layer in self._layers.items()
        }

    @cached_property
    def _packages(self) -> dict[str, set[str]]:
        return {
            name: parents(
                path for part in layer.parts for path in part.files if path.endswith(".py")
            )
            for name, layer in self._layers.items()
        }

    def find(self, path: str, seen_from: str = "") -> FoundLibrary | None:
        """What is at ``path`` for the layer of that name, by default the top one."""
        for name in self._stack_of(seen_from or self.top):
            found = self._natives[name].get(path)
            if found and not self.excludes(name, path):
                return found
        if not path.startswith(f"{self.site}/") and path in self._find_runtime():
            return FoundLibrary([*self._layers][-1], "cpython", self._find_runtime()[path], "")
        return None

    def _stack_of(self, layer: str) -> list[str]:
        if layer not in self._stacks:
            known = self._layers.keys() if layer == self.top else self._layers[layer].below
            self._stacks[layer] = [name for name in self._layers if name in {layer, *known}]
        return self._stacks[layer]

    def excludes(self, layer: str, path: str) -> bool:
        """Whether that layer keeps the library for itself."""
        return layer != self.top and is_excluded(self._layers[layer], path)

    def holders(self, folder: str) -> list[str]:
        """The layers that have something in ``folder``, or below it."""
        return [name for name, known in self._folders.items() if folder in known]

    def is_package(self, layer: str, folder: str) -> bool:
        """Whether there are Python files in ``folder`` or below it."""
        return folder in self._packages[layer]

    def below(self, layer: str, folder: str) -> list[tuple[str, FoundLibrary]]:
        return [
            (path, found) for path, found in self.natives(layer) if path.startswith(f"{folder}/")
        ]

    def libraries(self, layer: str, folder: str) -> list[tuple[str, FoundLibrary]]:
        """The libraries in ``folder`` itself that are not tagged as extension modules."""
        return [
            (path, found)
            for path, found in self.natives(layer)
            if posixpath.dirname(path) == folder
            and not any(tag in posixpath.basename(path) for tag in _EXTENSIONS)
        ]

    def has_file(self, path: str) -> bool:
        """Whether the top layer has a file at ``path``."""
        return any(path in part.files for part in self._layers[self.top].parts)

    def names(self) -> set[str]:
        """The names of all libraries that upper layers may have."""
        names = set()
        for layer, natives in self._natives.items():
            for path, found in natives.items():
                if not self.excludes(layer, path):
                    names |= {found.native.soname, posixpath.basename(path)}
        return names

    def runtime_names(self) -> set[str]:
        known = self._find_runtime().items()
        return {
            name for path, native in known for name in (native.soname, posixpath.basename(path))
        }


def _found_in(layer: LayerContents) -> Iterator[tuple[str, FoundLibrary]]:
    for part in layer.parts:
        for path, native in part.natives.items():
            yield path, FoundLibrary(layer.name, part.name, native, part.files.get(path, ""))
