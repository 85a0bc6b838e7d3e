from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from layer_scripts import layer, posix, run

from hatch_venvstacks.sources.runtimes.script_header import posix_header

ODD = [
    "plain",
    "with space",
    "ünïcödé 名",
    "quo'te",
    'dou"ble',
    "dol$lar $HOME",
    "back`tick`",
    "back\\slash",
    "semi;colon & (paren) * ? [a]",
    "-dash",
    "per%cent #hash ~tilde",
    "tab\there",
]


def shown(*arguments: str) -> str:
    return ascii(["beside", list(arguments), "__main__"]) + "\n"


@posix
@pytest.mark.parametrize("name", ODD)
def test_runs_from_an_odd_folder(tmp_path: Path, name: str) -> None:
    script = layer(tmp_path / name)
    assert run(script, "a b", "$x", "", "'") == shown("a b", "$x", "", "'")
    assert run(f"./{name}/bin/tool", cwd=tmp_path) == shown()
    link = tmp_path / "link"
    link.symlink_to(f"{name}/bin/tool")
    assert run(link) == shown()


@posix
@pytest.mark.parametrize("name", ODD)
def test_runs_by_a_relative_path(tmp_path: Path, name: str) -> None:
    layer(tmp_path / name)
    assert run(f"{name}/bin/tool", "x", cwd=tmp_path) == shown("x")


@posix
@pytest.mark.parametrize("name", ["-tool", "to ol", "tööl", "to'ol", "to$ol"])
def test_scripts_with_odd_names(tmp_path: Path, name: str) -> None:
    script = layer(tmp_path, name)
    assert run(script) == shown()
    environment = {"PATH": f"{script.parent}:{os.environ['PATH']}"}
    assert run("/usr/bin/env", "--", name, env=environment) == shown()


@posix
def test_runs_through_links(tmp_path: Path) -> None:
    script = layer(tmp_path / "la yer")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "absolute").symlink_to(script)
    (elsewhere / "relative").symlink_to("../la yer/bin/tool")
    (elsewhere / "same-folder").symlink_to("relative")
    (tmp_path / "chain").symlink_to("else where/same-folder")
    (tmp_path / "-chain").symlink_to(tmp_path / "chain")
    (tmp_path / "folder").symlink_to("la yer/bin")
    (tmp_path / "parent").symlink_to("la yer")
    for link in (
        *("else where/absolute", "else where/relative", "else where/same-folder"),
        *("chain", "-chain", "folder/tool", "parent/bin/tool"),
    ):
        assert run(tmp_path / link, link) == shown(link)
        assert run(f"./{link}", cwd=tmp_path) == shown()


@posix
def test_link_out_of_a_linked_folder_is_resolved_physically(tmp_path: Path) -> None:
    layer(tmp_path / "deep/layer")
    (tmp_path / "deep/links").mkdir()
    (tmp_path / "deep/links/tool").symlink_to("../layer/bin/tool")
    (tmp_path / "short").symlink_to("deep/links")
    assert run(tmp_path / "short/tool") == shown()


@posix
def test_runs_from_path(tmp_path: Path) -> None:
    script = layer(tmp_path / "a b")
    found = {"PATH": f"{script.parent}:{os.environ['PATH']}"}
    assert run("/bin/sh", "-c", "tool 1", cwd=Path("/"), env=found) == shown("1")
    for path in ("bin", ".:bin", ":bin"):
        relative = {"PATH": f"{path}:{os.environ['PATH']}"}
        assert run("/bin/sh", "-c", "tool 1", cwd=tmp_path / "a b", env=relative) == shown("1")
    empty = {"PATH": f":{os.environ['PATH']}"}
    assert run("/bin/sh", "-c", "tool 1", cwd=script.parent, env=empty) == shown("1")


@posix
def test_runs_with_an_empty_or_hostile_environment(tmp_path: Path) -> None:
    script = layer(tmp_path / "a b")
    link = tmp_path / "link"
    link.symlink_to(script)
    assert run(link, env={}) == shown()
    hostile = {"CDPATH": f"/:{tmp_path}", "IFS": "/", "PWD": "/nowhere", "PYTHONHOME": "/nowhere"}
    assert run("./a b/bin/tool", cwd=tmp_path, env=hostile) == shown()
    assert run("a b/bin/tool", cwd=tmp_path, env={"CDPATH": str(tmp_path)}) == shown()


@posix
@pytest.mark.parametrize("name", ["f", "d", "l", "file", "script", "CDPATH"])
def test_variables_of_the_user_stay(tmp_path: Path, name: str) -> None:
    body = f"import os\nprint(os.environ[{name!r}])\n".encode()
    link = tmp_path / "link"
    link.symlink_to(layer(tmp_path / "layer", body=body))
    assert run(link, env={name: "mine"}) == "mine\n"


@posix
@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox", "ksh", "zsh", "mksh", "yash"])
def test_header_in_other_shells(tmp_path: Path, shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    script = layer(tmp_path / "a b")
    (tmp_path / "link").symlink_to("a b/bin/tool")
    if shell == "busybox":
        assert run("sh", str(tmp_path / "link"), "x", shell=found) == shown("x")
    else:
        assert run(tmp_path / "link", "x", shell=found) == shown("x")
        assert run("tool", "x", cwd=script.parent, shell=found) == shown("x")


@posix
def test_exit_code_and_input_come_through(tmp_path: Path) -> None:
    script = layer(tmp_path, body=b"import sys\nsys.exit(int(sys.stdin.read()))\n")
    assert subprocess.run([script], input=b"7", check=False).returncode == 7


@posix
def test_missing_interpreter_is_an_error(tmp_path: Path) -> None:
    script = layer(tmp_path)
    (tmp_path / "bin/python").unlink()
    process = subprocess.run([script], capture_output=True, check=False)
    assert process.returncode == 127
    assert str(tmp_path / "bin/python").encode() in process.stderr


def test_header_names_the_interpreter() -> None:
    assert b"/python3.11" in posix_header("python3.11")
    assert posix_header().startswith(b"#!/bin/sh -\n")
    assert posix_header().isascii()
