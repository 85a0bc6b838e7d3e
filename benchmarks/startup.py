"""How long the start of an interpreter takes above several layers, against a virtual environment.

Prints the medians of many interleaved starts of `python -c pass`, and the differences; a table for
people, and JSON with `--json FILE`. The runtime is a copy of the CPython that runs this, and the
virtual environment is made by that copy.

Two more environments, without any layer, show what of it CPython takes for itself: one has a path
file that says nothing, the other one in addition a relative link to the interpreter and no `home`
in its `pyvenv.cfg`, without which it could not be moved.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hatch_venvstacks.composition.startup import StartUp
from hatch_venvstacks.composition.wiring import LayerTies, wiring_plan
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.stack import build_stack
from hatch_venvstacks.pipeline.export import write_layer
from hatch_venvstacks.sources.runtimes.host import describe
from hatch_venvstacks.sources.runtimes.host_copy import copy_host

LAYERS = (1, 4, 20)
# In milliseconds, more than the virtual environment takes.
TARGETS = {4: 0.5, 20: 2.0}
SHOWN = {
    "plain": "virtual environment",
    "path file": "the same with a path file",
    "relative": "with a relative link, too",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="starts of each kind")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_host(describe(), root / "rt")
        python = str(root / "rt/bin/python3")
        plain = [python, "-m", "venv", "--without-pip", str(root / "plain")]
        subprocess.run(plain, check=True)
        commands = {"plain": root / "plain/bin/python"}
        commands |= {"path file": with_path_file(root, root / "plain", "path-file")}
        commands |= {str(below): deploy(root, below) for below in LAYERS}
        commands |= {"relative": with_path_file(root, root / f"app{LAYERS[0]}", "relative")}
        times = measure(commands, options.count)
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"CPython {platform.python_version()}, {options.count} starts each, medians")
    print(f"{'':36}{'ms':>8}{'more':>8}{'target':>8}")
    for name, median in medians.items():
        more = median - medians["plain"]
        target = TARGETS.get(int(name)) if name.isdecimal() else None
        shown = SHOWN.get(name, f"{name} layers below")
        print(f"{shown:36}{median:8.2f}{more:8.2f}{target or '':>8}")
    if options.json:
        versions = {"python": platform.python_version(), "machine": platform.platform()}
        figures = {"milliseconds": medians, "count": options.count, **versions}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def with_path_file(root: Path, environment: Path, name: str) -> Path:
    """A copy of ``environment`` that has a path file without effect; its interpreter."""
    copy = root / name
    shutil.copytree(environment, copy, symlinks=True)
    (site,) = copy.glob("lib/python*/site-packages")
    for file in site.glob("*.pth"):
        file.unlink()
    (site / "nothing.pth").write_text("# nothing\n", "utf-8")
    return copy / "bin/python"


def deploy(root: Path, below: int) -> Path:
    """An application above the runtime and frameworks, ``below`` layers in all; its interpreter."""
    names = [f"fw{below}-{number}" for number in range(below - 1)]
    layers = {root / "rt": LayerSpec(root / "rt", "rt", "rt", LayerKind.RUNTIME)}
    for name in names:
        kind, bases = LayerKind.FRAMEWORK, (root / "rt",)
        layers[root / name] = LayerSpec(root / name, name, name, kind, bases)
    below_app = [root / name for name in names] or [root / "rt"]
    kind, bases_of_app = LayerKind.APPLICATION, tuple(below_app)
    app = f"app{below}"
    layers[root / app] = LayerSpec(root / app, app, app, kind, bases_of_app)
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    layout = layout_of(host_platform(), minor)
    # As most layers are: without path files of their own.
    ties = LayerTies(start=StartUp(has_path_files=False, has_namespaces=False))
    for folder, layer in layers.items():
        # Every layer of a real stack has one.
        (folder / layout.site_packages).mkdir(parents=True, exist_ok=True)
        if layer.name == "rt":
            continue
        stack = build_stack(layer, layers.__getitem__)
        write_layer([wiring_plan(stack, layout, {}, ties)], layer.name, root)
    return root / app / layout.layer_python


def measure(commands: dict[str, Path], count: int) -> dict[str, list[float]]:
    """The times of ``count`` starts of each of ``commands``, in turn, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(count + 5):
        for name, python in commands.items():
            start = time.perf_counter()
            subprocess.run([python, "-c", "pass"], check=True, env={})
            if number >= 5:
                times[name].append((time.perf_counter() - start) * 1000)
    return times


if __name__ == "__main__":
    main()
