"""What imports find in a stack of layers, compared with one site directory for all of them.

Nothing is imported: the files of all layers say what the import system would do
(https://docs.python.org/3/reference/import.html). A name is looked for in the layers' site
directories in import order; the first module or package with an ``__init__.py`` counts, and only
without one do all folders of that name make one package (:pep:`420`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hatch_venvstacks.composition.inventory import is_known, visible
from hatch_venvstacks.composition.module_tree import module_tree, shared_names
from hatch_venvstacks.composition.namespaces import InitKind
from hatch_venvstacks.model.checks import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_venvstacks.composition.inventory import LayerContents
    from hatch_venvstacks.composition.module_tree import Module, ModuleTree


@dataclass(frozen=True)
class Imports:
    """What looking at a stack's imports gave.

    ``findings`` are what its top layer should know. ``extended`` are the packages, as folders below
    the site directory, that have parts in several layers and need an ``__init__.py`` in the top
    layer that finds them all.
    """

    findings: tuple[Finding, ...]
    extended: frozenset[str]


def check_imports(layers: Sequence[LayerContents], site: str) -> Imports:
    """What the top layer of ``layers``, which are in import order, must know of their imports.

    ``site`` is the site directory of all of them. A distribution that is in two layers counts in
    the first one only. What two layers below do to each other is theirs to say where one of them,
    or a layer between, stands on both.
    """
    seen = visible(layers)
    shared = shared_names(seen, site)
    if not shared:
        return Imports((), frozenset())
    below = [module_tree(layer, site, shared) for layer in seen[1:]]
    extended: frozenset[str] = frozenset()
    while True:
        # What the top layer gets changes the order in which parts of packages are found.
        top = module_tree(replace(seen[0], extended=extended), site, shared)
        stack = _Stack(layers)
        stack.visit("", [top, *below])
        if stack.extended <= extended:
            return Imports(tuple(stack.findings), extended)
        extended |= stack.extended


class _Stack:
    """The layers that are looked at, and what has been found."""

    def __init__(self, layers: Sequence[LayerContents]) -> None:
        self._layers = layers
        self._winners: dict[str, ModuleTree] = {}
        self.findings: list[Finding] = []
        self.extended: set[str] = set()

    def visit(self, folder: str, trees: Sequence[ModuleTree]) -> None:
        """Look at all names in ``folder`` that several of ``trees`` hold, in their order."""
        holders: dict[str, list[ModuleTree]] = {}
        for tree in trees:
            for name in tree.names(folder):
                holders.setdefault(f"{folder}/{name}".lstrip("/"), []).append(tree)
        for name, held in sorted(holders.items()):
            if len(held) > 1:
                self._visit(name, held)

    def _visit(self, name: str, held: Sequence[ModuleTree]) -> None:
        winner = next((tree for tree in held if tree.found(name)), None)
        if winner is None:
            self.visit(name, held)
            return
        self._winners[name] = winner
        rest = [tree for tree in held if tree is not winner]
        first = winner.inits.get(name)
        if first and all(_is_part(tree, name) for tree in rest):
            if first.kind in (InitKind.PKGUTIL, InitKind.OPEN):
                # Its own folder comes first, then those of the others as they stand on `sys.path`.
                self.visit(name, [winner, *rest])
                return
            if first.kind.is_namespace and self._extend(name):
                self.visit(name, held)
                return
        for other in rest:
            if not is_known(winner.layer, other.layer, self._layers):
                self.findings += _hidden(name, winner, other)

    def _extend(self, name: str) -> bool:
        """Have an ``__init__.py`` for ``name`` in the top layer; false where nobody would find it.

        The packages around it must be looked for there first, too.
        """
        parents = [name]
        parent = name.rpartition("/")[0]
        while parent:
            winner = self._winners.get(parent)
            if winner is not None and winner.layer != self._layers[0].name:
                if not winner.inits[parent].kind.is_namespace:
                    return False
                parents.append(parent)
            parent = parent.rpartition("/")[0]
        self.extended.update(parents)
        return True


def _is_part(tree: ModuleTree, name: str) -> bool:
    """Whether nothing is lost of ``name`` in ``tree`` where the one of another layer counts."""
    found = tree.found(name)
    return found is None or (name in tree.inits and found.kind.is_namespace)


def _hidden(name: str, winner: ModuleTree, other: ModuleTree) -> Iterator[Finding]:
    """What of ``other`` cannot be imported because ``name`` is taken from ``winner``."""
    mine, theirs = dict(winner.all_below(name)), dict(other.all_below(name))
    first = mine.get(name) or next(iter(mine.values()))
    lost = [module for module in theirs if module not in mine]
    code = theirs.get(name)
    if not lost and code and first.kind.is_namespace and not code.kind.is_namespace:
        lost = [name]
    dotted = name.replace("/", ".")
    if lost:
        hidden, example = theirs[lost[0]], lost[0].replace("/", ".")
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield Finding(
            Check.SPLIT_PACKAGE,
            (dotted, first.distribution, hidden.distribution),
            f"The package `{dotted}` is split over layers: because of that of"
            f" `{first.distribution}` in layer `{winner.layer}`, `{example}`{more}"
            f" of `{hidden.distribution}` in layer `{other.layer}` cannot be imported",
        )
        return
    changed = [module for module, hidden in theirs.items() if _differ(hidden, mine[module])]
    if changed:
        hidden = theirs[changed[0]]
        yield Finding(
            Check.SHADOWED_MODULE,
            (dotted, first.distribution, hidden.distribution),
            f"`{dotted}` of `{first.distribution}` in layer `{winner.layer}` hides that of"
            f" `{hidden.distribution}` in layer `{other.layer}`",
        )


def _differ(module: Module, other: Module) -> bool:
    return module.digest != other.digest
