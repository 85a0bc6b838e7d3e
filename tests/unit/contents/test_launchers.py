from __future__ import annotations

import io
import subprocess
import sys
import warnings
import zipfile
from keyword import iskeyword
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_scripts import SHOW, layer, posix, run

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.contents.launchers import (
    EntryPoint,
    entry_points,
    launcher,
    relocated,
    windows_launcher,
)
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.sources.runtimes.script_header import posix_header

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "/build/bin/python3.11"
NO_DOC = b"__doc__ = None\n"


@posix
@pytest.mark.parametrize(
    ("module", "attr"),
    [
        ("target", "main"),
        ("target", "Main.run"),
        ("pack.target", "main"),
        ("CALLER", "main"),
        ("IMPORTER", "main"),
        ("MODULE", "main"),
        ("target", "CALL"),
        ("target", "CALLBACK"),
        ("target", "IMPORT"),
        ("target", "MODULE"),
        ("target", "PYTHON"),
        ("möd", "mäin"),
        ("target", "_hidden"),
    ],
)
def test_launcher_calls_what_it_names(tmp_path: Path, module: str, attr: str) -> None:
    script = layer(tmp_path)
    script.write_bytes(launcher(EntryPoint("tool", module, attr)))
    name = attr.partition(".")[0]
    body = f"def {name}(): print('called'); return 0\n"
    if "." in attr:
        body = f"class {name}:\n  @staticmethod\n  def run(): print('called')\n"
    file = script.parent / f"{module.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(body, "utf-8")
    assert run(script) == "called\n"


identifiers = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,8}\Z").filter(
    lambda name: not iskeyword(name)
)
dotted = st.lists(identifiers, min_size=1, max_size=3).map(".".join)


@settings(max_examples=50)
@given(dotted, dotted)
def test_entry_points_of_gui_scripts(module: str, attr: str) -> None:
    text = f"[gui_scripts]\nshow = {module}:{attr}\n[console_scripts]\ntool = {module}:{attr}\n"
    assert list(entry_points(text, "d")) == [
        EntryPoint("show", module, attr, is_gui=True),
        EntryPoint("tool", module, attr),
    ]


@settings(max_examples=50)
@given(dotted, dotted)
def test_entry_points_round_trip(module: str, attr: str) -> None:
    text = f"[console_scripts]\ntool = {module}:{attr}\n"
    assert list(entry_points(text, "d")) == [EntryPoint("tool", module, attr)]


@settings(max_examples=50)
@given(dotted, dotted)
def test_launchers_are_python(module: str, attr: str) -> None:
    code = launcher(EntryPoint("tool", module, attr))
    compile(code, "tool", "exec", dont_inherit=True)
    assert f"from {module} import {attr.partition('.')[0]}\n" in code.decode()
    assert code.endswith(f"    sys.exit({attr}())\n".encode())
    assert b"\r" not in code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("[other]\na = no object: reference\n", []),
        ("[console_scripts]\n", []),
        ("[console_scripts]\na = m:f\n[gui_scripts]\nb = m:g\n", ["a m f", "b m g"]),
        ("[console_scripts]\nb = m:f\na = m:g\n", ["a m g", "b m f"]),
        ("[console_scripts]\na = m.n : f.g [extra, two]\n", ["a m.n f.g"]),
        ("[console_scripts]\na=m:f\nA=m:g\n", ["A m g", "a m f"]),
        ("[console_scripts]\na=m:f\n[console_scripts]\nb=m:g\n", ["a m f", "b m g"]),
        ("[console_scripts]\na:b = m:f\n", ["a:b m f"]),
        ("# c\n; c\n[console_scripts]\n# c\na = m:f\n", ["a m f"]),
        ("[console_scripts]\na.b-c_d = m:f\n", ["a.b-c_d m f"]),
        ("[console_scripts]\r\na = m:f\r\n", ["a m f"]),
        ("[console_scripts]\na = %(x)s.m:f\n", None),
        ("[DEFAULT]\nx = 1\n[console_scripts]\na = m:f\n", ["a m f"]),
        ("[console_scripts]\na = m\n", None),
        ("[console_scripts]\na =\n", None),
        ("[console_scripts]\na\n", None),
        ("a = m:f\n", None),
        ("[console_scripts\n", None),
        ("[console_scripts]\na = m:f()\n", None),
        ("[console_scripts]\na = m:f; import os\n", None),
        ("[console_scripts]\na = m:\n", None),
        ("[console_scripts]\na = :f\n", None),
        ("[console_scripts]\na = .m:f\n", None),
        ("[console_scripts]\na = m..n:f\n", None),
        ("[console_scripts]\na = 1m:f\n", None),
        ("[console_scripts]\na = m:f\n  continued\n", None),
        ("[console_scripts]\n../a = m:f\n", None),
        ("[console_scripts]\n/a = m:f\n", None),
        ("[console_scripts]\na\\b = m:f\n", None),
        ("[console_scripts]\n.. = m:f\n", None),
        ("[console_scripts]\n. = m:f\n", None),
        ("[console_scripts]\n = m:f\n", None),
        ("[console_scripts]\na = class:f\n", None),
        ("[console_scripts]\na = m:lambda\n", None),
    ],
)
def test_entry_points(text: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(BuildError) as caught:
            list(entry_points(text, "some-dist"))
        assert "`some-dist`" in caught.value.message
        return
    found = list(entry_points(text, "some-dist"))
    assert [f"{one.name} {one.module} {one.attr}" for one in found] == expected


def installed(first: bytes, rest: bytes) -> bytes:
    return b"#!" + first + b"\n" + rest


def exec_trick(python: str, rest: bytes) -> bytes:
    quoted = python.replace("'", "'\"'\"'")
    return f"#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''\n".encode() + rest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!",
        b"print(1)\n",
        b"\x7fELF\x02\x01\x01\0" + bytes(64),
        b"MZ\x90\0",
        b"#!/bin/sh\necho\n",
        b"#!/bin/bash\n'''exec'\n",
        b"#!/usr/bin/env perl\n",
        b"#!/usr/bin/env python3\nprint(1)\n",
        b"#!/usr/bin/python3\nprint(1)\n",
        b"#!/build/bin/python3.110\nprint(1)\n",
        b"#!/build/bin/python3\nprint(1)\n",
        b"\n#!/build/bin/python3.11\n",
        b"#!/bin/sh\n'''exec' /usr/bin/python3 \"$0\" \"$@\"\n' '''\nprint(1)\n",
        b"\xff\xfe#!/build/bin/python3.11\n",
    ],
)
def test_relocated_leaves_alone(content: bytes) -> None:
    assert relocated(content, PYTHON) == content


@pytest.mark.parametrize(
    "content",
    [
        installed(b"/build/bin/python3.11", SHOW),
        installed(b" /build/bin/python3.11", SHOW),
        installed(b"/build/bin/python3.11\r", SHOW),
        installed(b"/build/bin/python3.11w", SHOW),
        exec_trick("/build/bin/python3.11", SHOW),
    ],
)
def test_relocated_takes_the_build_out(content: bytes) -> None:
    changed = relocated(content, PYTHON)
    assert changed == posix_header() + NO_DOC + SHOW
    assert relocated(changed, PYTHON) == changed


@pytest.mark.parametrize("name", ["python", "pythonw"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_relocated_for_windows_is_what_the_wheel_has(name: str, end: bytes) -> None:
    rest = b"# coding: latin-1" + end + b"'''doc'''" + end + b"\xe4 = 1" + end
    interpreter = PYTHON + name.removeprefix("python")
    for script in (f"#!{interpreter}".encode() + end + rest, exec_trick(interpreter, rest)):
        assert relocated(script, PYTHON, windows=True) == f"#!{name}\n".encode() + rest
    for other in (b"MZ\0", b"#!/bin/sh\n", b"#!python\r\n1\n", b""):
        assert relocated(other, PYTHON, windows=True) == other


@pytest.mark.parametrize(
    "python", ["/a b/python3.11", "/a'b c/python3.11", "/ä/python3.11", f"/{'long' * 50}/python"]
)
def test_relocated_knows_the_installers_words_for_odd_paths(python: str) -> None:
    assert relocated(exec_trick(python, SHOW), python) == posix_header() + NO_DOC + SHOW


@posix
@pytest.mark.parametrize(
    ("source", "encoding", "expected"),
    [
        ("print('é')\n", "utf-8", "é"),
        ("# -*- coding: latin-1 -*-\nprint('é')\n", "latin-1", "é"),
        ("# vim: set fileencoding=cp1251 :\nprint('ж')\n", "cp1251", "ж"),
        ("# a comment\n# coding: latin-1\nprint('é')\n", "utf-8", "é"),
        ("x = 1\n# coding: latin-1\nprint('é')\n", "utf-8", "é"),
        ("from __future__ import annotations\nprint(annotations.compiler_flag > 0)\n", "utf-8", 1),
        ("'''doc'''\nfrom __future__ import annotations\nprint('é')\n", "utf-8", "é"),
        ("'''doc'''\nprint(__doc__)\n", "utf-8", "doc"),
        ("import os\r\nprint(\r\n'é')\r\n", "utf-8", "é"),
        ("# -*- coding: latin-1 -*-\n'''é'''; x = 1\nprint(__doc__)\n", "latin-1", "é"),
        ("# coding: latin-1\n'''a é'''\nprint(__doc__)\n", "latin-1", "a é"),
        ("# a comment\n# coding: latin-1\n'''é'''\nprint(__doc__)\n", "utf-8", "é"),
        ("'''doc'''  # comment\nprint(__doc__)", "utf-8", "doc"),
        ("\n'''a''' 'b' \\\n 'c'; x = 1\nprint(__doc__)", "utf-8", "abc"),
        ("('doc'\n)\nprint(__doc__)", "utf-8", "doc"),
        ("'''a\r\nb'''\r\nprint(ascii(__doc__))\r\n", "utf-8", r"'a\nb'"),
        ("'d'\nfrom __future__ import (\n  annotations)\nprint(__doc__)", "utf-8", "d"),
        ("'d'; from __future__ import annotations; print('x')", "utf-8", "x"),
        ("r'\\d'\nimport sys\nprint(__doc__)", "utf-8", r"\d"),
        ("'''doc'''\nimport sys\nsys.stdout.write(f'{__doc__}')", "utf-8", "doc"),
        ("print(__doc__)\n", "utf-8", "None"),
    ],
)
def test_relocated_scripts_mean_the_same(
    tmp_path: Path, source: str, encoding: str, expected: object
) -> None:
    script = layer(tmp_path)
    original = installed(PYTHON.encode(), source.encode(encoding))
    script.write_bytes(relocated(original, PYTHON))
    out = run(script, env={"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"})
    assert out.strip() == ("True" if expected == 1 else expected)


@pytest.mark.parametrize(
    "rest",
    [
        b"# coding: ascii\nprint('\xe9')\n",
        b"# coding: no-such-codec\nprint(1)\n",
        b"# coding: rot13\ncevag(1)\n",
        b"\xff\xfe\xfd",
        b"# coding: utf-8\nprint('\xe9')\n",
        b"# coding: hex\n",
    ],
)
def test_relocated_keeps_bytes_that_are_no_valid_source(rest: bytes) -> None:
    assert relocated(installed(PYTHON.encode(), rest), PYTHON) == posix_header() + rest


@posix
@pytest.mark.parametrize("source", ["'d'\nfrom __future__ import annotations", "'d'", "'d' # c"])
def test_docstring_at_the_end_of_a_script(tmp_path: Path, source: str) -> None:
    script = layer(tmp_path)
    script.write_bytes(relocated(installed(PYTHON.encode(), source.encode()), PYTHON))
    assert run(script) == ""
    name = {"__name__": "x"}
    exec(compile(script.read_bytes(), "x", "exec", dont_inherit=True), name)  # noqa: S102
    assert name["__doc__"] == "d"


def test_docstring_does_not_depend_on_the_tables_of_the_python_that_builds() -> None:
    # Assigned in Unicode 15.1, and so printable for some releases of Python only.
    source = "'\u2ffc \U0001fadf é'\nx = 1\n".encode()
    assert relocated(installed(PYTHON.encode(), source), PYTHON).isascii()


def test_invalid_escapes_say_nothing() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        relocated(installed(PYTHON.encode(), b"'doc'\nx = '\\d'\n"), PYTHON)
    assert not said


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_relocated_never_fails(rest: bytes) -> None:
    assert relocated(rest, PYTHON) == rest
    assert relocated(installed(PYTHON.encode(), rest), PYTHON).startswith(posix_header())


@posix
def test_lines_are_those_that_python_counts(tmp_path: Path) -> None:
    text = "a\x0cb\u2028c\nd"
    source = f"'''{text}'''\nfrom __future__ import annotations\nprint(ascii(__doc__))\n"
    script = layer(tmp_path)
    script.write_bytes(relocated(installed(PYTHON.encode(), source.encode()), PYTHON))
    assert run(script).strip() == ascii(text)


@pytest.mark.parametrize(
    ("opening", "doc", "body"),
    [
        ("'doc'\n", "doc", "type X = int\nf'{'a'}'\n"),
        ("# coding: latin-1\n'''ä\nb''' 'c'\n", "ä\nbc", "a syntax of later days\n"),
        ("('doc'\n)\nfrom __future__ import (annotations,\n  division)\n", "doc", "$ 'x\n"),
        ("'doc'; from __future__ import division\n", "doc", "case 1:\r\n"),
        ("# no docstring\n", None, "print 'of Python 2'\n"),
        ("f'{'no docstring'}'\n", None, ""),
        ("b'no docstring'\n", None, ""),
        ("", None, "'no' + 'docstring'\n"),
        ("", None, "'''no end\n"),
        ("", None, "  'no docstring'\n"),
    ],
)
def test_what_follows_may_be_in_the_syntax_of_another_python(
    opening: str, doc: str | None, body: str
) -> None:
    script = installed(PYTHON.encode(), (opening + body).encode("latin-1"))
    changed = relocated(script, PYTHON)
    assert changed.startswith(posix_header())
    assert f"__doc__ = {doc!a}\n".encode() in changed
    assert changed.endswith(body.encode())


def test_what_a_launcher_holds_runs(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import sys\ndef main(): print(sys.argv); return 7\n")
    program = tmp_path / "run.exe"
    entry = EntryPoint("run", "one", "main")
    program.write_bytes(windows_launcher(entry, PLATFORMS["win_amd64"], "python.exe"))
    environment = {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(program), "a b"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert done.stdout == f"{[str(tmp_path / 'run'), 'a b']}\n"


def test_launchers_do_not_depend_on_the_time() -> None:
    entry = EntryPoint("run", "one.cli", "main")
    first = windows_launcher(entry, PLATFORMS["win_amd64"], "python.exe")
    (member,) = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert member.date_time == (1980, 1, 1, 0, 0, 0)
    assert (member.create_system, member.extra) == (0, b"")
