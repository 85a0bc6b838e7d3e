"""Files of layers that one folder could not hold side by side, and files that do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.composition.inventory import in_several, is_known, visible
from hatch_venvstacks.composition.module_tree import module_of, modules
from hatch_venvstacks.model.checks import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.composition.inventory import LayerContents
    from hatch_venvstacks.model.platforms import TargetPlatform


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
