"""A deployment root as on Windows, and the program that makes a layer in it ready."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatch_venvstacks.deployment import postinstall
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

PROGRAMS = {
    "3.10": ("python.exe", "pythonw.exe"),
    "3.12": ("python.exe", "pythonw.exe"),
    "3.13": ("venvlauncher.exe", "venvwlauncher.exe"),
    "3.14": ("venvlauncher.exe", "venvwlauncher.exe"),
}
BASES = [
    {"name": "base", "kind": "framework", "path": "../base"},
    {"name": "rt", "kind": "runtime", "path": "../rt"},
]


def deployment(root: Path, version: str = "3.12.7") -> Path:
    """A deployment root with a runtime and a layer; the layer's folder is given."""
    minor = ".".join(version.split(".")[:2])
    layer, folder = root / "app", root / "rt/Lib/venv/scripts/nt"
    folder.mkdir(parents=True)
    (root / "rt/python.exe").write_bytes(b"the interpreter")
    for name, content in zip(PROGRAMS[minor], (b"console", b"no console"), strict=True):
        (folder / name).write_bytes(content)
    (layer / "share/venvlayer").mkdir(parents=True)
    describe(layer, {"python": {"version": version}, "base_layers": BASES})
    name = layout_of(PLATFORMS["win_amd64"], minor).postinstall
    (layer / name).write_bytes(Path(postinstall.__file__).read_bytes())
    return layer


def describe(layer: Path, value: Any) -> None:
    (layer / "share/venvlayer/layer.json").write_text(json.dumps(value), "utf-8")


def run(
    layer: Path,
    *,
    python: Path | str = sys.executable,
    cwd: Path | None = None,
    fails: bool = False,
) -> str:
    """What it says; it must succeed, or end with lines that are no traceback."""
    command = [str(python), "-B", "-W", "error", str(layer / "postinstall.py")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=cwd)
    if fails:
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
        return done.stderr
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
