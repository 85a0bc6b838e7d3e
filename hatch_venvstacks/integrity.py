"""What imports find in a stack of layers, compared with one site directory for all of them.

Nothing is imported: the files of all layers say what the import system would do
(https://docs.python.org/3/reference/import.html). A name is looked for in the layers' site
directories in import order; the first module or package with an ``__init__.py`` counts, and only
without one do all folders of that name make one package (:pep:`420`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hatch_venvstacks.checks import Check, Finding
from hatch_venvstacks.namespaces import InitKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_venvstacks.inventory import LayerContents
    from hatch_venvstacks.platforms import TargetPlatform

_INIT = "__init__"


@dataclass(frozen=True)
class Imports:
    """What looking at a stack's imports gave.

    ``findings`` are what its top layer should know. ``extended`` are the packages, as folders below
    the site directory, that have parts in several layers and need an ``__init__.py`` in the top
    layer that finds them all.
    """

    findings: tuple[Finding, ...]
    extended: frozenset[str]


@dataclass(frozen=True)
class _Module:
    """A module, or the ``__init__.py`` of a package: whose it is, and a digest of its content."""

    distribution: str
    digest: str
    kind: InitKind = InitKind.REGULAR


@dataclass(frozen=True)
class _Tree:
    """What can be imported from one layer; folders are below its site directory, with ``/``.

    ``modules`` has the modules in a folder, ``packages`` the folders in it that have some, and
    ``inits`` the folders that have an ``__init__.py``.
    """

    layer: str
    modules: dict[str, dict[str, _Module]] = field(default_factory=dict)
    packages: dict[str, set[str]] = field(default_factory=dict)
    inits: dict[str, _Module] = field(default_factory=dict)

    def names(self, folder: str) -> set[str]:
        return {*self.modules.get(folder, ()), *self.packages.get(folder, ())}

    def found(self, name: str) -> _Module | None:
        """The module or package ``name``, unless it is a folder without ``__init__.py``."""
        folder, _, last = name.rpartition("/")
        return self.inits.get(name) or self.modules.get(folder, {}).get(last)

    def all_below(self, name: str) -> Iterator[tuple[str, _Module]]:
        """``name`` itself and all modules below it."""
        found = self.found(name)
        if found is not None:
            yield name, found
        for module, one in self.modules.get(name, {}).items():
            yield f"{name}/{module}", one
        for package in sorted(self.packages.get(name, ())):
            yield from self.all_below(f"{name}/{package}")


def check_imports(layers: Sequence[LayerContents], site: str) -> Imports:
    """What the top layer of ``layers``, which are in import order, must know of their imports.

    ``site`` is the site directory of all of them. A distribution that is in two layers counts in
    the first one only. What two layers below do to each other is theirs to say where one of them,
    or a layer between, stands on both.
    """
    seen = visible(layers)
    shared = _shared(seen, site)
    if not shared:
        return Imports((), frozenset())
    below = [_tree(layer, site, shared) for layer in seen[1:]]
    extended: frozenset[str] = frozenset()
    while True:
        # What the top layer gets changes the order in which parts of packages are found.
        top = _tree(replace(seen[0], extended=extended), site, shared)
        stack = _Stack(layers)
        stack.visit("", [top, *below])
        if stack.extended <= extended:
            return Imports(tuple(stack.findings), extended)
        extended |= stack.extended


def check_files(layers: Sequence[LayerContents], site: str) -> list[Finding]:
    """Files that two distributions of two layers have at one path, with different content.

    Modules are not among them: see :func:`check_imports`.
    """
    owners: dict[str, tuple[str, str, str]] = {}
    found: dict[tuple[str, str], list[str]] = {}
    where: dict[tuple[str, str], tuple[str, str]] = {}
    for layer in visible(layers):
        for part in layer.parts:
            for path, digest in part.files.items():
                first = owners.setdefault(path, (layer.name, part.name, digest))
                if first[0] == layer.name or first[2] == digest or _is_module(path, site):
                    continue
                if not is_known(first[0], layer.name, layers):
                    found.setdefault((first[1], part.name), []).append(path)
                    where[first[1], part.name] = first[0], layer.name
    return [
        Finding(
            Check.FILE_CONFLICT,
            (upper, lower, *paths),
            f"`{upper}` in layer `{where[upper, lower][0]}` and `{lower}` in layer"
            f" `{where[upper, lower][1]}` both have the file `{paths[0]}`"
            + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
            + ", with different content",
        )
        for (upper, lower), paths in sorted(found.items())
    ]


def check_cases(
    layers: Sequence[LayerContents], site: str, platform: TargetPlatform
) -> list[Finding]:
    """Names that one site directory could not hold side by side, as they differ only in case."""
    if platform.sys_platform == "linux":
        return []
    first: dict[str, tuple[str, str, str]] = {}
    found: dict[tuple[str, str], Finding] = {}
    for layer in visible(layers):
        for folder, module, distribution, _ in _modules(layer, site):
            name = folder.partition("/")[0] if folder else module
            other, owner, above = first.setdefault(
                name.casefold(), (name, distribution, layer.name)
            )
            if other != name and not is_known(above, layer.name, layers):
                found.setdefault(
                    (other, name),
                    Finding(
                        Check.CASE_CONFLICT,
                        (other, name, owner, distribution),
                        f"`{other}` of `{owner}` in layer `{above}` and `{name}` of"
                        f" `{distribution}` in layer `{layer.name}` differ only in case: on"
                        f" {platform.name} one site directory could not hold both",
                    ),
                )
    return list(found.values())


def is_known(first: str, second: str, layers: Sequence[LayerContents]) -> bool:
    """Whether a layer below the top one of ``layers`` has both named layers in its own stack."""
    return any({first, second} <= {layer.name, *layer.below} for layer in layers[1:])


def visible(layers: Sequence[LayerContents]) -> list[LayerContents]:
    """``layers`` without what does not count in them.

    Of a distribution that several layers hold, that is all but the one in the first of them.
    """
    held: set[str] = set()
    result = []
    for layer in layers:
        result.append(replace(layer, parts=tuple(p for p in layer.parts if p.name not in held)))
        held |= {part.name for part in layer.parts}
    return result


def hidden_path_files(layers: Sequence[LayerContents], site: str) -> list[tuple[str, str]]:
    """The path files of distributions that do not count, as layer and name."""
    found = []
    for layer, kept in zip(layers, visible(layers), strict=True):
        held = {path for part in kept.parts for path in part.files}
        for path in sorted(path for part in layer.parts for path in part.files):
            folder, _, name = path.rpartition("/")
            if folder == site and name.endswith(".pth") and path not in held:
                found.append((layer.name, name))
    return found


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


class _Stack:
    """The layers that are looked at, and what has been found."""

    def __init__(self, layers: Sequence[LayerContents]) -> None:
        self._layers = layers
        self._winners: dict[str, _Tree] = {}
        self.findings: list[Finding] = []
        self.extended: set[str] = set()

    def visit(self, folder: str, trees: Sequence[_Tree]) -> None:
        """Look at all names in ``folder`` that several of ``trees`` hold, in their order."""
        holders: dict[str, list[_Tree]] = {}
        for tree in trees:
            for name in tree.names(folder):
                holders.setdefault(f"{folder}/{name}".lstrip("/"), []).append(tree)
        for name, held in sorted(holders.items()):
            if len(held) > 1:
                self._visit(name, held)

    def _visit(self, name: str, held: Sequence[_Tree]) -> None:
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


def _is_part(tree: _Tree, name: str) -> bool:
    """Whether nothing is lost of ``name`` in ``tree`` where the one of another layer counts."""
    found = tree.found(name)
    return found is None or (name in tree.inits and found.kind.is_namespace)


def _hidden(name: str, winner: _Tree, other: _Tree) -> Iterator[Finding]:
    """What of ``other`` cannot be imported because ``name`` is taken from ``winner``."""
    mine, theirs = dict(winner.all_below(name)), dict(other.all_below(name))
    first = mine.get(name) or next(iter(mine.values()))
    lost = [module for module in theirs if module not in mine]
    code = theirs.get(name)
    if not lost and code and first.kind.is_namespace and not code.kind.is_namespace:
        lost = [name]
    dotted = name.replace("/", ".")
    if lost:
        one, example = theirs[lost[0]], lost[0].replace("/", ".")
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield Finding(
            Check.SPLIT_PACKAGE,
            (dotted, first.distribution, one.distribution),
            f"The package `{dotted}` is split over layers: because of that of"
            f" `{first.distribution}` in layer `{winner.layer}`, `{example}`{more}"
            f" of `{one.distribution}` in layer `{other.layer}` cannot be imported",
        )
        return
    changed = [module for module, one in theirs.items() if _differ(one, mine[module])]
    if changed:
        one = theirs[changed[0]]
        yield Finding(
            Check.SHADOWED_MODULE,
            (dotted, first.distribution, one.distribution),
            f"`{dotted}` of `{first.distribution}` in layer `{winner.layer}` hides that of"
            f" `{one.distribution}` in layer `{other.layer}`",
        )


def _differ(one: _Module, other: _Module) -> bool:
    return one.digest != other.digest


def _is_module(path: str, site: str) -> bool:
    return path.startswith(f"{site}/") and module_of(path.rpartition("/")[2]) is not None


def _modules(layer: LayerContents, site: str) -> Iterator[tuple[str, str, str, str]]:
    """Folder, module, distribution and digest of all that can be imported from ``layer``."""
    for part in layer.parts:
        for path, digest in part.files.items():
            if path.startswith(f"{site}/"):
                folder, _, file = path[len(site) + 1 :].rpartition("/")
                module = module_of(file)
                if module and all(map(str.isidentifier, folder.split("/") if folder else ())):
                    yield folder, module, part.name, digest


def _shared(layers: Sequence[LayerContents], site: str) -> set[str]:
    """Top-level names that more than one layer has."""
    seen: set[str] = set()
    shared: set[str] = set()
    for layer in layers:
        tops = {
            folder.partition("/")[0] if folder else module
            for folder, module, _, _ in _modules(layer, site)
        }
        tops |= {name.partition("/")[0] for name in layer.extended}
        shared |= seen & tops
        seen |= tops
    return shared


def _tree(layer: LayerContents, site: str, names: Iterable[str]) -> _Tree:
    tree, names = _Tree(layer.name), set(names)
    kinds: dict[str, InitKind] = {}
    for part in layer.parts:
        for path, text in part.inits.items():
            kinds[path] = _packed(kinds.get(path), InitKind(text))
    for folder, module, distribution, digest in _modules(layer, site):
        if (folder.partition("/")[0] if folder else module) not in names:
            continue
        if module == _INIT:
            kind = kinds.get(f"{site}/{folder}/{_INIT}.py", InitKind.REGULAR)
            tree.inits[folder] = _Module(distribution, digest, kind)
        else:
            tree.modules.setdefault(folder, {})[module] = _Module(distribution, digest)
        _add_folder(tree, folder)
    for folder in layer.extended:
        tree.inits[folder] = _Module(layer.name, "", InitKind.PKGUTIL)
        _add_folder(tree, folder)
    return tree


def _packed(first: InitKind | None, second: InitKind) -> InitKind:
    """Which of two files that two distributions of a layer have at one path is packed."""
    if first is None or not (first.is_namespace and second.is_namespace):
        return second
    return max(first, second, key=lambda kind: kind.reach)


def _add_folder(tree: _Tree, folder: str) -> None:
    while folder:
        parent, _, name = folder.rpartition("/")
        tree.packages.setdefault(parent, set()).add(name)
        folder = parent
