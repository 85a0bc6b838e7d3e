"""The stack of :mod:`native_cases`: built, and as one plain virtual environment."""

from __future__ import annotations

import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monorepo import RUNTIME
from native_cases import APP, BASES, EXTENSION, FILES, LAYERS, OWN, WHEELS
from native_wheels import compiled_extension, native_wheel, package_files
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def build_stack(repo: Monorepo, python: Path) -> dict[str, str]:
    """Write all layers and build them with ``python``; what the builds said."""
    said = {}
    for layer in LAYERS:
        names = [*WHEELS[layer]]
        options: dict[str, Any] = {"base": BASES[layer]} if layer in BASES else {}
        if layer == RUNTIME:
            options["compression_level"] = 1
        elif layer == APP:
            names += ["vl-extension"] if any(repo.wheels.glob("vl_extension-*")) else []
            options["dynlib_preload"] = ["libvlpreloaded.so.*"]
        folder = repo.layer(layer, dependencies=names, **options)
        if layer == APP:
            _write_own_package(folder)
        said[layer] = repo.build(layer, env={"HATCH_PYTHON": str(python)}).stderr
    return said


def _write_own_package(folder: Path) -> None:
    for name, content in package_files("vl-own", OWN).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with (folder / "pyproject.toml").open("a") as file:
        file.write("[tool.hatch.build.targets.wheel]\npackages = ['vl_own']\n")


def plain_environment(root: Path, wheels: Path, python: Path) -> Place:
    """The same distributions in the virtual environment ``root``; the project's own is a wheel."""
    own = root.parent / "own"
    uv = find_uv_bin()
    environment = {"UV_CACHE_DIR": str(root.parent / "cache"), "VIRTUAL_ENV": str(root)}
    subprocess.run([uv, "venv", "-q", "--python", python, root], check=True, env=environment)
    found = [*wheels.glob("*.whl"), native_wheel(own, "vl-own", OWN)]
    install = [uv, "pip", "install", "-q", "--no-index", "--no-config"]
    subprocess.run([*install, *found], check=True, env=environment)
    (library,) = root.glob("lib/python*")
    return Place(library.name.removeprefix("python"), root, {})
