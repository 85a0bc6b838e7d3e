"""Read projects that are layers, as hatchling does: from ``pyproject.toml`` and ``hatch.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import ConfigError, StackError, words
from hatch_venvstacks.config.layer_table import ProjectFacts, parse_layer
from hatch_venvstacks.config.uv.project import read_uv_project
from hatch_venvstacks.model.spec import LOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from hatchling.metadata.core import CoreMetadata, ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    from hatch_venvstacks.model.spec import LayerSpec

    T = TypeVar("T")

TARGET = LOCATION.rpartition(".")[2]
_DEPENDENCY_FIELDS = ("dependencies", "optional-dependencies")


@dataclass(frozen=True)
class Project:
    """A project that is a layer: its validated table, and its metadata as hatchling reads it."""

    spec: LayerSpec
    metadata: ProjectMetadata[PluginManager]


def read_project(root: Path, *, plugin_manager: PluginManager | None = None) -> Project:
    """The layer whose project lies in ``root`` (absolute).

    ``plugin_manager`` is hatchling's, for metadata hooks; by default a new one. A dynamic version
    is not computed: the plugin that does so may be missing in this environment.

    :raises StackError: where the folder holds no layer.
    :raises ConfigError: where the project or its table is not valid.
    """
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    if not root.is_dir():
        raise StackError(f"Layer folder `{root}` does not exist")
    # hatchling would go on looking for one in the folders above.
    if not (root / "pyproject.toml").is_file():
        raise StackError(f"`{root}` is not a layer: it has no file `pyproject.toml`")
    metadata = ProjectMetadata(str(root), plugin_manager or PluginManager())
    table = layer_table(metadata)
    facts = project_facts(metadata)
    try:
        spec = parse_layer(table, root=root, project=facts)
    except ConfigError as error:
        lines = "\n".join(f"  {line}" for line in error.message.splitlines())
        raise ConfigError(f"The layer in `{root}` is not valid:\n{lines}") from None
    return Project(spec, metadata)


def layer_table(metadata: ProjectMetadata[Any]) -> Mapping[str, Any]:
    """The raw table ``[tool.hatch.build.targets.venvlayer]``, from whichever file has it.

    :raises StackError: where there is none, and the project is thus no layer.
    :raises ConfigError: where it is not a table, or its file cannot be read.
    """
    root = metadata.root
    _hatchling(f"`pyproject.toml` in `{root}` cannot be read", lambda: metadata.config)
    hatch = _hatchling(
        f"The configuration of Hatch in `{root}` cannot be read", lambda: metadata.hatch
    )
    targets = _hatchling(f"The project in `{root}` is not valid", lambda: hatch.build_targets)
    if TARGET not in targets:
        raise StackError(
            f"`{root}` is not a layer: it has no table [{LOCATION}]",
            hint=f"Add the table to its `pyproject.toml`, with the field `{LOCATION}.kind`",
        )
    table = targets[TARGET]
    if not isinstance(table, dict):
        raise ConfigError(f"Field `{LOCATION}` in `{root}` must be a table")
    return table


def check_metadata(metadata: ProjectMetadata[Any]) -> None:
    """Look at all of the project's metadata, as hatchling does before every build.

    :raises ConfigError: where something is not valid; hatchling's words are kept.
    """
    try:
        metadata.validate_fields()
    except Exception as error:
        raise ConfigError(
            f"The project in `{metadata.root}` is not valid", detail=f"  {words(error)}"
        ) from error


def project_facts(metadata: ProjectMetadata[Any]) -> ProjectFacts:
    """What a layer's table may refer to in its project.

    :raises ConfigError: where hatchling finds the project's metadata not valid; its words are kept.
    """
    invalid = f"The project in `{metadata.root}` is not valid"
    core = _core(metadata)
    dependency_groups = metadata.config.get("dependency-groups", {})
    if not isinstance(dependency_groups, dict):
        raise ConfigError(invalid, detail="The `dependency-groups` configuration must be a table")
    return ProjectFacts(
        name=_hatchling(invalid, lambda: core.raw_name),
        dependencies=tuple(_hatchling(invalid, lambda: core.dependencies)),
        optional_dependencies={
            feature: tuple(requirements)
            for feature, requirements in _hatchling(
                invalid, lambda: core.optional_dependencies
            ).items()
        },
        dependency_groups=dependency_groups,
        requires_python=str(_hatchling(invalid, lambda: core.requires_python)),
        uv=read_uv_project(Path(metadata.root), metadata.config),
    )


def _core(metadata: ProjectMetadata[Any]) -> CoreMetadata:
    from hatchling.metadata.core import CoreMetadata

    invalid = f"The project in `{metadata.root}` is not valid"
    raw = _hatchling(invalid, lambda: metadata.core_raw_metadata)
    dynamic = [
        name for name in _hatchling(invalid, lambda: metadata.dynamic) if name in _DEPENDENCY_FIELDS
    ]
    if not dynamic:
        # ProjectMetadata.core would run every metadata hook, for which it computes the version.
        settings = _hatchling(invalid, lambda: metadata.hatch.metadata)
        return CoreMetadata(metadata.root, raw, settings, metadata.context)
    fields = " and ".join(f"`project.{name}`" for name in dynamic)
    try:
        core = metadata.core
    except Exception as error:
        raise ConfigError(
            f"The dynamic {fields} of the project in `{metadata.root}` cannot be computed",
            detail=words(error),
            hint="The plugin that computes them must be in `build-system.requires` of the project"
            " that is built",
        ) from error
    unset = [f"`project.{name}`" for name in dynamic if name not in raw]
    if unset:
        raise ConfigError(
            f"No metadata hook sets {' and '.join(unset)} of the project in `{metadata.root}`,"
            " though `project.dynamic` says so",
            hint="Write them down, or configure the hook in `tool.hatch.metadata.hooks`",
        )
    return core


def _hatchling(message: str, read: Callable[[], T]) -> T:
    # hatchling raises built-in exceptions for what a user wrote, and plugins raise their own.
    try:
        return read()
    except (TypeError, ValueError, OSError) as error:
        raise ConfigError(message, detail=words(error)) from error
