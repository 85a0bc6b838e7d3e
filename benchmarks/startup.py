"""How long the start of an interpreter takes above several layers, against a virtual environment.

Prints the medians of many interleaved starts of `python -c pass`, and the differences; a table for
people, and JSON with `--json FILE`. Where the runtime's interpreter comes from does not matter: in
each deployment it is a link to the one that runs this.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from hatch_venvstacks.deploy import write_layer
from hatch_venvstacks.layout import layout_of
from hatch_venvstacks.platforms import host_platform
from hatch_venvstacks.spec import LayerKind, LayerSpec
from hatch_venvstacks.stack import build_stack
from hatch_venvstacks.wiring import wiring_plan

LAYERS = (1, 4, 20)
# In milliseconds, more than the virtual environment takes.
TARGETS = {4: 0.5, 20: 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="starts of each kind")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        venv.create(root / "plain")
        commands = {"plain": root / "plain/bin/python"}
        commands |= {str(below): deploy(root / str(below), below) for below in LAYERS}
        times = measure(commands, options.count)
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(f"CPython {platform.python_version()}, {options.count} starts each, medians")
    print(f"{'':24}{'ms':>8}{'more':>8}{'target':>8}")
    for name, median in medians.items():
        more = median - medians["plain"]
        target = TARGETS.get(int(name)) if name != "plain" else None
        shown = "virtual environment" if name == "plain" else f"{name} layers below"
        print(f"{shown:24}{median:8.2f}{more:8.2f}{target or '':>8}")
    if options.json:
        versions = {"python": platform.python_version(), "machine": platform.platform()}
        figures = {"milliseconds": medians, "count": options.count, **versions}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def deploy(root: Path, below: int) -> Path:
    """An application above a runtime and frameworks, ``below`` layers in all; its interpreter."""
    names = [f"fw{number}" for number in range(below - 1)]
    layers = {root / "rt": LayerSpec(root / "rt", "rt", "rt", LayerKind.RUNTIME)}
    for name in names:
        kind, bases = LayerKind.FRAMEWORK, (root / "rt",)
        layers[root / name] = LayerSpec(root / name, name, name, kind, bases)
    below_app = [root / name for name in names] or [root / "rt"]
    kind, bases_of_app = LayerKind.APPLICATION, tuple(below_app)
    layers[root / "app"] = LayerSpec(root / "app", "app", "app", kind, bases_of_app)
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    layout = layout_of(host_platform(), minor)
    for folder, layer in layers.items():
        stack = build_stack(layer, layers.__getitem__)
        write_layer([wiring_plan(stack, layout, {"name": layer.name})], layer.name, root)
        (folder / layout.site_packages).mkdir(parents=True, exist_ok=True)
    (root / "rt/bin").mkdir()
    (root / "rt" / layout.runtime_python).symlink_to(os.path.realpath(sys.executable))
    return root / "app" / layout.layer_python


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
