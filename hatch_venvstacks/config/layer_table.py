"""Validate the table ``[tool.hatch.build.targets.venvlayer]``: from a mapping to a frozen value."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import ConfigError, listing
from hatch_venvstacks.common.paths import is_windows_device
from hatch_venvstacks.config.archive_options import read_archive_format, read_compression_level
from hatch_venvstacks.config.check_options import read_checks
from hatch_venvstacks.config.index_options import read_index_options
from hatch_venvstacks.config.platform_options import (
    read_oldest_systems,
    read_platforms,
)
from hatch_venvstacks.config.requirements import ProjectFacts, read_excluded, read_requirements
from hatch_venvstacks.config.runtime_options import read_runtime
from hatch_venvstacks.config.table import Table, leaves_folder, path_fault
from hatch_venvstacks.config.uv.tables import read_uv
from hatch_venvstacks.model.spec import DEFAULT_LOCK_FILE, LayerKind, LayerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_venvstacks.model.spec import UvSettings

__all__ = [
    "GENERIC_OPTIONS",
    "LAYER_OPTIONS",
    "ProjectFacts",
    "is_module_path",
    "module_name",
    "parse_layer",
]

_ALL = tuple(LayerKind)
_UPPER = (LayerKind.FRAMEWORK, LayerKind.APPLICATION)

# The layer options, and the kinds of layers that have them.
LAYER_OPTIONS: Mapping[str, tuple[LayerKind, ...]] = {
    "kind": _ALL,
    "name": _ALL,
    "base-layers": _UPPER,
    "python": (LayerKind.RUNTIME,),
    "python-source": (LayerKind.RUNTIME,),
    "requirements": _ALL,
    "features": _ALL,
    "dependency-groups": _ALL,
    "include-project": _ALL,
    "launch-module": (LayerKind.APPLICATION,),
    "support-modules": (LayerKind.APPLICATION,),
    "platforms": _ALL,
    "linux-target": _ALL,
    "macos-target": _ALL,
    "exclude-packages": _ALL,
    "package-indexes": _ALL,
    "index-overrides": _ALL,
    "priority-indexes": _ALL,
    "lock-file": _ALL,
    "archive-format": _ALL,
    "compression-level": _ALL,
    "bytecode": _ALL,
    "dynlib-exclude": _ALL,
    "dynlib-preload": _UPPER,
    "checks": _ALL,
}

# Hatch's options of every target (https://hatch.pypa.io/latest/config/build/), and the properties
# of hatchling's BuilderConfig that validate them; those that others build on come first.
GENERIC_OPTIONS: Mapping[str, str] = {
    "ignore-vcs": "ignore_vcs",
    "packages": "packages",
    "only-packages": "only_packages",
    "include": "include_spec",
    "exclude": "exclude_spec",
    "artifacts": "artifact_spec",
    "only-include": "only_include",
    "force-include": "force_include",
    "skip-excluded-dirs": "skip_excluded_dirs",
    "sources": "sources",
    "directory": "directory",
    "versions": "versions",
    "reproducible": "reproducible",
    "hooks": "hook_config",
    "require-runtime-dependencies": "require_runtime_dependencies",
    "require-runtime-features": "require_runtime_features",
    "dependencies": "dependencies",
}

MAX_NAME_LENGTH = 64


def parse_layer(table: Mapping[str, Any], *, root: Path, project: ProjectFacts) -> LayerSpec:
    """The layer that a table describes; ``root`` is its project's folder (absolute).

    Nothing is read from the disk. Hatch's generic options are known here, and not looked into.

    :raises ConfigError: whose message holds one line for each fault of the table.
    """
    given = Table(table)
    given.note_unknown([*LAYER_OPTIONS, *GENERIC_OPTIONS])
    kind = _kind(given)
    options = _of_kind(given, kind)
    spec = LayerSpec(
        root=root,
        project_name=project.name,
        name=_name(options, project),
        # Without a kind there is a fault, and the value is not returned.
        kind=kind or LayerKind.FRAMEWORK,
        base_layers=_base_layers(options, kind, root),
        runtime=read_runtime(options) if kind is LayerKind.RUNTIME else None,
        requirements=read_requirements(options, project),
        requires_python=project.requires_python,
        include_project=options.boolean("include-project"),
        launch_module=_launch_module(options),
        support_modules=_support_modules(options),
        lock_file=_lock_file(options, root),
        archive_format=read_archive_format(options),
        compression_level=read_compression_level(options),
        bytecode=options.boolean("bytecode") is not False,
        platforms=read_platforms(options),
        oldest_systems=read_oldest_systems(options),
        uv=_uv(options, project),
        dynlib_exclude=_patterns(options, "dynlib-exclude"),
        dynlib_preload=_patterns(options, "dynlib-preload"),
        checks=read_checks(options),
        **read_index_options(options)._asdict(),
    )
    spec = replace(spec, exclude_packages=read_excluded(options, spec.requirements))
    if options.options.get("reproducible") is False:
        options.note_fault(
            f"Field {options.field('reproducible')} cannot be false: layers always are reproducible"
        )
    if given.faults:
        raise ConfigError("\n".join(dict.fromkeys(given.faults)))
    return spec


def _uv(options: Table, project: ProjectFacts) -> UvSettings:
    from packaging.utils import canonicalize_name

    def names(option: str) -> list[str]:
        values = options.options.get(option)
        entries = values if isinstance(values, list) else []
        return [canonicalize_name(entry) for entry in entries if isinstance(entry, str)]

    return read_uv(
        project.uv,
        options.faults,
        features=names("features"),
        dependency_groups=names("dependency-groups"),
    )


def _patterns(options: Table, option: str) -> tuple[str, ...]:
    return tuple(entry for _, entry in options.strings(option, "Pattern") or ())


def is_module_path(entry: str) -> bool:
    """Whether ``launch-module`` names a file or folder and not a dotted name.

    A path holds a ``/`` or ends with ``.py``: a folder beside ``pyproject.toml`` is ``"./demo"``.
    """
    return "/" in entry or entry.endswith(".py")


def module_name(entry: str) -> str:
    """The name that a path in ``support-modules`` or as ``launch-module`` is imported by."""
    return posixpath.basename(posixpath.normpath(entry)).removesuffix(".py")


def _kind(given: Table) -> LayerKind | None:
    if "kind" not in given:
        given.note_fault(
            f"Missing required field {given.field('kind')}: one of {listing(LayerKind)}"
        )
    kind = given.choice("kind", [str(kind) for kind in LayerKind])
    return None if kind is None else LayerKind(kind)


def _of_kind(given: Table, kind: LayerKind | None) -> Table:
    if kind is None:
        return given
    options = dict(given.options)
    for option in given.options:
        kinds = LAYER_OPTIONS.get(option, _ALL)
        if kind not in kinds:
            del options[option]
            given.note_fault(
                f"Field {given.field(option)} is for {' and '.join(kinds)} layers only: the `kind`"
                f" of this one is `{kind}`"
            )
    return Table(options, given.faults)


def _name(options: Table, project: ProjectFacts) -> str:
    name = options.string("name")
    place = f"Field {options.field('name')}"
    if "name" not in options:
        name = project.normalized_name
        place = f"Field {options.field('name')} (by default the project's name, `{name}`)"
    if name is None:
        return ""
    if "@" in name:
        options.note_fault(
            f"{place} cannot hold `@`, which stands between a layer's name and version"
        )
    elif not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        options.note_fault(
            f"{place} must only contain ASCII letters/digits, underscores, hyphens, and periods,"
            " and must begin and end with ASCII letters/digits, because it is a folder's name"
        )
    elif len(name) > MAX_NAME_LENGTH:
        options.note_fault(f"{place} cannot be longer than {MAX_NAME_LENGTH} characters")
    elif is_windows_device(name):
        options.note_fault(
            f"{place} cannot be the name of a device, which Windows reserves: `{name}`"
        )
    return name


def _base_layers(options: Table, kind: LayerKind | None, root: Path) -> tuple[Path, ...]:
    field = options.field("base-layers")
    if "base-layers" not in options and kind in _UPPER:
        options.note_fault(
            f"Missing required field {field}: the folders of the layers under this one"
        )
    entries = options.strings("base-layers", "Base layer")
    if options.options.get("base-layers") == []:
        options.note_fault(f"Field {field} must name the folder of one layer at least")
    found: dict[Path, str] = {}
    for place, entry in entries or []:
        folder = Path(os.path.normpath(root / entry))
        if path_fault(entry):
            options.note_fault(
                f"{place} {path_fault(entry)}, because every checkout must build the same stack:"
                f" `{entry}`"
            )
        elif folder == Path(os.path.normpath(root)):
            options.note_fault(f"{place} is the project itself: `{entry}`")
        elif folder in found:
            options.note_fault(f"{place} is there already, as `{found[folder]}`: `{entry}`")
        else:
            found[folder] = entry
    return tuple(found)


def _launch_module(options: Table) -> str | None:
    entry = options.string("launch-module")
    if entry is None:
        return None
    place = f"Field {options.field('launch-module')}"
    if is_module_path(entry):
        return _module_path(options, place, entry)
    if "\\" in entry:
        options.note_fault(f"{place} {path_fault(entry)}: `{entry}`")
    elif not all(part.isidentifier() for part in entry.split(".")):
        options.note_fault(
            f"{place} must be a dotted name, as of `python -m`, or a relative path with a `/` or"
            f" with the suffix `.py`: `{entry}`"
        )
    return entry


def _support_modules(options: Table) -> tuple[str, ...]:
    launched = options.options.get("launch-module")
    names = {}
    if isinstance(launched, str) and is_module_path(launched):
        names[module_name(launched)] = launched
    found = []
    for place, entry in options.strings("support-modules", "Support module") or []:
        if _module_path(options, place, entry) is None:
            continue
        name = module_name(entry)
        if name in names:
            options.note_fault(
                f"{place} has the module name `{name}`, which `{names[name]}` has already:"
                f" `{entry}`"
            )
        names.setdefault(name, entry)
        found.append(entry)
    return tuple(found)


def _module_path(options: Table, place: str, entry: str) -> str | None:
    name = module_name(entry)
    fault = path_fault(entry)
    if not fault and leaves_folder(entry):
        fault = "must not lead out of the project's folder"
    elif not fault and name in {"__init__", "__main__"}:
        fault = f"must name the package's folder, and not its `{name}`"
    elif not fault and not name.isidentifier():
        fault = f"must end with a name that can be imported, which `{name}` cannot"
    if fault:
        options.note_fault(f"{place} {fault}: `{entry}`")
        return None
    return entry


def _lock_file(options: Table, root: Path) -> Path:
    from packaging.pylock import is_valid_pylock_path

    entry = options.string("lock-file") or DEFAULT_LOCK_FILE
    path = Path(os.path.normpath(root / entry))
    place = f"Field {options.field('lock-file')}"
    if path_fault(entry):
        options.note_fault(f"{place} {path_fault(entry)}: `{entry}`")
    elif leaves_folder(entry):
        options.note_fault(f"{place} must lie in the project's folder: `{entry}`")
    elif entry.endswith("/") or not is_valid_pylock_path(path):
        options.note_fault(
            f"{place} must name a file `pylock.toml` or `pylock.<name>.toml`, without a dot in"
            f" `<name>` (PEP 751): `{entry}`"
        )
    return path
