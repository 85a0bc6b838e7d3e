"""What uv is told of a project: its ``[tool.uv]``, an ``uv.toml`` beside it, and its workspace's.

Source: https://docs.astral.sh/uv/concepts/projects/workspaces/ and
https://docs.astral.sh/uv/concepts/configuration-files/.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.model.formats.toml import TomlError, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def read_uv_project(root: Path, document: Mapping[str, Any]) -> UvProject:
    """What uv is told of the project in ``root``, whose ``pyproject.toml`` is ``document``.

    :raises ConfigError: where a file of it cannot be read, or the workspace is not valid.
    """
    own = _table(root, document)
    found = (root, document) if "workspace" in own.table else _workspace_above(root)
    if found is None:
        return UvProject((own,))
    above, outer = found
    tables = (own,) if above == root else (own, _table(above, outer))
    members = _members(above, outer) if any(map(_wants_members, tables)) else {}
    return UvProject(tables, members, above)


def _table(folder: Path, document: Mapping[str, Any]) -> UvTable:
    table = _uv(document, folder)
    path = folder / "uv.toml"
    return UvTable(folder, table, _read(path) if path.is_file() else None)


def _uv(document: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    tool = document.get("tool", {})
    table = tool.get("uv", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"Field `tool.uv` in `{folder / 'pyproject.toml'}` must be a table")
    return table


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"`{path}` cannot be read: {error}") from error
    except TomlError as error:
        raise ConfigError(f"`{path}` is not valid TOML: {error}") from error


def _workspace_above(root: Path) -> tuple[Path, dict[str, Any]] | None:
    # As uv: the nearest project above is its workspace's root, or there is none.
    for folder in root.parents:
        path = folder / "pyproject.toml"
        if path.is_file():
            document = _read(path)
            workspace = _uv(document, folder).get("workspace")
            if workspace is None:
                return None
            is_member = root in _matches(folder, workspace, "members")
            if is_member and root not in _matches(folder, workspace, "exclude"):
                return folder, document
            return None
    return None


def _members(root: Path, document: Mapping[str, Any]) -> dict[str, Path]:
    """The members of a workspace: normalized name -> folder. The root itself may be one."""
    from packaging.utils import canonicalize_name

    workspace = _uv(document, root)["workspace"]
    excluded = set(_matches(root, workspace, "exclude"))
    members: dict[str, Path] = {}
    folders = [root, *_matches(root, workspace, "members")]
    for folder in dict.fromkeys(folders):
        path = folder / "pyproject.toml"
        if folder in excluded or not path.is_file():
            continue
        project = _read(path).get("project", {})
        name = project.get("name") if isinstance(project, dict) else None
        if not isinstance(name, str):
            continue
        known = members.setdefault(canonicalize_name(name), folder)
        if known != folder:
            raise ConfigError(
                f"Two members of the workspace in `{root}` have the name `{name}`:"
                f" `{known}` and `{folder}`"
            )
    return members


def _matches(root: Path, workspace: object, key: str) -> Iterator[Path]:
    patterns = workspace.get(key, []) if isinstance(workspace, dict) else None
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ConfigError(
            f"Field `tool.uv.workspace.{key}` in `{root / 'pyproject.toml'}` must be an array of"
            " strings"
        )
    for pattern in patterns:
        # Path.glob refuses absolute patterns and `.`.
        for found in sorted(glob(pattern, root_dir=root, recursive=True)):  # noqa: PTH207
            folder = Path(os.path.normpath(root / found))
            if folder.is_dir():
                yield folder


def _wants_members(uv_table: UvTable) -> bool:
    sources = uv_table.table.get("sources", {})
    values = sources.values() if isinstance(sources, dict) else ()
    entries = (
        entry for value in values for entry in (value if isinstance(value, list) else [value])
    )
    return any(isinstance(entry, dict) and "workspace" in entry for entry in entries)


@dataclass(frozen=True)
class UvTable:
    """The raw table ``[tool.uv]`` of the project in ``folder``.

    ``settings`` is what an ``uv.toml`` beside it holds; with such a file uv takes nothing from the
    table but what only a project has (``sources``, ``workspace``).
    """

    folder: Path
    table: Mapping[str, Any]
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class UvProject:
    """What uv is told of a project: its own table, then that of its workspace's root.

    ``members`` are the workspace's projects (normalized name -> folder); they are looked for only
    where a source refers to the workspace. ``workspace`` is ``None`` where there is none.
    """

    tables: tuple[UvTable, ...] = ()
    members: Mapping[str, Path] = field(default_factory=dict)
    workspace: Path | None = None
