from __future__ import annotations

import pytest

from hatch_venvstacks.composition.module_tree import module_of


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("a.py", "a"),
        ("a.pyc", "a"),
        ("a.abi3.so", "a"),
        ("a.cp311-win_amd64.pyd", "a"),
        ("a.pyd", "a"),
        ("a.so", "a"),
        ("liba.so", None),
        ("a.so.1", None),
        ("a.pyi", None),
        ("a.txt", None),
        ("a-b.py", None),
        ("a", None),
    ],
)
def test_names_of_modules(file: str, module: str | None) -> None:
    assert module_of(file) == module
