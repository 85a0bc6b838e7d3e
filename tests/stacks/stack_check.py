"""Build a generated stack, install the same wheels into one environment, and ask both.

The promise: code cannot tell a stack of layers from one environment with the same distributions.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demo
from deployed import run
from front_end import make_front_ends
from interpreters import some_interpreter
from monorepo import Monorepo
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name, parse_wheel_filename
from stack_values import APP, RUNTIME
from uv import find_uv_bin

from hatch_venvstacks.model.formats.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from front_end import FrontEnds
    from stack_values import Distribution, MadeUpStack

_QUESTIONS = Path(__file__).with_name("stack_questions.py")
# The one without requirements, on which most stacks stand.
_PLAIN_RUNTIME = f"runtimes/{RUNTIME}"


@dataclass(frozen=True)
class Workshop:
    """What stacks share: the folder of projects, and the one where layers lie side by side."""

    repo: Monorepo
    root: Path


@dataclass(frozen=True)
class Built:
    """The application of a stack in the deployment root, and a plain environment.

    ``layers`` maps layers, in import order, to the versions of the distributions they hold, by
    normalized names.
    """

    stack: MadeUpStack
    workshop: Workshop
    folder: Path
    layers: Mapping[str, Mapping[str, str]]
    plain: Path

    @property
    def pythons(self) -> tuple[Path, Path]:
        """The interpreters: that of the application, and that of the plain environment."""
        return self.root(APP) / "bin" / "python", self.plain / "bin" / "python"

    def root(self, layer: str) -> Path:
        return self.workshop.root / _project(self.stack, layer).rpartition("/")[2]

    def versions(self) -> dict[str, str]:
        """What counts: the first in import order."""
        held = reversed([*self.layers.values()])
        return {name: version for names in held for name, version in names.items()}

    def visible(self) -> list[Distribution]:
        versions = self.versions()
        return [
            one
            for one in self.stack.distributions
            if versions.get(canonicalize_name(one.name)) == one.version
        ]


def make_workshop(folder: Path, front_ends: FrontEnds | None = None) -> Workshop:
    """A workshop in ``folder``, with the runtime built."""
    front_ends = front_ends or make_front_ends(folder / "shared")
    workshop = Workshop(
        Monorepo(folder / "repo", folder / "wheels", front_ends), folder / "deployed"
    )
    for one in (workshop.repo.wheels, workshop.root):
        one.mkdir()
    workshop.repo.runtime(compression_level=1)
    _build(workshop, workshop.repo, _PLAIN_RUNTIME)
    return workshop


def examine(stack: MadeUpStack, workshop: Workshop, folder: Path) -> None:
    """Build ``stack`` and compare; :raises AssertionError: with all that differs."""
    built = build(stack, workshop, folder)
    faults = [*wrong_contents(built), *wrong_answers(built), *wrong_programs(built)]
    faults += wrong_data(built)
    assert not faults, "\n".join(faults)


def build(stack: MadeUpStack, workshop: Workshop, folder: Path) -> Built:
    """Build the layers of ``stack``, unpack them, and make the plain environment."""
    # Its path is new: uv keeps what it found in a folder by the folder's path.
    index = folder / uuid.uuid4().hex
    wheels = {
        (str(canonicalize_name(one.name)), str(parse_wheel_filename(path.name)[1])): path
        for one in stack.distributions
        for path in [one.write(index)]
    }
    repo, held = replace(workshop.repo, wheels=index), dict[str, dict[str, str]]()
    for layer in stack.layers:
        project = _project(stack, layer.name)
        if project != _PLAIN_RUNTIME:
            bases = [_project(stack, base) for base in layer.bases]
            repo.layer(project, dependencies=layer.requirements, base=bases, compression_level=1)
            _build(workshop, repo, project)
        held[layer.name] = _locked(repo.root / project)
    layers = {name: held[name] for name in stack.order}
    plain = folder / "plain"
    built = Built(stack, workshop, folder, layers, plain)
    _install([wheels[one] for one in sorted(built.versions().items())], plain)
    return built


def _project(stack: MadeUpStack, layer: str) -> str:
    """The folder of a layer's project; names are those of one stack, but for the shared runtime."""
    (found,) = (one for one in stack.layers if one.name == layer)
    if layer == RUNTIME and not found.requirements:
        return _PLAIN_RUNTIME
    kind = {RUNTIME: "runtimes", APP: "apps"}.get(layer, "frameworks")
    return f"{kind}/s{stack.seed}-{layer}"


def _build(workshop: Workshop, repo: Monorepo, project: str) -> None:
    repo.build(project)
    (archive,) = (repo.root / project / "dist" / "venvlayer").glob("*.tar.zst")
    demo.unpack(archive, workshop.root)


def _locked(project: Path) -> dict[str, str]:
    text = (project / "pylock.venvlayer.toml").read_text("utf-8")
    pylock = Pylock.from_dict(parse_toml(text))
    return {str(one.name): str(one.version) for one in pylock.packages}


def _install(wheels: Sequence[Path], plain: Path) -> None:
    """Make a virtual environment of the runtime's Python with ``wheels``."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    environment = {**inherited, "VIRTUAL_ENV": str(plain)}
    options = ["--offline", "--no-index", "--no-deps", "--link-mode", "copy"]
    for command in (
        ["venv", "--quiet", "--python", str(some_interpreter()), str(plain)],
        ["pip", "install", "--quiet", *options, *map(str, wheels)],
    ):
        done = subprocess.run(
            [find_uv_bin(), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr


def wrong_contents(built: Built) -> Iterator[str]:
    """Whether the layers hold together what there is, once where one stands on the other."""
    names = {canonicalize_name(one.name) for one in built.stack.distributions}
    if names != {*built.versions()}:
        yield f"held: {names ^ {*built.versions()}}"
    above: dict[str, set[str]] = {}
    for layer in built.stack.layers:
        above[layer.name] = {*layer.bases} | {n for base in layer.bases for n in above[base]}
        for below in above[layer.name]:
            twice = built.layers[layer.name].keys() & built.layers[below].keys()
            if twice:
                yield f"{layer.name} holds {twice}, which {below} has"


def wrong_answers(built: Built) -> Iterator[str]:
    """What is not as in the plain environment, in two orders of importing.

    In isolated mode, nothing is added to `sys.path` after start-up files have run.
    """
    modules = sorted({name for one in built.visible() for name in one.modules})
    rng = random.Random(f"order {built.stack.seed}")  # noqa: S311 (to be repeatable)
    for options, order in ((["-I"], modules), ([], rng.sample(modules, len(modules)))):
        layered, plain = (ask(built, python, order, options) for python in built.pythons)
        # CPython 3.10 to 3.13 runs the path files of a virtual environment twice.
        for one in (plain["answers"], plain["aside"]):
            one["started"] = [*dict.fromkeys(one["started"])]
        yield from differences(layered["answers"], plain["answers"], " ".join(options))
        for name, wrong in layered["aside"]["wrong files"].items():
            yield from (f"{name}: {one}" for one in wrong)
        expected = expected_start(built, plain["aside"]["started"])
        if layered["aside"]["started"] != expected:
            yield f"started {layered['aside']['started']}, not {expected}"


def ask(built: Built, python: Path, modules: Sequence[str], options: Sequence[str]) -> Any:
    """What ``stack_questions.py`` says; ``modules`` are imported in their order."""
    seen, namespaces = built.visible(), built.stack.namespaces
    questions = {
        "modules": modules,
        "packages": [name for name in modules if any(f"{name}/data.txt" in d.files for d in seen)],
        "namespaces": [*namespaces],
        "bare": [name for name, kinds in namespaces.items() if kinds == ("bare",)],
        "distributions": [one.name for one in seen],
        "shared": [f"{name.replace('.', '/')}/__init__.py" for name in namespaces],
    }
    file = built.folder / "questions.json"
    file.write_text(json.dumps(questions), "utf-8")
    return json.loads(run([python, *options, _QUESTIONS, file], built.folder).stdout)


def expected_start(built: Built, plain: Sequence[str]) -> list[str]:
    """The notes of path files in the order of layers; ``plain`` has them in that of their names.

    A note begins with the name of the path file, or is that of a module `sitecustomize`, which is
    imported after all path files have run.
    """
    notes = list(plain)
    result = []
    for names in built.layers.values():
        files = {
            file
            for one in built.visible()
            for file in one.files
            if names.get(canonicalize_name(one.name)) == one.version
        }
        own = [note for note in notes if note.partition(" ")[0] in files]
        result += own
        notes = [note for note in notes if note not in own]
    return result + notes


def differences(layered: Any, plain: Any, *place: str) -> Iterator[str]:
    """One line for each value that is not the same in both."""
    if isinstance(layered, dict) and isinstance(plain, dict):
        for key in sorted({*layered, *plain}):
            yield from differences(layered.get(key), plain.get(key), *place, key)
    elif layered != plain:
        where = ", ".join(filter(None, place))
        yield f"{where}: {layered} in layers, {plain} in one environment"


def wrong_programs(built: Built) -> Iterator[str]:
    """Which scripts there are, and what they print; and modules that are run."""
    plain = {path.name: path for path in (built.plain / "bin").glob("vl*")}
    layered = {
        path.name: path
        for layer in reversed([*built.layers])
        for path in (built.root(layer) / "bin").glob("vl*")
    }
    yield from differences(sorted(layered), sorted(plain), "scripts")
    for name in sorted(plain.keys() & layered.keys()):
        said = [_said([one[name]], built.folder) for one in (layered, plain)]
        yield from differences(*said, name)
    for one in built.visible()[:2]:
        said = [_said([python, "-m", one.modules[0]], built.folder) for python in built.pythons]
        yield from differences(*said, f"-m {one.modules[0]}")


def _said(command: Sequence[str | Path], folder: Path) -> str:
    """What a program prints; how it fails would name its path."""
    try:
        return run(command, folder).stdout
    except AssertionError:
        return "failure"


def wrong_data(built: Built) -> Iterator[str]:
    """Files outside of site directories: the same ones lie in some layer."""
    layered: dict[str, str] = {}
    for layer in built.layers:
        layered |= dict(_data(built.root(layer)))
    yield from differences(layered, dict(_data(built.plain)), "data")


def _data(root: Path) -> Iterator[tuple[str, str]]:
    for folder in ("share/vl", "etc/vl", "include/site"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text("utf-8")
