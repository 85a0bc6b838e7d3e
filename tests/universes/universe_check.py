"""Lock the layers of a universe, and compare what they hold with joint resolutions.

The promise: a layer with everything below it is, on each platform, what one resolution of all
their requirements would install; nothing is missing and nothing is superfluous. And what is
refused is impossible.
"""

from __future__ import annotations

import os
import re
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from said import Said
from standalone import make_archive, sha256_of
from universe_joint import Chosen, Joint, select
from universes import later

from hatch_venvstacks.common.errors import LockError, StaleLockError
from hatch_venvstacks.common.wording import PLAIN
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.lock import OVER
from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.model.platforms import (
    PLATFORMS,
    environments,
    host_platform,
    marker_environment,
    wheel_tags,
)
from hatch_venvstacks.model.runtime import RuntimeArchive, RuntimeOrigin, RuntimeRequest
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.stack import build_stack
from hatch_venvstacks.model.workshop import LockingOptions, Projects, Workshop
from hatch_venvstacks.pipeline.lock import update_lock
from hatch_venvstacks.pipeline.session import Session
from hatch_venvstacks.sources.runtimes.host import describe
from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from universes import Layer, Universe

    from hatch_venvstacks.model.lock import Lock

# A joint resolution knows no others: Linux with musl is to it what Linux with glibc is.
TOLD_APART = tuple(platform.name for platform in environments(PLATFORMS.values()))
# The variables that the markers of a lock may be about: those that tell platforms apart.
_VARIABLES = {"sys_platform", "platform_machine", "platform_python_implementation"}


@dataclass(frozen=True)
class Machine:
    """What all universes share: the runtimes that they are locked for, and a cache of them."""

    python: str
    interpreter: Path
    runtime: RuntimeRequest
    store: Store


@dataclass(frozen=True)
class Tally:
    """How many universes, and how many layers of them, were seen, and what became of these.

    ``forks`` are locks whose versions differ between platforms, ``partial`` those that hold
    something on some platforms only, ``disputes`` stands for stacks in which the layers below
    differ and the first of them counts. ``unreached`` layers stand on a refused one.
    """

    universes: int = 0
    whole: int = 0
    layers: int = 0
    locks: int = 0
    distributions: int = 0
    forks: int = 0
    partial: int = 0
    disputes: int = 0
    refusals: int = 0
    unreached: int = 0

    def __add__(self, other: Tally) -> Tally:
        names = [one.name for one in fields(Tally)]
        return Tally(*(getattr(self, name) + getattr(other, name) for name in names))

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, one.name)} {one.name}" for one in fields(self))


@dataclass(frozen=True)
class View:
    """A layer with everything below it, on the platforms that it is locked for.

    ``layers`` and ``locks`` are in import order, the layer itself first. ``chosen`` maps platforms
    to what each of ``locks`` selects there.
    """

    universe: Universe
    layers: tuple[Layer, ...]
    locks: tuple[Lock, ...]
    platforms: tuple[str, ...]
    chosen: Mapping[str, tuple[Mapping[str, Chosen], ...]]

    @property
    def requirements(self) -> list[str]:
        return list(dict.fromkeys(text for layer in self.layers for text in layer.requirements))

    def union(self, platform: str, start: int = 0) -> dict[str, Chosen]:
        """What is imported on ``platform``: the first in import order; from ``start`` on."""
        found: dict[str, Chosen] = {}
        for one in reversed(self.chosen[platform][start:]):
            found.update(one)
        return found

    def recorded(self, platform: str) -> dict[str, str]:
        """What the layers below hold on ``platform``, in the words of a lock."""
        versions: dict[str, dict[str, None]] = {}
        for one in self.chosen[platform][1:]:
            for name, chosen in one.items():
                versions.setdefault(name, {})[chosen.version] = None
        return {name: OVER.join(found) for name, found in versions.items()}

    def hidden(self, platform: str) -> set[str]:
        """What nobody may need on ``platform``: additions of layers that see a hidden version."""
        union = self.union(platform)
        names: set[str] = set()
        for one in self.chosen[platform]:
            if any(union[name].version != chosen.version for name, chosen in one.items()):
                names.update(*self.chosen[platform])
        return names


def view_of(universe: Universe, layers: Sequence[Layer], locks: Sequence[Lock]) -> View:
    platforms = locks[0].inputs.platforms
    chosen = {
        platform: tuple(select(lock.pylock, platform, universe.python) for lock in locks)
        for platform in platforms
    }
    return View(universe, tuple(layers), tuple(locks), platforms, chosen)


def make_machine(folder: Path) -> Machine:
    """A machine whose runtime is the CPython that runs the tests, on every platform.

    The archives are stand-ins: nothing here starts another platform's interpreter, and uv asks
    this one's for its version only, which one that leads to the real one tells.
    """
    host = describe()
    header = f'#define PY_VERSION "{host.version}"\n'.encode()
    here = f'#!/bin/sh\nexec "{host.executable}" "$@"\n'.encode()
    folder.mkdir(parents=True, exist_ok=True)
    archives = {}
    for platform in PLATFORMS:
        windows = platform.startswith("win")
        executable = "python.exe" if windows else f"bin/python{host.minor}"
        include = "include" if windows else f"include/python{host.minor}"
        files = {
            f"python/{executable}": here if platform == host_platform().name else b"",
            f"python/{include}/patchlevel.h": header,
            "python/platform": platform.encode(),
        }
        packed = make_archive(folder / f"{platform}.tar.gz", files)
        archives[platform] = RuntimeArchive(packed.as_uri(), sha256_of(packed))
    request = RuntimeRequest(RuntimeOrigin.ARCHIVE, host.version, archives)
    return Machine(host.version, host.executable, request, Store(folder / "store"))


def examine(universe: Universe, machine: Machine, folder: Path) -> Tally:
    """Lock all layers of ``universe`` and check each lock, in a new subfolder of ``folder``.

    :raises AssertionError: where a lock, or a refusal, is wrong.
    """
    with Examination.of(universe, machine, folder) as examination:
        return examination.run()


class Examination:
    """The layers of one universe, in the folder ``place``; more and more of them have locks."""

    def __init__(self, universe: Universe, machine: Machine, place: Path) -> None:
        self.universe = universe
        self.said = Said()
        self.layers = {layer.name: layer for layer in universe.layers}
        self.specs = {
            place / layer.name: _spec(layer, place, machine.runtime) for layer in universe.layers
        }
        workshop = Workshop(machine.store, self.said, host_platform())
        projects = Projects(lambda root: _project(self.specs[root]))
        wheels = SiblingWheels(workshop, MEMBER_TIME)
        self.session = Session(workshop, projects, wheels, LockingOptions(), MEMBER_TIME, PLAIN)
        self.joint = Joint(place / "joint", place / "index", machine.interpreter, machine.python)
        self.place = place
        self.locks: dict[str, Lock] = {}

    @classmethod
    @contextmanager
    def of(cls, universe: Universe, machine: Machine, folder: Path) -> Iterator[Examination]:
        """One in a new subfolder of ``folder``, with the wheels of ``universe`` as the only index.

        uv keeps what it found in a folder of wheels by the folder's path, so it has to be new.
        """
        place = folder / uuid.uuid4().hex
        universe.write_index(place / "index")
        environment = {
            "UV_CACHE_DIR": str(place / "cache"),
            "UV_FIND_LINKS": str(place / "index"),
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
        }
        with patch.dict(os.environ, environment):
            yield cls(universe, machine, place)

    def run(self) -> Tally:
        """Lock every layer that can be reached, and check each lock and each refusal.

        :raises AssertionError: where one is wrong.
        """
        tally = Tally(universes=1, layers=len(self.layers))
        for layer in self.universe.layers:
            if any(base not in self.locks for base in layer.bases):
                tally += Tally(unreached=1)
                continue
            try:
                self._lock(layer)
            except LockError as error:
                self._check_refusal(layer, error)
                tally += Tally(refusals=1)
            else:
                view = self.view(layer)
                check_view(view, self.joint)
                self._check_locked_again(layer)
                tally += _tally(view)
        return replace(tally, whole=int(len(self.locks) == len(self.layers)))

    def _lock(self, layer: Layer) -> Lock:
        lock = read_lock(update_lock(self.specs[self.place / layer.name], self.session))
        self.locks[layer.name] = lock
        return lock

    def _order(self, layer: Layer) -> list[Layer]:
        stack = build_stack(self.specs[self.place / layer.name], self.specs.__getitem__)
        return [self.layers[one.name] for one in stack.layers]

    def view(self, layer: Layer) -> View:
        order = self._order(layer)
        return view_of(self.universe, order, [self.locks[one.name] for one in order])

    def _check_refusal(self, layer: Layer, error: LockError) -> None:
        """A refusal is right where some platform has no solution that keeps what lies below."""
        assert not isinstance(error, StaleLockError), f"{layer.name}: {error}"
        order = self._order(layer)
        requirements = [text for one in order for text in one.requirements]
        platforms = {p: self._fixed(order, p) for p in self._platforms(layer)}
        found = all(self._has_solution(requirements, p, platforms[p]) for p in platforms)
        assert not found, f"{layer.name} is refused, but versions can be found:\n{error}"
        for platform, fixed in platforms.items():
            if isinstance(self.joint.resolve(requirements, [platform], fixed=fixed), str):
                return
        raise AssertionError(f"{layer.name} is refused, but uv can resolve it:\n{error}")

    def _fixed(self, order: Sequence[Layer], platform: str) -> dict[str, str]:
        """What lies below the first of ``order`` on ``platform``."""
        fixed: dict[str, str] = {}
        for one in reversed(order[1:]):
            found = select(self.locks[one.name].pylock, platform, self.joint.python)
            fixed.update({name: chosen.version for name, chosen in found.items()})
        return fixed

    def _has_solution(
        self, requirements: Sequence[str], platform: str, fixed: Mapping[str, str]
    ) -> bool:
        """Whether there is one, both under the runtime's release and under later ones."""
        target, python = PLATFORMS[platform], self.universe.python
        tags = frozenset(wheel_tags(target, python))
        environments = [marker_environment(target, one) for one in (python, later(python))]
        return all(
            self.universe.solution(requirements, fixed, environment, tags) is not None
            for environment in environments
        )

    def _platforms(self, layer: Layer) -> Sequence[str]:
        return layer.platforms or self._platforms(self.layers[layer.bases[0]])

    def _check_locked_again(self, layer: Layer) -> None:
        """Nothing changes when nothing has changed, and no pin when a requirement is added."""
        root, before = self.place / layer.name, self.locks[layer.name]
        text, spec = before.path.read_bytes(), self.specs[root]
        self.said.lines.clear()
        self._lock(layer)
        assert before.path.read_bytes() == text, f"{layer.name}: locked again, it is another"
        assert any("up to date" in line for line in self.said.lines), self.said.lines
        if layer.requirements:
            again = Requirement(layer.requirements[0])
            again.specifier &= ">=0.0"
            self.specs[root] = replace(spec, requirements=(*spec.requirements, str(again)))
            resolved = self._lock(layer)
            same = resolved.pylock.packages == before.pylock.packages
            assert same, f"{layer.name}: `{again}` changes the lock"
            before.path.write_bytes(text)
            self.specs[root] = spec
        self.locks[layer.name] = before


def check_view(view: View, joint: Joint) -> None:
    """Compare a layer and what lies below it with one resolution of all requirements.

    :raises AssertionError: where they differ, or where a lock says something that is not so.
    """
    name = view.layers[0].name
    preferred = {
        platform: {distribution: one.version for distribution, one in view.union(platform).items()}
        for platform in view.platforms
    }
    resolved = joint.resolve(view.requirements, view.platforms, preferred=preferred)
    if isinstance(resolved, str):
        # What is needed on a later patch release only, a layer may not see: see `python-release`.
        exact = replace(joint, exact=True)
        resolved = exact.resolve(view.requirements, view.platforms, preferred=preferred)
    assert not isinstance(resolved, str), f"{name}: locked, but there is no solution:\n{resolved}"
    for platform in view.platforms:
        where = f"{name} on {platform}"
        expected, found = resolved[platform], view.union(platform)
        missing, superfluous = expected.keys() - found, found.keys() - expected.keys()
        assert not missing, f"{where}: missing {sorted(missing)}"
        superfluous -= view.hidden(platform)
        assert not superfluous, f"{where}: superfluous {sorted(superfluous)}"
        for distribution, one in expected.items():
            assert found[distribution] == one, (
                f"{where}: {distribution} is {found[distribution]}, not {one}"
            )
        _check_closure(view, platform, where)
    _check_pylock(view)


def _check_closure(view: View, platform: str, where: str) -> None:
    """The layer adds what its requirements need and nothing below holds, and records that."""
    environment = marker_environment(PLATFORMS[platform], view.universe.python)
    versions = {name: one.version for name, one in view.union(platform).items()}
    own, below = view.chosen[platform][0], view.recorded(platform)
    assert own.keys().isdisjoint(below), f"{where}: {sorted(own.keys() & below)} is there already"
    needed = view.universe.closure(view.layers[0].requirements, versions, environment)
    disputed = {name for name, version in below.items() if OVER in version}
    if disputed:
        # A layer below may require what the version that is imported now needs.
        stack = view.universe.closure(view.requirements, versions, environment)
        needed |= stack - below.keys()
    assert own.keys() == needed - below.keys(), f"{where}: adds {sorted(own)}"
    # With versions from wheels in a folder goes a digest of what these require.
    below_now = view.locks[0].inputs.below.get(platform, {})
    recorded = {name: text.partition(" requires ")[0] for name, text in below_now.items()}
    expected = {name: below.get(name, "") for name in needed | disputed}
    assert recorded == expected, f"{where}: it records {recorded}, not {expected}"


def _check_pylock(view: View) -> None:
    """The markers are simple, and every wheel is one that a target platform can use."""
    lock, python = view.locks[0], view.universe.python
    name = view.layers[0].name
    tags = {p: frozenset(wheel_tags(PLATFORMS[p], python)) for p in view.platforms}
    index = lock.path.parent.parent / "index"
    for package in lock.pylock.packages:
        one = f"{name}: {package.name} {package.version}"
        chosen = {p: view.chosen[p][0].get(str(package.name)) for p in view.platforms}
        targets = [p for p, c in chosen.items() if c and c.version == str(package.version)]
        assert targets, f"{one} is for no platform"
        everywhere = len(targets) == len(view.platforms)
        assert everywhere == (package.marker is None), f"{one} has the marker {package.marker}"
        variables = set(re.findall(r"\b[a-z_]+(?= (?:==|!=|in|not) )", str(package.marker or "")))
        assert variables <= _VARIABLES, f"{one} has the marker {package.marker}"
        usable = frozenset[Any]().union(*(tags[p] for p in targets))
        for wheel in package.wheels or ():
            assert parse_wheel_filename(wheel.filename)[3] & usable, f"{one}: {wheel.filename}"
            assert wheel.path == f"../index/{wheel.filename}", f"{one}: {wheel.path}"
            assert wheel.hashes["sha256"] == sha256_of(index / wheel.filename), wheel.filename


def _tally(view: View) -> Tally:
    own = {platform: chosen[0] for platform, chosen in view.chosen.items()}
    pins = {(name, one.version) for found in own.values() for name, one in found.items()}
    names = {name for name, _ in pins}
    return Tally(
        locks=1,
        distributions=len(names),
        forks=int(len(pins) > len(names)),
        partial=int(any(name not in found for found in own.values() for name in names)),
        disputes=int(any(OVER in v for p in view.platforms for v in view.recorded(p).values())),
    )


def _spec(layer: Layer, place: Path, runtime: RuntimeRequest) -> LayerSpec:
    kind = LayerKind.FRAMEWORK if layer.bases else LayerKind.RUNTIME
    if layer.name.startswith("a"):
        kind = LayerKind.APPLICATION
    root = place / layer.name
    return LayerSpec(
        root=root,
        project_name=layer.name,
        name=layer.name,
        kind=kind,
        base_layers=tuple(place / base for base in layer.bases),
        runtime=None if layer.bases else runtime,
        requirements=layer.requirements,
        include_project=False,
        platforms=layer.platforms,
        lock_file=root / "pylock.venvlayer.toml",
    )


def _project(spec: LayerSpec) -> Any:
    return SimpleNamespace(spec=spec)
