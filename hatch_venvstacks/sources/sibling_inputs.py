"""What the wheel of a sibling project depends on: while that stays the same, it is built once.

A build backend may read whatever it likes. All files in the project's folder count, the ignore
files of the folders above, what its tables name elsewhere by a path, and Git's state where the
version is computed. What else a build reads, the project says to us as it does to uv: by
``cache-keys`` in ``[tool.uv]`` (https://docs.astral.sh/uv/reference/settings/#cache-keys).
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.config.inherited_variables import named_variables
from hatch_venvstacks.model.formats.toml import TomlError, read_toml
from hatch_venvstacks.store.store import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# What tools keep beside the sources, and no build reads: environments, caches, histories.
_PASSED_OVER = frozenset(
    (
        "__pycache__",
        ".git",
        ".hatch",
        ".hg",
        ".mypy_cache",
        ".nox",
        ".pixi",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
    )
)
_GIT = (
    ("git", "describe", "--always", "--long", "--tags", "--abbrev=40"),
    ("git", "status", "--porcelain", "--untracked-files=no"),
)


@dataclass(frozen=True)
class WheelInputs:
    """What a wheel is built from: ``files`` with their states, and ``circumstances`` that count."""

    files: Mapping[str, str]
    circumstances: tuple[Any, ...]

    @property
    def key(self) -> str:
        """A key for the wheel."""
        return key_of("wheel", self.files, *self.circumstances)

    def outlast(self, later: WheelInputs) -> bool:
        """Whether all of this is so in ``later``, where a build may have added files."""
        return (
            self.files.items() <= later.files.items() and self.circumstances == later.circumstances
        )


def read_wheel_inputs(root: Path, settings: Mapping[str, str], python: str) -> WheelInputs:
    """What the wheel of the project in the folder ``root`` is built from.

    ``settings`` are variables of the environment that the build sees, ``python`` is the minor
    release of the CPython that builds it.
    """
    documents = [_document(root / name) for name in ("pyproject.toml", "hatch.toml")]
    project = documents[0].get("project", {})
    named = {root / text for document in documents for text in _strings(document) if ".." in text}
    keys = documents[0].get("tool", {}).get("uv", {}).get("cache-keys", ())
    files, variables, wants_git = _cache_keys(root, keys)
    is_dynamic = "version" in project.get("dynamic", ()) or "version" not in project
    state = [_git(root, command) for command in _GIT] if wants_git or is_dynamic else []
    seen = {
        shown_path(path, root): _state(path)
        for start in (root, *sorted(named), *files)
        for path in _walk(start)
    }
    ignored = [_state(folder / ".gitignore") for folder in _folders_above(root)]
    environment = {**settings, **named_variables(variables)}
    return WheelInputs(seen, (ignored, state, environment, python, sys.platform))


def _document(path: Path) -> dict[str, Any]:
    with suppress(OSError, UnicodeDecodeError, TomlError):
        return read_toml(path)
    return {}


def _strings(value: Any) -> Iterator[str]:
    """All strings in ``value``, keys of tables among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from _strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _strings(entry)


def _cache_keys(root: Path, keys: Iterable[Any]) -> tuple[list[Path], list[str], bool]:
    """The files and the variables that ``keys`` name, and whether Git counts."""
    files: list[Path] = []
    variables, git = [], False
    for key in keys if isinstance(keys, list) else ():
        table = {"file": key} if isinstance(key, str) else key
        if isinstance(table.get("file"), str):
            files += _matching(root, table["file"])
        if isinstance(table.get("dir"), str):
            files.append(root / table["dir"])
        if isinstance(table.get("env"), str):
            variables.append(table["env"])
        git = git or bool(table.get("git"))
    return files, variables, git


def _matching(root: Path, pattern: str) -> list[Path]:
    folder = root
    while pattern.startswith("../"):
        folder, pattern = folder.parent, pattern[3:]
    with suppress(ValueError, NotImplementedError):
        return sorted(folder.glob(pattern))
    return []


def _walk(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    for parent, folders, files in os.walk(start):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _PASSED_OVER and not Path(parent, name, "pyvenv.cfg").exists()
        )
        yield from (Path(parent, name) for name in sorted(files))


def _state(path: Path) -> str:
    """What stands for the content of a file; empty where there is none that can be read."""
    with suppress(OSError):
        executable = path.stat().st_mode & 0o100
        return f"{file_sha256(path)} {executable}" if path.is_file() else ""
    return ""


def _folders_above(root: Path) -> Iterator[Path]:
    """The folders above ``root``, up to that of the repository."""
    folder = root
    while not (folder / ".git").exists() and folder != folder.parent:
        folder = folder.parent
        yield folder


def _git(root: Path, command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout
