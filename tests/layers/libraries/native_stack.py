"""The stack of :mod:`native_cases`: built, and as one plain virtual environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters import interpreter_or_skip, some_interpreter
from monorepo import RUNTIME
from native_cases import APP, BASES, EXTENSION, FILES, LAYERS, OWN, WHEELS
from native_wheels import compiled_extension, native_wheel, package_files
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from front_end import FrontEnds
    from monorepo import Monorepo


@dataclass(frozen=True)
class Place:
    """Where all of it is, for the minor release ``minor`` of CPython.

    ``root`` is a deployment root, or, where nothing was ``said`` by builds of layers, one plain
    virtual environment: the reference.
    """

    minor: str
    root: Path
    said: Mapping[str, str]

    def python(self, layer: str = APP) -> Path:
        return self.folder(layer) / "bin" / "python"

    def folder(self, layer: str) -> Path:
        return self.root / layer.rpartition("/")[2] if self.said else self.root

    def site(self, layer: str = APP) -> Path:
        return self.folder(layer) / f"lib/python{self.minor}/site-packages"


def make_wheels(folder: Path) -> bool:
    """Compile all wheels into ``folder``; whether an extension module could be compiled too."""
    for wheels in WHEELS.values():
        for name, libraries in wheels.items():
            native_wheel(folder, name, *libraries, files=FILES.get(name))
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        return False
    native_wheel(
        folder, "vl-extension", files={EXTENSION.path: compiled_extension(EXTENSION, include)}
    )
    return True


def build_stack(repo: Monorepo) -> dict[str, str]:
    """Write all layers and build them; what the builds said."""
    said = {}
    for layer in LAYERS:
        names = [*WHEELS[layer]]
        options: dict[str, Any] = {"base": BASES[layer]} if layer in BASES else {}
        if layer == RUNTIME:
            options["compression_level"] = 1
        elif layer == APP:
            names += ["vl-extension"] if any(repo.wheels.glob("vl_extension-*")) else []
            options["dynlib_preload"] = ["libvlpreloaded.so.*"]
        if layer in OWN:
            options["include_project"] = True
        folder = repo.layer(layer, dependencies=names, **options)
        _write_own_packages(folder, layer)
        said[layer] = repo.build(layer).stderr
    return said


def _write_own_packages(folder: Path, layer: str) -> None:
    packages = [name.replace("-", "_") for name in OWN.get(layer, ())]
    for name, libraries in OWN.get(layer, {}).items():
        for member, content in package_files(name, *libraries).items():
            path = folder / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if packages:
        with (folder / "pyproject.toml").open("a") as file:
            file.write(f"[tool.hatch.build.targets.wheel]\npackages = {packages}\n")


def builder(front_ends: FrontEnds, minor: str, folder: Path) -> FrontEnds:
    """Those that run with another CPython, so that a runtime is a copy of it.

    It is an environment of its own, in the new folder ``folder``, with the wheel of the plugin.
    """
    python = interpreter_or_skip(minor)
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
        return front_ends
    environment = {**front_ends.environment, "VIRTUAL_ENV": str(folder)}
    _uv("venv", "--python", python, folder, env=environment)
    _uv("pip", "install", *front_ends.wheels.glob("*.whl"), env=environment)
    return replace(front_ends, python=str(folder / "bin" / "python"))


def plain_environment(root: Path, wheels: Path) -> Place:
    """The same distributions in the virtual environment ``root``; the projects' own are wheels."""
    own = root.parent / "own"
    for packages in OWN.values():
        for name, libraries in packages.items():
            native_wheel(own, name, *libraries)
    environment = {"UV_CACHE_DIR": str(root.parent / "cache"), "VIRTUAL_ENV": str(root)}
    _uv("venv", "--python", some_interpreter(), root, env=environment)
    found = [*wheels.glob("*.whl"), *own.glob("*.whl")]
    _uv("pip", "install", "--no-index", "--no-config", *found, env=environment)
    (library,) = root.glob("lib/python*")
    return Place(library.name.removeprefix("python"), root, {})


def _uv(*arguments: str | Path, env: Mapping[str, str]) -> None:
    done = subprocess.run(
        [find_uv_bin(), *arguments], env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
