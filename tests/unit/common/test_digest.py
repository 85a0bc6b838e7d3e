from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.store import store as store_module
from hatch_venvstacks.store.store import Store, remembered_sha256

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 2**20


@pytest.mark.parametrize(
    ("size", "age", "count"),
    [(LARGE, 60, 1), (LARGE, 0, 2), (LARGE - 1, 60, 2)],
    ids=["large", "just written", "small"],
)
def test_how_often_an_unchanged_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, age: int, count: int
) -> None:
    path = tmp_path / "file"
    read: list[Path] = []
    path.write_bytes(bytes(size))
    # Nobody can set the time at which a file was changed last.
    now = path.stat().st_ctime_ns + age * 10**9
    monkeypatch.setattr("time.time_ns", lambda: now)

    def counted(one: Path) -> str:
        read.append(one)
        return file_sha256(one)

    monkeypatch.setattr(store_module, "file_sha256", counted)
    store = Store(tmp_path / "store")
    found = {remembered_sha256(path, store) for _ in range(2)}
    assert found == {hashlib.sha256(bytes(size)).hexdigest()}
    assert len(read) == count


def test_a_file_that_was_written_again_in_the_same_size_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = tmp_path / "file", Store(tmp_path / "store")
    path.write_bytes(bytes(LARGE))
    os.utime(path, (0, 0))
    monkeypatch.setattr("time.time_ns", lambda: path.stat().st_ctime_ns + 10**10)
    before = remembered_sha256(path, store)
    path.write_bytes(b"x" * LARGE)
    os.utime(path, (0, 0))
    assert remembered_sha256(path, store) != before
