"""The CPython of a stack: what a project asks for, what is locked, what this machine can have."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class RuntimeOrigin(str, Enum):
    """Where the CPython of a runtime layer comes from (option ``python-source``)."""

    STANDALONE = "python-build-standalone"
    HOST = "host"
    ARCHIVE = "archive"

    def __str__(self) -> str:
        return self.value

    @property
    def only_here(self) -> bool:
        """Whether it gives a CPython for the machine that builds, and for no other."""
        return self is RuntimeOrigin.HOST


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

    def accepts(self, release: str) -> bool:
        """Whether ``release`` is the one that is asked for, or one of its patch releases."""
        wanted = self.version
        return not wanted or release == wanted or release.startswith(f"{wanted}.")


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
class RuntimeTree:
    """A folder with a CPython that starts from any place: what ``sys.prefix`` is inside it.

    ``version`` is the full release (``"3.11.13"``), ``minor`` the minor release (``"3.11"``).
    """

    root: Path
    version: str
    minor: str

    @property
    def executable(self) -> Path:
        """The interpreter: ``bin/python3.11``, or ``python.exe`` where that is there."""
        windows = self.root / "python.exe"
        return windows if windows.is_file() else self.root / "bin" / f"python{self.minor}"


class CPython(Protocol):
    """A locked CPython, as this machine can have it; each source of runtimes has its own way."""

    @property
    def locked(self) -> LockedRuntime:
        """What the lock of the runtime layer says of it."""

    @property
    def python(self) -> Path:
        """A CPython for this machine, of the locked minor release; raises RuntimeSourceError."""

    @property
    def python_key(self) -> str:
        """What stands for :attr:`python`: its release, and whose it is."""

    def key(self, platform: str) -> str:
        """What stands for the CPython on the target platform of that name; empty: there is none.

        Raises RuntimeSourceError where it would be copied from this machine, and cannot be.
        """

    def tree(self, platform: str, work: Path) -> RuntimeTree:
        """The CPython for that target platform, to be read only; ``work`` is a folder for a copy.

        Raises RuntimeSourceError where it cannot be had, or is not what the lock says.
        """

    def libraries(self, platform: str, work: Path) -> Sequence[Path]:
        """The files in its folder ``lib``, on this machine; the arguments are those of `tree`."""
