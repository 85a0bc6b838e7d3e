from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.store.store import Store, remembered_sha256

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "ab" * 32
LARGE = 2**20


def fill(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_bytes(b"program")
    (folder / "lib").symlink_to("bin")


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        fill(folder)


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    store = Store(tmp_path / "cache")
    first = store.ensure_runtime(KEY, make)
    assert store.ensure_runtime(KEY, make) == first
    assert (first / "lib" / "python").read_bytes() == b"program"
    assert make.calls == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda tree: (tree / "bin" / "python").write_bytes(b"changed"),
        lambda tree: (tree / "bin" / "python").unlink(),
        lambda tree: (tree / "bin" / "python").chmod(0o755),
        lambda tree: (tree / "new").write_bytes(b""),
        lambda tree: (tree.parent / "digest").unlink(),
        lambda tree: ((tree / "lib").unlink(), (tree / "lib").symlink_to("/etc")),
    ],
)
def test_an_altered_entry_is_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    make = Maker()
    store = Store(tmp_path)
    tree = store.ensure_runtime(KEY, make)
    damage(tree)
    assert store.ensure_runtime(KEY, make) == tree
    assert make.calls == 2
    assert (tree / "lib" / "python").read_bytes() == b"program"
    assert sorted(entry.name for entry in tree.iterdir()) == ["bin", "lib"]


def test_compiled_modules_are_no_alteration(tmp_path: Path) -> None:
    make = Maker()
    store = Store(tmp_path)
    tree = store.ensure_runtime(KEY, make)
    (tree / "bin" / "__pycache__").mkdir()
    (tree / "bin" / "__pycache__" / "x.pyc").write_bytes(b"x")
    store.ensure_runtime(KEY, make)
    assert make.calls == 1


def test_a_failure_leaves_nothing_and_the_next_call_works(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise KeyError("half way")

    store = Store(tmp_path)
    with pytest.raises(KeyError, match="half way"):
        store.ensure_runtime(KEY, fail)
    assert [path.name for path in (tmp_path / "runtimes").iterdir() if path.is_dir()] == []
    assert (store.ensure_runtime(KEY, fill) / "bin" / "python").is_file()


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from hatch_venvstacks.store.store import Store\n"
        "def make(folder):\n"
        "    (folder / 'half').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Store(Path(sys.argv[1])).ensure_runtime({KEY!r}, make)\n"
    )
    package = Path(__file__).parents[3]
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        check=False,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    assert killed.returncode == -9
    assert list((tmp_path / "runtimes").rglob("half"))
    tree = Store(tmp_path).ensure_runtime(KEY, fill)
    assert sorted(entry.name for entry in tree.iterdir()) == ["bin", "lib"]
    assert not list((tmp_path / "runtimes").rglob("half"))


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    calls = []

    def slow(folder: Path) -> None:
        calls.append(folder)
        time.sleep(0.2)
        fill(folder)

    def use() -> None:
        Store(tmp_path).ensure_runtime(KEY, slow)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BuildError, match="cannot be used") as caught:
        Store(tmp_path / "file").ensure_runtime(KEY, fill)
    assert "the cache folder" in caught.value.hint


def test_paths_that_are_not_unicode(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.exclusive(Path("/any/\udcff")) as alone:
        assert alone
    store.keep_document("file /\udcff", 1)
    assert store.read_document("file /\udcff") == 1


def test_a_workspace_lies_in_the_cache_and_goes(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "cache"
    with Store(root).workspace() as work, Store(root).workspace() as other:
        assert root in work.parents
        assert other != work
        assert list(work.iterdir()) == []
        (work / "file").touch()
    assert [path for path in root.rglob("*") if path.name != "work"] == []


def test_a_workspace_goes_when_something_fails(tmp_path: Path) -> None:
    def use(message: str) -> None:
        with Store(tmp_path).workspace() as work:
            (work / "folder").mkdir()
            raise ZeroDivisionError(message)

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        use("on purpose")
    assert [path for path in (tmp_path / "work").iterdir() if path.is_dir()] == []


def test_a_workspace_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Store(tmp_path / "file").workspace() as work:
        assert work.is_dir()
        assert tmp_path not in work.parents
    assert not work.exists()


def test_a_full_disk_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    def fill_up() -> None:
        with Store(tmp_path).workspace():
            raise OSError(28, "No space left on device")

    with pytest.raises(BuildError, match="No space left on device") as caught:
        fill_up()
    assert "the cache folder" in caught.value.hint


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    source = (
        "import os, sys; from pathlib import Path; from hatch_venvstacks.store.store import Store\n"
        "with Store(Path(sys.argv[1])).workspace() as work:\n"
        "    (work / 'large').touch(); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=False)
    assert done.returncode == 9
    assert list(tmp_path.rglob("large"))
    with Store(tmp_path).workspace() as alive:
        (alive / "file").touch()
        with Store(tmp_path).workspace():
            assert list(tmp_path.rglob("large")) == []
            assert (alive / "file").exists()


# Nobody may make a folder there, whoever it is.
READ_ONLY = Path("/sys/venvlayer")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no /sys")


@on_linux
def test_a_read_only_cache_keeps_nothing(tmp_path: Path) -> None:
    store = Store(READ_ONLY)
    store.keep_document("a", 1)
    assert store.read_document("a") is None
    (tmp_path / "file").write_bytes(b"1")
    assert not store.keep_segment(tmp_path / "file", "0" * 64)
    store.keep_wheel("a", tmp_path / "file")
    assert store.copy_wheel("a", tmp_path / "wheels") is None
    with store.exclusive(tmp_path / "dist") as alone:
        assert not alone
    with store.workspace() as work:
        assert READ_ONLY not in work.parents
    assert not work.exists()
    store.evict()


@on_linux
def test_runtimes_with_a_read_only_cache() -> None:
    store, made = Store(READ_ONLY), []

    def make(folder: Path) -> None:
        made.append(folder)
        fill(folder)

    first = store.ensure_runtime(KEY, make)
    assert READ_ONLY not in first.parents
    assert store.ensure_runtime(KEY, make) == first
    assert len(made) == 1
    shutil.rmtree(first.parent.parent)


def test_an_intact_runtime_of_a_read_only_cache_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Store(tmp_path).ensure_runtime(KEY, fill)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert Store(tmp_path).ensure_runtime(KEY, fill) == made


def test_wheels(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    wheel = tmp_path / "vl_a-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    store.keep_wheel("key", wheel)
    copy = store.copy_wheel("key", tmp_path / "copies")
    assert copy is not None
    assert (copy.name, copy.read_bytes()) == (wheel.name, b"wheel")
    assert store.copy_wheel("other", tmp_path / "copies") is None
    (kept,) = (store.root / "wheels").glob("*/*")
    kept.write_bytes(b"whe1l")
    assert store.copy_wheel("key", tmp_path / "copies") is None
    assert not kept.exists()
    assert not copy.exists()
    assert store.copy_wheel("key", tmp_path / "copies") is None
    store.keep_wheel("key", wheel)
    assert store.copy_wheel("key", tmp_path / "copies") == copy


def test_segments_on_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", link)
    store = Store(tmp_path / "store")
    (tmp_path / "file").write_bytes(b"1")
    name = hashlib.sha256(b"1").hexdigest()
    for damage in (b"1", b"2", b"11"):
        assert store.keep_segment(tmp_path / "file", name)
        assert store.segment(name).read_bytes() == b"1"
        store.segment(name).write_bytes(damage)
    assert store.keep_segment(tmp_path / "file", name)
    assert store.segment(name).read_bytes() == b"1"
    assert list((store.root / "work").iterdir()) == []


def test_a_folder_in_the_place_of_an_entry(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.keep_document("a", 1)
    (path,) = (store.root / "documents").glob("*/*")
    path.unlink()
    (path / "x").mkdir(parents=True)
    assert store.read_document("a") is None
    store.keep_document("a", 2)
    assert store.read_document("a") == 2
    store.drop(path)
    assert store.read_document("a") is None
    store.drop(path)


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

    monkeypatch.setattr("hatch_venvstacks.store.store.file_sha256", counted)
    store = Store(tmp_path / "store")
    found = {remembered_sha256(path, store) for _ in range(2)}
    assert found == {hashlib.sha256(bytes(size)).hexdigest()}
    assert len(read) == count
