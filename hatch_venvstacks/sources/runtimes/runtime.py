"""Where the CPython of a runtime layer comes from, for a target platform.

Three sources: python-build-standalone
(https://gregoryszorc.com/docs/python-build-standalone/main/), archives that the project names, and
the CPython that runs the build. The lock holds what was chosen, and a build takes nothing else.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from hatch_venvstacks.model.runtime import RuntimeOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeRequest, RuntimeTree
    from hatch_venvstacks.model.workshop import Workshop


class RuntimeSource(Protocol):
    """A source of CPythons, for the runtime layer of one project and this machine."""

    def lock(
        self,
        request: RuntimeRequest,
        platforms: Sequence[str],
        previous: LockedRuntime | None = None,
    ) -> LockedRuntime:
        """Choose the CPython that ``request`` asks for, for all ``platforms``.

        ``previous`` is what the lock holds now: it is kept as long as it fits. Raises
        RuntimeSourceError where there is no such CPython for one of the platforms.
        """

    def changes(self, locked: LockedRuntime) -> list[str]:
        """Why ``locked`` is not what this machine would lock, a line each."""

    def provide(self, locked: LockedRuntime, platform: str, work: Path) -> RuntimeTree:
        """The tree of the locked CPython for ``platform``: in the store, or copied into ``work``.

        ``work`` is a folder of the caller's, empty or missing. What lies in the store must not be
        changed. Raises RuntimeSourceError where the tree cannot be had, or is not what was locked.
        """

    def provide_interpreter(self, locked: LockedRuntime) -> Path:
        """A CPython of the locked minor release, for this machine.

        It is the locked one where that is for this machine, and never that of a virtual
        environment. Raises RuntimeSourceError where none can be had, or it is not what was locked.
        """

    def key(self, locked: LockedRuntime, platform: str) -> str:
        """What stands for what :meth:`provide` gives; empty where that is nothing."""

    def interpreter_key(self, locked: LockedRuntime) -> str:
        """What stands for what :meth:`provide_interpreter` gives."""

    def libraries(self, locked: LockedRuntime, platform: str, work: Path) -> Sequence[Path]:
        """The files in its folder ``lib``, sorted; the arguments are those of :meth:`provide`."""


def runtime_source(origin: RuntimeOrigin, root: Path, workshop: Workshop) -> RuntimeSource:
    """The source ``origin`` for the runtime layer whose project lies in ``root``.

    ``file:`` addresses of archives are relative to ``root``.
    """
    if origin is RuntimeOrigin.HOST:
        from hatch_venvstacks.sources.runtimes.host_source import HostSource

        return HostSource(workshop)
    if origin is RuntimeOrigin.ARCHIVE:
        from hatch_venvstacks.sources.runtimes.archives import NamedArchives

        return NamedArchives(root, workshop)
    from hatch_venvstacks.sources.runtimes.standalone import StandaloneBuilds

    return StandaloneBuilds(root, workshop)


class LockedCPython:
    """What is ``locked``, from its source: :class:`~hatch_venvstacks.model.runtime.CPython`."""

    def __init__(self, locked: LockedRuntime, source: RuntimeSource) -> None:
        self.locked = locked
        self._source = source

    @cached_property
    def python(self) -> Path:
        return self._source.provide_interpreter(self.locked)

    @property
    def python_key(self) -> str:
        return self._source.interpreter_key(self.locked)

    def key(self, platform: str) -> str:
        return self._source.key(self.locked, platform)

    def tree(self, platform: str, work: Path) -> RuntimeTree:
        return self._source.provide(self.locked, platform, work)

    def libraries(self, platform: str, work: Path) -> Sequence[Path]:
        return self._source.libraries(self.locked, platform, work)


def locked_cpython(locked: LockedRuntime, root: Path, workshop: Workshop) -> LockedCPython:
    """The CPython that the lock of the runtime layer in ``root`` holds, on this machine."""
    return LockedCPython(locked, runtime_source(locked.origin, root, workshop))
