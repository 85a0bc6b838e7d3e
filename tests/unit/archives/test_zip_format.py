from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from members import ODD_NAMES, Restless, any_path, kept_in, plan

from hatch_venvstacks.archives.archive import Archive, pack
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME, ArchiveFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    MonkeyPatch = pytest.MonkeyPatch


def packed(plans: Sequence[Plan], folder: Path, top: str = "layer", level: int = 3) -> Archive:
    work = folder / "work"
    work.mkdir(parents=True)
    archive = pack(
        plans,
        kept_in(folder / "cache", top, ArchiveFormat.ZIP, level),
        folder / "a.zip",
        work,
    )
    assert list(work.iterdir()) == []
    return archive


def entries(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.infolist()


def contents(path: Path) -> dict[str, bytes]:
    """What the files of a zip file hold."""
    with zipfile.ZipFile(path) as archive:
        return {i.orig_filename: archive.read(i) for i in archive.infolist() if not i.is_dir()}


def check_tiles(archive: Archive) -> None:
    content = archive.path.read_bytes()
    assert archive.size == len(content)
    assert archive.sha256 == hashlib.sha256(content).hexdigest()
    starts = {entry.header_offset for entry in entries(archive.path)}
    offset = 0
    for segment in archive.segments:
        if segment.plan.members:
            assert offset in starts
        part = content[offset : offset + segment.size]
        assert segment.sha256 == hashlib.sha256(part).hexdigest()
        offset += segment.size
    assert offset == archive.size


PLANS = [
    plan(*(Member(name, name.encode()) for name in ODD_NAMES), name="one"),
    plan(Member("empty", b""), Member("bin/run", b"#!", executable=True), name="two"),
    plan(Member("x/dated", b"1" * 5000), name="three", mtime=1_700_000_001),
    plan(name="nothing"),
]


def test_headers(tmp_path: Path) -> None:
    archive = packed(PLANS, tmp_path / "out", top="läyer")
    infos = entries(archive.path)
    folders = [info.filename for info in infos if info.is_dir()]
    assert folders == [
        *("läyer/", "läyer/bin/", f"läyer/{'d' * 200}/", "läyer/x/", "läyer/ünï/"),
    ]
    assert [info.filename for info in infos] == [
        *folders,
        *(f"läyer/{member.path}" for one in PLANS for member in one.members),
    ]
    for info in infos:
        assert info.create_system == 3
        assert info.extra == info.comment == b""
        # Only that the name is UTF-8: no data descriptor, no encryption.
        assert info.flag_bits == 0x800
        mode = info.external_attr >> 16
        if info.is_dir():
            assert (mode, info.external_attr & 0xFFFF) == (stat.S_IFDIR | 0o755, 0x10)
        else:
            executable = info.filename == "läyer/bin/run"
            assert mode == stat.S_IFREG | (0o755 if executable else 0o644)
            assert info.external_attr & 0xFFFF == 0
        stored = info.is_dir() or info.filename == "läyer/empty"
        assert info.compress_type == (zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
        # 22:13:21, in steps of two seconds.
        late = info.filename == "läyer/x/dated"
        assert info.date_time == ((2023, 11, 14, 22, 13, 20) if late else (1980, 1, 1, 0, 0, 0))


def test_names_in_ascii_have_no_flag(tmp_path: Path) -> None:
    archive = packed([plan(Member("a", b"1"))], tmp_path / "out")
    assert {info.flag_bits for info in entries(archive.path)} == {0}


@pytest.mark.parametrize(
    ("mtime", "expected"),
    [
        (0, (1980, 1, 1, 0, 0, 0)),
        (-(10**10), (1980, 1, 1, 0, 0, 0)),
        (MEMBER_TIME - 1, (1980, 1, 1, 0, 0, 0)),
        (MEMBER_TIME, (1980, 1, 1, 0, 0, 0)),
        (MEMBER_TIME + 3, (1980, 1, 1, 0, 0, 2)),
        (4_354_819_198, (2107, 12, 31, 23, 59, 58)),
        (4_354_819_199, (2107, 12, 31, 23, 59, 58)),
        (10**12, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_times_that_a_zip_file_can_hold(
    tmp_path: Path, mtime: int, expected: tuple[int, ...]
) -> None:
    archive = packed([plan(Member("a", b"1"), mtime=mtime)], tmp_path / "out")
    assert [info.date_time for info in entries(archive.path)][1:] == [expected]


def test_segments_tile_the_file(tmp_path: Path) -> None:
    archive = packed(PLANS, tmp_path / "out")
    check_tiles(archive)
    kinds = [segment.plan.kind for segment in archive.segments]
    assert kinds == [PlanKind.HEAD, *[PlanKind.DISTRIBUTION] * 3]


def test_a_segment_depends_on_its_plan_alone(tmp_path: Path) -> None:
    shared = plan(Member("shared", b"1" * 5000), name="shared")
    last = plan(Member("z", b""), name="z")
    first = packed([plan(Member("a", b"")), shared, last], tmp_path / "1")
    second = packed([shared, plan(Member("b", b"")), last], tmp_path / "2")
    assert first.segments[2].sha256 == second.segments[1].sha256


def test_archive_of_nothing(tmp_path: Path) -> None:
    archive = packed([], tmp_path / "out")
    assert entries(archive.path) == []
    check_tiles(archive)


def test_same_bytes_whatever_the_machine_is_like(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    found = []
    conditions = [(0o022, 1, "UTC"), (0o077, 4, "Asia/Kolkata"), (0, 2, "X9")]
    for number, (mask, cores, zone) in enumerate(conditions):
        monkeypatch.setattr("hatch_venvstacks.archives.parallel.cores", lambda cores=cores: cores)
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        before = os.umask(mask)
        folder = tmp_path / ("x" * (number + 1))
        folder.mkdir()
        names = ["a", "b", "c"]
        for name in reversed(names) if number % 2 else names:
            file = folder / name
            file.write_bytes(hashlib.sha256(name.encode()).digest() * 2000)
            file.chmod(0o600 | number)
            os.utime(file, (number * 10**9, number * 10**9))
        members = [member_of(name, folder / name) for name in names]
        plans = [plan(*members[:2]), plan(*members[2:], name="own", mtime=1_700_000_000)]
        archive = packed(plans, folder / "out")
        os.umask(before)
        found.append((archive.sha256, archive.path.read_bytes(), archive.segments[0].sha256))
    monkeypatch.undo()
    time.tzset()
    assert len(set(found)) == 1


@settings(max_examples=40)
@given(
    st.dictionaries(
        any_path(without="\\"), st.tuples(st.binary(max_size=1500), st.booleans()), max_size=6
    ),
    st.integers(1, 9),
)
def test_any_member_comes_back(files: dict[str, tuple[bytes, bool]], level: int) -> None:
    paths = [path for path in files if not any(other.startswith(f"{path}/") for other in files)]
    members = [Member(path, files[path][0], executable=files[path][1]) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        archive = packed(
            [plan(*members[::2]), plan(*members[1::2])], Path(folder, "out"), level=level
        )
        assert contents(archive.path) == {f"layer/{path}": files[path][0] for path in paths}
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in entries(archive.path)}
        for path in paths:
            assert modes[f"layer/{path}"] == (0o755 if files[path][1] else 0o644)
        check_tiles(archive)


def test_large_distribution_is_cut(tmp_path: Path) -> None:
    size = 17 * 2**20
    for name in "abc":
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    members = [member_of(name, tmp_path / name) for name in "abc"]
    archive = packed([plan(*members)], tmp_path / "out", level=1)
    assert [segment.plan.name for segment in archive.segments] == ["", "dist", "dist", "dist"]
    assert [info.file_size for info in entries(archive.path)] == [0, size, size, size]
    check_tiles(archive)


def test_level(tmp_path: Path) -> None:
    content = "".join(f"{number * number}\n" for number in range(20_000)).encode()
    found = {}
    for level in (1, 9, 19):
        folder = tmp_path / str(level)
        archive = packed([plan(Member("a", content))], folder, level=level)
        found[level] = archive.path.read_bytes()
        deflate = zlib.compressobj(min(level, 9), zlib.DEFLATED, -15)
        assert deflate.compress(content) + deflate.flush() in found[level]
    assert len(found[9]) < len(found[1])
    assert found[19] == found[9]


def refused(plans: Sequence[Plan], tmp_path: Path) -> BuildError:
    with pytest.raises(BuildError) as caught:
        packed(plans, tmp_path / "out")
    assert not (tmp_path / "out/a.zip").exists()
    return caught.value


@pytest.mark.parametrize("target", ["x", "../../rt/bin/python3.11", "ü" * 500, "a\\b", "\udce9"])
def test_symbolic_link(tmp_path: Path, target: str) -> None:
    """As Info-ZIP writes them: the mode of a link, and the target as the content, not deflated."""
    link = Member("bin/y", link=target)
    archive = packed([plan(Member("bin/x", b"1"), link)], tmp_path / "out")
    info = entries(archive.path)[-1]
    assert (info.filename, info.create_system) == ("layer/bin/y", 3)
    assert info.external_attr == (stat.S_IFLNK | 0o777) << 16
    assert info.compress_type == zipfile.ZIP_STORED
    assert contents(archive.path)["layer/bin/y"] == os.fsencode(target)
    check_tiles(archive)


@pytest.mark.parametrize(
    "name", ["a\0b", "a\\b", os.fsdecode(b"caf\xe9"), "\ud800", "n" * 65_530, "ü" * 32_765]
)
def test_name_that_a_zip_file_cannot_hold(tmp_path: Path, name: str) -> None:
    error = refused([plan(Member(name, b"1"))], tmp_path)
    assert repr(f"layer/{name}") in error.message
    str(error).encode()


def test_longest_names(tmp_path: Path) -> None:
    for number, path in enumerate(["n" * 65_528, f"{'n' * 65_526}/f"]):
        archive = packed([plan(Member(path, b"1"))], tmp_path / str(number))
        assert contents(archive.path) == {f"layer/{path}": b"1"}


@pytest.mark.parametrize("name", ["grows", "shrinks"])
def test_file_that_changes_while_it_is_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"12345")
    error = refused([plan(Member("f", Restless(tmp_path / name)))], tmp_path)
    assert "changed while it was packed" in error.message


def test_file_that_is_gone(tmp_path: Path) -> None:
    broken = plan(Member("b", tmp_path / "gone"), name="b")
    error = refused([plan(Member("a", b"1")), broken, plan(Member("c", b""), name="c")], tmp_path)
    assert "gone" in error.message


def test_path_that_two_claim(tmp_path: Path) -> None:
    error = refused([plan(Member("a", b"1")), plan(Member("a", b"1"), name="other")], tmp_path)
    assert "both claim the path `a`" in error.message
