"""Layers as users of this project build them: ``hatchling build`` in each layer's folder."""

from __future__ import annotations

import filecmp
import functools
import operator
import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import tomlkit
from measure import CommandError, Usage, measure, size_of
from stacks import APP, LAUNCH, edit_launch, write_launch

from hatch_venvstacks.config.layer_table import LAYER_OPTIONS
from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.model.platforms import host_platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from stacks import Layer, Stack
    from standins import Runtime

# Before there was bytecode in layers, there was nothing to turn off.
HAS_BYTECODE = "bytecode" in LAYER_OPTIONS
_TRIVIAL = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "nothing"
version = "1.0"

[tool.hatch.build.targets.wheel]
only-include = ["nothing.py"]
"""


@dataclass(frozen=True)
class Ours:
    """The projects of a stack in ``folder``, and a store of their own.

    ``options`` are options of the target that all layers get.
    """

    stack: Stack
    folder: Path
    runtime: Runtime
    environment: Mapping[str, str]
    options: Mapping[str, Any]

    def write(self) -> None:
        """Write the projects; locks and archives that are there stay."""
        for layer in self.stack.layers:
            self._write(layer)
        self._write_app()

    def lock(self) -> Usage:
        """Bring the locks up to date."""
        return self._all("venvlayer:lock")

    def ready(self) -> None:
        """Write the projects, and lock those that have no lock that fits."""
        self.write()
        self.lock()

    def prepare(self) -> None:
        """Build the projects once more where archives are missing."""
        if len(self.archives()) < len(self.names):
            self.ready()
            self.build()

    def build(self, names: Sequence[str] | None = None, *, watch: bool = False) -> Usage:
        """Build ``names``, or all layers."""
        return self._all("venvlayer", names, watch=watch)

    def build_all_anew(self, *, watch: bool = False) -> Usage:
        """Build all archives with an empty store."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.forget_archives()
        return self.build(watch=watch)

    def start(self) -> Usage:
        """Let hatchling build next to nothing: the wheel of one empty module."""
        project = self.folder / "trivial"
        if not project.exists():
            project.mkdir()
            (project / "pyproject.toml").write_text(_TRIVIAL, "utf-8")
            (project / "nothing.py").touch()
        return self._hatchling(project, "build", "-t", "wheel")

    def version(self) -> Usage:
        """Let hatchling say a version: the least that it can be started for."""
        return self._hatchling(self.project(APP), "version")

    def edit(self) -> None:
        """Change the application's module."""
        edit_launch(self.project(APP))

    @contextmanager
    def changed(self, stack: Stack) -> Iterator[Ours]:
        """The same folders with other requirements; all is as it was afterwards.

        The archives go, for they are of the other stack; the store is what it was before.
        """
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.store, kept / "store", symlinks=True)
        locks = {name: self.project(name) / "pylock.venvlayer.toml" for name in self.names}
        contents = {name: path.read_bytes() for name, path in locks.items()}
        other = replace(self, stack=stack)
        other.write()
        try:
            yield other
        finally:
            self.write()
            for name, path in locks.items():
                path.write_bytes(contents[name])
            self.forget_archives()
            _restore(self.store, kept / "store")

    def unpack(self, root: Path) -> Usage:
        """Unpack the archives side by side into the new folder ``root``."""
        if len(self.archives()) < len(self.stack.names):
            raise CommandError(f"not all layers of {self.stack.name} are built in {self.folder}")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        script = 'for archive do tar -xf "$archive" || exit; done'
        return self._measured(["sh", "-c", script, "sh", *self.archives()], root)

    def first_run(self, root: Path) -> Usage:
        """Run the application that was unpacked, for a user who has run nothing before."""
        command = [str(root / APP / "bin/python"), "-m", LAUNCH]
        return self._measured(command, root, env={"HOME": str(root / "home")})

    def archives(self) -> list[Path]:
        """In the order in which the layers are built; those that are there."""
        return [
            path
            for name in self.names
            for path in sorted((self.project(name) / "dist/venvlayer").glob("*.tar.zst"))
        ]

    def size(self) -> int:
        """The bytes of all archives."""
        return size_of(self.archives())

    def forget_archives(self) -> None:
        for name in self.names:
            shutil.rmtree(self.project(name) / "dist", ignore_errors=True)

    def pins(self) -> dict[str, str]:
        """What the layers hold, by the locks: name -> version."""
        found: dict[str, str] = {}
        for name in self.names:
            lock = read_lock(self.project(name) / "pylock.venvlayer.toml")
            found |= {key: str(value) for key, value in lock.versions(host_platform().name).items()}
        return found

    @property
    def names(self) -> tuple[str, ...]:
        return self.stack.names

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def project(self, name: str) -> Path:
        return self.folder / "layers" / name

    def _all(
        self, target: str, names: Sequence[str] | None = None, *, watch: bool = False
    ) -> Usage:
        usages = [
            self._hatchling(self.project(name), "build", "-t", target, watch=watch)
            for name in (self.names if names is None else names)
        ]
        return functools.reduce(operator.add, usages)

    def _hatchling(self, project: Path, *arguments: str, watch: bool = False) -> Usage:
        return self._measured([sys.executable, "-m", "hatchling", *arguments], project, watch=watch)

    def _measured(
        self,
        command: Sequence[str | Path],
        cwd: Path,
        *,
        env: Mapping[str, str] | None = None,
        watch: bool = False,
    ) -> Usage:
        environment = {
            **self.environment,
            "HATCH_VENVLAYER_CACHE": str(self.store),
            **find_links(self.stack),
        }
        environment = environment if env is None else dict(env)
        return measure(command, cwd=cwd, env=environment, log=self.folder / "log", watch=watch)

    def _write(self, layer: Layer) -> None:
        table: dict[str, Any] = {"kind": "framework"}
        if layer.base:
            table["base-layers"] = [f"../{name}" for name in layer.base]
        else:
            source = {"url": self.runtime.archive.as_uri(), "sha256": self.runtime.sha256}
            table = {
                "kind": "runtime",
                "python": f"cpython@{self.runtime.version}",
                "python-source": {host_platform().name: source},
            }
        self._project(layer.name, layer.requirements, table)

    def _write_app(self) -> None:
        bases = [f"../{name}" for name in self.stack.app_base]
        table = {"kind": "application", "base-layers": bases, "launch-module": f"{LAUNCH}.py"}
        self._project(APP, (), table)
        write_launch(self.stack, self.project(APP))

    def _project(self, name: str, requirements: Sequence[str], table: Mapping[str, Any]) -> None:
        layer = {**table, **self.options}
        document: dict[str, Any] = {
            "build-system": {
                "requires": ["hatchling", "hatch-venvstacks"],
                "build-backend": "hatchling.build",
            },
            "project": {"name": name, "version": "1.0", "dependencies": list(requirements)},
            "tool": {"hatch": {"build": {"targets": {"venvlayer": layer}}}},
        }
        wheels = self.stack.wheels
        named = [n for n in self.stack.local if any(r.startswith(n) for r in requirements)]
        if wheels is not None and named:
            index = {"name": "local", "url": wheels.as_uri(), "format": "flat", "explicit": True}
            sources = {one: {"index": "local"} for one in named}
            document["tool"]["uv"] = {"index": [index], "sources": sources}
        project = self.project(name)
        project.mkdir(parents=True, exist_ok=True)
        path = project / "pyproject.toml"
        text = tomlkit.dumps(document)
        # A file that says the same has not been touched.
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def _restore(folder: Path, copy: Path) -> None:
    """Make the files in ``folder`` what they are in ``copy``.

    Those that have not changed are not touched, because inodes and times are looked at, too.
    """
    kept = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder) not in kept:
            path.unlink()
    for place in kept:
        source, path = copy / place, folder / place
        if not path.is_file() or not filecmp.cmp(source, path, shallow=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path)


def find_links(stack: Stack) -> dict[str, str]:
    """The environment variables by which uv finds the wheels of a stack without an index."""
    if stack.wheels is None or stack.has_index:
        return {}
    empty = stack.wheels / "empty-index"
    empty.mkdir(exist_ok=True)
    return {"UV_FIND_LINKS": stack.wheels.as_uri(), "UV_DEFAULT_INDEX": empty.as_uri()}


def clean_environment(checkout: Path, work: Path) -> dict[str, str]:
    """The environment variables of this process without those that lead a build elsewhere.

    What says where an index is, and which certificates count, stays. Caches of uv and pip are in
    ``work``: they are warm because this benchmark warmed them.
    """
    kept = ("URL", "INDEX", "CERT", "TRUSTED_HOST", "TIMEOUT", "CONFIG_FILE", "NETRC")
    ours = ("UV_", "PIP_", "HATCH_", "PYTHON", "CONDA_", "VIRTUAL_ENV", "SOURCE_DATE_EPOCH")
    found = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours)
        or (name.startswith(("UV_", "PIP_")) and any(word in name for word in kept))
    }
    return {
        **found,
        "PYTHONPATH": str(checkout),
        "UV_CACHE_DIR": str(work / "uv-cache"),
        "PIP_CACHE_DIR": str(work / "pip-cache"),
    }
