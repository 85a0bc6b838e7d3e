"""The requirements that a layer adds: the project's own, its features, its dependency groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_venvstacks.common.errors import did_you_mean, listing
from hatch_venvstacks.config.uv.project import UvProject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packaging.requirements import Requirement

    from hatch_venvstacks.config.table import Table


@dataclass(frozen=True)
class ProjectFacts:
    """What a layer's table may refer to in the rest of its project.

    ``name`` is as the project writes it; ``dependencies`` and ``optional_dependencies`` hold
    :pep:`508` strings; ``dependency_groups`` is the raw table of :pep:`735`; ``requires_python`` is
    empty where the project says nothing; ``uv`` is what uv is told of the project.
    """

    name: str
    dependencies: tuple[str, ...] = ()
    optional_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dependency_groups: Mapping[str, Any] = field(default_factory=dict)
    requires_python: str = ""
    uv: UvProject = field(default_factory=UvProject)

    @property
    def normalized_name(self) -> str:
        """The name as package indexes write it (:pep:`503`)."""
        from packaging.utils import canonicalize_name

        return canonicalize_name(self.name)

    @property
    def features(self) -> Mapping[str, tuple[str, ...]]:
        """The optional dependencies by the normalized names of the features (:pep:`685`)."""
        from packaging.utils import canonicalize_name

        return {
            canonicalize_name(name): texts for name, texts in self.optional_dependencies.items()
        }


def read_requirements(table: Table, project: ProjectFacts) -> tuple[str, ...]:
    """The requirements of a layer: distinct :pep:`508` strings in a canonical form, sorted.

    The option ``requirements`` stands in the place of ``project.dependencies``; ``features`` and
    ``dependency-groups`` add to either. A requirement on features of the project itself stands for
    what these features require. Faults are noted in ``table``.
    """
    everything = [
        *_own(table, project),
        *_of_features(table, project),
        *_of_dependency_groups(table, project),
    ]
    found = set()
    for wanted in everything:
        for place, requirement in _without_self(table, project, wanted):
            if requirement.url:
                # Said without the address, which may hold a password.
                table.note_fault(
                    f"{place} is a direct reference (`{requirement.name} @ …`), which layers do not"
                    " support yet: put its wheel into an index or a find-links folder, and require"
                    " it by name"
                )
            found.add(_canonical(requirement))
    return tuple(sorted(found))


def read_excluded(table: Table, requirements: Iterable[str]) -> tuple[str, ...]:
    """The normalized names in ``exclude-packages``, sorted; faults are noted in ``table``.

    ``requirements`` are the layer's: to require a package and to exclude it is a contradiction.
    """
    from packaging.requirements import Requirement
    from packaging.utils import InvalidName, canonicalize_name

    required = {Requirement(text).name for text in requirements}
    found = set()
    for place, text in table.strings("exclude-packages", "Package") or []:
        try:
            name = canonicalize_name(text, validate=True)
        except InvalidName:
            table.note_fault(f"{place} is not a name of a package: `{text}`")
            continue
        if name in required:
            table.note_fault(f"{place} is required by the layer itself: `{text}`")
        elif name in found:
            table.note_fault(f"{place} is there already: `{text}`")
        found.add(name)
    return tuple(sorted(found))


class _Wanted(NamedTuple):
    place: str
    requirement: Requirement


def _own(table: Table, project: ProjectFacts) -> Iterator[_Wanted]:
    if "requirements" in table:
        yield from _parsed(table, table.strings("requirements", "Requirement") or [])
        return
    yield from _parsed(
        table, _placed(project.dependencies, "Dependency `{}` in field `project.dependencies`")
    )


def _of_features(table: Table, project: ProjectFacts) -> Iterator[_Wanted]:
    from packaging.utils import canonicalize_name

    features = project.features
    for place, feature in table.strings("features", "Feature") or []:
        name = canonicalize_name(feature)
        if name in features:
            yield from _parsed(table, _of_feature(name, features))
        else:
            table.note_fault(
                f"{place} is not defined in field `project.optional-dependencies`: `{feature}`"
                f"{_among(name, features)}"
            )


def _of_dependency_groups(table: Table, project: ProjectFacts) -> Iterator[_Wanted]:
    from packaging.dependency_groups import resolve_dependency_groups
    from packaging.errors import ExceptionGroup
    from packaging.requirements import InvalidRequirement
    from packaging.utils import canonicalize_name

    known = [canonicalize_name(name) for name in project.dependency_groups]
    for place, group in table.strings("dependency-groups", "Dependency group") or []:
        name = canonicalize_name(group)
        if name not in known:
            table.note_fault(
                f"{place} is not defined in table `dependency-groups`: `{group}`"
                f"{_among(name, known)}"
            )
            continue
        try:
            texts = resolve_dependency_groups(project.dependency_groups, group)
        except ExceptionGroup as errors:
            for error in errors.exceptions:
                table.note_fault(f"{place} is not valid: {_words(error)}")
        except InvalidRequirement as error:
            # packaging 26.1 does not gather this one with the others.
            table.note_fault(f"{place} is not valid: {_words(error)}")
        else:
            yield from _parsed(
                table, _placed(texts, f"Dependency `{{}}` of dependency group `{name}`")
            )


def _without_self(
    table: Table, project: ProjectFacts, wanted: _Wanted, seen: frozenset[str] = frozenset()
) -> Iterator[_Wanted]:
    # hatchling does this too, but within `project.optional-dependencies` only.
    from packaging.utils import canonicalize_name

    place, requirement = wanted
    if canonicalize_name(requirement.name) != project.normalized_name:
        yield wanted
        return
    if not requirement.extras:
        table.note_fault(
            f"{place} has the name of the project itself: give the project another name, and the"
            " layer this one with the option `name`; or, if the project itself is meant, set"
            " `include-project`"
        )
    features = project.features
    for extra in sorted(canonicalize_name(extra) for extra in requirement.extras):
        if extra not in features:
            table.note_fault(
                f"{place} asks for the project's own feature `{extra}`, which is not defined in"
                f" field `project.optional-dependencies`{_among(extra, features)}"
            )
        elif extra not in seen:
            for inner in _parsed(table, _of_feature(extra, features)):
                _restrict(inner.requirement, requirement)
                yield from _without_self(table, project, inner, seen | {extra})


def _restrict(requirement: Requirement, outer: Requirement) -> None:
    if outer.marker is not None:
        requirement.marker = (
            outer.marker if requirement.marker is None else requirement.marker & outer.marker
        )


def _of_feature(name: str, features: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return _placed(features[name], f"Dependency `{{}}` of feature `{name}`")


def _placed(texts: Iterable[str], place: str) -> list[tuple[str, str]]:
    return [(place, text) for text in texts]


def _parsed(table: Table, placed: Iterable[tuple[str, str]]) -> Iterator[_Wanted]:
    for place, text in placed:
        requirement = _requirement(text)
        if isinstance(requirement, str):
            table.note_fault(f"{place.replace('{}', text)} is not valid: {requirement}")
        else:
            yield _Wanted(place.replace("{}", requirement.name), requirement)


def _requirement(text: str) -> Requirement | str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        return _words(error)


def _canonical(requirement: Requirement) -> str:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    canonical = Requirement(str(requirement))
    canonical.name = canonicalize_name(requirement.name)
    canonical.extras = {canonicalize_name(extra) for extra in requirement.extras}
    canonical.specifier = SpecifierSet(str(requirement.specifier).lower())
    return str(canonical)


def _words(error: Exception) -> str:
    # packaging draws carets under the text, on lines of their own.
    first, *rest = str(error).splitlines()
    text = rest[0].strip() if rest else ""
    return f"{first}: `{text}`" if text else first


def _among(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    if not known:
        return " (none is)"
    return did_you_mean(name, known) or f"; defined are {listing(known)}"
