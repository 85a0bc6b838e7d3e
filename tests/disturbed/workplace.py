"""A small real stack, and all that its builds use below one folder: for faults and for identity.

The runtime is a copy of the interpreter that runs the tests, or an archive; the framework has a
large distribution and one with scripts and data; the application has a package of its own.
"""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monorepo import RUNTIME, Monorepo, write
from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from front_end import FrontEnds

APP = "apps/app"
# What each layer requires; each stands on the one before.
MADE_UP: Mapping[str, Sequence[str]] = {
    RUNTIME: (),
    "frameworks/fw": ("vl-big", "vl-tool"),
    APP: ("vl-small",),
}
LAYERS = (*MADE_UP,)
CHECKOUT = Path(__file__).resolve().parents[2]
EDITED = f"{APP}/src/app/__init__.py"
# The application's module, in two states.
TEXTS = ("ANSWER = 1\n", "ANSWER = 2\n")

Files = dict[str, bytes]


@dataclass(frozen=True)
class Workplace:
    """A checkout of the stack in ``folder``, with its wheels beside it, and how it is built.

    ``store``, ``uv_cache`` and ``temporary`` are the folders that a build is told to use,
    ``environment`` is the rest of its environment, ``under`` a command that runs it. ``layers`` are
    the projects from the lowest to the application.
    """

    folder: Path
    environment: Mapping[str, str]
    python: str
    store: Path
    uv_cache: Path
    temporary: Path
    layers: tuple[str, ...] = LAYERS
    checkout: str = "one"
    under: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder of the projects."""
        return self.folder / self.checkout

    def other(self, checkout: str) -> Workplace:
        """Another checkout of the same sources and locks, with the same store."""
        shutil.copytree(
            self.root, self.folder / checkout, ignore=shutil.ignore_patterns("dist", "__pycache__")
        )
        return replace(self, checkout=checkout)

    def edit(self, text: str) -> None:
        """Give the application's module that text."""
        write(self.root, {EDITED: text})

    def start(
        self, layer: str, env: Mapping[str, str] | None = None, *, version: str = ""
    ) -> subprocess.Popen[str]:
        """Begin to build ``layer``, in a process group of its own."""
        target = f"venvlayer:{version}" if version else "venvlayer"
        self.temporary.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [*self.under, self.python, "-m", "hatchling", "build", "-t", target],
            cwd=self.root / layer,
            env={
                **self.environment,
                "HATCH_VENVLAYER_CACHE": str(self.store),
                "TMPDIR": str(self.temporary),
                "UV_CACHE_DIR": str(self.uv_cache),
                "UV_FIND_LINKS": str(self.folder / "wheels"),
                **(env or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def build(
        self, layer: str, env: Mapping[str, str] | None = None, *, version: str = ""
    ) -> tuple[int, str]:
        """Build ``layer``: the exit code, and what was said."""
        process = self.start(layer, env, version=version)
        said, _ = process.communicate()
        return process.returncode, said

    def build_all(self, env: Mapping[str, str] | None = None) -> Files:
        """Build the whole stack; all archives and metadata, by name. Fails where a build does."""
        for layer in self.layers:
            code, said = self.build(layer, env)
            assert code == 0, f"{layer}: {code}\n{said}"
        return {name: data for layer in self.layers for name, data in self.published(layer).items()}

    def output(self, layer: str) -> Path:
        return self.root / layer / "dist" / "venvlayer"

    def published(self, layer: str) -> Files:
        """What was built of ``layer``: names to contents, without files that are in the making."""
        return {
            path.name: path.read_bytes()
            for path in sorted(self.output(layer).glob("*"))
            if not path.name.startswith(".")
        }

    def clear(self, layers: Iterable[str] = LAYERS) -> None:
        """Remove what was built."""
        for layer in layers:
            # The folder itself may be a disk of its own.
            for path in (self.root / layer / "dist").glob("*"):
                shutil.rmtree(path)

    def sources(self) -> Files:
        """All that is in the checkout but ``dist``: sources and locks."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root)
            if path.is_file() and not {"dist", "__pycache__"} & {*name.parts}:
                found[name.as_posix()] = path.read_bytes()
        return found


def make_workplace(
    folder: Path,
    front_ends: FrontEnds,
    *,
    python: str = "",
    runtime: Mapping[str, Any] | None = None,
    layers: Mapping[str, Sequence[str]] = MADE_UP,
    wheels: Iterable[Path] = (),
    network: bool = False,
) -> Workplace:
    """Write the stack below ``folder``, without locks.

    ``python`` is the interpreter that runs the builds; without one it is that of ``front_ends``,
    with the plugin of this checkout. ``runtime`` are options of the runtime, ``layers`` what each
    layer requires: of what :func:`make_wheels` makes, of ``wheels``, and from PyPI with
    ``network``.
    """
    make_wheels(folder / "wheels")
    for wheel in wheels:
        shutil.copyfile(wheel, folder / "wheels" / wheel.name)
    repo = Monorepo(folder / "one", folder / "wheels", front_ends)
    names = (*layers,)
    repo.runtime(dependencies=layers[RUNTIME], **(runtime or {}))
    for base, name in itertools.pairwise(names):
        scripts = {"scripts": {"app": "app:main"}} if name == APP else {}
        repo.layer(name, dependencies=layers[name], base=[base], project=scripts)
    own = {} if python else {"PYTHONPATH": str(CHECKOUT)}
    own |= {} if network else {"UV_NO_INDEX": "1"}
    place = Workplace(
        folder,
        {**front_ends.environment, **own},
        python or front_ends.python,
        folder / "store",
        folder / "uv",
        folder / "tmp",
        names,
    )
    place.edit(TEXTS[0])
    return place


def make_wheels(folder: Path) -> None:
    """Four distributions: of one module, of 1.5 MB, of many modules and of a tool with data."""
    noise = random.Random(20)  # noqa: S311 (no secret: bytes that cannot be compressed)
    make_wheel(
        folder,
        "vl-big",
        "1.0",
        {
            "vl_big/__init__.py": "",
            "vl_big/noise.bin": noise.randbytes(1_500_000),
            "vl_big/text.txt": "the same line again\n" * 20_000,
        },
        requires=["vl-many"],
    )
    many = {f"vl_many/m{number}.py": f"def f{number}(): return {number}\n" for number in range(60)}
    make_wheel(folder, "vl-many", "1.0", {"vl_many/__init__.py": "", **many})
    make_wheel(
        folder,
        "vl-tool",
        "1.0",
        {"vl_tool.py": "def main(): print('tool')\n"},
        entry_points="[console_scripts]\nvl-tool = vl_tool:main\n",
        scripts={"vl-script": "#!python\nprint('script')\n"},
        data={"data/share/vl-tool/äöü.txt": "data\n"},
    )
    make_wheel(folder, "vl-small", "1.0")


def difference(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> Sequence[str]:
    """What is wrong with the files ``found``, one line for each."""
    lines = [f"{name} is missing" for name in expected if name not in found]
    lines += [f"{name} is superfluous" for name in found if name not in expected]
    both = sorted({*found} & {*expected})
    return lines + [f"{name} has other bytes" for name in both if found[name] != expected[name]]
