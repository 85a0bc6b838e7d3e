"""What a layer for Windows runs once it is unpacked, here on a made-up tree.

What the programs that it copies do on Windows cannot be shown here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from windows_layer import BASES, PROGRAMS, deployment, describe, run, tree

from hatch_venvstacks.deployment import postinstall


def test_output_in_an_encoding_without_the_letters(tmp_path: Path) -> None:
    layer = deployment(tmp_path / "\u041f\u0440")
    command = [sys.executable, "-B", str(layer / "postinstall.py")]
    environment = {"PYTHONIOENCODING": "cp1252", "PATH": ""}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u041f" in done.stdout


def test_again_and_after_a_move(tmp_path: Path) -> None:
    layer = deployment(tmp_path / "first")
    run(layer)
    (layer / "Scripts/python.exe").chmod(0o444)
    files = {path: path.stat().st_mtime_ns for path in layer.rglob("*")}
    assert run(layer) == f"Was ready: {layer}\n"
    assert {path: path.stat().st_mtime_ns for path in layer.rglob("*")} == files
    (tmp_path / "first").rename(tmp_path / "second")
    layer = tmp_path / "second/app"
    assert run(layer) == f"Ready: {layer}\n"
    assert f"home = {tmp_path / 'second/rt'}\n" in (layer / "pyvenv.cfg").read_text("utf-8")


def test_half_written_files_are_replaced(tmp_path: Path) -> None:
    layer = deployment(tmp_path)
    (layer / "Scripts").mkdir()
    (layer / "Scripts/pythonw.exe").write_bytes(b"no")
    (layer / "pyvenv.cfg").write_text("home")
    run(layer)
    assert (layer / "Scripts/pythonw.exe").read_bytes() == b"no console"
    assert (layer / "pyvenv.cfg").read_text().count("\n") == 3
    assert {path.name for path in (layer / "Scripts").iterdir()} == {"python.exe", "pythonw.exe"}


def test_by_a_relative_path(tmp_path: Path) -> None:
    layer = deployment(tmp_path)
    run(Path("../app"), cwd=tmp_path / "rt")
    assert f"home = {tmp_path / 'rt'}\n" in (layer / "pyvenv.cfg").read_text("utf-8")


def test_runtime_that_is_not_there(tmp_path: Path) -> None:
    layer = deployment(tmp_path)
    (tmp_path / "rt").rename(tmp_path / "elsewhere")
    said = run(layer, fails=True)
    assert str(tmp_path / "rt") in said
    assert "side by side" in said
    assert "pyvenv.cfg" not in tree(layer)


@pytest.mark.parametrize("name", PROGRAMS["3.12"])
def test_runtime_that_is_not_complete(tmp_path: Path, name: str) -> None:
    layer = deployment(tmp_path)
    (tmp_path / "rt/Lib/venv/scripts/nt" / name).unlink()
    assert name in run(layer, fails=True)
    assert "Scripts/python.exe" not in tree(layer)


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], {}, {"python": {}}, {"python": {"version": "3.12.1"}}),
        {"python": {"version": "3.12.1"}, "base_layers": []},
        {"python": {"version": "3.12.1"}, "base_layers": BASES * 2},
        {"python": {"version": "3.12.1"}, "base_layers": [1]},
        {"python": {"version": "3.x"}, "base_layers": BASES},
        {"python": {"version": 3}, "base_layers": BASES},
    ],
)
def test_description_that_cannot_be_read(tmp_path: Path, value: Any) -> None:
    layer = deployment(tmp_path)
    describe(layer, value)
    said = run(layer, fails=True)
    assert "layer.json" in said
    assert "Unpack the layer again" in said


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff"])
def test_description_that_is_not_there(tmp_path: Path, content: bytes | None) -> None:
    layer = deployment(tmp_path)
    path = layer / "share/venvlayer/layer.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert str(path) in run(layer, fails=True)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    layer = deployment(tmp_path)
    (layer / "Scripts").write_text("a file where a folder should be")
    assert str(layer) in run(layer, fails=True)
    (layer / "Scripts").unlink()
    (layer / "Scripts/python.exe").mkdir(parents=True)
    assert str(layer) in run(layer, fails=True)
    assert [path.name for path in (layer / "Scripts").iterdir()] == ["python.exe"]


def test_nothing_is_left_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = deployment(tmp_path)
    monkeypatch.setattr(postinstall, "__file__", str(layer / "postinstall.py"))

    def refuse(_: Path, target: Path) -> None:
        raise PermissionError(f"in use: {target}")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(SystemExit, match="in use"):
            postinstall.main()
    assert list((layer / "Scripts").iterdir()) == []
    postinstall.main()
    postinstall.main()
    assert capsys.readouterr().out == f"Ready: {layer}\nWas ready: {layer}\n"


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("rt/python.exe", "The runtime layer is not in"),
        ("rt/Lib/venv/scripts/nt/pythonw.exe", "The runtime layer has no"),
        ("app/share/venvlayer/layer.json", "cannot be read"),
    ],
)
def test_faults_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, said: str
) -> None:
    layer = deployment(tmp_path)
    monkeypatch.setattr(postinstall, "__file__", str(layer / "postinstall.py"))
    (tmp_path / missing).unlink()
    with pytest.raises(SystemExit, match=f"error: .*{said}"):
        postinstall.main()


def test_module_names_nothing_that_is_not_in_the_standard_library() -> None:
    source = Path(postinstall.__file__).read_text("ascii")
    imported = {
        line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))
    }
    assert imported <= sys.stdlib_module_names
