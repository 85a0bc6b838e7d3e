from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from wheels import make_wheel

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.sources.uv import run_uv


def test_output(tmp_path: Path) -> None:
    assert run_uv(["--version"], folder=tmp_path, failure="x").startswith("uv ")


def test_runs_in_its_folder_with_what_it_may_see(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    environ = {"UV_CACHE_DIR": str(tmp_path / "cache"), "PATH": os.environ["PATH"]}
    said = run_uv(["cache", "dir"], folder=tmp_path, failure="x", environ=environ)
    assert Path(said.strip()) == tmp_path / "cache"


def test_hostile_variables_do_not_reach_uv(
    tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(wheel_index, "thing", "1")
    for name in (
        "VIRTUAL_ENV",
        "UV_PYTHON",
        "UV_PROJECT",
        "UV_TARGET",
        "UV_CONSTRAINT",
        "UV_PREFIX",
    ):
        monkeypatch.setenv(name, str(tmp_path / "hostile"))
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel_index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    arguments = ["pip", "install", "thing", "--prefix", "there", "--python", sys.executable]
    run_uv([*arguments, "--no-index"], folder=tmp_path, failure="x")
    assert list((tmp_path / "there").rglob("thing.py"))
    assert not list((tmp_path / "there").rglob("INSTALLER"))
    assert not (tmp_path / "hostile").exists()


@pytest.mark.parametrize("value", ["1", "true", "0", "False", "", None])
def test_no_index(tmp_path: Path, wheel_index: Path, value: str | None) -> None:
    """uv itself has no such variable, and would ask PyPI."""
    make_wheel(wheel_index, "thing", "1")
    index = f'[[tool.uv.index]]\nurl = "{wheel_index.as_uri()}"\nformat = "flat"\ndefault = true\n'
    project = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.10"\n'
    text = f'{project}dependencies = ["thing"]\n{index}'
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    environ = {**os.environ, "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    environ |= {} if value is None else {"UV_NO_INDEX": value}

    def lock() -> None:
        arguments = ["lock", "--python", sys.executable]
        run_uv(arguments, folder=tmp_path, failure="x", environ=environ)

    if value in ("1", "true"):
        with pytest.raises(ToolError, match="index lookups were disabled"):
            lock()
        environ["UV_FIND_LINKS"] = str(wheel_index)
    lock()
    assert 'name = "thing"' in (tmp_path / "uv.lock").read_text("utf-8")


def test_warnings(tmp_path: Path, wheel_index: Path) -> None:
    make_wheel(wheel_index, "thing", "1")
    project = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.10"\n'
    heard: list[str] = []
    environ = {**os.environ, "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheel_index)}
    for requirement in ("thing", "thing[x]"):
        text = f'{project}dependencies = ["{requirement}"]\n'
        (tmp_path / "pyproject.toml").write_text(text, "utf-8")
        arguments = ["lock", "--python", sys.executable]
        run_uv(arguments, folder=tmp_path, failure="x", environ=environ, warn=heard.extend)
    assert heard == ["uv: warning: The package `thing==1` does not have an extra named `x`"]


def test_words_of_uv_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.txt").write_text("no-such-thing==1\n")
    arguments = ["pip", "compile", "in.txt", "--no-index", "--python", sys.executable]
    with pytest.raises(ToolError) as caught:
        run_uv(arguments, folder=tmp_path, failure="The thing cannot be made")
    assert caught.value.message == "The thing cannot be made"
    lines = caught.value.detail.splitlines()
    assert lines
    assert all(line.startswith("  uv: ") and line == line.rstrip() for line in lines)
    assert "no-such-thing" in caught.value.detail
    assert "\x1b" not in caught.value.detail
    assert "Using " not in caught.value.detail
