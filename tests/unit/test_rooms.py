"""The rooms of the package: how large they are, what opens them, and how their tests are named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

UNIT = Path(__file__).resolve().parent
PACKAGE = UNIT.parents[1] / "hatch_venvstacks"
ROOMS = sorted(file.parent for file in PACKAGE.glob("*/**/__init__.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_tests_are_named_by_modules() -> None:
    tests = [path.relative_to(UNIT) for path in UNIT.glob("*/**/test_*.py")]
    assert len(tests) > 50
    assert [
        str(test)
        for test in tests
        if not (PACKAGE / test.with_name(test.name.removeprefix("test_"))).is_file()
    ] == []


@pytest.mark.parametrize("room", [PACKAGE, *ROOMS], ids=name_of)
def test_a_room_is_opened_by_one_sentence(room: Path) -> None:
    (statement,) = ast.parse((room / "__init__.py").read_text("utf-8")).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    assert isinstance(statement.value.value, str)


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_has_few_files(room: Path) -> None:
    files = {path.name for path in room.glob("*.py")} - {"__init__.py"}
    assert 0 < len(files) <= 12


def test_a_file_is_not_long() -> None:
    lengths = {name_of(path): path.read_text("utf-8").count("\n") for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 340} == {}
