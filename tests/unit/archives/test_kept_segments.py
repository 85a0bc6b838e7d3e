from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from disks import without_rights
from members import kept_in, plan

from hatch_venvstacks.archives.archive import Archive, DamagedSegmentError, pack
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, Stored, content_length, read
from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
from hatch_venvstacks.store.eviction import evict
from hatch_venvstacks.store.store import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.archives.kept_segments import Packed, SegmentStore

END = Plan(PlanKind.WIRING, "top", "", (Member("end", b"end"),))
both = pytest.mark.parametrize("archive_format", [ArchiveFormat.TAR_ZST, ArchiveFormat.ZIP])


def keyed(key: str, *members: Member, name: str = "one") -> Plan:
    return replace(plan(*members, name=name), key=key)


def packed(plans: Sequence[Plan], kept: SegmentStore, folder: Path) -> Archive:
    work = folder / "work"
    work.mkdir(parents=True)
    archive = pack([*plans, END], kept, folder / f"a{kept.format.suffix}", work)
    assert list(work.iterdir()) == []
    return archive


def contents(archive: Archive) -> dict[str, bytes]:
    if archive.format is ArchiveFormat.ZIP:
        with zipfile.ZipFile(archive.path) as file:
            assert file.testzip() is None
            return {name: file.read(name) for name in file.namelist() if name[-1] != "/"}
    plain = zstandard.ZstdDecompressor().stream_reader(
        archive.path.open("rb"), read_across_frames=True, closefd=True
    )
    with plain, tarfile.open(fileobj=io.BytesIO(plain.read())) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar if one.isreg()}  # type: ignore[union-attr]


ONE = keyed("k 1", Member("one/a.py", b"a" * 3000), Member("bin/one", b"#!", executable=True))
TWO = keyed("k 2", Member("two/b.py", b"b"), Member("link", link="two"), name="two")


@both
def test_what_is_kept_is_not_read_again(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    kept = kept_in(tmp_path / "store", "top", archive_format)
    first = packed([ONE, TWO], kept, tmp_path / "1")
    # Another one of the same store, which has nothing in memory.
    again = kept_in(tmp_path / "store", "top", archive_format)
    found = [again.find(one.key) for one in (ONE, TWO)]
    assert all(one is not None for one in found)
    plans = [one.plan for one in found if one is not None]
    assert plans[0].members[1] == Member("bin/one", Stored(2), executable=True)
    assert plans[1].members[1] == Member("link", link="two")
    assert [one.name for one in plans] == ["one", "two"]
    second = packed(plans, again, tmp_path / "2")
    assert second.path.read_bytes() == first.path.read_bytes()
    assert (second.sha256, second.segments) == (
        first.sha256,
        tuple(
            replace(one, plan=two.plan)
            for one, two in zip(first.segments, second.segments, strict=True)
        ),
    )
    assert contents(second)["top/one/a.py"] == b"a" * 3000


def test_content_that_only_the_store_has() -> None:
    member = Member("a", Stored(7))
    assert content_length(member) == 7
    with pytest.raises(TypeError, match="in the store only"):
        list(read(member))


@both
def test_a_part_that_has_changed_is_packed_anew(
    tmp_path: Path, archive_format: ArchiveFormat
) -> None:
    kept = kept_in(tmp_path / "store", "top", archive_format)
    packed([ONE, TWO], kept, tmp_path / "1")
    changed = keyed("k 3", Member("one/a.py", b"new"))
    archive = packed(
        [changed, TWO], kept_in(tmp_path / "store", "top", archive_format), tmp_path / "2"
    )
    alone = packed(
        [changed, TWO], kept_in(tmp_path / "other", "top", archive_format), tmp_path / "3"
    )
    assert archive.path.read_bytes() == alone.path.read_bytes()
    assert contents(archive)["top/one/a.py"] == b"new"


def test_keys_do_not_cross(tmp_path: Path) -> None:
    store = tmp_path / "store"
    packed([ONE], kept_in(store, "top"), tmp_path / "1")
    assert kept_in(store, "top").find(ONE.key) is not None
    for other in (
        kept_in(store, "other"),
        kept_in(store, "top", level=2),
        kept_in(store, "top", ArchiveFormat.TAR_XZ),
        kept_in(store, "top", ArchiveFormat.TAR),
        kept_in(store, "top", ArchiveFormat.ZIP),
    ):
        assert other.find(ONE.key) is None
    assert kept_in(store, "top").find("") is None
    assert key_of("a", 1, "2") == key_of("a", 1, "2")
    assert len({key_of("a", 1, "2"), key_of("a", "1", 2), key_of("b", 1, "2")}) == 3


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    packed([plan(Member("a", b"1"))], kept_in(tmp_path / "store"), tmp_path / "1")
    assert not (tmp_path / "store/segments").exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "folder"])
@both
def test_damaged_segments(tmp_path: Path, damage: str, archive_format: ArchiveFormat) -> None:
    first = packed([ONE, TWO], kept_in(tmp_path / "store", "top", archive_format), tmp_path / "1")
    kept = kept_in(tmp_path / "store", "top", archive_format)
    known = kept.find(ONE.key)
    assert known is not None
    path = known.segments[0].path
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    if damage == "folder":
        (path / "x").mkdir(parents=True)
    with pytest.raises(DamagedSegmentError):
        packed([known.plan, TWO], kept, tmp_path / "2")
    assert not path.exists()
    assert kept.find(ONE.key) is None
    again = packed([ONE, TWO], kept, tmp_path / "3")
    assert again.path.read_bytes() == first.path.read_bytes()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_a_segment_that_is_gone_before_the_plan_is_looked_up(tmp_path: Path) -> None:
    packed([ONE], kept_in(tmp_path / "store"), tmp_path / "1")
    known = kept_in(tmp_path / "store").find(ONE.key)
    assert known is not None
    known.segments[0].path.unlink()
    assert kept_in(tmp_path / "store").find(ONE.key) is None


def test_a_store_that_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"not a folder")
    archive = packed([ONE], kept_in(tmp_path / "store"), tmp_path / "1")
    assert contents(archive)["top/one/a.py"] == b"a" * 3000
    assert kept_in(tmp_path / "store").find(ONE.key) is None


@both
def test_another_build_makes_room_in_the_store(
    tmp_path: Path, archive_format: ArchiveFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fresh() -> SegmentStore:
        return kept_in(tmp_path / "store", "top", archive_format)

    def kept() -> Packed:
        packed([ONE, TWO], fresh(), tmp_path / str(next(number)))
        found = fresh().find(ONE.key)
        assert found is not None
        return found

    number = itertools.count()
    one = kept()

    def hashed(path: Path) -> str:
        digest = file_sha256(path)
        if digest == one.segments[0].sha256:
            evict(tmp_path / "store", 0)
        return digest

    monkeypatch.setattr("hatch_venvstacks.archives.archive.file_sha256", hashed)
    assert contents(packed([one.plan], fresh(), tmp_path / "a"))["top/one/a.py"] == b"a" * 3000
    assert not one.segments[0].path.exists()
    # Where it cannot have a second name, it is noticed that it is gone.
    one = kept()
    monkeypatch.setattr(os, "link", no_link)
    again = fresh()
    with pytest.raises(DamagedSegmentError):
        packed([one.plan], again, tmp_path / "b")
    assert again.find(ONE.key) is None
    (tmp_path / "work").mkdir()
    with pytest.raises(FileNotFoundError):
        pack([ONE, END], again, tmp_path / "gone/a", tmp_path / "work")


def no_link(*_: object) -> None:
    raise OSError(errno.EXDEV, "on another file system")


LOOK = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from members import kept_in
print(kept_in(Path(sys.argv[3])).find(sys.argv[4]))
"""


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX systems")
def test_segments_that_only_somebody_else_may_read(tmp_path: Path) -> None:
    packed([ONE], kept_in(tmp_path / "store"), tmp_path / "1")
    known = kept_in(tmp_path / "store").find(ONE.key)
    assert known is not None
    folder = known.segments[0].path.parent
    folder.chmod(0)
    try:
        root = Path(__file__).parents[3]
        command = [sys.executable, "-c", LOOK, str(root), str(root / "tests/support")]
        done = subprocess.run(
            [*without_rights(), *command, str(tmp_path / "store"), ONE.key],
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        folder.chmod(0o755)
    assert done.stdout == "None\n"
