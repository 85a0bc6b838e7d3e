"""Telling uv where packages come from, in the project that it resolves.

``tool.uv.sources`` steers what the project itself requires, and not what is required through other
packages (uv 0.13: constraints are not steered either). A package that is assigned to an index has
thus to be a requirement of the project, in an extra that is not exported. It must not be there
without need: an extra takes part in the resolution, and could restrict other packages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.model.index import index_table
from hatch_venvstacks.model.platforms import common_marker, marker_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.sources.indexes import ResolutionIndexes

    # Normalized names of packages, and the names of the platforms on which they are steered.
    Extra = Mapping[str, AbstractSet[str]]

T = TypeVar("T")

_EXTRA = "steered"


def resolve_steered(
    project: Mapping[str, Any],
    indexes: ResolutionIndexes,
    platforms: Sequence[TargetPlatform],
    python: str,
    run: Callable[[Mapping[str, Any]], tuple[T, dict[str, Any]]],
) -> tuple[T, dict[str, Any]]:
    """What ``run`` gives for ``project`` with ``indexes``.

    ``run`` resolves a project, and gives uv's export (:pep:`751`) with something of its own. It is
    called until each package that is assigned to an index, and occurs in the result, is steered on
    the ``platforms`` where it occurs; ``python`` is the release that markers are evaluated for.

    :raises ToolError: of the last call of ``run``.
    """
    # All at first: uv would rather take another version of what requires a package than say that
    # it has not found the package.
    everything = {platform.name: set(indexes.sources) for platform in platforms}
    extra = _serving(everything, indexes, platforms, python)
    if extra:
        try:
            found = run(with_indexes(project, indexes, platforms, extra))
        except ToolError:
            # What is not needed may be in the way, on one platform or on all.
            tried = _each_alone(project, indexes, platforms, extra, run)
            fine = {
                name: outcome
                for name, outcome in tried.items()
                if not isinstance(outcome, ToolError)
            }
            extra = _serving(_names_in(fine, indexes), indexes, platforms, python)
        else:
            occurring = _occurring(found[1], indexes, platforms, python)
            if occurring == extra:
                return found
            extra = occurring
    return _as_needed(project, indexes, platforms, python, run, extra)


def _as_needed(
    project: Mapping[str, Any],
    indexes: ResolutionIndexes,
    platforms: Sequence[TargetPlatform],
    python: str,
    run: Callable[[Mapping[str, Any]], tuple[T, dict[str, Any]]],
    extra: dict[str, set[str]],
) -> tuple[T, dict[str, Any]]:
    """As :func:`resolve_steered`, with ``extra`` at first, and what turns out to be missing."""
    while True:
        try:
            found = run(with_indexes(project, indexes, platforms, extra))
        except ToolError as error:  # noqa: PERF203 (runs a handful of times)
            # What only an index of its own has cannot be found before it is steered.
            if not _blamed(error, indexes):
                raise
            alone = _each_alone(project, indexes, platforms, extra, run)
            if not _add(extra, _serving(_names_in(alone, indexes), indexes, platforms, python)):
                raise
        else:
            if not _add(extra, _occurring(found[1], indexes, platforms, python)):
                return found


def registry_of(
    package: str, indexes: ResolutionIndexes, platform: TargetPlatform, python: str
) -> str:
    """The address of the index that ``package`` is steered to on ``platform``; empty if none."""
    urls = {index.name: index.url for index in indexes.indexes}
    for index, marker in indexes.steered.get(package, ()):
        if marker_holds(marker, platform, python):
            return urls[index]
    return ""


def with_indexes(
    project: Mapping[str, Any],
    indexes: ResolutionIndexes,
    platforms: Sequence[TargetPlatform] = (),
    extra: Extra | None = None,
) -> dict[str, Any]:
    """A copy of the ``project`` for uv with ``indexes``; the packages ``extra`` are steered."""
    tables = {key: value for key, value in _uv_table(indexes).items() if value}
    uv = dict(project["tool"]["uv"])
    for key, value in tables.items():
        if isinstance(value, list):
            uv[key] = [*uv.get(key, ()), *value]
        else:
            uv[key] = {**value, **uv.get(key, {})} if isinstance(value, dict) else value
    changed = {**project, "tool": {**project["tool"], "uv": uv}}
    if extra:
        requirements = [
            _requirement(
                name,
                [platform for platform in platforms if platform.name in extra[name]],
                platforms,
            )
            for name in sorted(extra)
        ]
        changed["project"] = {
            **project["project"],
            "optional-dependencies": {_EXTRA: requirements},
        }
    return changed


def _uv_table(indexes: ResolutionIndexes) -> dict[str, Any]:
    return {
        **indexes.options,
        "index": [index_table(index) for index in indexes.indexes],
        "sources": {
            package: [
                {"index": index, **({"marker": marker} if marker else {})}
                for index, marker in sources
            ]
            for package, sources in indexes.steered.items()
        },
        "find-links": list(indexes.find_links),
        "exclude-newer": indexes.exclude_newer,
    }


def _requirement(
    name: str, chosen: Sequence[TargetPlatform], platforms: Sequence[TargetPlatform]
) -> str:
    marker = common_marker(chosen, platforms)
    return f"{name} ; {marker}" if marker else name


def _blamed(error: ToolError, indexes: ResolutionIndexes) -> set[str]:
    """The packages with an index of their own that uv's words name."""
    return {
        name
        for name in indexes.steered
        if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", error.detail)
    }


def _each_alone(
    project: Mapping[str, Any],
    indexes: ResolutionIndexes,
    platforms: Sequence[TargetPlatform],
    extra: Extra,
    run: Callable[[Mapping[str, Any]], tuple[T, dict[str, Any]]],
) -> dict[str, dict[str, Any] | ToolError]:
    """What ``run`` exports, or raises, for each platform: an index may lack wheels for others."""
    found: dict[str, dict[str, Any] | ToolError] = {}
    environments = project["tool"]["uv"]["environments"]
    for platform, environment in zip(platforms, environments, strict=True):
        uv = {**project["tool"]["uv"], "environments": [environment]}
        if uv.get("required-environments"):
            uv["required-environments"] = [environment]
        alone = {**project, "tool": {**project["tool"], "uv": uv}}
        try:
            _, found[platform.name] = run(with_indexes(alone, indexes, platforms, extra))
        except ToolError as error:
            found[platform.name] = error
    return found


def _names_in(
    alone: Mapping[str, Mapping[str, Any] | ToolError], indexes: ResolutionIndexes
) -> dict[str, set[str]]:
    """For each platform, what occurs there, or what is to blame that there is no resolution."""
    return {
        name: _blamed(found, indexes)
        if isinstance(found, ToolError)
        else {each["name"] for each in found["packages"] if each["name"] in indexes.sources}
        for name, found in alone.items()
    }


def _serving(
    names: Mapping[str, AbstractSet[str]],
    indexes: ResolutionIndexes,
    platforms: Sequence[TargetPlatform],
    python: str,
) -> dict[str, set[str]]:
    """The ``names`` of each platform that an index is assigned to there."""
    found: dict[str, set[str]] = {}
    for platform in platforms:
        for name in names.get(platform.name, ()):
            if registry_of(name, indexes, platform, python):
                found.setdefault(name, set()).add(platform.name)
    return found


def _occurring(
    export: Mapping[str, Any],
    indexes: ResolutionIndexes,
    platforms: Sequence[TargetPlatform],
    python: str,
) -> dict[str, set[str]]:
    names = {
        platform.name: {
            package["name"]
            for package in export["packages"]
            if package["name"] in indexes.sources
            and marker_holds(package.get("marker", ""), platform, python)
        }
        for platform in platforms
    }
    return _serving(names, indexes, platforms, python)


def _add(extra: dict[str, set[str]], more: Extra) -> bool:
    """Whether anything was added."""
    added = False
    for name, platforms in more.items():
        if platforms - extra.get(name, set()):
            extra.setdefault(name, set()).update(platforms)
            added = True
    return added
