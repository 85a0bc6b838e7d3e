"""What can be imported from a layer, by the names of its files.

See https://docs.python.org/3/reference/import.html and
https://docs.python.org/3/library/importlib.html#importlib.machinery.all_suffixes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from hatch_venvstacks.composition.inventory import in_several
from hatch_venvstacks.composition.namespaces import InitKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from hatch_venvstacks.composition.inventory import LayerContents

_INIT = "__init__"


@dataclass(frozen=True)
class Module:
    """A module, or the ``__init__.py`` of a package: whose it is, and a digest of its content."""

    distribution: str
    digest: str
    kind: InitKind = InitKind.REGULAR


@dataclass(frozen=True)
class ModuleTree:
    """What can be imported from one layer; folders are below its site directory, with ``/``.

    ``modules`` has the modules in a folder, ``packages`` the folders in it that have some, and
    ``inits`` the folders that have an ``__init__.py``.
    """

    layer: str
    modules: dict[str, dict[str, Module]] = field(default_factory=dict)
    packages: dict[str, set[str]] = field(default_factory=dict)
    inits: dict[str, Module] = field(default_factory=dict)

    def names(self, folder: str) -> set[str]:
        """The names in ``folder`` that can be imported."""
        return {*self.modules.get(folder, ()), *self.packages.get(folder, ())}

    def found(self, name: str) -> Module | None:
        """The module or package ``name``, unless it is a folder without ``__init__.py``."""
        folder, _, last = name.rpartition("/")
        return self.inits.get(name) or self.modules.get(folder, {}).get(last)

    def all_below(self, name: str) -> Iterator[tuple[str, Module]]:
        """``name`` itself and all modules below it."""
        found = self.found(name)
        if found is not None:
            yield name, found
        for module, found in self.modules.get(name, {}).items():
            yield f"{name}/{module}", found
        for package in sorted(self.packages.get(name, ())):
            yield from self.all_below(f"{name}/{package}")


def module_tree(layer: LayerContents, site: str, names: Iterable[str]) -> ModuleTree:
    """What of the top-level ``names`` can be imported from ``layer``."""
    tree, names = ModuleTree(layer.name), set(names)
    kinds: dict[str, InitKind] = {}
    for part in layer.parts:
        for path, text in part.inits.items():
            kinds[path] = _packed(kinds.get(path), InitKind(text))
    for folder, module, distribution, digest in modules(layer, site, names):
        if (folder.partition("/")[0] if folder else module) not in names:
            continue
        if module == _INIT:
            kind = kinds.get(f"{site}/{folder}/{_INIT}.py", InitKind.REGULAR)
            tree.inits[folder] = Module(distribution, digest, kind)
        else:
            tree.modules.setdefault(folder, {})[module] = Module(distribution, digest)
        _add_folder(tree, folder)
    for folder in layer.extended:
        tree.inits[folder] = Module(layer.name, "", InitKind.PKGUTIL)
        _add_folder(tree, folder)
    return tree


def modules(
    layer: LayerContents, site: str, names: AbstractSet[str] | None = None
) -> Iterator[tuple[str, str, str, str]]:
    """Folder, module, distribution and digest of all that can be imported from ``layer``.

    Distributions that have none of the top-level ``names`` are left out.
    """
    start = f"{site}/"
    for part in layer.parts:
        if names is not None and names.isdisjoint(map(_stem, part.names_in(site))):
            continue
        for path, digest in part.files.items():
            if path.startswith(start):
                folder, _, file = path[len(start) :].rpartition("/")
                if _is_package(folder) and (module := module_of(file)):
                    yield folder, module, part.name, digest


@cache
def _is_package(folder: str) -> bool:
    return not folder or all(map(str.isidentifier, folder.split("/")))


def shared_names(layers: Sequence[LayerContents], site: str) -> set[str]:
    """Top-level names that more than one layer has."""
    extended = [{name.partition("/")[0] for name in layer.extended} for layer in layers]
    # By the names in one folder first: few distributions share some.
    stems = [{*map(_stem, layer.names_in(site))} for layer in layers]
    near = in_several(names | spread for names, spread in zip(stems, extended, strict=True))
    if not near:
        return set()
    tops = (
        {
            folder.partition("/")[0] if folder else module
            for folder, module, _, _ in modules(layer, site, near)
        }
        for layer in layers
    )
    return in_several(names | spread for names, spread in zip(tops, extended, strict=True))


def _stem(name: str) -> str:
    return name.partition(".")[0]


@cache
def module_of(file: str) -> str | None:
    """The module that a file of that name in a package is; ``None`` where it is no module."""
    stem, _, suffix = file.partition(".")
    if not stem.isidentifier():
        return None
    if suffix in ("py", "pyc"):
        return stem
    # What a linker names `lib…` is for linkers, also where Python could import it.
    is_extension = suffix.endswith(("so", "pyd")) and not stem.startswith("lib")
    return stem if is_extension and suffix.split(".")[-1] in ("so", "pyd") else None


def _packed(first: InitKind | None, second: InitKind) -> InitKind:
    """Which of two files that two distributions of a layer have at one path is packed."""
    if first is None or not (first.is_namespace and second.is_namespace):
        return second
    return max(first, second, key=lambda kind: kind.reach)


def _add_folder(tree: ModuleTree, folder: str) -> None:
    while folder:
        parent, _, name = folder.rpartition("/")
        tree.packages.setdefault(parent, set()).add(name)
        folder = parent
