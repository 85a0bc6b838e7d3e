"""``[tool.uv.sources]``: where single packages come from.

Source: https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import printable
from hatch_venvstacks.model.spec import PackageSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from hatch_venvstacks.config.uv.project import UvProject, UvTable

_FIELD = "tool.uv.sources"
_KINDS = ("index", "path", "workspace", "git", "url")


def read_sources(
    uv_table: UvTable,
    project: UvProject,
    wanted: Mapping[str, AbstractSet[str]],
    faults: list[str],
) -> tuple[PackageSource, ...]:
    """The sources that a table of ``project`` has; faults are added to ``faults``.

    ``wanted`` has the features (``"extra"``) and dependency groups (``"group"``) that the layer
    takes: sources for others do not count. Sources that a layer cannot have are no faults of the
    table, because the layer may not require the package: see :attr:`PackageSource.fault`.
    """
    from packaging.utils import InvalidName, canonicalize_name

    sources = uv_table.table.get("sources", {})
    if not isinstance(sources, dict):
        faults.append(f"Field `{_FIELD}` must be a table")
        return ()
    found: list[PackageSource] = []
    seen: set[str] = set()
    for package, value in sources.items():
        field = printable(f"`{_FIELD}.{package}`")
        try:
            name = canonicalize_name(package, validate=True)
        except InvalidName:
            faults.append(f"Field {field} is not the name of a package")
            continue
        if name in seen:
            faults.append(f"Field {field} is there already, for the same package")
        seen.add(name)
        for place, entry in _entries(value, field, faults):
            noted = [printable(fault) for fault in _faults(entry, place)]
            faults += noted
            if not noted and _counts(entry, wanted):
                found.append(_source(name, entry, uv_table.folder, project))
    return tuple(found)


def _entries(
    value: object, field: str, faults: list[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, dict):
        yield f"Field {field}", value
        return
    if not isinstance(value, list):
        faults.append(f"Field {field} must be a table or an array of tables")
        return
    for number, entry in enumerate(value, 1):
        place = f"Source #{number} in field {field}"
        if isinstance(entry, dict):
            yield place, entry
        else:
            faults.append(f"{place} must be a table")


def _faults(entry: Mapping[str, Any], place: str) -> Iterator[str]:
    from packaging.markers import InvalidMarker, Marker

    if sum(kind in entry for kind in _KINDS) != 1:
        yield f"{place} must have one of `index`, `path`, `workspace`, `git` and `url`"
    if entry.get("workspace", True) is not True:
        yield f"{place} must have `workspace = true`"
    for key in ("index", "path", "marker", "extra", "group"):
        if not isinstance(entry.get(key, ""), str):
            yield f"{place} must have a string as `{key}`"
    for key in ("package", "subdirectory"):
        if key in entry and ("path" in entry or "workspace" in entry):
            yield f"{place} has the key `{key}`, which layers do not support"
    if not str(entry.get("path", "")).isprintable():
        yield f"{place} must have a `path` without control characters"
    marker = entry.get("marker")
    if isinstance(marker, str):
        try:
            Marker(marker)
        except InvalidMarker as error:
            yield f"{place} has a `marker` that is not valid: {str(error).splitlines()[0]}"


def _source(name: str, entry: Mapping[str, Any], folder: Path, project: UvProject) -> PackageSource:
    from packaging.markers import Marker

    marker = str(Marker(entry["marker"])) if "marker" in entry else ""
    if "index" in entry:
        return PackageSource(name, index=entry["index"], marker=marker)
    if "path" in entry:
        path = Path(os.path.normpath(folder / entry["path"]))
        return PackageSource(name, path=path, marker=marker)
    if "workspace" not in entry:
        fault = "is a Git repository" if "git" in entry else "is an address"
    elif name in project.members:
        return PackageSource(name, path=project.members[name], marker=marker)
    elif project.workspace is None:
        fault = "is the workspace, but the project belongs to none"
    else:
        fault = f"is the workspace in `{project.workspace}`, which has no member of this name"
    return PackageSource(name, marker=marker, fault=fault)


def _counts(entry: Mapping[str, Any], wanted: Mapping[str, AbstractSet[str]]) -> bool:
    from packaging.utils import canonicalize_name

    return all(
        canonicalize_name(entry[key]) in names for key, names in wanted.items() if key in entry
    )
