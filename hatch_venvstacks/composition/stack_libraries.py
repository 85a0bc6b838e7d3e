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
    Runtime = Callable[[], Mapping[str, Native]]


# Tags in the names of extension modules: https://peps.python.org/pep-3149/.
_EXTENSIONS = (".cpython-", ".abi3.")


@dataclass(frozen=True)
class FoundLibrary:
    """A library: the index of its layer, the distribution, what it says, a digest."""

    layer: int
    distribution: str
    native: Native
    digest: str


class StackLibraries:
    """The files of all layers as if they were in one folder."""

    def __init__(self, layers: Sequence[LayerContents], site: str, runtime: Runtime) -> None:
        self.layers, self.site, self._runtime = layers, site, runtime
        self._natives = [dict(_found_in(number, layer)) for number, layer in enumerate(layers)]

    def natives(self, layer: int) -> list[tuple[str, FoundLibrary]]:
        return self._sorted[layer]

    @cached_property
    def _sorted(self) -> list[list[tuple[str, FoundLibrary]]]:
        return [sorted(found.items()) for found in self._natives]

    @cached_property
    def _folders(self) -> list[set[str]]:
        return [parents(path for part in one.parts for path in part.files) for one in self.layers]

    @cached_property
    def _packages(self) -> list[set[str]]:
        return [
            parents(path for part in one.parts for path in part.files if path.endswith(".py"))
            for one in self.layers
        ]

    def find(self, path: str, first: int = 0) -> FoundLibrary | None:
        """What is at ``path`` for the layer with the index ``first``, whose stack counts."""
        known = {self.layers[first].name, *self.layers[first].below}
        for number in range(first, len(self.layers)):
            if not first or self.layers[number].name in known:
                found = self._natives[number].get(path)
                if found and not self.excludes(number, path):
                    return found
        if not path.startswith(f"{self.site}/") and path in self._runtime():
            return FoundLibrary(len(self.layers) - 1, "cpython", self._runtime()[path], "")
        return None

    def excludes(self, layer: int, path: str) -> bool:
        """Whether that layer keeps the library for itself."""
        return bool(layer) and is_excluded(self.layers[layer], path)

    def holders(self, folder: str) -> list[int]:
        """The layers that have something in ``folder``, or below it."""
        return [number for number, known in enumerate(self._folders) if folder in known]

    def is_package(self, layer: int, folder: str) -> bool:
        """Whether there are Python files in ``folder`` or below it."""
        return folder in self._packages[layer]

    def below(self, layer: int, folder: str) -> list[tuple[str, FoundLibrary]]:
        return [one for one in self.natives(layer) if one[0].startswith(f"{folder}/")]

    def libraries(self, layer: int, folder: str) -> list[tuple[str, FoundLibrary]]:
        """The libraries in ``folder`` itself that are not tagged as extension modules."""
        return [
            one
            for one in self.natives(layer)
            if posixpath.dirname(one[0]) == folder
            and not any(tag in posixpath.basename(one[0]) for tag in _EXTENSIONS)
        ]

    def has_file(self, path: str) -> bool:
        return any(path in part.files for part in self.layers[0].parts)

    def names(self) -> set[str]:
        """The names of all libraries that upper layers may have."""
        names = set()
        for number in range(len(self.layers)):
            for path, found in self._natives[number].items():
                if not self.excludes(number, path):
                    names |= {found.native.soname, posixpath.basename(path)}
        return names

    def runtime_names(self) -> set[str]:
        known = self._runtime().items()
        return {name for path, one in known for name in (one.soname, posixpath.basename(path))}


def _found_in(number: int, layer: LayerContents) -> Iterator[tuple[str, FoundLibrary]]:
    for part in layer.parts:
        for path, native in part.natives.items():
            yield path, FoundLibrary(number, part.name, native, part.files.get(path, ""))
