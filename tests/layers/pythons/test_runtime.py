from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from interpreters import some_interpreter
from standalone import make_standalone, sha256_of

from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.model.runtime import (
    LockedRuntime,
    RuntimeArchive,
    RuntimeOrigin,
    RuntimeRequest,
    RuntimeTree,
)
from hatch_venvstacks.model.workshop import Workshop
from hatch_venvstacks.sources.runtimes.host import HostPython, describe
from hatch_venvstacks.sources.runtimes.runtime import locked_cpython, runtime_source
from hatch_venvstacks.sources.runtimes.tree import runtime_files
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


# pbs-installer reads its table by a function that CPython 3.11 and 3.12 call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")
HERE = host_platform().name


@dataclass
class Lines:
    lines: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = debug = info


@pytest.fixture
def tools(tmp_path: Path) -> Workshop:
    return Workshop(Store(tmp_path / "cache"), Lines(), host_platform())


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of this machine's kind, as python-build-standalone has them."""
    return make_standalone(some_interpreter(), tmp_path_factory.mktemp("standalone"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> HostPython:
    """The installation that stands in for the one that runs the build."""
    host = describe(some_interpreter())
    monkeypatch.setattr(sys, "executable", str(host.executable))
    return host


def archive_request(path: Path, version: str = "", platform: str = HERE) -> RuntimeRequest:
    found = RuntimeArchive(path.as_uri(), sha256_of(path))
    return RuntimeRequest(RuntimeOrigin.ARCHIVE, version, {platform: found})


def lock(
    request: RuntimeRequest,
    platforms: list[str],
    root: Path,
    tools: Workshop,
    previous: LockedRuntime | None = None,
) -> LockedRuntime:
    return runtime_source(request.origin, root, tools).lock(request, platforms, previous)


def test_an_archive_from_lock_to_a_running_interpreter(
    tools: Workshop, tmp_path: Path, packed: Path
) -> None:
    host = describe(some_interpreter())
    locked = lock(archive_request(packed, host.minor), [HERE], tmp_path, tools)
    assert locked.version == host.version
    assert locked.archives[HERE].url == packed.as_uri()
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    assert (tree.version, tree.minor) == (host.version, host.minor)
    program = locked_cpython(locked, tmp_path, tools).python
    assert program == tree.root / "bin" / f"python{host.minor}"
    command = [str(program), "-I", "-B", "-c", "import sys, pip; print(sys.prefix)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
    assert done.stdout.strip() == str(tree.root)


def test_files_of_a_layer(tools: Workshop, tmp_path: Path, packed: Path) -> None:
    locked = lock(archive_request(packed), [HERE], tmp_path, tools)
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    library = f"lib/python{tree.minor}"
    names = [name for name, _ in runtime_files(tree)]
    assert names == sorted(names)
    assert {"bin/python", "bin/python3", f"bin/python{tree.minor}", f"{library}/os.py"} <= {*names}
    assert f"{library}/_sysconfigdata__linux_x86_64-linux-gnu.py" in names or HERE != "linux_x86_64"
    assert f"include/python{tree.minor}/Python.h" in names
    there = {path.relative_to(tree.root).as_posix() for path in tree.root.rglob("*")}
    left_out = {"bin/pip3", f"{library}/test/test_os.py", f"{library}/config-x/libpython.a"}
    assert left_out <= there
    assert left_out.isdisjoint(names)
    assert not [name for name in names if "site-packages" in name or "idle_test" in name]
    assert any(name.startswith(f"{library}/ensurepip/_bundled/pip") for name in names)


def test_the_host_becomes_a_tree(tools: Workshop, tmp_path: Path, here: HostPython) -> None:
    locked = LockedRuntime(RuntimeOrigin.HOST, here.minor)
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    assert tree == RuntimeTree(tmp_path / "work", here.version, here.minor)
    assert {"bin/python", "bin/python3"} <= {name for name, _ in runtime_files(tree)}
    command = [str(tree.executable), "-I", "-B", "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
    assert done.stdout.strip() == str(tree.root)
