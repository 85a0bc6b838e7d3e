"""Make a failing universe small, so that a person can see why it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from universes import PURE, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from universes import Layer, Release, Universe


def shrink(universe: Universe, fails: Callable[[Universe], bool]) -> Universe:
    """The smallest universe that is found to fail by taking away one part after the other."""
    while True:
        smaller = next(filter(fails, _simpler(universe)), None)
        if smaller is None:
            return universe
        universe = smaller


def _simpler(universe: Universe) -> Iterator[Universe]:
    """Universes with a part less each, large parts first."""
    for layer in reversed(universe.layers):
        if layer.name != RUNTIME and not any(layer.name in one.bases for one in universe.layers):
            rest = tuple(one for one in universe.layers if one is not layer)
            yield replace(universe, layers=rest)
    for name in sorted({release.name for release in universe.releases}):
        kept = tuple(one for one in universe.releases if one.name != name)
        yield replace(universe, releases=kept)
    for release in universe.releases:
        kept = tuple(one for one in universe.releases if one is not release)
        yield replace(universe, releases=kept)
    for layer in universe.layers:
        for other in _less(layer):
            layers = tuple(other if one is layer else one for one in universe.layers)
            yield replace(universe, layers=layers)
    for release in universe.releases:
        for fewer in _simpler_release(release):
            kept = tuple(fewer if one is release else one for one in universe.releases)
            yield replace(universe, releases=kept)


def _less(layer: Layer) -> Iterator[Layer]:
    for fewer in _without_one(layer.requirements):
        yield replace(layer, requirements=fewer)
    for index, text in enumerate(layer.requirements):
        for shorter in _shorter(text):
            changed = (*layer.requirements[:index], shorter, *layer.requirements[index + 1 :])
            yield replace(layer, requirements=changed)
    if len(layer.bases) > 1:
        for bases in _without_one(layer.bases):
            yield replace(layer, bases=bases)
    if layer.bases and layer.bases != (RUNTIME,):
        yield replace(layer, bases=(RUNTIME,))
    if len(layer.platforms) > 1:
        for platforms in _without_one(layer.platforms):
            yield replace(layer, platforms=platforms)
    elif layer.bases and layer.platforms:
        yield replace(layer, platforms=())


def _simpler_release(release: Release) -> Iterator[Release]:
    if release.tags != (PURE,):
        yield replace(release, tags=(PURE,))
    if release.requires_python:
        yield replace(release, requires_python="")
    for requires in _without_one(release.requires):
        yield replace(release, requires=requires)
    for index, text in enumerate(release.requires):
        for shorter in _shorter(text):
            changed = (*release.requires[:index], shorter, *release.requires[index + 1 :])
            yield replace(release, requires=changed)


def _without_one(values: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for index in range(len(values)):
        yield values[:index] + values[index + 1 :]


def _shorter(text: str) -> Iterator[str]:
    requirement, _, marker = text.partition(" ; ")
    if marker:
        yield requirement
        if " and extra == " in marker:
            yield f"{requirement} ; {marker[marker.rindex('extra == ') :]}"
    parsed = Requirement(requirement)
    end = f" ; {marker}" if marker else ""
    if parsed.extras:
        yield f"{parsed.name}{parsed.specifier}{end}"
    if parsed.specifier:
        extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
        yield f"{parsed.name}{extras}{end}"
