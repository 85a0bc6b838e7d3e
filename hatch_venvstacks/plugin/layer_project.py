"""A project as the pipeline sees it, read through hatchling's builders."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hatchling.builders.constants import EXCLUDED_DIRECTORIES, EXCLUDED_FILES
from hatchling.builders.utils import safe_walk

from hatch_venvstacks.common.errors import BuildError, ConfigError, words
from hatch_venvstacks.config.layer_table import is_module_path, module_name
from hatch_venvstacks.model.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatchling.builders.plugin.interface import BuilderInterface
    from hatchling.builders.wheel import WheelBuilder
    from hatchling.plugin.manager import PluginManager

    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.plugin.builder_config import VenvLayerConfig

    Builder = BuilderInterface[VenvLayerConfig, PluginManager]

# Options that select files for a target. The wheel has those of the project's package; only where
# this target has some of its own do files go into the layer's folder.
_SELECTING = ("include", "only-include", "packages")

# How hatchling begins to say that there is no package that it could find by itself.
_NOTHING_TO_SHIP = "Unable to determine which files to ship"


class HatchProject:
    """The project of the layer ``spec``; ``open_builder`` gives the builder of this target for it.

    That is asked for only where more is needed than the table.
    """

    def __init__(self, spec: LayerSpec, open_builder: Callable[[], Builder]) -> None:
        self.spec = spec
        self._open_builder = open_builder

    @cached_property
    def _builder(self) -> Builder:
        return self._open_builder()

    @cached_property
    def version(self) -> str:
        try:
            return str(self._builder.metadata.version)
        except Exception as error:
            raise ConfigError(
                f"The version of the project in `{self.spec.root}` cannot be determined",
                detail=f"  {words(error)}",
            ) from error

    @property
    def has_static_version(self) -> bool:
        return "version" not in self._builder.metadata.dynamic

    @property
    def launch_name(self) -> str | None:
        launch = self.spec.launch_module
        return module_name(launch) if launch and is_module_path(launch) else launch

    def includes_project(self) -> bool:
        if self.spec.include_project is not None:
            return self.spec.include_project
        if self.spec.kind is not LayerKind.APPLICATION:
            return False
        try:
            return any(True for _ in self._wheel_builder.recurse_included_files())
        except (ValueError, TypeError, OSError) as error:
            if str(error).startswith(_NOTHING_TO_SHIP):
                return False
            raise ConfigError(
                f"The files of the wheel of the project `{self.spec.project_name}` cannot be found",
                detail=f"  {words(error)}",
            ) from error

    @property
    def scripts(self) -> tuple[str, ...]:
        core = self._builder.metadata.core
        return (*core.scripts, *core.gui_scripts)

    def package_files(self) -> Iterator[tuple[str, Path]]:
        """The files that the project's wheel puts into a site directory: path there, file here.

        What build hooks would add is not among them.
        """
        if not self.includes_project():
            return
        try:
            files = list(self._wheel_builder.recurse_included_files())
        except Exception as error:
            raise ConfigError(
                f"The files of the wheel of the project `{self.spec.project_name}` cannot be found",
                detail=f"  {words(error)}",
            ) from error
        for file in files:
            yield Path(file.distribution_path).as_posix(), Path(file.path)

    @cached_property
    def core_metadata(self) -> str:
        from hatchling.metadata.spec import get_core_metadata_constructors

        try:
            return str(get_core_metadata_constructors()["2.3"](self._builder.metadata))
        except Exception as error:
            raise ConfigError(
                f"The metadata of the project in `{self.spec.root}` cannot be determined",
                detail=f"  {words(error)}",
            ) from error

    @contextmanager
    def run_hooks(self, artifact: Path) -> Iterator[None]:
        builder = self._builder
        hooks = builder.get_build_hooks(builder.config.directory)
        data = builder.get_default_build_data()
        builder.set_build_data_defaults(data)
        data["build_hooks"] = tuple(hooks)
        for hook in hooks.values():
            hook.initialize("export", data)
        with builder.config.set_build_data(data):
            yield
        for hook in hooks.values():
            hook.finalize("export", data, str(artifact))

    def build_wheel(self, folder: Path) -> Path:
        try:
            return Path(
                *self._wheel_builder.build(
                    directory=str(folder), versions=["standard"], clean=False
                )
            )
        except Exception as error:
            raise BuildError(
                f"The wheel of the project `{self.spec.project_name}` cannot be built",
                detail=f"  {words(error)}",
                hint=f"See for yourself: `hatch build -t wheel` in {self.spec.root}",
            ) from error

    def loose_files(self, site: str) -> list[tuple[str, Path]]:
        files = dict(self._selected())
        for entry in self._loose_modules():
            for relative, file in self._module_files(entry):
                files[f"{site}/{relative}"] = file
        return sorted(files.items())

    @cached_property
    def _wheel_builder(self) -> WheelBuilder:
        from hatchling.builders.wheel import WheelBuilder

        builder = self._builder
        return WheelBuilder(
            builder.root,
            plugin_manager=builder.plugin_manager,
            metadata=builder.metadata,
            app=builder.app,
        )

    def _loose_modules(self) -> Iterator[str]:
        launch = self.spec.launch_module
        if launch and is_module_path(launch):
            yield launch
        yield from self.spec.support_modules

    def _module_files(self, entry: str) -> list[tuple[str, Path]]:
        """The files of a loose module or package, below the site directory."""
        relative = posixpath.normpath(entry)
        path = self.spec.root / relative
        if path.is_file() and path.suffix == ".py":
            return [(path.name, path)]
        if not path.is_dir():
            raise BuildError(
                f"The module `{entry}` does not exist: {path}",
                hint="It must be a folder with Python files, or a file that ends in `.py`",
            )
        files = [
            (f"{path.name}/{file.relative_to(path).as_posix()}", file)
            for file in _walk(path)
            if self._builder.config.include_path(
                str(file.relative_to(self.spec.root)), explicit=True
            )
        ]
        if not files:
            raise BuildError(
                f"The module `{entry}` has no files, or all of them are excluded: {path}",
                hint="Look into `exclude` of this target and into the files that git ignores",
            )
        return files

    def _selected(self) -> Iterator[tuple[str, Path]]:
        """Files that this target's own options select, below the layer's folder."""
        builder, table = self._builder, self._builder.target_config
        if any(option in table for option in _SELECTING):
            for file in builder.recurse_selected_project_files():
                yield _in_layer(file.distribution_path), Path(file.path)
        forced = dict(builder.config.force_include) if "force-include" in table else {}
        forced.update(builder.config.build_force_include)
        try:
            for file in builder.recurse_forced_files(forced):
                yield _in_layer(file.distribution_path), Path(file.path)
        except FileNotFoundError as error:
            raise BuildError(str(error)) from error


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in safe_walk(str(folder)):
        folders[:] = sorted(name for name in folders if name not in EXCLUDED_DIRECTORIES)
        yield from (Path(root, name) for name in sorted(files) if name not in EXCLUDED_FILES)


def _in_layer(path: str) -> str:
    normalized = posixpath.normpath(Path(path).as_posix())
    if normalized.startswith(("../", "/")) or normalized in ("..", "."):
        raise BuildError(
            f"A file of the project would lie outside the layer: {path}",
            hint="Paths in `force-include` and `sources` are relative to the layer's folder",
        )
    return normalized
