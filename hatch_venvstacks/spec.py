"""The values that the stages hand to each other: frozen, without behaviour of their own.

:mod:`hatch_venvstacks.config` makes a :class:`LayerSpec` from a table; everything later reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_LOCK_FILE = "pylock.venvlayer.toml"
DEFAULT_COMPRESSION_LEVEL = 9


class LayerKind(str, Enum):
    """What a layer is: the interpreter, shared packages, or an application."""

    RUNTIME = "runtime"
    FRAMEWORK = "framework"
    APPLICATION = "application"

    def __str__(self) -> str:
        return self.value


class RuntimeOrigin(str, Enum):
    """Where the CPython of a runtime layer comes from (option ``python-source``)."""

    STANDALONE = "python-build-standalone"
    HOST = "host"
    ARCHIVE = "archive"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class RuntimeArchive:
    """A packed CPython: its address (``https:``, ``http:`` or ``file:``) and its SHA-256 (hex)."""

    url: str
    sha256: str


@dataclass(frozen=True)
class RuntimeRequest:
    """The options ``python`` and ``python-source`` of a runtime layer, as the user wrote them.

    ``version`` is ``"3.11.13"``, ``"3.11"``, or empty where ``python`` is left out (``host`` only).
    ``archives`` maps target platforms to archives, for :attr:`RuntimeOrigin.ARCHIVE` only.
    """

    origin: RuntimeOrigin
    version: str = ""
    archives: Mapping[str, RuntimeArchive] = field(default_factory=dict)


@dataclass(frozen=True)
class LockedRuntime:
    """What a runtime layer's lock says of its CPython.

    ``version`` is the full release (``"3.11.13"``), for :attr:`RuntimeOrigin.HOST` the minor
    release (``"3.11"``). ``archives`` maps target platforms to archives; empty for ``host``.
    """

    origin: RuntimeOrigin
    version: str
    archives: Mapping[str, RuntimeArchive] = field(default_factory=dict)

    @property
    def minor(self) -> str:
        """The minor release, ``"3.11"``: what wheels, folders and upper layers depend on."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class LayerSpec:
    """One validated ``[tool.hatch.build.targets.venvlayer]`` table, and its project's part.

    ``root`` is the project's folder, ``base_layers`` are the base layers' folders in priority order
    (absolute, as ``base-layers`` names them), ``requirements`` are the :pep:`508` strings that the
    layer adds (features and dependency groups merged in), ``lock_file`` is absolute.
    ``requires_python`` is the project's, empty where it says nothing; ``include_project`` is
    ``None`` where the option is left out.
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
    compression_level: int = DEFAULT_COMPRESSION_LEVEL
