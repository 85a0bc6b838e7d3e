"""The values that the stages hand to each other: frozen, without behaviour of their own.

:mod:`hatch_venvstacks.config.layer_table` makes a :class:`LayerSpec` from a table; everything later
reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.model.formats.archive_format import DEFAULT_COMPRESSION_LEVEL
from hatch_venvstacks.model.oldest_systems import OldestSystems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
    from hatch_venvstacks.model.index import Index
    from hatch_venvstacks.model.runtime import RuntimeRequest

LOCATION = "tool.hatch.build.targets.venvlayer"

DEFAULT_LOCK_FILE = "pylock.venvlayer.toml"


class LayerKind(str, Enum):
    """What a layer is: the interpreter, shared packages, or an application."""

    RUNTIME = "runtime"
    FRAMEWORK = "framework"
    APPLICATION = "application"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class PackageSource:
    """Where a package comes from, by ``[tool.uv.sources]``: a named index, or a local ``path``.

    ``name`` is normalized, ``marker`` a :pep:`508` marker (empty: everywhere), ``path`` an absolute
    path of a project's folder or of a wheel. Of ``index``, ``path`` and ``fault`` one is set:
    ``fault`` says why a layer cannot have the package from there (``"is a Git repository"``).

    Source: https://docs.astral.sh/uv/concepts/projects/dependencies/#dependency-sources.
    """

    name: str
    index: str = ""
    path: Path | None = None
    marker: str = ""
    fault: str = ""


@dataclass(frozen=True)
class UvSettings:
    """What a layer's project tells uv of where packages come from.

    ``indexes`` and ``sources`` are in the order in which the project has them, ``exclude_newer`` is
    a date, a time or a duration (``"1 week"``); empty where the project has none. ``find_links``
    are addresses as :attr:`Index.url`, ``options`` further keys that are uv's to understand, and
    change what it finds (``index-strategy`` …).
    """

    indexes: tuple[Index, ...] = ()
    sources: tuple[PackageSource, ...] = ()
    exclude_newer: str = ""
    find_links: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerSpec:
    """One validated ``[tool.hatch.build.targets.venvlayer]`` table, and its project's part.

    ``root`` is the project's folder, ``base_layers`` are the base layers' folders in priority order
    (absolute, as ``base-layers`` names them), ``requirements`` are the :pep:`508` strings that the
    layer adds (features and dependency groups merged in), ``lock_file`` is absolute.
    ``requires_python`` is the project's, empty where it says nothing; ``include_project`` is
    ``None`` where the option is left out. So is ``archive_format``, which then is a matter of the
    platform; ``compression_level`` is on the scale of zstd (1 to 19).
    ``bytecode`` tells whether modules are shipped compiled.

    ``platforms`` are names of target platforms, empty where the option is left out;
    ``oldest_systems`` are those that must run the layer, as far as its options name them.
    ``exclude_packages`` are normalized names.
    ``package_indexes`` maps normalized names of packages to names of indexes, ``index_overrides``
    names of indexes to those that stand for them, and ``priority_indexes`` are names of indexes.
    ``dynlib_exclude`` and ``dynlib_preload`` are glob patterns of shared libraries, ``checks`` maps
    names of checks to patterns with levels (see :mod:`hatch_venvstacks.model.checks`).
    """

    root: Path
    project_name: str
    name: str
    kind: LayerKind
    base_layers: tuple[Path, ...] = ()
    runtime: RuntimeRequest | None = None
    requirements: tuple[str, ...] = ()
    requires_python: str = ""
    include_project: bool | None = None
    launch_module: str | None = None
    support_modules: tuple[str, ...] = ()
    lock_file: Path = Path(DEFAULT_LOCK_FILE)
    archive_format: ArchiveFormat | None = None
    compression_level: int = DEFAULT_COMPRESSION_LEVEL
    bytecode: bool = True
    platforms: tuple[str, ...] = ()
    oldest_systems: OldestSystems = field(default_factory=OldestSystems)
    exclude_packages: tuple[str, ...] = ()
    package_indexes: Mapping[str, str] = field(default_factory=dict)
    index_overrides: Mapping[str, str] = field(default_factory=dict)
    priority_indexes: tuple[str, ...] = ()
    uv: UvSettings = UvSettings()
    dynlib_exclude: tuple[str, ...] = ()
    dynlib_preload: tuple[str, ...] = ()
    checks: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
