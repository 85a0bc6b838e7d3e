"""Which indexes a layer is resolved from: its own, those of the layers below, and who serves what.

A layer needs the indexes of the layers below, because what they hold is part of its resolution.
What several layers say of one package or of one name must agree, or the layer says what counts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import ConfigError, did_you_mean, listing
from hatch_venvstacks.model.index import local_path, same_url
from hatch_venvstacks.model.spec import LOCATION
from hatch_venvstacks.sources.index_assignments import (
    Assignment,
    assigned_indexes,
    decided,
    own_assignments,
    toml_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_venvstacks.model.index import Index
    from hatch_venvstacks.model.spec import LayerSpec


@dataclass(frozen=True)
class ResolutionIndexes:
    """What uv is told of where packages come from, for the resolution of one layer.

    ``indexes`` are in the order in which uv looks into them, ``sources`` maps normalized names to
    indexes and markers, ``exclude_newer``, ``find_links`` and ``options`` are as in
    :class:`~hatch_venvstacks.model.spec.UvSettings`. ``held`` is as ``sources``, for what layers
    below hold and nobody has assigned: where their locks have it from.
    """

    indexes: tuple[Index, ...] = ()
    sources: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    exclude_newer: str = ""
    find_links: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @property
    def steered(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """All packages of which it is known which index serves them."""
        return {**self.held, **self.sources}


@dataclass(frozen=True)
class _Definition:
    """An index of ``layer``; one that is ``replaced`` does not count any more."""

    layer: str
    index: Index
    replaced: bool = False


@dataclass(frozen=True)
class _Declared:
    """What a layer and those below it say."""

    definitions: tuple[_Definition, ...] = ()
    assignments: tuple[Assignment, ...] = ()


def resolution_indexes(spec: LayerSpec, below: Sequence[LayerSpec]) -> ResolutionIndexes:
    """What the layer ``spec`` above the layers ``below`` (in import order) is resolved from.

    :raises ConfigError: where a name of an index is not known, two layers do not agree, or the
        layer requires a package whose source a layer cannot have.
    """
    _check_sources(spec)
    order = {layer.name: number for number, layer in enumerate((spec, *below))}
    layers = {os.path.realpath(layer.root): layer for layer in below}
    declared = _declared(spec, layers)
    definitions = sorted(
        (definition for definition in declared.definitions if not definition.replaced),
        key=lambda definition: order[definition.layer],
    )
    _check_overrides(spec, declared.definitions)
    indexes = _indexes(spec, definitions)
    assignments = sorted(
        declared.assignments, key=lambda assignment: (assignment.package, order[assignment.layer])
    )
    _check_names(spec, assignments, indexes)
    links = (link for layer in (spec, *below) for link in layer.uv.find_links)
    return ResolutionIndexes(
        indexes=tuple(_prioritized(spec, indexes)),
        sources=dict(assigned_indexes(spec, assignments)),
        exclude_newer=spec.uv.exclude_newer,
        find_links=tuple(dict.fromkeys(links)),
        options=spec.uv.options,
    )


def check_folders(spec: LayerSpec, indexes: ResolutionIndexes) -> None:
    """Check that local indexes exist, and are of their format: uv would pass over what is not.

    :raises ConfigError: naming the folder.
    """
    for index in indexes.indexes:
        folder = local_path(index.url)
        if folder is not None and not index.flat and any(folder.glob("*.whl")):
            raise ConfigError(
                f"An index of layer `{spec.name}` is a folder of wheels, and is not said to be one:"
                f" {folder}",
                hint='Add `format = "flat"` to it, in `[[tool.uv.index]]`',
            )
    for url in (*(index.url for index in indexes.indexes), *indexes.find_links):
        path = local_path(url)
        if path is not None and not path.exists():
            raise ConfigError(
                f"An index of layer `{spec.name}` is a folder that does not exist: {path}",
                hint="Look at `[[tool.uv.index]]` and `find-links` of the layer and of those below",
            )


def _check_sources(spec: LayerSpec) -> None:
    from packaging.requirements import Requirement

    required = {Requirement(text).name for text in spec.requirements}
    faulty = [
        f"Field `tool.uv.sources.{source.name}` of layer `{spec.name}` {source.fault}, from which a"
        " layer cannot take what it requires"
        for source in spec.uv.sources
        if source.fault and source.name in required and source.name not in spec.package_indexes
    ]
    if faulty:
        raise ConfigError(
            "\n".join(dict.fromkeys(faulty)),
            hint="Put a wheel of it into an index or a find-links folder",
        )


def _declared(spec: LayerSpec, layers: Mapping[str, LayerSpec]) -> _Declared:
    """What ``spec`` and the layers below it say, as ``spec`` and they decide it."""
    bases = (layers.get(os.path.realpath(folder)) for folder in spec.base_layers)
    inherited = [_declared(base, layers) for base in bases if base is not None]
    overrides = spec.index_overrides
    definitions = _decided_definitions(
        definition for declared in inherited for definition in declared.definitions
    )
    assignments = decided(
        assignment for declared in inherited for assignment in declared.assignments
    )
    return _Declared(
        (
            *(_Definition(spec.name, index) for index in spec.uv.indexes),
            *(
                replace(
                    definition, replaced=definition.replaced or definition.index.name in overrides
                )
                for definition in definitions
            ),
        ),
        (
            *own_assignments(spec),
            *(
                replace(assignment, index=overrides.get(assignment.index, assignment.index))
                for assignment in assignments
            ),
        ),
    )


def _decided_definitions(definitions: Iterable[_Definition]) -> list[_Definition]:
    # Reached on several ways, a definition is replaced where a layer on one of them says so.
    found: dict[tuple[str, str, str], _Definition] = {}
    for definition in definitions:
        key = (definition.layer, definition.index.name, definition.index.url)
        if key not in found or definition.replaced:
            found[key] = definition
    return list(found.values())


def _check_overrides(spec: LayerSpec, definitions: Sequence[_Definition]) -> None:
    names = {definition.index.name for definition in definitions if not definition.replaced} - {""}
    own = {index.name for index in spec.uv.indexes}
    inherited = {
        definition.index.name for definition in definitions if definition.layer != spec.name
    } - {""}
    for replaced, counts in spec.index_overrides.items():
        place = f"Field `{LOCATION}.index-overrides.{replaced}` of layer `{spec.name}`"
        if replaced not in inherited:
            raise ConfigError(
                f"{place} replaces an index that no layer below has{_among(replaced, inherited)}"
            )
        if counts == replaced and counts not in own:
            raise ConfigError(
                f"{place} says that this layer's own index counts, but it has none of this name",
                hint="Define it in a table `[[tool.uv.index]]`",
            )
        if counts not in names:
            raise ConfigError(
                f"{place} names an index that is not known: `{counts}`{_among(counts, names)}"
            )


def _indexes(spec: LayerSpec, definitions: Sequence[_Definition]) -> list[Index]:
    """One index for each name and address, in import order."""
    found: list[_Definition] = []
    for definition in definitions:
        same = next((other for other in found if _is_same(definition.index, other.index)), None)
        if same is None:
            _check_default(spec, definition, found)
            found.append(definition)
            continue
        if definition.index.name and not same_url(definition.index.url, same.index.url):
            raise _two_addresses(spec, definition, same)
        if same.layer != spec.name and same.index.explicit and not definition.index.explicit:
            # A layer below has found packages in it that it assigns to none.
            found[found.index(same)] = replace(same, index=replace(same.index, explicit=False))
    return [definition.index for definition in found]


def _is_same(index: Index, other: Index) -> bool:
    if index.name or other.name:
        return index.name == other.name
    return same_url(index.url, other.url)


def _check_default(spec: LayerSpec, definition: _Definition, others: Sequence[_Definition]) -> None:
    other = next((other for other in others if other.index.default), None)
    if (
        other is None
        or not definition.index.default
        or same_url(definition.index.url, other.index.url)
    ):
        return
    name, counts = (index.name or "<name>" for index in (definition.index, other.index))
    raise ConfigError(
        f"Two indexes are to take PyPI's place below layer `{spec.name}`:"
        f" {_shown(other)}, and {_shown(definition)}",
        hint="Say in the layer which one counts (an index without a name needs one first):"
        f' `index-overrides = {{ {toml_key(name)} = "{counts}" }}`',
    )


def _two_addresses(spec: LayerSpec, definition: _Definition, other: _Definition) -> ConfigError:
    name = definition.index.name
    if other.layer == spec.name:
        line = f'`index-overrides = {{ {toml_key(name)} = "{name}" }}`'
        hint = f"If the one of `{spec.name}` counts, say so there: {line}"
    else:
        hint = (
            "Give one of them another name, or define the one that counts in this layer, with"
            f' `index-overrides = {{ {toml_key(name)} = "the-one-that-counts" }}`'
        )
    return ConfigError(
        f"Layer `{spec.name}` knows two indexes of the name `{name}`:"
        f" {_shown(other)}, and {_shown(definition)}",
        hint=hint,
    )


def _shown(definition: _Definition) -> str:
    name = f"`{definition.index.name}`, " if definition.index.name else ""
    return f"{name}{definition.index.url} of layer `{definition.layer}`"


def _check_names(
    spec: LayerSpec, assignments: Sequence[Assignment], indexes: Sequence[Index]
) -> None:
    names = {index.name for index in indexes if index.name}
    for assignment in assignments:
        if assignment.index not in names:
            raise ConfigError(
                f"Layer `{assignment.layer}` takes `{assignment.package}` from an index that is not"
                f" known in layer `{spec.name}`: `{assignment.index}`"
                f"{_among(assignment.index, names)}",
                hint="Indexes are defined in tables `[[tool.uv.index]]` of the layer or of one"
                " below, with a `name`",
            )
    for name in spec.priority_indexes:
        if name not in names:
            raise ConfigError(
                f"Field `{LOCATION}.priority-indexes` of layer `{spec.name}` names an index that"
                f" is not known: `{name}`{_among(name, names)}"
            )


def _prioritized(spec: LayerSpec, indexes: Sequence[Index]) -> Iterator[Index]:
    by_name = {index.name: index for index in indexes if index.name}
    for name in spec.priority_indexes:
        yield replace(by_name[name], explicit=False, default=False)
    for index in indexes:
        if index.name not in spec.priority_indexes:
            yield index
        elif index.default:
            # uv looks into the default one last, and without one into PyPI.
            yield replace(index, name="", explicit=False)


def _among(name: str, names: Iterable[str]) -> str:
    known = sorted(names)
    if not known:
        return " (there is none)"
    return did_you_mean(name, known) or f"; known are {listing(known)}"
