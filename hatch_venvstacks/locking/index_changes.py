"""What a lock records of the indexes that it was computed from, and what has changed since.

No secret is in it: addresses have neither user names nor queries (:mod:`index_url`). Local ones
are relative to the lock's folder, so that a lock is the same in every checkout.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.locking.index_pinning import index_table
from hatch_venvstacks.model.index import recorded_url
from hatch_venvstacks.model.spec import Index

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.indexes import ResolutionIndexes


@dataclass(frozen=True)
class IndexInputs:
    """What was told uv of where packages come from, as far as it matters to one layer.

    ``indexes`` are in the order in which uv looked into them; local addresses are paths relative to
    the lock's folder. ``sources`` maps normalized names to indexes, each with a marker or without:
    ``"torch-cpu ; sys_platform == 'linux'"``. ``options`` are further keys of ``[tool.uv]``.
    """

    indexes: tuple[Index, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude_newer: str = ""
    find_links: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


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


def inputs_table(inputs: IndexInputs) -> dict[str, Any]:
    """``inputs`` as a table of a lock; empty where there is nothing to record."""
    table = {
        "exclude-newer": inputs.exclude_newer,
        "find-links": list(inputs.find_links),
        "sources": {package: list(sources) for package, sources in inputs.sources.items()},
        "index": [index_table(index) for index in inputs.indexes],
        "options": dict(inputs.options),
    }
    return {key: value for key, value in table.items() if value}


def read_inputs(table: Mapping[str, Any]) -> IndexInputs:
    """What :func:`inputs_table` has written; raises a built-in error where it is something else."""
    return IndexInputs(
        indexes=tuple(_read_index(one) for one in table.get("index", [])),
        sources={
            package: tuple(_text(source) for source in sources)
            for package, sources in table.get("sources", {}).items()
        },
        exclude_newer=_text(table.get("exclude-newer", "")),
        find_links=tuple(_text(link) for link in table.get("find-links", [])),
        options=dict(table.get("options", {})),
    )


def _read_index(table: Mapping[str, Any]) -> Index:
    return Index(
        name=_text(table.get("name", "")),
        url=_text(table["url"]),
        explicit=bool(table.get("explicit", False)),
        default=bool(table.get("default", False)),
        flat=table.get("format") == "flat",
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


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
        f"find-links added: {one}" for one in now.find_links if one not in before.find_links
    )
    yield from (
        f"find-links removed: {one}" for one in before.find_links if one not in now.find_links
    )
    for key in sorted({*before.options, *now.options}):
        if before.options.get(key) != now.options.get(key):
            yield f"`tool.uv.{key}` has changed"
