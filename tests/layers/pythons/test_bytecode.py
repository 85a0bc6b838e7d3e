from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import packaging
import pytest
from interpreters import MINORS, interpreter_or_skip

from hatch_venvstacks.archives.plan import Member, read
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.contents.bytecode import compile_modules

if TYPE_CHECKING:
    from collections.abc import Sequence


HERE = Path(sys.executable)
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = f"lib/python{MINOR}/site-packages"


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


def package(folder: Path, root: str = ROOT) -> list[Member]:
    """All modules of a package that is installed in ``folder``."""
    return [
        Member(f"{root}/{path.relative_to(folder.parent).as_posix()}", path)
        for path in folder.rglob("*.py")
    ]


def real_modules() -> list[Member]:
    stdlib = Path(os.__file__).parent
    folders = [stdlib / name for name in ("asyncio", "email", "json")]
    return [
        one for folder in [*folders, Path(packaging.__file__).parent] for one in package(folder)
    ]


def test_bytes_are_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = real_modules()
    first = compile_here(members, tmp_path / "1")
    assert len(first) > 80
    # Other folders, another order, another environment; contents in place of files.
    copies = [
        Member(one.path, b"".join(read(one)) if number % 2 else copy(one, tmp_path / "s", number))
        for number, one in enumerate(reversed(members))
    ]
    environment = (
        *("PYTHONHASHSEED=7", "PYTHONOPTIMIZE=2", "PYTHONUTF8=0", "PYTHONWARNINGS=error"),
        *("PYTHONDEVMODE=1", "PYTHONDONTWRITEBYTECODE=", f"PYTHONPYCACHEPREFIX={tmp_path}/cache"),
        *("LC_ALL=C", "TZ=Asia/Tokyo", "SOURCE_DATE_EPOCH=7"),
    )
    for name, _, value in (one.partition("=") for one in environment):
        monkeypatch.setenv(name, value)
    old = os.umask(0o077)
    try:
        second = compile_here(copies, tmp_path / "a much longer name" / "2")
    finally:
        os.umask(old)
    assert list(first.items()) == list(second.items())
    assert not any(str(tmp_path).encode() in content for content in second.values())


def copy(one: Member, folder: Path, number: int) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / f"{number}.py"
    target.write_bytes(b"".join(read(one)))
    return target


@pytest.mark.parametrize("minor", MINORS)
def test_bytes_do_not_depend_on_what_else_is_compiled(tmp_path: Path, minor: str) -> None:
    python = interpreter_or_skip(minor)
    members = real_modules()
    together, *parts = (
        {
            one.path: b"".join(read(one))
            for one in compile_modules(
                some, python, minor, [ROOT], new_folder(tmp_path), checked=False
            )
        }
        for some in (members, members[::3], members[1::3], members[2::3])
    )
    for part in parts:
        assert part
        assert part.items() <= together.items()


def new_folder(parent: Path) -> Path:
    folder = parent / str(sum(1 for _ in parent.iterdir()))
    folder.mkdir()
    return folder


@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell")
@pytest.mark.parametrize("minor", MINORS)
def test_bytes_do_not_depend_on_what_the_interpreter_has_loaded(tmp_path: Path, minor: str) -> None:
    python = interpreter_or_skip(minor)
    laden = tmp_path / "laden"
    laden.write_text(
        "#!/bin/sh\n"
        f'exec \'{python}\' "$1" "$2" "$3" "$4" "$5" "$6" "$7"'
        ' "import argparse, ctypes, decimal, email.message\n$8" "$9" "${10}"\n'
    )
    laden.chmod(0o755)
    # Modules that it has loaded itself are another matter, see the module's docstring.
    members = [one for one in real_modules() if "/email/" not in one.path]
    found = []
    for interpreter in (python, laden):
        work = tmp_path / f"work-{interpreter.name}"
        work.mkdir()
        made = compile_modules(members, interpreter, minor, [ROOT], work, checked=False)
        found.append({one.path: b"".join(read(one)) for one in made})
    assert len(found[0]) > 40
    assert found[0] == found[1]


@pytest.mark.parametrize("minor", MINORS)
def test_constants_of_all_kinds(tmp_path: Path, minor: str) -> None:
    python = interpreter_or_skip(minor)
    names = ", ".join(f"'name{number}'" for number in range(50))
    source = f"""
def function(x, *a, **k):
    y = lambda: (x, b'', b'x', 1.5, 2j, 10**30, ..., None, ((1, 'é'), ()))
    return x in {{{names}}}, x[1:2], y
class Class:
    __slots__ = ('function', 'name1')
"""
    found = []
    for number, others in enumerate(([], [member("a.py", f"x = [{names}]; name1 = 'function'")])):
        work = tmp_path / str(number)
        work.mkdir()
        members = [*others, member("kinds.py", source)]
        found.append(compile_modules(members, python, minor, [ROOT], work, checked=False)[-1])
    assert b"".join(read(found[0])) == b"".join(read(found[1]))
    assert "kinds" in found[0].path


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize(
    "constant",
    ["x in {None, 'a'}", "x in {..., 1}", "x in {(1, None), 2}", "x in {1e999 - 1e999, 1}"],
)
def test_set_without_an_order(tmp_path: Path, minor: str, constant: str) -> None:
    python = interpreter_or_skip(minor)
    members = [member("a.py", f"def f(x): return {constant}"), member("b.py", "x in {1, 'a'}")]
    found = compile_modules(members, python, minor, [ROOT], tmp_path, checked=False)
    assert len(found) == (1 if minor == "3.10" else 2)


PROBE = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
import vl_package.module as module
try:
    module.fail()
except ValueError as error:
    code = error.__traceback__.tb_next.tb_frame.f_code
inner = module.fail.__code__.co_consts
print(json.dumps(dict(value=module.VALUE, file=code.co_filename, cached=module.__spec__.cached)))
"""


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("checked", [False, True])
def test_every_python_uses_them(tmp_path: Path, minor: str, checked: bool) -> None:
    python = interpreter_or_skip(minor)
    site = tmp_path / "deployed ü" / "layer" / "site"
    source = "VALUE = 1\ndef fail():\n    raise ValueError\n"
    members = [
        member("vl_package/__init__.py", "", "site"),
        member("vl_package/module.py", source, "site"),
    ]
    work = tmp_path / "work"
    work.mkdir()
    for one in [
        *members,
        *compile_modules(members, python, minor, ["site"], work, checked=checked),
    ]:
        target = site.parent / one.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(read(one)))
    before = snapshot(site)
    module = site / "vl_package" / "module.py"

    said, trace = probe(python, site)
    assert said["value"] == 1
    assert said["file"] == str(module)
    for name in ("__init__", "module"):
        assert f"matches {site / 'vl_package' / name}.py" in trace
    assert snapshot(site) == before

    module.write_text(source.replace("1", "2"))
    said, _ = probe(python, site, "-B")
    assert said["value"] == (2 if checked else 1)


def probe(python: Path, site: Path, *options: str) -> tuple[dict[str, object], str]:
    """What the module says of itself, and what Python says of its imports."""
    process = subprocess.run(
        [python, "-S", "-v", "-X", "utf8", *options, "-c", PROBE, str(site)],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env={},
    )
    return json.loads(process.stdout), process.stderr


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_processes_share_a_large_distribution(tmp_path: Path) -> None:
    members = [member(f"vl_{number:03}.py", f"x = {number}; name = 'y'") for number in range(401)]
    found = compile_here([*members, member("vl_200b.py", "return")], tmp_path)
    assert len(found) == 401
    assert list(found) == sorted(found)
    last = compile_here(members[-1:], tmp_path / "last")
    assert last.items() <= found.items()


@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell")
def test_talkative_process(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\nyes | head -c 3000000\nyes | head -c 3000000 >&2\necho at last >&2\nexit 3\n"
    )
    python.chmod(0o755)
    members = [member(f"{number}.py", "x = 1" * 10) for number in range(3000)]
    with pytest.raises(BuildError, match="status 3") as error:
        compile_modules(members, python, MINOR, [ROOT], tmp_path, checked=False)
    assert error.value.detail.endswith("at last")
    assert len(error.value.detail) < 10_000
