from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.common.wording import PLAIN, Mend


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX systems")
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (".", "`do this`"),
        ("sub/x", "`do this` in `sub/x`"),
        ("../other", "`do this` in `../other`"),
    ],
)
def test_command_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    wording = replace(PLAIN, lock="do this")
    assert wording.lock_in(tmp_path / folder) == expected
    assert wording.lock_in(Path(folder)) == expected


def test_an_error_in_the_words_of_a_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = LockError("It is stale", hint=Mend("Lock it again: {lock} ({locked} is set)", tmp_path))
    face = replace(PLAIN, lock="tool lock", locked="--frozen")
    assert error.worded(face) == "It is stale\nLock it again: `tool lock` (--frozen is set)"
    assert error.hint == "Lock it again: `lock the layer` (the caller is set)"
    assert str(error).startswith("It is stale\nLock it again: ")
    assert (
        LockError("It is stale", hint="Braces {stay}").worded(face) == "It is stale\nBraces {stay}"
    )
