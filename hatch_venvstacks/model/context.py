"""What all stages of one call share, and what they may ask of a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hatch_venvstacks.model.archive_format import MEMBER_TIME
from hatch_venvstacks.sources.sibling_wheel import MetadataCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.store.store import Store

# Which platforms a build is for: the name of an environment variable.
PLATFORM = "HATCH_VENVLAYER_PLATFORM"

LOCKED = "HATCH_VENVLAYER_LOCKED"
UPGRADE = "HATCH_VENVLAYER_UPGRADE"
SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"


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

    def hooked(self, artifact: Path) -> AbstractContextManager[None]:
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
class Context:
    """What all stages of one call share.

    ``platform`` is the one that is built for, ``host`` the one of this machine; the oldest systems
    that a layer itself asks for are not in them. ``read`` gives the layer of a project folder,
    ``open_project`` all of that project. ``locked`` forbids to write any lock; ``upgrade`` is
    what locking upgrades; ``mtime`` dates the project's own files (seconds since the epoch).
    ``built_metadata`` keeps what builds of this call have said of projects.
    """

    platform: TargetPlatform
    host: TargetPlatform
    store: Store
    reporter: Reporter
    read: Callable[[Path], LayerSpec]
    open_project: Callable[[Path], LayerProject]
    locked: bool = False
    upgrade: Upgrade = Upgrade()
    mtime: int = MEMBER_TIME
    built_metadata: MetadataCache = field(default_factory=MetadataCache)
