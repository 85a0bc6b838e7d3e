from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeArchive, RuntimeOrigin, RuntimeTree
from hatch_venvstacks.sources.runtimes.host import HostPython
from hatch_venvstacks.sources.runtimes.releases import find_release
from hatch_venvstacks.sources.runtimes.substitute import find_substitute

HERE = "linux_x86_64"


def locked(version: str, *platforms: str) -> LockedRuntime:
    names = platforms or ("win_amd64", "macosx_arm64")
    archives = {name: RuntimeArchive("https://x.invalid/a.tar.gz", "0" * 64) for name in names}
    return LockedRuntime(RuntimeOrigin.ARCHIVE, version, archives)


@pytest.fixture
def running(tmp_path: Path) -> HostPython:
    """An installation of CPython 3.11.5."""
    found = HostPython("3.11.5", "cpython", "linux", tmp_path, (str(tmp_path),), tmp_path / "lib")
    found.executable.parent.mkdir()
    found.executable.touch()
    return found


class Unpack:
    """Unpacks what it is asked for, unless it is said to fail."""

    def __init__(self, root: Path, *failures: str) -> None:
        self.root, self.failures, self.asked = root, failures, list[str]()

    def __call__(self, archive: RuntimeArchive) -> RuntimeTree:
        self.asked.append(archive.url)
        if any(failure in archive.url for failure in self.failures):
            raise RuntimeSourceError("The network is down", hint="Mend it")
        return RuntimeTree(self.root / "fetched", "3.11.9", "3.11")


@pytest.mark.parametrize("version", ["3.11.5", "3.11.4", "3.11.0"])
def test_what_runs_the_build_will_do(running: HostPython, version: str) -> None:
    unpack = Unpack(running.prefix)
    assert find_substitute(locked(version), HERE, unpack, running) == running.executable
    assert unpack.asked == []


@pytest.mark.parametrize(
    "change",
    [
        *({"version": "3.11.3"}, {"version": "3.12.1"}, {"version": "3.10.12"}, {"debug": True}),
        *({"implementation": "pypy"}, {"free_threaded": True}, {"prefix": Path("/not/there")}),
    ],
)
def test_a_release_is_fetched(running: HostPython, change: dict[str, Any]) -> None:
    unpack = Unpack(running.prefix)
    found = find_substitute(locked("3.11.4"), HERE, unpack, replace(running, **change))
    assert found == running.prefix / "fetched/bin/python3.11"
    (url,) = unpack.asked
    assert "/cpython-3.11.4%2B" in url
    assert "x86_64-unknown-linux-gnu" in url


def test_the_newest_release_is_fetched_where_the_locked_one_is_not(running: HostPython) -> None:
    other = replace(running, version="3.12.0")
    unpack = Unpack(running.prefix, "/cpython-3.11.4%2B")
    find_substitute(locked("3.11.4"), HERE, unpack, other)
    newest = find_release("3.11", [HERE]).version
    assert f"/cpython-{newest}%2B" in unpack.asked[1]


def test_none_can_be_had(running: HostPython) -> None:
    other = replace(running, version="3.12.0")
    with pytest.raises(RuntimeSourceError) as caught:
        find_substitute(locked("3.11.4"), HERE, Unpack(running.prefix, "cpython"), other)
    error = caught.value
    assert error.message.startswith(f"A CPython 3.11 for this machine ({HERE}) is needed, 3.11.4")
    assert "`win_amd64`, `macosx_arm64` only" in error.message
    assert "CPython 3.12.0 in" in error.detail
    assert error.detail.count("The network is down") == 1
    assert f"Add `{HERE}` to `platforms`" in error.hint
    assert "Let another Python" in error.hint


def test_releases_that_are_older_than_the_locked_one(running: HostPython) -> None:
    unpack = Unpack(running.prefix)
    with pytest.raises(RuntimeSourceError) as caught:
        find_substitute(locked("3.11.999"), HERE, unpack, running)
    assert unpack.asked == []
    assert "it is older" in caught.value.detail
    assert "no CPython 3.11.999" in caught.value.detail
    assert "The newest CPython 3.11 of python-build-standalone" in caught.value.detail
