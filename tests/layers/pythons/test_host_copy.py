from __future__ import annotations

import dataclasses
import filecmp
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from c_library import compile_library, needs_compiler, read
from interpreters import MINORS, interpreter_or_skip, some_interpreter

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.sources.runtimes.host import HostPython, describe
from hatch_venvstacks.sources.runtimes.host_copy import copy_host
from hatch_venvstacks.sources.runtimes.tree import read_header_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Copies = Callable[[str], tuple[HostPython, Path]]


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="copies are made on Linux")


ASK = """
import importlib, json, os, sys, sysconfig
modules = ["ssl", "sqlite3", "ctypes", "zlib", "lzma", "bz2", "hashlib", "decimal", "readline"]
def works(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
print(json.dumps({
    "version": sys.version, "prefix": sys.prefix, "base": os.path.normpath(sys.base_prefix),
    "executable": sys.executable, "stdlib": os.__file__, "path": sys.path,
    "include": sysconfig.get_path("include"), "tag": sysconfig.get_config_var("EXT_SUFFIX"),
    "modules": [name for name in modules if works(name)],
}))
"""


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    made: dict[str, tuple[HostPython, Path]] = {}

    def copy(minor: str) -> tuple[HostPython, Path]:
        if minor not in made:
            host = describe(interpreter_or_skip(minor))
            folder = tmp_path_factory.mktemp("copy") / "was here"
            copy_host(host, folder)
            made[minor] = host, folder
        return made[minor]

    return copy


@pytest.fixture
def some_host() -> HostPython:
    return describe(some_interpreter())


def ask(executable: Path, *, hide: Path | None = None) -> dict[str, object]:
    command = [str(executable), "-B", "-c", ASK]
    if hide is not None:
        script = 'mount -t tmpfs none "$0" && exec "$@"'
        command = ["unshare", "-rm", "sh", "-c", script, str(hide), *command]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={}, cwd="/")
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def can_hide() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("minor", MINORS)
def test_a_moved_copy_is_the_same_python(copies: Copies, tmp_path: Path, minor: str) -> None:
    host, folder = copies(minor)
    place = tmp_path / "some where" / "ünïcode"
    shutil.copytree(folder, place, symlinks=True)
    hidden = host.prefix if can_hide() and not tmp_path.is_relative_to(host.prefix) else None
    copied, original = ask(place / "bin" / "python", hide=hidden), ask(host.executable)
    for key in ("version", "tag", "modules"):
        assert copied[key] == original[key]
    assert copied["prefix"] == copied["base"] == str(place)
    assert copied["stdlib"] == str(place / "lib" / f"python{minor}" / "os.py")
    assert copied["include"] == str(place / "include" / f"python{minor}")
    assert str(host.prefix) not in json.dumps(copied)


@pytest.mark.parametrize("minor", MINORS)
def test_a_copy_is_found_through_a_relative_link(
    copies: Copies, tmp_path: Path, minor: str
) -> None:
    host, folder = copies(minor)
    shutil.copytree(folder, tmp_path / "rt", symlinks=True)
    layer = tmp_path / "app"
    (layer / "bin").mkdir(parents=True)
    (layer / "lib" / f"python{minor}" / "site-packages").mkdir(parents=True)
    (layer / "bin" / "python").symlink_to(f"../../rt/bin/python{minor}")
    (layer / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    hidden = host.prefix if can_hide() else None
    answer = ask(layer / "bin" / "python", hide=hidden)
    assert answer["prefix"] == str(layer)
    assert answer["base"] == str(tmp_path / "rt")
    assert answer["stdlib"] == str(tmp_path / "rt" / "lib" / f"python{minor}" / "os.py")
    assert str(layer / "lib" / f"python{minor}" / "site-packages") in str(answer["path"])


@pytest.mark.parametrize("minor", MINORS)
def test_no_file_names_where_the_host_is(copies: Copies, minor: str) -> None:
    host, folder = copies(minor)
    names = {name.encode() for name in (*host.spellings, *host.build_folders)}
    if str(host.prefix).startswith(f"{host.home}/"):
        names.add(f"{host.home}/".encode())
    names -= {b"/install", b"/usr/local"}
    files = [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    ]
    assert len(files) > 500
    assert [path for path in files if any(name in path.read_bytes() for name in names)] == []


@pytest.mark.parametrize("minor", MINORS)
def test_only_what_belongs_into_a_runtime_is_copied(copies: Copies, minor: str) -> None:
    _, folder = copies(minor)
    library = folder / "lib" / f"python{minor}"
    assert sorted(path.name for path in (folder / "bin").iterdir())[-3:] == [
        "python",
        "python3",
        f"python{minor}",
    ]
    assert (library / "ensurepip" / "_bundled").is_dir()
    assert not (library / "site-packages").exists()
    assert not (library / "test").exists()
    assert not list(folder.rglob("*.a"))
    assert not list((folder / "bin").glob("*config*"))
    header = folder / "include" / f"python{minor}" / "Python.h"
    assert header.is_file()
    assert read_header_version(folder) == describe(folder / "bin" / "python3").version


def test_scripts_of_the_standard_library_work_through_a_link(
    copies: Copies, tmp_path: Path
) -> None:
    host, folder = copies(describe(some_interpreter()).minor)
    if not (folder / "bin" / "pydoc3").exists():
        pytest.skip("the host has no pydoc3")
    (tmp_path / "doc").symlink_to(folder / "bin" / "pydoc3")
    command = [str(tmp_path / "doc"), "this"]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    assert str(folder / "lib" / f"python{host.minor}" / "this.py") in done.stdout


def test_copying_twice_gives_the_same(copies: Copies, tmp_path: Path) -> None:
    host, folder = copies(describe(some_interpreter()).minor)
    copy_host(host, tmp_path / "again")
    first, second = (
        {
            path.relative_to(root).as_posix(): (path.is_symlink(), path.stat().st_mode)
            for path in root.rglob("*")
            if "__pycache__" not in path.parts
        }
        for root in (folder, tmp_path / "again")
    )
    assert first == second
    files = [name for name in first if (folder / name).is_file()]
    assert filecmp.cmpfiles(folder, tmp_path / "again", files, shallow=False)[1:] == ([], [])


@pytest.fixture
def with_private_library(some_host: HostPython, tmp_path: Path) -> Callable[..., HostPython]:
    """A function that makes an installation, an extension module of which needs a library in it."""

    def make(*options: str) -> HostPython:
        prefix = tmp_path / "installation"
        left_out = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "*.a")
        shutil.copytree(some_host.prefix, prefix, symlinks=True, ignore=left_out)
        library = prefix / "lib" / f"python{some_host.minor}"
        private = prefix / "lib" / "private" / "libprivate.so.1"
        compile_library(private, "int private_value = 5;", *options)
        compile_library(
            library / "lib-dynload" / "_uses_it.so",
            "extern int private_value; int *get(void) { return &private_value; }",
            str(private),
            f"-Wl,-rpath,{private.parent}",
        )
        names = tuple(sorted({*some_host.spellings, str(prefix)}))
        return dataclasses.replace(some_host, prefix=prefix, spellings=names, stdlib=library)

    return make


@needs_compiler
def test_libraries_in_the_hosts_folder_come_along(
    with_private_library: Callable[..., HostPython], tmp_path: Path
) -> None:
    host = with_private_library("-Wl,-soname,libprivate.so.1")
    # What its owner has the interpreter do at the start stays there.
    managed = "EXTERNALLY-MANAGED", "sitecustomize.py", "usercustomize.py"
    for name in managed:
        (host.stdlib / name).write_text("raise SystemExit(9)\n")
    copy_host(host, tmp_path / "copy")
    shutil.rmtree(host.prefix)
    library = tmp_path / "copy" / "lib" / f"python{host.minor}"
    assert not {path.name for path in library.iterdir()} & {*managed}
    module = tmp_path / "copy" / "lib" / f"python{host.minor}" / "lib-dynload" / "_uses_it.so"
    assert read(module.read_bytes()).run_path == ("$ORIGIN/../../private",)
    code = (
        f"import ctypes; get = ctypes.CDLL({str(module)!r}).get;"
        " get.restype = ctypes.POINTER(ctypes.c_int); print(get().contents.value)"
    )
    command = [str(tmp_path / "copy" / "bin" / "python3"), "-B", "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
    assert done.stdout == "5\n"


@needs_compiler
def test_a_library_named_by_its_full_path_is_refused(
    with_private_library: Callable[..., HostPython], tmp_path: Path
) -> None:
    with pytest.raises(RuntimeSourceError, match=r"_uses_it\.so` needs `.*` by its full path"):
        copy_host(with_private_library(), tmp_path / "copy")


@needs_compiler
def test_a_copy_that_still_names_the_host_is_refused(
    with_private_library: Callable[..., HostPython], tmp_path: Path
) -> None:
    host = with_private_library("-Wl,-soname,libprivate.so.1")
    (host.stdlib / "where.py").write_text(f"# {host.prefix}-other\nplace = '{host.prefix}/lib'\n")
    with pytest.raises(RuntimeSourceError, match=r"where\.py` still names `.*/installation`"):
        copy_host(host, tmp_path / "copy")


@needs_compiler
def test_a_run_path_that_cannot_be_moved_is_refused(
    with_private_library: Callable[..., HostPython], tmp_path: Path
) -> None:
    host = with_private_library("-Wl,-soname,libprivate.so.1", "-Wl,-rpath,/tiny/x")
    host = dataclasses.replace(host, spellings=(*host.spellings, "/tiny/x"))
    with pytest.raises(RuntimeSourceError, match="cannot be moved: its run path `/tiny/x` has no"):
        copy_host(host, tmp_path / "copy")
