"""Where packages come from, as uv is told in ``pyproject.toml``: from raw tables to values.

The tables are uv's (https://docs.astral.sh/uv/reference/settings/), and most of their keys are
uv's business alone. Those that change what a layer is resolved from are read, and checked as far
as they are used here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.config.table import Table
from hatch_venvstacks.config.uv.sources import read_sources
from hatch_venvstacks.model.index import (
    AddressError,
    CredentialsError,
    Index,
    absolute_url,
    same_url,
)
from hatch_venvstacks.model.spec import UvSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from hatch_venvstacks.config.uv.project import UvProject, UvTable

# Keys of `[tool.uv]` that change what uv finds, and need nothing of us: uv gets them as they are.
# Not among them are those that say for which machines uv resolves, or what it builds: these things
# are options of a layer.
PASSED_ON = (
    "constraint-dependencies",
    "dependency-metadata",
    "exclude-dependencies",
    "exclude-newer-package",
    "fork-strategy",
    "index-strategy",
    "no-index",
    "override-dependencies",
    "prerelease",
    "resolution",
)
# https://docs.astral.sh/uv/concepts/indexes/#defining-an-index
_INDEX_NAME = re.compile(r"[A-Za-z0-9._-]+")
# Keys of an index that only uv looks into; `publish-url` is of no use here.
_INDEX_OPTIONS = ("authenticate", "cache-control", "ignore-error-codes")
_FORMATS = ("simple", "flat")


def read_uv(
    project: UvProject,
    faults: list[str],
    *,
    features: Collection[str] = (),
    dependency_groups: Collection[str] = (),
) -> UvSettings:
    """What ``project`` says of where packages come from; faults are added to ``faults``.

    What the project itself says comes before what its workspace's root says. Of the sources for a
    feature or a dependency group, those count whose (normalized) name is given.
    """
    wanted = {"extra": frozenset(features), "group": frozenset(dependency_groups)}
    settings = UvSettings()
    for uv_table in project.tables:
        noted: list[str] = []
        found = _settings(uv_table, noted)
        sources = read_sources(uv_table, project, wanted, noted)
        settings = _merged(settings, replace(found, sources=sources))
        own = project.tables[0]
        file = shown_path(uv_table.folder / "pyproject.toml", own.folder)
        place = "" if uv_table is own else f" (in `{file}`)"
        faults += [f"{fault}{place}" for fault in noted]
    return settings


def is_index_name(text: str) -> bool:
    """Whether uv accepts ``text`` as the name of an index."""
    return bool(_INDEX_NAME.fullmatch(text))


def _settings(uv_table: UvTable, faults: list[str]) -> UvSettings:
    project = Table(uv_table.table, faults, "tool.uv")
    if uv_table.settings is None:
        return _of_table(project, uv_table.folder)
    noted: list[str] = []
    settings = _of_table(Table(uv_table.settings, noted, "tool.uv"), uv_table.folder)
    faults += [f"{fault} (in `uv.toml`)" for fault in noted]
    # uv still finds the project's own indexes for its sources.
    known = {index.name for index in settings.indexes}
    named = tuple(
        replace(index, explicit=True, default=False)
        for index in _indexes(project, uv_table.folder)
        if index.name and index.name not in known
    )
    return replace(settings, indexes=settings.indexes + named)


def _of_table(table: Table, folder: Path) -> UvSettings:
    _check_requirements(table)
    links = (
        _address(table, place, text, folder)
        for place, text in _addresses(table, "find-links", "Location")
    )
    return UvSettings(
        indexes=tuple(_indexes(table, folder)),
        exclude_newer=table.string("exclude-newer") or "",
        find_links=tuple(url for url in links if url is not None),
        options={key: table.options[key] for key in PASSED_ON if key in table},
    )


def _check_requirements(table: Table) -> None:
    for option in ("constraint-dependencies", "override-dependencies"):
        for place, text in table.strings(option, "Requirement") or []:
            # Said without the text, and what packaging says of it: it may hold a password.
            fault = _requirement_fault(text)
            if fault:
                table.note_fault(f"{place} {fault}")
    for place, text in _metadata_requirements(table):
        fault = _requirement_fault(text)
        if fault:
            table.note_fault(f"{place} {fault}")


def _metadata_requirements(table: Table) -> Iterator[tuple[str, str]]:
    """Those in ``dependency-metadata``; other forms of it are for uv to refuse."""
    entries = table.options.get("dependency-metadata")
    for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        place = f"`requires-dist` of entry #{number} in field {table.field('dependency-metadata')}"
        texts = entry.get("requires-dist") if isinstance(entry, dict) else None
        for text in texts if isinstance(texts, list) else ():
            if isinstance(text, str):
                yield f"A requirement in {place}", text


def _requirement_fault(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return "is not valid"
    if requirement.url:
        return f"is a direct reference (`{requirement.name} @ …`), which layers do not support yet"
    return ""


def _indexes(table: Table, folder: Path) -> Iterator[Index]:
    found: list[Index] = []
    for place, entry in _tables(table, "index", "Index"):
        index = _index(table, place, entry, folder)
        if index is None:
            continue
        if index.name and any(other.name == index.name for other in found):
            table.note_fault(f"{place} has a name that another one has: `{index.name}`")
        elif index.default and any(other.default for other in found):
            table.note_fault(f"{place} is the second one with `default = true`")
        else:
            found.append(index)
    yield from found
    # What uv had before it had a table of indexes.
    for place, text in _addresses(table, "extra-index-url", "Index"):
        if (url := _address(table, place, text, folder)) is not None:
            yield Index("", url)
    default = table.string("index-url")
    if default is not None and not any(index.default for index in found):
        place = f"Field {table.field('index-url')}"
        if (url := _address(table, place, default, folder)) is not None:
            yield Index("", url, default=True)


def _index(table: Table, place: str, entry: Mapping[str, Any], folder: Path) -> Index | None:
    before = len(table.faults)
    types = {"name": str, "url": str, "explicit": bool, "default": bool, "format": str}
    for key, kind in types.items():
        if not isinstance(entry.get(key, kind()), kind):
            what = "a string" if kind is str else "a boolean"
            table.note_fault(f"Field `{key}` of {_inside(place)} must be {what}")
    if "url" not in entry:
        table.note_fault(f"{place} has no `url`")
    if len(table.faults) > before:
        return None
    name, form = entry.get("name", ""), entry.get("format", "simple")
    if "name" in entry and not is_index_name(name):
        table.note_fault(
            f"Field `name` of {_inside(place)} must only contain ASCII letters/digits,"
            f" underscores, hyphens, and periods: `{name}`"
        )
    if form not in _FORMATS:
        table.note_fault(
            f"Field `format` of {_inside(place)} must be one of `simple`, `flat`, not `{form}`"
        )
    explicit = entry.get("explicit", False)
    if explicit and not name:
        table.note_fault(f"{place} is explicit, and thus needs a `name`")
    url = _address(table, f"Field `url` of {_inside(place)}", entry["url"], folder, name)
    options = {key: entry[key] for key in _INDEX_OPTIONS if key in entry}
    if url is None or len(table.faults) > before:
        return None
    return Index(name, url, explicit, entry.get("default", False), form == "flat", options)


def _address(table: Table, place: str, text: str, folder: Path, name: str = "<NAME>") -> str | None:
    try:
        return absolute_url(text, folder)
    except CredentialsError as error:
        variable = f"UV_INDEX_{re.sub(r'[^A-Za-z0-9<>]', '_', name or '<NAME>').upper()}"
        table.note_fault(
            f"{place} {error}, which must not be in a file that is shared: set"
            f" `{variable}_USERNAME` and `{variable}_PASSWORD`, or use netrc or a keyring"
        )
    except AddressError as error:
        # Without the address, of which nobody knows what is in it.
        table.note_fault(f"{place} {error}")
    return None


def _addresses(table: Table, option: str, element: str) -> list[tuple[str, str]]:
    return table.strings(option, element) or []


def _tables(table: Table, option: str, element: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    values = table.options.get(option, [])
    if not isinstance(values, list):
        table.note_fault(f"Field {table.field(option)} must be an array of tables")
        return
    for number, value in enumerate(values, 1):
        place = f"{element} #{number} in field {table.field(option)}"
        if isinstance(value, dict):
            yield place, value
        else:
            table.note_fault(f"{place} must be a table")


def _inside(place: str) -> str:
    return place[0].lower() + place[1:]


def _merged(own: UvSettings, outer: UvSettings) -> UvSettings:
    """``own`` settings before those of a workspace's root."""
    names = {index.name for index in own.indexes if index.name}
    has_default = any(index.default for index in own.indexes)
    inherited = [
        # A second default would take part as an ordinary index.
        replace(index, default=False, explicit=True) if index.default and has_default else index
        for index in outer.indexes
        if index.name not in names
        and not any(same_url(index.url, nearer.url) for nearer in own.indexes)
    ]
    packages = {source.name for source in own.sources}
    return UvSettings(
        indexes=(*own.indexes, *(index for index in inherited if index.name or not index.explicit)),
        sources=(
            *own.sources,
            *(source for source in outer.sources if source.name not in packages),
        ),
        exclude_newer=own.exclude_newer or outer.exclude_newer,
        find_links=tuple(dict.fromkeys((*own.find_links, *outer.find_links))),
        options={**outer.options, **own.options},
    )
