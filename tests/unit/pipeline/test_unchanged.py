from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hatch_venvstacks
from hatch_venvstacks.pipeline.unchanged import _tool

PACKAGE = Path(hatch_venvstacks.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """This package, in a folder where it can be edited."""
    left_out = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "package", ignore=left_out)


def edit(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"# edited\n")


@pytest.mark.parametrize(
    "name",
    [
        *("__about__.py", "pipeline/unchanged.py", "pipeline/build.py", "plugin/builder.py"),
        *("common/digest.py", "sources/runtimes/standalone.py"),
    ],
)
def test_an_edit_in_any_room_makes_another_tool(copy: Path, name: str) -> None:
    edit(copy / name)
    own, *libraries = _tool()
    found, *others = _tool(copy)
    assert found != own
    assert others == libraries


def test_where_the_package_is_does_not_matter(copy: Path) -> None:
    (copy / "store/notes.txt").write_text("no part of it", "utf-8")
    assert _tool(copy) == _tool()
