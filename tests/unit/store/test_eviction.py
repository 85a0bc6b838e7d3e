from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from hatch_venvstacks.store.eviction import evict, note_use
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = 1_000_000_000


def kept(store: Store, folder: Path, name: str, size: int, used: float) -> Path:
    """A segment in ``store`` that was used at some time."""
    source = folder / name
    source.write_bytes(bytes(size))
    assert store.keep_segment(source, name * 8)
    place = store.segment(name * 8)
    source.unlink()
    os.utime(place, (used, used))
    return place


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", size=250)
    old, middle, new = (
        kept(store, tmp_path, name, 100, LONG_AGO + used)
        for name, used in (("old", 0), ("middle", 10), ("new", 20))
    )
    store.evict()
    assert [path.exists() for path in (old, middle, new)] == [False, True, True]
    store.evict()
    assert middle.exists()
    assert evict(store.root, 0) == 200
    assert not middle.exists()
    assert not new.exists()
    assert evict(tmp_path / "nothing", 0) == 0


def test_the_time_of_the_last_use(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    path.write_bytes(b"")
    os.utime(path, (LONG_AGO, LONG_AGO))
    note_use(path)
    assert time.time() - path.stat().st_mtime < 60
    just_now = time.time() - 5
    os.utime(path, (just_now, just_now))
    note_use(path)
    assert path.stat().st_mtime == pytest.approx(just_now, abs=0.001)
    note_use(tmp_path / "gone")


def test_runtimes_that_may_be_in_use_stay(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", size=0)

    def make(folder: Path) -> None:
        (folder / "python").write_bytes(b"1" * 100)

    tree = store.ensure_runtime("a" * 64, make)
    store.evict()
    assert (tree / "python").exists()
    os.utime(tree.parent, (LONG_AGO, LONG_AGO))
    with FileLock(store.root / "runtimes" / f".{'a' * 64}.lock"):
        store.evict()
        assert (tree / "python").exists()
    store.evict()
    assert not tree.exists()
    assert [path.name for path in (store.root / "runtimes").iterdir()] == [f".{'a' * 64}.lock"]
    assert (store.ensure_runtime("a" * 64, make) / "python").stat().st_size == 100


@pytest.mark.parametrize("noted", ["as it was noted", None, "none"])
def test_the_size_of_a_runtime(tmp_path: Path, noted: str | None) -> None:
    def make(folder: Path) -> None:
        (folder / "python").write_bytes(b"1" * 9)

    store = Store(tmp_path / "store")
    tree = store.ensure_runtime("a" * 64, make)
    os.utime(tree.parent, (LONG_AGO, LONG_AGO))
    size = tree.parent / "size"
    total = 9 + len((tree.parent / "digest").read_bytes())
    assert size.read_text("ascii") == str(total)
    if noted is None:
        size.unlink()
    elif noted == "none":
        size.write_text(noted, "ascii")
        total += len(noted)
    os.utime(tree.parent, (LONG_AGO, LONG_AGO))
    assert evict(store.root, total) == 0
    assert evict(store.root, total - 1) == total


def test_locks_of_outputs_go_after_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name in ("old", "new"):
        with store.exclusive(tmp_path / name) as alone:
            assert alone
    old, new = sorted((store.root / "outputs").iterdir())
    os.utime(old, (LONG_AGO, LONG_AGO))
    store.evict()
    assert list((store.root / "outputs").iterdir()) == [new]


def test_what_does_not_belong_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments/file").write_bytes(b"1" * 10)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").write_bytes(b"1" * 10)
    assert evict(tmp_path, 0) == 0
    assert (tmp_path / "segments/file").exists()
    assert (tmp_path / "other/file").exists()
