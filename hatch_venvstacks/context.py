"""What all stages of one call share, and what they may ask of a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hatch_venvstacks.errors import ConfigError
from hatch_venvstacks.segment import MEMBER_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from hatch_venvstacks.platforms import TargetPlatform
    from hatch_venvstacks.reporter import Reporter
    from hatch_venvstacks.spec import LayerSpec
    from hatch_venvstacks.store import Store

LOCKED = "HATCH_VENVLAYER_LOCKED"
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

    def package_files(self) -> Iterable[str]:
        """The files of the project's wheel in a site directory, as far as known without a build."""

    def hooked(self, artifact: Path) -> AbstractContextManager[None]:
        """Run the project's build hooks around what makes ``artifact``, as hatchling does."""

    def build_wheel(self, folder: Path) -> Path:
        """Build the project's wheel into ``folder``; raises :class:`BuildError`."""

    def loose_files(self, site: str) -> Sequence[tuple[str, Path]]:
        """Files that no wheel holds: ``(path in the layer, file)``; ``site`` is its site folder."""


@dataclass(frozen=True)
class Context:
    """What all stages of one call share.

    ``platform`` is the one that is built for, ``host`` the one of this machine; the oldest systems
    that a layer itself asks for are not in them. ``read`` gives the layer of a project folder,
    ``open_project`` all of that project. ``locked`` forbids to write any lock; ``mtime`` dates the
    project's own files (seconds since the epoch).
    """

    platform: TargetPlatform
    host: TargetPlatform
    store: Store
    reporter: Reporter
    read: Callable[[Path], LayerSpec]
    open_project: Callable[[Path], LayerProject]
    locked: bool = False
    mtime: int = MEMBER_TIME


def environment_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """The fields of :class:`Context` that environment variables set.

    ``SOURCE_DATE_EPOCH`` is described at https://reproducible-builds.org/specs/source-date-epoch/.

    :raises ConfigError: where one has a value that it cannot have.
    """
    options: dict[str, Any] = {"locked": _switch(environ, LOCKED)}
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


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").lower()
    if value not in ("", "0", "1", "false", "true"):
        raise ConfigError(
            f"The environment variable `{name}` is `{value}`",
            hint="It must be `1` or `true`, `0` or `false`, or unset",
        )
    return value in ("1", "true")
