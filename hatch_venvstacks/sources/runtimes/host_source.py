"""The CPython that runs the build as a source of runtimes: copied, for this machine only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeTree
from hatch_venvstacks.sources.runtimes.host import CHANGE_PYTHON, check_host, describe
from hatch_venvstacks.sources.runtimes.host_copy import copy_host, fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.model.runtime import RuntimeRequest
    from hatch_venvstacks.model.workshop import Workshop
    from hatch_venvstacks.sources.runtimes.host import HostPython


class HostSource:
    """The installation that the build runs on, never a virtual environment.

    A lock holds its minor release only: other machines have other patch releases.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def lock(
        self,
        request: RuntimeRequest,
        platforms: Sequence[str],
        _previous: LockedRuntime | None = None,
    ) -> LockedRuntime:
        """Nothing is kept: the interpreter that runs the build may have become another one."""
        for platform in platforms:
            self._check_platform(platform)
        host = describe()
        if not request.accepts(host.version):
            raise RuntimeSourceError(
                f'`python = "cpython@{request.version}"` with `python-source = "host"` needs that'
                f" Python to run the build, but CPython {host.version} runs it"
                f" (`{host.executable}`)",
                hint=CHANGE_PYTHON,
            )
        check_host(host)
        return LockedRuntime(request.origin, host.minor)

    def changes(self, locked: LockedRuntime) -> list[str]:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        if locked.minor == running:
            return []
        return [f"CPython {running} runs the build, the lock is for {locked.minor}"]

    def provide(self, locked: LockedRuntime, platform: str, work: Path) -> RuntimeTree:
        self._check_platform(platform)
        host = _host_of(locked)
        copy_host(host, work)
        return RuntimeTree(work, host.version, host.minor)

    def provide_interpreter(self, locked: LockedRuntime) -> Path:
        return _host_of(locked).executable

    def key(self, _locked: LockedRuntime, _platform: str) -> str:
        return fingerprint(describe(), self._workshop.store)

    def interpreter_key(self, locked: LockedRuntime) -> str:
        return f"cpython {locked.version} {sys.version}"

    def libraries(self, _locked: LockedRuntime, _platform: str, _work: Path) -> Sequence[Path]:
        """They are looked at where the host is installed: beside them its folder holds anything."""
        return sorted((describe().prefix / "lib").glob("libpython*"))

    def _check_platform(self, platform: str) -> None:
        here = self._workshop.host.name
        if platform != here:
            raise RuntimeSourceError(
                f'`python-source = "host"` gives a runtime for this machine, `{here}`, and none for'
                f" `{platform}`",
                hint='Use `python-source = "python-build-standalone"`, or build on such a machine',
            )


def _host_of(locked: LockedRuntime) -> HostPython:
    host = describe()
    if host.minor != locked.minor:
        raise RuntimeSourceError(
            f"The runtime is locked for CPython {locked.minor}, but CPython {host.minor} runs the"
            ' build, which `python-source = "host"` would copy',
            hint=Mend(
                f"Build with CPython {locked.minor}, or lock the layer again. {{change_python}}"
            ),
        )
    return host
