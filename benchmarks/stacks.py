"""The stacks that are measured: what their layers hold, for whichever tool builds them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

RUNTIME, APP, LAUNCH = "rt", "demo", "bench_launch"
GENERATED = (1, 4, 16)
# How many distributions a framework holds, and how many of them change.
CHANGED: Mapping[int, tuple[int, ...]] = {8: (1,), 32: (0, 1, 4, 16, 32), 128: (1,)}

# Without figures: matplotlib's first one makes a list of the fonts of the machine.
_SCI = """\
import matplotlib
import numpy
from sklearn.linear_model import LinearRegression

numbers = numpy.arange(20.0).reshape(10, 2)
print(LinearRegression().fit(numbers, numbers.sum(axis=1)).score(numbers, numbers.sum(axis=1)))
"""
_TORCH = """\
import torch
from transformers import BertConfig, BertModel

small = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
with torch.no_grad():
    print(BertModel(small).eval()(torch.arange(6).reshape(1, 6)).last_hidden_state.shape)
"""


@dataclass(frozen=True)
class Layer:
    """A runtime (without ``base``) or a framework: its name, what it requires, what it is on."""

    name: str
    requirements: tuple[str, ...] = ()
    base: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stack:
    """Layers from the lowest to the uppermost, and an application of one module on ``app_base``.

    ``wheels`` is a folder of wheels that no index has; ``local`` names the distributions in it that
    other requirements come to from an index, and without names there is no index.
    ``extra`` is what is added to the framework ``grows`` where one small package is added.
    """

    name: str
    layers: tuple[Layer, ...]
    app_base: tuple[str, ...]
    launch: str
    grows: str
    extra: str
    wheels: Path | None = None
    local: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All layers in the order in which they are built."""
        return (*(layer.name for layer in self.layers), APP)

    @property
    def has_index(self) -> bool:
        return self.wheels is None or bool(self.local)

    def with_requirements(self, layer: str, requirements: Iterable[str]) -> Stack:
        """The stack whose ``layer`` requires something else."""
        changed = tuple(
            replace(one, requirements=tuple(requirements)) if one.name == layer else one
            for one in self.layers
        )
        return replace(self, layers=changed)

    def grown(self) -> Stack:
        """The stack with one small package more, where there is one to add."""
        if not self.extra:
            return self
        known = next(layer for layer in self.layers if layer.name == self.grows)
        return self.with_requirements(self.grows, (*known.requirements, self.extra))


def sci() -> Stack:
    layers = (
        Layer(RUNTIME, ("numpy", "matplotlib")),
        Layer("sklearn", ("scikit-learn",), (RUNTIME,)),
    )
    return Stack("sci", layers, ("sklearn",), _SCI, "sklearn", "iniconfig")


def torch(wheel: Path) -> Stack:
    """With torch's ``wheel`` for the CPU: PyPI's for Linux is gigabytes of CUDA."""
    pinned = f"torch=={parse_wheel_filename(wheel.name)[1]}"
    layers = (
        Layer(RUNTIME, ("numpy",)),
        Layer("tensors", (pinned,), (RUNTIME,)),
        Layer("models", ("transformers",), ("tensors",)),
    )
    base, local = ("models",), ("torch",)
    return Stack("torch", layers, base, _TORCH, "tensors", "iniconfig", wheel.parent, local)


def find_torch(folders: Iterable[Path]) -> Path | None:
    """The newest wheel of torch for the CPU in ``folders`` that fits the running Python."""
    tags = frozenset(sys_tags())
    found = {}
    for folder in folders:
        for path in folder.glob("torch-*+cpu-*.whl"):
            _, version, _, wheel_tags = parse_wheel_filename(path.name)
            if wheel_tags & tags:
                found[version] = path
    return found[max(found)] if found else None


def generated(frameworks: int, wheels: Path, *, size: int = 1_000_000) -> Stack:
    """Made-up frameworks side by side, with two distributions of ``size`` bytes each."""
    layers, imported = [Layer(RUNTIME)], []
    for number in range(frameworks):
        parts = [f"vl-bench-{number:02}-{part}" for part in "ab"]
        for part in parts:
            made_up(wheels, part, "1.0", size)
        imported += [f"import {part.replace('-', '_')}\n" for part in parts]
        layers.append(Layer(f"fw{number:02}", tuple(parts), (RUNTIME,)))
    made_up(wheels, "vl-bench-extra", "1.0", 10_000)
    return Stack(
        f"generated-{frameworks}",
        tuple(layers),
        tuple(layer.name for layer in layers[1:]),
        "".join(imported) + "print('all found')\n",
        "fw00",
        "vl-bench-extra",
        wheels,
    )


def changing(count: int, changed: int, wheels: Path, *, size: int = 2_000_000) -> Stack:
    """One made-up framework of ``count`` distributions, ``changed`` of which have two versions."""
    for number in range(count):
        made_up(wheels, f"vl-part-{number:03}", "1.0", size)
    for number in range(changed):
        made_up(wheels, f"vl-part-{number:03}", "2.0", size)
    layers = (Layer(RUNTIME), Layer("parts", bumped(count, 0), (RUNTIME,)))
    launch = "import vl_part_000\nprint('found')\n"
    return Stack(f"changing-{count}", layers, ("parts",), launch, "parts", "", wheels)


def bumped(count: int, changed: int) -> tuple[str, ...]:
    """What the framework of :func:`changing` requires once ``changed`` of them have changed."""
    return tuple(f"vl-part-{n:03}=={2 if n < changed else 1}.0" for n in range(count))


def write_launch(stack: Stack, folder: Path) -> Path:
    """Write the application's module into ``folder``; what :func:`edit_launch` did stays."""
    module = folder / f"{LAUNCH}.py"
    if not module.exists() or not module.read_text("utf-8").startswith(stack.launch):
        module.write_text(stack.launch, "utf-8")
    return module


def edit_launch(folder: Path) -> None:
    """Change the application's module in ``folder``, but not what it does."""
    module = folder / f"{LAUNCH}.py"
    module.write_text(f"{module.read_text('utf-8')}# edited\n", "utf-8")


def made_up(folder: Path, name: str, version: str, size: int) -> None:
    """A wheel of about ``size`` bytes, unpacked: a quarter is modules, the rest is data."""
    package = name.replace("-", "_")
    if (folder / f"{package}-{version}-py3-none-any.whl").exists():
        return
    source = random.Random(f"{name} {version}")  # noqa: S311 (the same bytes each time)
    words = ["".join(source.choices("etaoinshrdlu", k=source.randint(3, 9))) for _ in range(2000)]

    def text(length: int) -> str:
        return " ".join(source.choices(words, k=length // 7))

    modules = {f"{package}/__init__.py": f'__version__ = "{version}"\n'}
    for number in range(8):
        modules[f"{package}/m{number}.py"] = _module(text(size // 32))
    contents: Mapping[str, str] = {**modules, f"{package}/data.txt": text(size * 3 // 4)}
    make_wheel(folder, name, version, contents)


def _module(words: str) -> str:
    parts = words.split()
    lines = [
        f"def {name}_{number}(first, second=None):\n    return first + {number}, second\n"
        for number, name in enumerate(parts[: len(parts) // 9])
    ]
    return "\n".join(lines)
