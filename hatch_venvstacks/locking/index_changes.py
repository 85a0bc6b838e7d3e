"""What a lock records of the indexes that it was computed from, and what has changed since.

No secret is in it: addresses have neither user names nor queries (:mod:`index_url`). Local ones
are relative to the lock's folder, so that a lock is the same in every checkout.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hatch_venvstacks.model.index import Index, recorded_url
from hatch_venvstacks.model.lock import IndexInputs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.indexes import ResolutionIndexes


def index_inputs(indexes: ResolutionIndexes, names: Collection[str], folder: Path) -> IndexInputs:
    """What a lock in ``folder`` records of ``indexes``, where the layer depends on ``names``.

    Of the packages that are assigned to indexes, and of the indexes that serve no others, those
    count that the layer depends on: a layer below may add others at will.
    """
    sources = {
        package: tuple(f"{index} ; {marker}" if marker else index for index, marker in each)
        for package, each in indexes.sources.items()
        if package in names
    }
    used = {index for package in sources for index, _ in indexes.sources[package]}
    return IndexInputs(
        indexes=tuple(
            replace(index, url=recorded_url(index.url, folder), options={})
            for index in indexes.indexes
            if not index.explicit or index.name in used
        ),
        sources=sources,
        exclude_newer=indexes.exclude_newer,
        find_links=tuple(recorded_url(url, folder) for url in indexes.find_links),
        options=indexes.options,
    )


def depended_on(names: Mapping[str, Iterable[str]], spec: LayerSpec) -> set[str]:
    """All that the layer ``spec`` depends on: the ``names`` of each platform, what it requires."""
    from packaging.requirements import Requirement

    required = {Requirement(text).name for text in spec.requirements}
    return required.union(*names.values())


def index_changes(before: IndexInputs, now: IndexInputs) -> list[str]:
    """What has changed of the indexes, a line each."""
    return [
        *_of_indexes(before.indexes, now.indexes),
        *_of_sources(before.sources, now.sources),
        *_of_values(before, now),
    ]


def _of_indexes(before: tuple[Index, ...], now: tuple[Index, ...]) -> Iterator[str]:
    known = {_key(index): index for index in before}
    current = {_key(index): index for index in now}
    for key, index in current.items():
        was = known.get(key)
        if was is None:
            yield f"index added: {_shown(index)}"
        elif was.url != index.url:
            yield f"index `{index.name}` is now {index.url}, was {was.url}"
        elif was != index:
            for option in ("explicit", "default", "flat"):
                if getattr(was, option) != getattr(index, option):
                    not_ = "" if getattr(index, option) else " no longer"
                    yield f"index {_shown(index)} is{not_} {option}"
    yield from (f"index removed: {_shown(known[key])}" for key in known if key not in current)
    common = [key for key in known if key in current]
    if common != [key for key in current if key in known]:
        yield "indexes have another order: " + ", ".join(_shown(index) for index in now)


def _key(index: Index) -> str:
    return index.name or index.url


def _shown(index: Index) -> str:
    return f"`{index.name}` ({index.url})" if index.name else index.url


def _of_sources(
    before: Mapping[str, tuple[str, ...]], now: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    for package in sorted({*before, *now}):
        was, current = before.get(package, ()), now.get(package, ())
        if was == current:
            continue
        place = " and ".join(f"`{source}`" for source in was)
        if not current:
            yield f"`{package}` is no longer taken from index {place}"
        else:
            named = " and ".join(f"`{source}`" for source in current)
            yield f"`{package}` is now taken from index {named}" + (f", was {place}" if was else "")


def _of_values(before: IndexInputs, now: IndexInputs) -> Iterator[str]:
    if before.exclude_newer != now.exclude_newer:
        yield (
            f"`exclude-newer` is now {now.exclude_newer or 'not set'},"
            f" was {before.exclude_newer or 'not set'}"
        )
    yield from (
        f"find-links added: {location}"
        for location in now.find_links
        if location not in before.find_links
    )
    yield from (
        f"find-links removed: {location}"
        for location in before.find_links
        if location not in now.find_links
    )
    for key in sorted({*before.options, *now.options}):
        if before.options.get(key) != now.options.get(key):
            yield f"`tool.uv.{key}` has changed"
