"""What all stages of one call share, and what they may ask of a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from packaging.utils import InvalidName, canonicalize_name

from hatch_venvstacks.archives.plan import MEMBER_TIME
from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.common.errors import words as words_of
from hatch_venvstacks.config.table import did_you_mean
from hatch_venvstacks.model.lock import PLATFORM
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.sources.sibling_wheel import MetadataCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.store.store import Store

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


def environment_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """The fields of :class:`Context` that environment variables set.

    ``SOURCE_DATE_EPOCH`` is described at https://reproducible-builds.org/specs/source-date-epoch/.

    :raises ConfigError: where one has a value that it cannot have.
    """
    options: dict[str, Any] = {"locked": _switch(environ, LOCKED)}
    if environ.get(UPGRADE, ""):
        options["upgrade"] = _upgrade(environ[UPGRADE])
    epoch = environ.get(SOURCE_DATE_EPOCH, "")
    if epoch:
        # A tar header has eleven octal digits for the time.
        if len(epoch) > 11 or not (epoch.isascii() and epoch.isdigit()) or int(epoch) >= 8**11:
            raise ConfigError(
                f"The environment variable `{SOURCE_DATE_EPOCH}` is `{epoch}`",
                hint="It must be a number of seconds since 1970-01-01",
            )
        options["mtime"] = int(epoch)
    return options


def named_platforms(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """The target platforms that ``HATCH_VENVLAYER_PLATFORM`` names; empty for ``all``.

    ``None`` where it is unset: then a build is for this machine.

    :raises ConfigError: where it names something else.
    """
    words = [word.strip() for word in environ.get(PLATFORM, "").split(",") if word.strip()]
    if not words:
        return None
    if words == ["all"]:
        return ()
    for word in words:
        if word == "all":
            raise ConfigError(
                f"The environment variable `{PLATFORM}` names `all` and others",
                hint="Leave the others out, or `all`",
            )
        if word not in PLATFORMS:
            raise ConfigError(
                f"The environment variable `{PLATFORM}` names no target platform: `{word}`"
                f"{did_you_mean(word, PLATFORMS)}",
                hint=f"It must be `all`, or some of {', '.join(PLATFORMS)}, with commas between",
            )
    return tuple(name for name in PLATFORMS if name in words)


def _upgrade(value: str) -> Upgrade:
    words = [word.strip() for word in value.split(",") if word.strip()]
    if [word.lower() for word in words] in (["0"], ["false"]):
        return Upgrade()
    if [word.lower() for word in words] in (["all"], ["1"], ["true"]):
        return Upgrade(everything=True)
    try:
        return Upgrade(names=frozenset(canonicalize_name(word, validate=True) for word in words))
    except InvalidName as error:
        raise ConfigError(
            f"The environment variable `{UPGRADE}` is `{value}`",
            detail=f"  {words_of(error)}",
            hint="It must be `all`, or names of packages with commas between",
        ) from error


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").lower()
    if value not in ("", "0", "1", "false", "true"):
        raise ConfigError(
            f"The environment variable `{name}` is `{value}`",
            hint="It must be `1` or `true`, `0` or `false`, or unset",
        )
    return value in ("1", "true")
