from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from c_library import read
from interpreters import some_interpreter

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.sources.runtimes.host import HostPython, check_host, describe, inside, moved

if TYPE_CHECKING:
    from collections.abc import Callable

    Copies = Callable[[str], tuple[HostPython, Path]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies are made on Linux")


@pytest.fixture
def some_host() -> HostPython:
    return describe(some_interpreter())


def test_a_virtual_environment_describes_what_it_stands_on(
    tmp_path: Path, some_host: HostPython
) -> None:
    command = [str(some_host.executable), "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(command, check=True)
    assert describe(tmp_path / "venv" / "bin" / "python") == some_host


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(RuntimeSourceError, match="does not say what it is"):
        describe(tmp_path / "missing")
    (tmp_path / "python").write_text("#!/bin/sh\necho something else\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(RuntimeSourceError, match="does not say what it is") as caught:
        describe(tmp_path / "python")
    assert "Let another Python" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"implementation": "pypy"}, "it is pypy"),
        ({"version": "3.9.18"}, "CPython 3.10 or later"),
        ({"debug": True}, "a debug build"),
        ({"free_threaded": True}, "a free-threaded build"),
        ({"system": "win32"}, "not made on Windows yet"),
        ({"system": "darwin"}, "on macOS only python-build-standalone"),
        ({"system": "darwin", "framework": "Python"}, "macOS framework"),
        ({"prefix": Path("/usr")}, "the operating system's"),
        ({"stdlib": Path("/usr/lib/python3")}, "its standard library is in `/usr/lib/python3`"),
        ({"spellings": ("/py/3",)}, "`/py/3`, is too short"),
    ],
)
def test_refusals(some_host: HostPython, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RuntimeSourceError, match=reason) as caught:
        check_host(dataclasses.replace(some_host, **changes))
    assert "cannot become a runtime" in caught.value.message
    assert "python-build-standalone" in caught.value.hint
    assert "Let another Python" in caught.value.hint


def test_the_host_itself_is_not_refused(some_host: HostPython) -> None:
    check_host(some_host)


def installation(host: HostPython, prefix: Path) -> HostPython:
    """A folder that looks like an installation, with the program of ``host``."""
    library = prefix / "lib" / f"python{host.minor}"
    library.mkdir(parents=True)
    (prefix / "bin").mkdir()
    (library / "os.py").write_text("")
    shutil.copy(host.executable, prefix / "bin")
    return dataclasses.replace(host, prefix=prefix, spellings=(str(prefix),), stdlib=library)


def test_conda_is_refused(some_host: HostPython, tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    with pytest.raises(RuntimeSourceError, match="it belongs to conda"):
        check_host(installation(some_host, tmp_path))


def test_incomplete_installations_are_refused(some_host: HostPython, tmp_path: Path) -> None:
    host = installation(some_host, tmp_path)
    (host.stdlib / "os.py").unlink()
    with pytest.raises(RuntimeSourceError, match="is not complete"):
        check_host(host)
    (host.stdlib / "os.py").write_text("")
    host.executable.write_text("#!/bin/sh\n")
    with pytest.raises(RuntimeSourceError, match="is not a program, but a script"):
        check_host(host)
    host.executable.unlink()
    with pytest.raises(RuntimeSourceError, match=f"bin/python{host.minor}` is missing"):
        check_host(host)


def test_a_libpython_that_only_the_machine_knows_is_refused(
    some_host: HostPython, tmp_path: Path
) -> None:
    if not any(n.startswith("libpython") for n in read(some_host.executable.read_bytes()).needed):
        pytest.skip("the host is linked statically")
    with pytest.raises(RuntimeSourceError, match="has no run path that leads there"):
        check_host(installation(some_host, tmp_path))


def test_the_systems_python_is_refused() -> None:
    system = Path("/usr/bin/python3")
    if not system.exists():
        pytest.skip("there is no /usr/bin/python3")
    with pytest.raises(RuntimeSourceError, match="cannot become a runtime"):
        check_host(describe(system))


def test_paths_inside_and_outside(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    real = str(tmp_path / "real")
    host = HostPython("3.11.7", "cpython", "linux", Path(real), ("/opt/py", real), Path(real))
    assert inside(host, "/opt/py/lib/") == "lib"
    assert inside(host, f"{tmp_path}/link/lib") == "lib"
    assert inside(host, "/opt/py") == ""
    assert inside(host, "/opt/python") is None
    assert moved(host, "/opt/py/lib", "bin") == "$ORIGIN/../lib"
    assert moved(host, "/opt/py/lib", "lib") == "$ORIGIN"
    assert moved(host, "/opt/py/lib/", "lib/python3.11/lib-dynload") == "$ORIGIN/../.."
    assert moved(host, "$ORIGIN/../lib", "bin") == "$ORIGIN/../lib"
    assert moved(host, "/usr/lib/x", "bin") == "/usr/lib/x"


@pytest.fixture
def running(tmp_path: Path) -> HostPython:
    """An installation of CPython 3.11.5."""
    found = HostPython("3.11.5", "cpython", "linux", tmp_path, (str(tmp_path),), tmp_path / "lib")
    found.executable.parent.mkdir()
    found.executable.touch()
    return found


def test_where_the_interpreter_of_an_installation_is(running: HostPython) -> None:
    assert running.executable == running.prefix / "bin/python3.11"
    assert replace(running, system="win32").executable == running.prefix / "python.exe"
