"""Layers that are locked against tiny wheels, without projects and without a network."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from oldest import oldest_systems
from wheels import make_wheel

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.locking.generated_project import ResolutionSetting
from hatch_venvstacks.locking.resolve import resolve
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeOrigin
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.sources.indexes import ResolutionIndexes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.oldest_systems import OldestSystems

    Below = list[tuple[LayerSpec, Lock]]

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
CP = f"cp{sys.version_info.major}{sys.version_info.minor}"
HERE = host_platform()
ANY = ("linux_x86_64", "macosx_arm64", "win_amd64")


@dataclass
class World:
    """A flat index of tiny wheels, and layers that are locked against it."""

    root: Path
    index: Path
    platforms: tuple[str, ...] = (HERE.name,)
    linux: tuple[int, int] = (2, 28)
    macos: tuple[int, int] = (13, 0)
    musl: tuple[int, int] = (1, 2)
    excluded: tuple[str, ...] = ()
    indexes: ResolutionIndexes = field(default_factory=ResolutionIndexes)
    runs: int = 0
    warnings: dict[str, Sequence[str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def oldest_systems(self) -> OldestSystems:
        return oldest_systems(glibc=self.linux, musl=self.musl, macos=self.macos)

    def wheel(self, name: str, version: str, *requires: str, **more: Any) -> Path:
        return make_wheel(self.index, name, version, requires=requires, **more)

    def spec(self, name: str, *requirements: str, bases: bool = True) -> LayerSpec:
        root = self.root / name
        base = (self.root / "base",) if bases else ()
        return LayerSpec(
            root=root,
            project_name=name,
            name=name,
            kind=LayerKind.FRAMEWORK,
            base_layers=base,
            requirements=requirements,
            lock_file=root / "pylock.venvlayer.toml",
        )

    def lock(
        self,
        *requirements: str,
        below: Below | None = None,
        name: str = "top",
        previous: Lock | None = None,
        **more: Any,
    ) -> Lock:
        self.runs += 1
        setting = ResolutionSetting(
            LockedRuntime(RuntimeOrigin.HOST, MINOR),
            tuple(PLATFORMS[name].since(self.oldest_systems) for name in self.platforms),
            Path(sys.executable),
            self.root / f"work {self.runs}",
            self.excluded,
            self.indexes,
            warn=self.warnings.__setitem__,
            say=self.said.append,
        )
        spec = replace(
            self.spec(name, *requirements, bases=bool(below)), exclude_packages=self.excluded
        )
        pins = {name: previous.versions(name) for name in self.platforms} if previous else None
        return resolve(spec, below or [], setting, pins=pins, **more)

    def layer(self, name: str, *requirements: str, below: Below | None = None) -> Below:
        """A locked layer and what it stands on, in import order."""
        lock = self.lock(*requirements, below=below, name=name)
        return [(self.spec(name, *requirements, bases=bool(below)), lock), *(below or [])]


def make_world(root: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose wheels, in the new folder ``index``, are the only ones that uv finds."""
    index.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return World(root, index)


def refused(world: World, *requirements: str, below: Below | None = None) -> LockError:
    with pytest.raises(LockError) as caught:
        world.lock(*requirements, below=below)
    return caught.value
