"""What a call works with: this machine, its projects, and what may be asked of a project."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hatch_venvstacks.model.stack import build_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.model.stack import Stack
    from hatch_venvstacks.store.store import Store


class LayerProject(Protocol):
    """A project that is a layer, as the pipeline sees it: the adapter to hatchling has one."""

    @property
    def spec(self) -> LayerSpec:
        """The project's validated table."""

    @property
    def version(self) -> str:
        """The project's version, computed where it is dynamic."""

    @property
    def has_static_version(self) -> bool:
        """Whether the version stands in the project's table, and need not be computed."""

    @property
    def launch_name(self) -> str | None:
        """What ``python -m`` takes to start the application."""

    @property
    def core_metadata(self) -> str:
        """The text of the METADATA file of the project's wheel."""

    @property
    def scripts(self) -> Sequence[str]:
        """The names of the project's own scripts."""

    def includes_project(self) -> bool:
        """Whether the project's own wheel is a part of the layer."""

    def package_files(self) -> Iterable[tuple[str, Path]]:
        """The files of the project's wheel in a site directory, as far as known without a build.

        Each comes as its path there, and the file that it is made of; raises :class:`ConfigError`
        where they cannot be found.
        """

    def run_hooks(self, artifact: Path) -> AbstractContextManager[None]:
        """Run the project's build hooks around what makes ``artifact``, as hatchling does."""

    def build_wheel(self, folder: Path) -> Path:
        """Build the project's wheel into ``folder``; raises :class:`BuildError`."""

    def loose_files(self, site: str) -> Sequence[tuple[str, Path]]:
        """Files that no wheel holds: ``(path in the layer, file)``; ``site`` is its site folder."""


@dataclass(frozen=True)
class Upgrade:
    """What is locked anew though it still fits: nothing, ``everything``, or normalized names."""

    everything: bool = False
    names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everything or bool(self.names)

    def includes(self, name: str) -> bool:
        """Whether the distribution of that normalized name is to be upgraded."""
        return self.everything or name in self.names


@dataclass(frozen=True)
class LockingOptions:
    """How a call may lock: ``locked`` forbids to write locks, ``upgrade`` is what is upgraded."""

    locked: bool = False
    upgrade: Upgrade = Upgrade()


@dataclass(frozen=True)
class Workshop:
    """What the stages of a call work with on this machine, whose platform is ``host``."""

    store: Store
    reporter: Reporter
    host: TargetPlatform


class Projects:
    """The projects that are layers, each read and opened once; ``read`` opens that in a folder."""

    def __init__(self, read: Callable[[Path], LayerProject]) -> None:
        self._read = read
        self._known: dict[str, LayerProject] = {}

    def add(self, project: LayerProject) -> None:
        """Take ``project`` as the one in its folder."""
        self._known[os.path.realpath(project.spec.root)] = project

    def open(self, root: Path) -> LayerProject:
        """The project in the folder ``root``, by whichever path it is reached.

        :raises StackError: where the folder holds no layer.
        :raises ConfigError: where the project or its table is not valid.
        """
        key = os.path.realpath(root)
        if key not in self._known:
            self._known[key] = self._read(root)
        return self._known[key]

    def stack(self, top: LayerSpec) -> Stack:
        """The stack that ``top`` stands on.

        :raises StackError: where its layers are none (:func:`build_stack`).
        """
        return build_stack(top, lambda root: self.open(root).spec)
