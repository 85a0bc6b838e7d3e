"""Files of layers that one folder could not hold side by side, and files that do not count."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.composition.inventory import in_several, is_excluded, is_known, visible
from hatch_venvstacks.composition.module_tree import module_of, modules
from hatch_venvstacks.composition.namespaces import InitKind
from hatch_venvstacks.model.checks import STRAY, Check, Finding

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from hatch_venvstacks.composition.inventory import Inventory, LayerContents
    from hatch_venvstacks.model.platforms import TargetPlatform

# What only tools for developers look at.
_TYPING = (".pyi", "/py.typed")


def check_files(layers: Sequence[LayerContents], site: str) -> list[Finding]:
    """Files that two distributions of two layers have at one path, with different content.

    Modules are not among them: see :func:`hatch_venvstacks.composition.imports.check_imports`.
    """
    owners: dict[str, tuple[str, str, str]] = {}
    found: dict[tuple[str, str], list[str]] = {}
    where: dict[tuple[str, str], tuple[str, str]] = {}
    seen = visible(layers)
    shared = in_several(layer.names_in(site) for layer in seen)
    for layer in seen:
        for part in layer.parts:
            alone = shared.isdisjoint(part.names_in(site))
            for path in part.outside(site) if alone else part.files:
                digest = part.files[path]
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
        for folder, module, distribution, _ in modules(layer, site):
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


def hidden_path_files(layers: Sequence[LayerContents], site: str) -> list[tuple[str, str]]:
    """The path files of distributions that do not count, as layer and name."""
    found = []
    for layer, kept in zip(layers, visible(layers), strict=True):
        hidden = layer.names_in(site) - kept.names_in(site)
        found += [(layer.name, name) for name in sorted(hidden) if name.endswith(".pth")]
    return found


def _is_module(path: str, site: str) -> bool:
    return path.startswith(f"{site}/") and module_of(path.rpartition("/")[2]) is not None


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
