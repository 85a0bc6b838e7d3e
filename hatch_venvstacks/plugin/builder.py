"""The adapter to hatchling: the build target ``venvlayer`` with its versions.

It turns what hatchling knows into the pipeline's values, and the errors of the core into a few
lines on the terminal. See https://hatch.pypa.io/latest/plugins/builder/reference/.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.plugin.manager import PluginManager

from hatch_venvstacks.common.errors import BuildError, VenvLayerError, words
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
from hatch_venvstacks.plugin.builder_config import VenvLayerConfig
from hatch_venvstacks.plugin.pyproject import check_metadata, layer_table
from hatch_venvstacks.plugin.terminal import (
    HATCH,
    LOCK_COMMAND,
    GuardedHook,
    TerminalLines,
    TerminalReporter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.pipeline.session import Session
    from hatch_venvstacks.plugin.layer_project import HatchProject

SUBFOLDER = "venvlayer"
VERSIONS = ("archive", "lock", "export")


class VenvLayerBuilder(BuilderInterface[VenvLayerConfig, PluginManager]):
    """Builds the project as a layer."""

    PLUGIN_NAME = "venvlayer"
    # The platform that is being built for, where it is not this machine's.
    _platform: TargetPlatform | None = None

    @classmethod
    def get_config_class(cls) -> type[VenvLayerConfig]:
        return VenvLayerConfig

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        return {
            "archive": self.build_archive,
            "lock": self.build_lock,
            "export": self.build_export,
        }

    def get_default_versions(self) -> list[str]:
        return ["archive"]

    def build(
        self,
        *,
        directory: str | None = None,
        versions: list[str] | None = None,
        **options: Any,
    ) -> Generator[str, None, None]:
        """Build as every target does, once the table and the output folder are known to be good.

        Archives are built for each of the platforms that ``HATCH_VENVLAYER_PLATFORM`` names.
        """
        versions = versions or self.config.versions
        with TerminalLines(self.app):
            _check_encoding()
            layer_table(self.metadata)
            _ = self.config.spec
            check_metadata(self.metadata)
            self._check_versions(versions)
            self._check_folder(directory)
            asked = self._asked_platforms(versions)
            self._check_upgrade(versions)
        if asked is None:
            yield from super().build(directory=directory, versions=versions, **options)
            return
        for version in versions:
            # A lock is for all platforms, and the only version that needs none to be chosen.
            platforms = [self._host] if version == "lock" else self._platforms(asked)
            for number, platform in enumerate(platforms):
                self._platform = platform
                # What this call has built for another platform is not to be cleaned away.
                later = {"clean": False} if number else {}
                built = {**options, **later}
                yield from super().build(directory=directory, versions=[version], **built)

    def get_build_hooks(self, directory: str) -> dict[str, Any]:
        """The project's hooks; what goes wrong in them is said, as for the layer itself."""
        with TerminalLines(self.app):
            try:
                hooks = super().get_build_hooks(directory)
            except Exception as error:
                raise BuildError(
                    "The build hooks of the project cannot be loaded",
                    detail=f"  {words(error)}",
                    hint="A hook's plugin must be in `build-system.requires`",
                ) from error
        own = self.target_config.get("hooks", {})
        return {
            name: GuardedHook(name, hook, name in own, self.app) for name, hook in hooks.items()
        }

    def clean(self, directory: str, versions: list[str]) -> None:
        """Remove what earlier builds of this layer left in ``directory`` (``--clean``)."""
        from hatch_venvstacks.common.paths import remove_partial
        from hatch_venvstacks.pipeline.build import PACKING
        from hatch_venvstacks.pipeline.export import EXPORTING

        folder = Path(directory, SUBFOLDER)
        if "archive" in versions:
            remove_partial(folder, PACKING)
            for metadata in _metadata_files(folder):
                if _layer_of(metadata) == self.config.spec.name:
                    metadata.with_suffix("").unlink(missing_ok=True)
                    metadata.unlink(missing_ok=True)
        if "export" in versions:
            remove_partial(folder, EXPORTING)
            shutil.rmtree(folder / "export", ignore_errors=True)

    def build_archive(self, directory: str, **_: Any) -> str:
        from hatch_venvstacks.pipeline.build import build_archive

        with TerminalLines(self.app):
            folder = Path(directory, SUBFOLDER)
            return str(build_archive(self.config.spec, folder, self._platform_name, self._session))

    def build_lock(self, _directory: str, **_: Any) -> str:
        from hatch_venvstacks.pipeline.lock import update_lock

        with TerminalLines(self.app):
            return str(update_lock(self.config.spec, self._session))

    def build_export(self, directory: str, **_: Any) -> str:
        from hatch_venvstacks.pipeline.export import export_stack

        folder = Path(directory, SUBFOLDER, "export")
        with TerminalLines(self.app):
            return str(export_stack(self.config.spec, folder, self._platform_name, self._session))

    @cached_property
    def _project(self) -> HatchProject:
        from hatch_venvstacks.plugin.layer_project import HatchProject

        return HatchProject(self.config.spec, lambda: self)

    def _asked_platforms(self, versions: list[str]) -> tuple[str, ...] | None:
        from hatch_venvstacks.config.environment_variables import PLATFORM, named_platforms

        asked = named_platforms()
        if "export" in versions and asked is not None and len(asked) != 1:
            raise BuildError(
                "An export is for one platform",
                hint=f"Set {PLATFORM} to one, or unset it for that of this machine",
            )
        return asked

    def _check_upgrade(self, versions: list[str]) -> None:
        from hatch_venvstacks.config.environment_variables import UPGRADE

        if self._session.locking.upgrade and "lock" not in versions:
            self.app.display_warning(f"{UPGRADE} counts only where a lock is made: {LOCK_COMMAND}")

    def _platforms(self, asked: tuple[str, ...]) -> list[TargetPlatform]:
        """The platforms to build for: those that were ``asked`` for, or all that are locked."""
        from hatch_venvstacks.model.platforms import PLATFORMS
        from hatch_venvstacks.pipeline.lock import ensure_locked_platforms

        with TerminalLines(self.app):
            names = asked or ensure_locked_platforms(self.config.spec, self._session)
            return [PLATFORMS[name] for name in names]

    @cached_property
    def _host(self) -> TargetPlatform:
        from hatch_venvstacks.model.platforms import host_platform

        return host_platform()

    @property
    def _platform_name(self) -> str:
        """The target platform that is being built for."""
        return (self._platform or self._host).name

    @cached_property
    def _session(self) -> Session:
        """What all builds of this call share."""
        from hatch_venvstacks.config.environment_variables import (
            cache_size,
            default_root,
            locking_options,
            source_date,
        )
        from hatch_venvstacks.model.workshop import Projects, Workshop
        from hatch_venvstacks.pipeline.session import Session
        from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
        from hatch_venvstacks.store.store import Store

        locking, mtime = locking_options(), source_date()
        store = Store(default_root(), cache_size())
        workshop = Workshop(store, TerminalReporter(self.app), self._host)
        projects = Projects(self._open_project)
        projects.add(self._project)
        return Session(workshop, projects, SiblingWheels(workshop, mtime), locking, mtime, HATCH)

    def _open_project(self, root: Path) -> HatchProject:
        from hatch_venvstacks.plugin.layer_project import HatchProject
        from hatch_venvstacks.plugin.pyproject import read_project

        project = read_project(root, plugin_manager=self.plugin_manager)

        def open_builder() -> VenvLayerBuilder:
            builder = VenvLayerBuilder(
                str(root),
                plugin_manager=self.plugin_manager,
                metadata=project.metadata,
                app=self.app,
            )
            builder.config.check_generic()
            return builder

        return HatchProject(project.spec, open_builder)

    def _check_versions(self, versions: list[str]) -> None:
        unknown = sorted(set(versions) - set(VERSIONS))
        if unknown:
            raise BuildError(
                f"Unknown version of the target `{self.PLUGIN_NAME}`: {', '.join(unknown)}",
                hint=f"It has the versions {', '.join(VERSIONS)}",
            )

    def _check_folder(self, directory: str | None) -> None:
        from hatch_venvstacks.config.environment_variables import build_location

        # hatchling makes the folder itself, and would fail with a traceback.
        if directory is None:
            location = build_location()
            directory = (
                self.config.normalize_build_directory(location)
                if location
                else self.config.directory
            )
        parent = Path(directory)
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise BuildError(
                f"The output folder cannot be written to: {directory}",
                hint="Change its permissions, or name another: `hatch build -t venvlayer FOLDER`",
            )


def _check_encoding(encoding: str = "") -> None:
    # Names of files would be packed as other bytes, or not at all.
    encoding = encoding or sys.getfilesystemencoding()
    if encoding.lower() not in ("utf-8", "utf8"):
        raise VenvLayerError(
            f"This Python takes the names of files as {encoding}, not as UTF-8",
            hint="Set `PYTHONUTF8=1`, or a UTF-8 locale such as `LC_ALL=C.UTF-8`",
        )


def _metadata_files(folder: Path) -> list[Path]:
    return [
        path
        for archive_format in ArchiveFormat
        for path in folder.glob(f"*{archive_format.suffix}.json")
    ]


def _layer_of(metadata: Path) -> str:
    try:
        return str(json.loads(metadata.read_text("utf-8"))["layer"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
