"""Which index serves a package: what single layers say of it, and what counts where several do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.model.platforms import PLATFORMS, marker_environment
from hatch_venvstacks.model.spec import LOCATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_venvstacks.model.spec import LayerSpec

# Minor releases for which markers of sources are compared.
_PYTHONS = tuple(f"3.{minor}" for minor in range(10, 16))


@dataclass(frozen=True)
class Assignment:
    """A package that comes from the named ``index``, where ``marker`` holds (empty: everywhere).

    ``layer`` is the one that says so, and ``written`` the index that it names; they differ where a
    layer above says that another one counts.
    """

    package: str
    index: str
    marker: str
    layer: str
    written: str


def own_assignments(spec: LayerSpec) -> Iterator[Assignment]:
    """What a layer itself says: ``package-indexes``, and where it is silent ``tool.uv.sources``."""
    for package, index in spec.package_indexes.items():
        yield Assignment(package, index, "", spec.name, index)
    for source in spec.uv.sources:
        if source.index and source.name not in spec.package_indexes:
            yield Assignment(source.name, source.index, source.marker, spec.name, source.index)


def decided(assignments: Iterable[Assignment]) -> list[Assignment]:
    """``assignments`` that were reached on several ways, each once.

    Where a layer on one of the ways has decided for another index, that counts.
    """
    found = list(dict.fromkeys(assignments))
    written = {
        (assignment.layer, assignment.package, assignment.marker)
        for assignment in found
        if assignment.index != assignment.written
    }
    return [
        assignment
        for assignment in found
        if assignment.index != assignment.written
        or (assignment.layer, assignment.package, assignment.marker) not in written
    ]


def toml_key(name: str) -> str:
    """``name`` as a key of TOML."""
    return f'"{name}"' if "." in name else name


def assigned_indexes(
    spec: LayerSpec, assignments: Sequence[Assignment]
) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """The indexes of each package, with the markers under which they serve it, for ``spec``.

    :raises ConfigError: where two layers name different ones.
    """
    packages: dict[str, list[Assignment]] = {}
    for assignment in assignments:
        packages.setdefault(assignment.package, []).append(assignment)
    for package, own in packages.items():
        for number, assignment in enumerate(own):
            for other in own[:number]:
                if (
                    assignment.index != other.index
                    and _meet(assignment, other)
                    and _differ(assignment, other)
                ):
                    raise _two_indexes(spec, other, assignment)
        conditions: dict[str, list[str]] = {}
        for assignment in own:
            conditions.setdefault(assignment.index, []).append(assignment.marker)
        yield package, tuple((index, _either(markers)) for index, markers in conditions.items())


def _two_indexes(spec: LayerSpec, assignment: Assignment, other: Assignment) -> ConfigError:
    places = [_shown(assignment), _shown(other)]
    return ConfigError(
        f"`{assignment.package}` is to come from two indexes in layer `{spec.name}`:"
        f" {places[0]}, and {places[1]}",
        hint="Say in the layer which one counts, in its table"
        f' `{LOCATION}`: `index-overrides = {{ {toml_key(other.index)} = "{assignment.index}" }}`',
    )


def _shown(assignment: Assignment) -> str:
    names = assignment.written != assignment.index
    written = f" (which names `{assignment.written}`)" if names else ""
    return f"from `{assignment.index}` by layer `{assignment.layer}`{written}"


def _differ(assignment: Assignment, other: Assignment) -> bool:
    # Those that one layer has itself are for uv to compare.
    return assignment.layer != other.layer or assignment.written == other.written


def _meet(assignment: Assignment, other: Assignment) -> bool:
    """Whether both hold on some target platform."""
    from packaging.markers import Marker

    if not assignment.marker or not other.marker or assignment.marker == other.marker:
        return True
    first, second = Marker(assignment.marker), Marker(other.marker)
    environments = (
        cast("dict[str, str]", marker_environment(platform, python))
        for platform in PLATFORMS.values()
        for python in _PYTHONS
    )
    return any(
        first.evaluate(environment) and second.evaluate(environment) for environment in environments
    )


def _either(markers: Sequence[str]) -> str:
    if "" in markers:
        return ""
    distinct = list(dict.fromkeys(markers))
    return distinct[0] if len(distinct) == 1 else " or ".join(f"({marker})" for marker in distinct)
