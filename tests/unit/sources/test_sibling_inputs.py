from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from monorepo import write

from hatch_venvstacks.sources.sibling_inputs import read_wheel_inputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROJECT = """\
[project]
name = "vl-lib"
version = "1.0"
readme = "README.md"
[tool.hatch.build.targets.wheel.force-include]
"../shared/data.txt" = "vl_lib/data.txt"
[tool.uv]
cache-keys = [
    { file = "../templates/*.html" }, { dir = "../assets" }, { env = "VL_FLAVOUR" }, "extra.cfg",
    { unknown = 1 },
]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "repo/.git").mkdir(parents=True)
    write(
        tmp_path / "repo",
        {
            "libs/lib/pyproject.toml": PROJECT,
            "libs/lib/src/vl_lib/__init__.py": "X = 1\n",
            "libs/lib/run.sh": "#!/bin/sh\n",
            "libs/shared/data.txt": "data\n",
            "libs/shared/other.txt": "other\n",
            "libs/templates/a.html": "a\n",
            "libs/assets/b/c.png": "c\n",
            ".gitignore": "*.log\n",
        },
    )
    return tmp_path / "repo/libs/lib"


def key(root: Path) -> str:
    return read_wheel_inputs(root, {"CFLAGS": "-O2"}, "3.11").key


@pytest.mark.parametrize(
    "path",
    [
        "src/vl_lib/__init__.py",
        "src/vl_lib/new.py",
        "build/new.py",
        "pyproject.toml",
        "hatch.toml",
        "extra.cfg",
        "../shared/data.txt",
        "../templates/a.html",
        "../templates/b.html",
        "../assets/b/c.png",
        "../.gitignore",
        "../../.gitignore",
    ],
)
def test_what_counts(root: Path, path: str) -> None:
    before = key(root)
    assert key(root) == before
    (root / path).parent.mkdir(exist_ok=True)
    with (root / path).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert key(root) != before


@pytest.mark.parametrize(
    "path",
    [
        "src/vl_lib/__pycache__/x.pyc",
        ".git/index",
        ".ruff_cache/x",
        ".venv/pyvenv.cfg",
        "../shared/other.txt",
        "../other/pyproject.toml",
        "../../../elsewhere",
    ],
)
def test_what_does_not_count(root: Path, path: str) -> None:
    (root / ".git").mkdir()
    before = key(root)
    (root / path).parent.mkdir(exist_ok=True, parents=True)
    (root / path).write_text("new", "utf-8")
    assert key(root) == before


def test_bits_and_settings_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {key(root)}
    (root / "run.sh").chmod(0o755)
    found.add(key(root))
    found.add(read_wheel_inputs(root, {"CFLAGS": "-O3"}, "3.11").key)
    found.add(read_wheel_inputs(root, {"CFLAGS": "-O2"}, "3.12").key)
    monkeypatch.setenv("VL_FLAVOUR", "vanilla")
    found.add(key(root))
    assert len(found) == 5


def test_the_place_does_not_count(root: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "repo", tmp_path / "another/place")
    assert key(tmp_path / "another/place/libs/lib") == key(root)


def changes(root: Path) -> Callable[..., str]:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        command = ["git", *identity, *arguments]
        subprocess.run(command, cwd=root, check=True, capture_output=True)
        return key(root)

    return git


@pytest.mark.parametrize(
    ("version", "counts"),
    [('version = "1.0"', False), ('dynamic = ["version"]', True)],
)
def test_the_state_of_git_counts_for_versions(root: Path, version: str, *, counts: bool) -> None:
    shutil.rmtree(root.parents[1] / ".git")
    text = PROJECT.replace('version = "1.0"', version)
    (root / "pyproject.toml").write_text(text, "utf-8")
    git = changes(root)
    git("init")
    git("add", ".")
    first = git("commit", "-m", "x", "--no-gpg-sign")
    tagged = git("tag", "v1")
    assert (tagged != first) == counts
    committed = git("commit", "--allow-empty", "-m", "y", "--no-gpg-sign")
    assert (committed != tagged) == counts


def test_tables_that_cannot_be_read(root: Path) -> None:
    before = key(root)
    (root / "pyproject.toml").write_text("[broken", "utf-8")
    assert key(root) not in ("", before)
    (root / "pyproject.toml").write_text('[tool.uv]\ncache-keys = "all"\n', "utf-8")
    assert key(root)
    (root / "pyproject.toml").write_text('[tool.uv]\ncache-keys = [{file = "/a**b"}]\n', "utf-8")
    assert key(root)
