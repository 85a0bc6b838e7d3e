"""Files of layers that one folder could not hold side by side, and files that do not count."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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
    owners: dict[str, _Owner] = {}
    found: dict[tuple[str, str], list[str]] = {}
    where: dict[tuple[str, str], tuple[str, str]] = {}
    seen = visible(layers)
    shared = in_several(layer.names_in(site) for layer in seen)
    for layer in seen:
        for part in layer.parts:
            alone = shared.isdisjoint(part.names_in(site))
            for path in part.outside(site) if alone else part.files:
                digest = part.files[path]
                first = owners.setdefault(path, _Owner(layer.name, part.name, digest))
                if first.layer == layer.name or first.digest == digest or _is_module(path, site):
                    continue
                if not is_known(first.layer, layer.name, layers):
                    found.setdefault((first.distribution, part.name), []).append(path)
                    where[first.distribution, part.name] = first.layer, layer.name
    findings = []
    for (upper, lower), paths in sorted(found.items()):
        upper_layer, lower_layer = where[upper, lower]
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        findings.append(
            Finding(
                Check.FILE_CONFLICT,
                (upper, lower, *paths),
                f"`{upper}` in layer `{upper_layer}` and `{lower}` in layer `{lower_layer}` both"
                f" have the file `{paths[0]}`{more}, with different content",
            )
        )
    return findings


class _Owner(NamedTuple):
    """The first that has a file: the names of a layer and of a distribution in it."""

    layer: str
    distribution: str
    digest: str


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

    Layers are named; what is not to be linked belongs to the top one. ``findings`` are about files
    that their packages do not find.
    """

    beside: Mapping[str, str]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Package:
    """A folder with an ``__init__.py`` of that kind, which ``distribution`` in ``layer`` has."""

    layer: LayerContents
    distribution: str
    kind: str


def package_files(layers: Sequence[LayerContents], site: str, *, links: bool) -> PackageFiles:
    """Look for files that belong to packages of other layers; ``layers`` are in import order.

    ``site`` is the site directory of all of them, and ``links`` says whether there can be links.
    """
    seen = visible(layers)
    shared = in_several(layer.names_in(site) for layer in seen)
    owners = _packages(seen, site, shared)
    top = layers[0].name
    beside: dict[str, str] = {}
    findings: list[Finding] = []
    for layer in seen:
        for part in layer.parts:
            if shared.isdisjoint(part.names_in(site)):
                continue
            for package, files in sorted(_guests(part, owners, layer.name).items()):
                owner = owners[package]
                if owner.layer.name == top and links:
                    for path in files:
                        kept = path in part.natives and is_excluded(layer, path)
                        beside.setdefault(path, top if kept else layer.name)
                elif owner.kind == InitKind.REGULAR and not is_known(
                    owner.layer.name, layer.name, layers
                ):
                    dotted = package[len(site) + 1 :].replace("/", ".")
                    findings += _hidden(dotted, owner, files, part.name, layer.name)
    if beside:
        _add_others(beside, seen, owners)
    return PackageFiles(beside, tuple(findings))


def _packages(layers: Sequence[LayerContents], site: str, shared: set[str]) -> dict[str, _Package]:
    """The folders with an ``__init__.py``, with the first layer that has them.

    Only those are looked at whose first name is in ``shared``.
    """
    found: dict[str, _Package] = {}
    for layer in layers:
        for part in layer.parts:
            for path, kind in part.inits.items():
                folder = posixpath.dirname(path)
                inside = folder[len(site) + 1 :] if folder.startswith(f"{site}/") else ""
                if inside.partition("/")[0] in shared and inside not in STRAY:
                    found.setdefault(folder, _Package(layer, part.name, kind))
    return found


def _guests(part: Inventory, owners: Mapping[str, _Package], layer: str) -> dict[str, list[str]]:
    """The files of ``part``, in ``layer``, that lie in packages of which it has no module."""
    found: dict[str, list[str]] = {}
    own: set[str] = set()
    for path in part.files if owners else ():
        package = _package_of(path, owners)
        if package is None or owners[package].layer.name == layer:
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
    dotted: str, owner: _Package, files: Sequence[str], distribution: str, layer: str
) -> Iterator[Finding]:
    """What the package ``dotted`` of ``owner`` does not find of ``files``.

    These are of the ``distribution`` in ``layer``, which are named.
    """
    lost = sorted({*files} - {path for part in owner.layer.parts for path in part.files})
    if not lost:
        return
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    yield Finding(
        Check.HIDDEN_FILE,
        (dotted, distribution, owner.distribution, *lost),
        f"The package `{dotted}` of `{owner.distribution}` in layer `{owner.layer.name}` does not"
        f" find `{lost[0]}`{more}, which `{distribution}` in layer `{layer}` puts into its"
        " folder",
    )


def _add_others(
    beside: dict[str, str], layers: Sequence[LayerContents], owners: Mapping[str, _Package]
) -> None:
    """What else lies in the folders of these packages: no link may take its place."""
    packages = {package for path in beside if (package := _package_of(path, owners))}
    for layer in layers:
        for part in layer.parts:
            for path in part.files:
                if _package_of(path, packages):
                    beside.setdefault(path, layers[0].name)
