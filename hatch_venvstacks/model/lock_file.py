"""Locks as files: read, checked, and written as text that people can compare.

The file is a :pep:`751` lock (https://packaging.python.org/en/latest/specifications/pylock-toml/).
Its ``[tool.hatch-venvstacks]`` table is described in ``docs/reference/lock.md``.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.pylock import Pylock, PylockValidationError

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.model.formats.toml import TomlError, read_toml
from hatch_venvstacks.model.index import Index, index_table
from hatch_venvstacks.model.lock import (
    TOOL,
    IndexInputs,
    Lock,
    LockedProject,
    LockInputs,
    project_of,
)
from hatch_venvstacks.model.oldest_systems import OldestSystems, families_by_option
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeArchive, RuntimeOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FORMAT = 2
# In `below`, what is the same on all platforms.
_EVERYWHERE = "all"
# A wheel's keys in the order in which people look for them.
_WHEEL_KEYS = ("name", "url", "path", "upload-time", "size", "hashes")


def read_lock(path: Path) -> Lock:
    """Read the lock at ``path``.

    :raises LockError: where it is missing, not TOML, not :pep:`751`, or not made by this project.
    """
    mend = Mend("Delete it and make it anew: {lock}", project_of(path))
    try:
        data = read_toml(path)
        pylock = Pylock.from_dict(data)
    except FileNotFoundError:
        raise LockError(
            f"The lock is missing: {path}", hint=Mend("Make it: {lock}", project_of(path))
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LockError(f"The lock cannot be read: {path}: {error}") from error
    except TomlError as error:
        raise LockError(f"The lock is not valid TOML: {path}: {error}", hint=mend) from error
    except PylockValidationError as error:
        raise LockError(f"The lock is not valid (PEP 751): {path}: {error}", hint=mend) from error
    try:
        inputs = _inputs(data["tool"][TOOL])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LockError(
            f"The lock was not made by {TOOL}, or by another version of it: {path}", hint=mend
        ) from error
    lock = Lock(path, pylock, inputs)
    faults = list(_faults(lock))
    if faults:
        raise LockError(f"The lock is damaged: {path}: {'; '.join(faults)}", hint=mend)
    return lock


def _faults(lock: Lock) -> Iterator[str]:
    """What an edit or a merge by hand has broken, though the file is valid."""
    for package in lock.pylock.packages:
        if package.directory is not None and package.name not in lock.inputs.projects:
            yield f"it does not say what the folder of `{package.name}` held"
        if package.version is None and package.directory is None:
            yield f"it has no version of `{package.name}`"
        if not all("sha256" in wheel.hashes for wheel in package.wheels or ()):
            yield f"it has no SHA-256 of a wheel of `{package.name}`"
    lacking = {
        name
        for platform, names in lock.inputs.below.items()
        for name in names
        if not names[name] and name not in lock.versions(platform)
    }
    yield from (f"it lacks `{name}`, which it says is needed" for name in sorted(lacking))


def write_lock(lock: Lock) -> None:
    """Write ``lock`` to its path: the whole file, or nothing.

    :raises LockError: where the folder cannot be written to.
    """
    text = dump_lock(lock)
    try:
        lock.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".pylock-", dir=lock.path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
            temporary.chmod(0o644)
            temporary.replace(lock.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LockError(f"The lock cannot be written: {lock.path}: {error}") from error


def dump_lock(lock: Lock) -> str:
    """The text of ``lock``: the same for the same value."""
    import tomlkit

    document = tomlkit.document()
    for key, value in lock.pylock.to_dict().items():
        if key not in ("packages", "tool"):
            document[key] = value
    packages = tomlkit.aot()
    for package in lock.pylock.to_dict()["packages"]:
        packages.append(_package_table(package))
    document["packages"] = packages or tomlkit.array()
    tool = tomlkit.table(is_super_table=True)
    tool[TOOL] = _inputs_table(lock.inputs)
    document["tool"] = tool
    return tomlkit.dumps(document)


def _package_table(package: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    for key, value in package.items():
        if key != "wheels":
            table[key] = value
    if "wheels" not in package:
        return table
    wheels = tomlkit.array()
    for wheel in package["wheels"]:
        inline = tomlkit.inline_table()
        inline.update({key: wheel[key] for key in _WHEEL_KEYS if key in wheel})
        wheels.append(inline)
    wheels.multiline(multiline=True)
    table["wheels"] = wheels
    return table


def _inputs_table(inputs: LockInputs) -> Any:
    import tomlkit

    table = tomlkit.table()
    table["format"] = FORMAT
    table["platforms"] = list(inputs.platforms)
    for option, values in inputs.oldest_systems.by_option():
        table[option] = values[0] if len(values) == 1 else values
    requirements = tomlkit.array()
    requirements.extend(inputs.requirements)
    table["requirements"] = requirements.multiline(multiline=bool(inputs.requirements))
    if inputs.excluded:
        table["exclude-packages"] = list(inputs.excluded)
    if inputs.release:
        table["python-release"] = inputs.release
    if inputs.wheels:
        table["wheels"] = dict(inputs.wheels)
    indexes = inputs_table(inputs.indexes)
    if indexes:
        table["indexes"] = indexes
    if inputs.projects:
        table["projects"] = {
            name: {
                "version": project.version,
                "requires": project.requires,
                "static": project.static,
            }
            for name, project in sorted(inputs.projects.items())
        }
    if inputs.runtime is not None:
        runtime = {"origin": str(inputs.runtime.origin), "version": inputs.runtime.version}
        table["runtime"] = runtime
        if inputs.runtime.archives:
            archives = inputs.runtime.archives.items()
            table["runtime"]["archives"] = {
                platform: {"url": archive.url, "sha256": archive.sha256}
                for platform, archive in archives
            }
    below = {platform: names for platform, names in _grouped(inputs).items() if names}
    if below:
        table["below"] = below
    return table


def _grouped(inputs: LockInputs) -> dict[str, dict[str, str]]:
    """``inputs.below`` with what all platforms share said once, under ``all``."""
    first, *others = (inputs.below.get(name, {}) for name in inputs.platforms)
    shared = {
        name: version
        for name, version in sorted(first.items())
        if all(other.get(name) == version for other in others)
    }
    own = {
        platform: {
            name: version
            for name, version in sorted(inputs.below.get(platform, {}).items())
            if name not in shared
        }
        for platform in inputs.platforms
    }
    return {_EVERYWHERE: shared, **own}


def _inputs(table: Mapping[str, Any]) -> LockInputs:
    """Read the table; raises a built-in error where it is not what :func:`_inputs_table` makes."""
    if table["format"] != FORMAT:
        raise ValueError(table["format"])
    platforms = _strings(table["platforms"])
    if not platforms or not set(platforms) <= set(PLATFORMS):
        raise ValueError(platforms)
    wheels = table.get("wheels", {})
    return LockInputs(
        platforms=platforms,
        requirements=_strings(table["requirements"]),
        below=_below(table.get("below", {}), platforms),
        runtime=_runtime(table["runtime"]) if "runtime" in table else None,
        oldest_systems=_oldest_systems(table),
        excluded=_strings(table.get("exclude-packages", [])),
        wheels=dict(zip(wheels, _strings(list(wheels.values())), strict=True)),
        release=_strings([table.get("python-release", "")])[0],
        indexes=read_inputs(table.get("indexes", {})),
        projects={name: _project(project) for name, project in table.get("projects", {}).items()},
    )


def _below(table: Mapping[str, Any], platforms: Sequence[str]) -> dict[str, dict[str, str]]:
    for names in table.values():
        _strings(list(names.values()))
    shared = table.get(_EVERYWHERE, {})
    merged = {platform: {**shared, **table.get(platform, {})} for platform in platforms}
    return {platform: dict(sorted(names.items())) for platform, names in merged.items() if names}


def _oldest_systems(table: Mapping[str, Any]) -> OldestSystems:
    found = []
    for option, families in families_by_option().items():
        values = table[option]
        for text in _strings(values if isinstance(values, list) else [values]):
            systems = [
                family.since(release) for family in families if (release := family.parsed(text))
            ]
            if not systems:
                raise ValueError(text)
            found += systems
    return OldestSystems(tuple(found))


def _project(table: Mapping[str, Any]) -> LockedProject:
    version, requires = _strings([table["version"], table["requires"]])
    return LockedProject(version, requires, static=table["static"] is True)


def _runtime(table: Mapping[str, Any]) -> LockedRuntime:
    archives = {
        platform: RuntimeArchive(*_strings([archive["url"], archive["sha256"]]))
        for platform, archive in table.get("archives", {}).items()
    }
    if not re.fullmatch(r"3\.\d+(\.\d+)?", table["version"]):
        raise ValueError(table["version"])
    return LockedRuntime(RuntimeOrigin(table["origin"]), table["version"], archives)


def _strings(values: list[Any]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(values)
    return tuple(values)


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
        indexes=tuple(_read_index(index) for index in table.get("index", [])),
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
