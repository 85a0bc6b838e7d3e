"""What is compiled, and what is left out."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.archives.plan import Member, read
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.contents.bytecode import compile_modules, is_test_module

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(sys.executable)
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = f"lib/python{MINOR}/site-packages"
TAG = f"cpython-{MINOR.replace('.', '')}"
# The flags in a compiled module's header: https://peps.python.org/pep-0552/#specification.
UNCHECKED, CHECKED = 1, 3


def compile_here(
    members: Sequence[Member],
    work: Path,
    *,
    roots: Sequence[str] = (ROOT,),
    checked: bool = False,
) -> dict[str, bytes]:
    """What is compiled by the interpreter that runs the tests: path to content, in order."""
    work.mkdir(parents=True, exist_ok=True)
    found = compile_modules(members, HERE, MINOR, roots, work, checked=checked)
    return {member.path: b"".join(read(member)) for member in found}


def member(name: str, text: str | bytes, root: str = ROOT) -> Member:
    return Member(f"{root}/{name}", text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *[("numpy/tests/test_x.py", True), ("numpy/tests/data/x.py", True), ("test/x.py", True)],
        *[("a/conftest.py", True), ("test_x.py", True), ("a/x_test.py", True)],
        *[("numpy/testing/x.py", False), ("attest/x.py", False), ("a/test.py", False)],
        *[("a/tests.py", False), ("a/latest.py", False), ("a/_test.pyi", False)],
    ],
)
def test_which_modules_are_tests(path: str, expected: bool) -> None:
    assert is_test_module(path) is expected


def test_what_is_compiled(tmp_path: Path) -> None:
    members = [
        *(member(name, "x = 1") for name in ("z.py", "a/__init__.py", "a/b.c.py", "a/y.txt")),
        *(member(name, "x = 1") for name in ("a/tests/t.py", "conftest.py", "empty.PY")),
        member("empty.py", b""),
        Member(f"{ROOT}/folder.py"),
        Member(f"{ROOT}/link.py", link="z.py"),
        *(Member(name, b"x = 1") for name in ("bin/tool.py", f"{ROOT}-other/x.py", "share/x.py")),
        Member(f"lib/python{MINOR}/os.py", b"x = 1"),
    ]
    assert list(compile_here(members, tmp_path)) == [
        f"{ROOT}/__pycache__/empty.{TAG}.pyc",
        f"{ROOT}/__pycache__/z.{TAG}.pyc",
        f"{ROOT}/a/__pycache__/__init__.{TAG}.pyc",
        f"{ROOT}/a/__pycache__/b.c.{TAG}.pyc",
    ]


def test_name_of_the_compiled_module_is_pythons() -> None:
    assert importlib.util.cache_from_source("a/b.c.py") == f"a/__pycache__/b.c.{TAG}.pyc"


@pytest.mark.parametrize("roots", [(), ("lib/other",)])
def test_nothing_to_compile_starts_no_process(tmp_path: Path, roots: Sequence[str]) -> None:
    nowhere = tmp_path / "no-python"
    assert (
        compile_modules([member("a.py", "")], nowhere, MINOR, roots, tmp_path, checked=False) == []
    )


@pytest.mark.parametrize(("checked", "flags"), [(False, UNCHECKED), (True, CHECKED)])
def test_header(tmp_path: Path, checked: bool, flags: int) -> None:
    (content,) = compile_here([member("a.py", "x = 1")], tmp_path, checked=checked).values()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == flags
    assert content[8:16] == importlib.util.source_hash(b"x = 1")


@pytest.mark.parametrize(
    "source",
    [
        *[b"print 'two'", b"x = '\xff'", b"x = 1\0", b"# coding: none\n", b"return", b"\xff\xfe"],
        *[b"(" * 500 + b")" * 500, b"-" * 100_000 + b"1", b"{{ cookiecutter.name }} = {{"],
    ],
)
def test_module_that_cannot_be_imported_is_left_out(tmp_path: Path, source: bytes) -> None:
    found = compile_here([member("bad.py", source), member("good.py", "x = 1")], tmp_path)
    assert list(found) == [f"{ROOT}/__pycache__/good.{TAG}.pyc"]


def test_source_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = f"open({str(trace)!r}, 'w').close()"
    # Modules of the same names are what the compiling program itself imports.
    names = ("json.py", "marshal.py", "sitecustomize.py", "usercustomize.py", "types.py")
    found = compile_here([member(name, text) for name in names], tmp_path / "work")
    assert len(found) == len(names)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["a b", "ü", "new\nline", "q'\"$\\", "a\udcff", "\ud800", "-c"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_odd_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    # A lone surrogate that stands for no byte cannot be the name of a file.
    file = folder / (f"{name}.py" if name != "\ud800" else "x.py")
    file.write_text("x = 1")
    members = [Member(f"{ROOT}/{name}.py", file), member("good.py", "x = 1")]
    found = compile_here(members, tmp_path / "a b \udcff'\n" / "ü")
    assert list(found) == sorted(f"{ROOT}/__pycache__/{one}.{TAG}.pyc" for one in ("good", name))


def test_another_interpreter(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="and not cpython-399") as error:
        compile_modules([member("a.py", "")], HERE, "3.99", [ROOT], tmp_path, checked=False)
    assert sys.version.split()[0] in error.value.detail
    assert "Traceback" not in error.value.detail
    assert "bytecode = false" in error.value.hint


def test_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot be started"):
        compile_modules(
            [member("a.py", "")], tmp_path / "no", MINOR, [ROOT], tmp_path, checked=False
        )


def test_source_that_is_gone(tmp_path: Path) -> None:
    gone = Member(f"{ROOT}/a.py", tmp_path / "gone.py")
    with pytest.raises(BuildError, match=r"/a\.py: No such file or directory") as error:
        compile_here([gone], tmp_path / "work")
    assert not error.value.detail
    assert "the cache folder" in error.value.hint


@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell")
def test_crash_names_the_module(tmp_path: Path) -> None:
    python = tmp_path / "python"
    # It stops in the middle, without a word, as a compiler that overflows its stack does.
    python.write_text("#!/bin/sh\necho true\nkill -11 $$\n")
    python.chmod(0o755)
    members = [member("a.py", "x = 1"), member("b.py", "x = 2")]
    with pytest.raises(BuildError, match=rf"status -11 at `{ROOT}/b.py`"):
        compile_modules(members, python, MINOR, [ROOT], tmp_path, checked=False)
