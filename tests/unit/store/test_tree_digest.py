from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.store import tree_digest as module
from hatch_venvstacks.store.store import Store
from hatch_venvstacks.store.tree_digest import tree_digest, tree_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "ab" * 32
CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda tree: (tree / "lib/a.py").write_bytes(b"B"),
    "name": lambda tree: (tree / "lib/a.py").rename(tree / "lib/b.py"),
    "folder": lambda tree: (tree / "lib").rename(tree / "bib"),
    "gone": lambda tree: (tree / "lib/a.py").unlink(),
    "new": lambda tree: (tree / "new").touch(),
    "mode": lambda tree: (tree / "lib/a.py").chmod(0o755),
    "link": lambda tree: (tree / "more").symlink_to("lib"),
    "copy": lambda tree: shutil.copytree(tree / "lib", tree / "copy"),
}


def fill(tree: Path) -> None:
    (tree / "lib").mkdir(parents=True)
    (tree / "lib/a.py").write_bytes(b"A")
    (tree / "lib/\udcff").write_bytes(b"a name that is no text")
    (tree / "link").symlink_to("lib")


@pytest.fixture
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files have not been changed lately; nobody can set when they were."""
    now = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: now() + 10**10)


@pytest.mark.usefixtures("_later")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_noticed(tmp_path: Path, change: Callable[[Path], object]) -> None:
    fill(tmp_path)
    before = tree_digest(tmp_path), tree_state(tmp_path)
    assert (tree_digest(tmp_path), tree_state(tmp_path)) == before
    change(tmp_path)
    assert tree_digest(tmp_path) != before[0]
    assert tree_state(tmp_path) not in (before[1], None)


@pytest.mark.usefixtures("_later")
def test_what_is_not(tmp_path: Path) -> None:
    fill(tmp_path)
    before = tree_digest(tmp_path), tree_state(tmp_path)
    (tmp_path / "lib/__pycache__").mkdir()
    (tmp_path / "lib/__pycache__/a.pyc").touch()
    assert (tree_digest(tmp_path), tree_state(tmp_path)) == before


@pytest.mark.usefixtures("_later")
def test_an_edit_in_the_same_size_and_time(tmp_path: Path) -> None:
    fill(tmp_path)
    os.utime(tmp_path / "lib/a.py", (0, 0))
    before = tree_state(tmp_path)
    (tmp_path / "lib/a.py").write_bytes(b"B")
    os.utime(tmp_path / "lib/a.py", (0, 0))
    assert tree_state(tmp_path) != before


def test_files_that_were_just_written_have_no_state(tmp_path: Path) -> None:
    fill(tmp_path)
    assert tree_state(tmp_path) is None


def test_the_digest_of_a_copy_is_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", symlinks=True)
    assert tree_digest(tmp_path / "a") == tree_digest(tmp_path / "b")


def test_folders_that_cannot_be_listed(tmp_path: Path) -> None:
    for function in (tree_digest, tree_state):
        with pytest.raises(OSError, match="missing"):
            function(tmp_path / "missing")


class Counter:
    """Counts how often a runtime is made, and how often its contents are read."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.made, self.read = Store(root), 0, 0
        monkeypatch.setattr(module, "tree_digest", self._digest)

    def _digest(self, tree: Path) -> str:
        self.read += 1
        return tree_digest(tree)

    def _make(self, tree: Path) -> None:
        self.made += 1
        (tree / "bin").mkdir()
        (tree / "bin/python").write_bytes(b"program")

    def use(self, *, unread: bool) -> tuple[int, int]:
        """How often one use of the runtime makes it and reads it."""
        before = self.made, self.read
        tree = self.store.ensure_runtime(KEY, self._make, unread=unread)
        assert (tree / "bin/python").read_bytes() == b"program"
        return self.made - before[0], self.read - before[1]


@pytest.mark.usefixtures("_later")
def test_a_runtime_that_is_run_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Counter(tmp_path, monkeypatch)
    assert runtime.use(unread=True) == (1, 1)
    assert runtime.use(unread=True) == (0, 1)
    assert [runtime.use(unread=True) for _ in range(2)] == [(0, 0)] * 2
    # What is packed is read in any case.
    assert [runtime.use(unread=False) for _ in range(2)] == [(0, 1)] * 2
    (entry,) = (path for path in (tmp_path / "runtimes").iterdir() if path.is_dir())
    assert {path.name for path in entry.iterdir()} == {"tree", "digest", "size", "state"}
    (entry / "tree/bin/python").write_bytes(b"pr0gram")
    assert runtime.use(unread=True) == (1, 2)
    (entry / "state").write_bytes(b"\xff")
    assert runtime.use(unread=True) == (0, 1)
    (entry / "state").unlink()
    (entry / "state").mkdir()
    assert runtime.use(unread=True)[0] == 1
    assert runtime.use(unread=True) == (0, 1)


def test_a_runtime_that_was_just_made_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Counter(tmp_path, monkeypatch)
    assert [runtime.use(unread=True) for _ in range(3)] == [(1, 1), (0, 1), (0, 1)]


@pytest.mark.usefixtures("_later")
def test_a_state_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Counter(tmp_path, monkeypatch)
    runtime.use(unread=True)
    (entry,) = (path for path in (tmp_path / "runtimes").iterdir() if path.is_dir())
    (entry / "state.part").mkdir()
    assert [runtime.use(unread=True) for _ in range(2)] == [(0, 1)] * 2
