"""Files without code that one distribution puts into the package of another.

A package looks for them beside its own modules: in the folder of the layer that it is in. What a
layer below has for a package of the top layer is linked there
(:mod:`hatch_venvstacks.composition.data_links`); what lies anywhere else is not found.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.composition.inventory import in_several, is_excluded, is_known, visible
from hatch_venvstacks.composition.module_tree import module_of
from hatch_venvstacks.composition.namespaces import InitKind
from hatch_venvstacks.model.checks import STRAY, Check, Finding

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from hatch_venvstacks.composition.inventory import Inventory, LayerContents

# What only tools for developers look at.
_TYPING = (".pyi", "/py.typed")


@dataclass(frozen=True)
class PackageFiles:
    """``beside`` maps files in folders of the top layer's packages to the layers that have them.

    Layers are numbered in import order; what is not to be linked belongs to the top one.
    ``findings`` are about files that their packages do not find.
    """

    beside: Mapping[str, int]
    findings: tuple[Finding, ...] = ()


def package_files(layers: Sequence[LayerContents], site: str, *, links: bool) -> PackageFiles:
    """Look for files that belong to packages of other layers; ``layers`` are in import order.

    ``site`` is the site directory of all of them, and ``links`` says whether there can be links.
    """
    seen = visible(layers)
    shared = in_several(layer.names_in(site) for layer in seen)
    owners = _packages(seen, site, shared)
    beside: dict[str, int] = {}
    findings: list[Finding] = []
    for number, layer in enumerate(seen):
        for part in layer.parts:
            if shared.isdisjoint(part.names_in(site)):
                continue
            for package, files in sorted(_guests(part, owners, number).items()):
                winner, host, kind = owners[package]
                if winner == 0 and links:
                    for path in files:
                        kept = path in part.natives and is_excluded(layer, path)
                        beside.setdefault(path, 0 if kept else number)
                elif kind == InitKind.REGULAR and not is_known(
                    seen[winner].name, layer.name, layers
                ):
                    findings += _hidden(package, part, files, (host, seen[winner], layer), site)
    if beside:
        _add_others(beside, seen, owners)
    return PackageFiles(beside, tuple(findings))


def _packages(
    layers: Sequence[LayerContents], site: str, shared: set[str]
) -> dict[str, tuple[int, str, str]]:
    """The folders with an ``__init__.py``: the first layer, the distribution, what kind it is.

    Only those are looked at whose first name is in ``shared``.
    """
    found: dict[str, tuple[int, str, str]] = {}
    for number, layer in enumerate(layers):
        for part in layer.parts:
            for path, kind in part.inits.items():
                folder = posixpath.dirname(path)
                inside = folder[len(site) + 1 :] if folder.startswith(f"{site}/") else ""
                if inside.partition("/")[0] in shared and inside not in STRAY:
                    found.setdefault(folder, (number, part.name, kind))
    return found


def _guests(
    part: Inventory, owners: Mapping[str, tuple[int, str, str]], number: int
) -> dict[str, list[str]]:
    """The files of ``part``, in the layer ``number``, in packages of which it has no module."""
    found: dict[str, list[str]] = {}
    own: set[str] = set()
    for path in part.files if owners else ():
        package = _package_of(path, owners)
        if package is None or owners[package][0] == number:
            continue
        if module_of(posixpath.basename(path)) is not None:
            own.add(package)
        elif not path.endswith(_TYPING):
            found.setdefault(package, []).append(path)
    return {package: files for package, files in found.items() if package not in own}


def _package_of(path: str, packages: Container[str]) -> str | None:
    """The innermost of ``packages`` that ``path`` is in."""
    folder = posixpath.dirname(path)
    while folder and folder not in packages:
        folder = posixpath.dirname(folder)
    return folder or None


def _hidden(
    package: str,
    part: Inventory,
    files: Sequence[str],
    who: tuple[str, LayerContents, LayerContents],
    site: str,
) -> Iterator[Finding]:
    host, winner, layer = who
    lost = sorted({*files} - {path for one in winner.parts for path in one.files})
    if not lost:
        return
    dotted = package[len(site) + 1 :].replace("/", ".")
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    yield Finding(
        Check.HIDDEN_FILE,
        (dotted, part.name, host, *lost),
        f"The package `{dotted}` of `{host}` in layer `{winner.name}` does not find"
        f" `{lost[0]}`{more}, which `{part.name}` in layer `{layer.name}` puts into its folder",
    )


def _add_others(
    beside: dict[str, int],
    layers: Sequence[LayerContents],
    owners: Mapping[str, tuple[int, str, str]],
) -> None:
    """What else lies in the folders of these packages: no link may take its place."""
    packages = {package for path in beside if (package := _package_of(path, owners))}
    for layer in layers:
        for part in layer.parts:
            for path in part.files:
                if _package_of(path, packages):
                    beside.setdefault(path, 0)
