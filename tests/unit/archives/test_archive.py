from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from members import kept_in

from hatch_venvstacks.archives.archive import Archive, pack
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    MonkeyPatch = pytest.MonkeyPatch

ODD_NAMES = ["a b", "ünï/cödé", "n" * 120, "d" * 200 + "/" + "f" * 255, "-x", "new\nline", "q'\"$"]


def plan(name: str, *members: Member, mtime: int = MEMBER_TIME) -> Plan:
    return Plan(PlanKind.DISTRIBUTION, name, "1", members, mtime)


def packed(plans: Sequence[Plan], folder: Path, top: str = "layer", level: int = 3) -> Archive:
    work = folder / "work"
    work.mkdir(parents=True)
    archive = pack(plans, kept_in(folder / "cache", top, level=level), folder / "a.tar.zst", work)
    assert list(work.iterdir()) == []
    return archive


def unpacked(path: Path) -> bytes:
    with (
        path.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream,
    ):
        return stream.read()


def sources(folder: Path, *, mode: int, mtime: int, backwards: bool) -> list[Plan]:
    """Two plans over real files that differ in nothing that may show."""
    names = [f"pack/{letter}.py" for letter in "abcdef"]
    for name in reversed(names) if backwards else names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(hashlib.sha256(name.encode()).digest() * 2000)
        file.chmod(mode)
        os.utime(file, (mtime, mtime))
    members = [member_of(name, folder / name) for name in names]
    return [
        plan("one", *members[:3], Member("bin/one", b"#!", executable=True)),
        plan("two", *members[3:], Member("link", link="pack/a.py")),
    ]


def test_same_bytes_whatever_the_machine_is_like(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    found = []
    conditions = [
        (0o022, 1, "UTC", "C"),
        (0o077, 4, "Asia/Kolkata", "C.UTF-8"),
        (0, 2, "X9", ""),
    ]
    for number, (mask, cores, zone, locale) in enumerate(conditions):
        monkeypatch.setattr("hatch_venvstacks.archives.parallel.cores", lambda cores=cores: cores)
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", locale)
        time.tzset()
        before = os.umask(mask)
        folder = tmp_path / ("x" * (number + 1))
        plans = sources(
            folder, mode=0o600 | number, mtime=number * 10**9, backwards=bool(number % 2)
        )
        archive = packed(plans, folder / "out")
        os.umask(before)
        found.append((archive.sha256, archive.size, archive.path.read_bytes()))
    monkeypatch.undo()
    time.tzset()
    assert len(set(found)) == 1


def test_numbers_of_an_archive(tmp_path: Path) -> None:
    archive = packed(sources(tmp_path, mode=0o644, mtime=0, backwards=False), tmp_path / "out")
    content = archive.path.read_bytes()
    assert archive.size == len(content)
    assert archive.sha256 == hashlib.sha256(content).hexdigest()
    assert [segment.plan.kind for segment in archive.segments] == [
        PlanKind.HEAD,
        PlanKind.DISTRIBUTION,
        PlanKind.DISTRIBUTION,
    ]
    offset = 0
    for segment in archive.segments:
        part = content[offset : offset + segment.size]
        assert segment.sha256 == hashlib.sha256(part).hexdigest()
        assert zstandard.get_frame_parameters(part).has_checksum
        offset += segment.size
    assert offset == archive.size


def test_a_segment_depends_on_its_plan_alone(tmp_path: Path) -> None:
    shared = plan("shared", Member("shared", b"1" * 5000))
    last = plan("z", Member("z", b""))
    first = packed([plan("a", Member("a", b"")), shared, last], tmp_path / "1")
    second = packed([shared, plan("b", Member("b", b"")), last], tmp_path / "2")
    assert first.segments[2].sha256 == second.segments[1].sha256


def test_one_valid_tar(tmp_path: Path) -> None:
    plans = [
        plan("one", *(Member(name, name.encode()) for name in ODD_NAMES)),
        plan("two", Member("empty", b""), Member("x/link", link="../" + "e" * 300)),
        plan("three", Member("bin/run", b"#!", executable=True), mtime=MEMBER_TIME + 5),
        plan("nothing"),
    ]
    archive = packed(plans, tmp_path / "out", top="läyer")
    with tarfile.open(fileobj=io.BytesIO(unpacked(archive.path))) as tar:
        infos = tar.getmembers()
        files = {info.name: tar.extractfile(info) for info in infos if info.isreg()}
        contents = {name: file.read() for name, file in files.items() if file}
    assert [info.name for info in infos if not info.isdir()] == [
        f"läyer/{member.path}" for one in plans for member in one.members
    ]
    folders = [info.name for info in infos if info.isdir()]
    assert folders == sorted(folders) == [info.name for info in infos[: len(folders)]]
    assert folders[0] == "läyer"
    assert {(info.uid, info.gid, info.uname, info.gname) for info in infos} == {(0, 0, "", "")}
    assert {info.mode for info in infos if info.isreg()} == {0o644, 0o755}
    assert {info.mtime for info in infos} == {MEMBER_TIME, MEMBER_TIME + 5}
    for name in ODD_NAMES:
        assert contents[f"läyer/{name}"] == name.encode()


def test_large_distribution_is_cut(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    size = 17 * 2**20
    for name in "abc":
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    members = [member_of(name, tmp_path / name) for name in "abc"]
    archive = packed([plan("big", *members)], tmp_path / "out", level=1)
    assert [segment.plan.name for segment in archive.segments] == ["", "big", "big", "big"]
    with tarfile.open(fileobj=io.BytesIO(unpacked(archive.path))) as tar:
        assert [info.size for info in tar if info.isreg()] == [size] * 3


def test_archive_of_nothing(tmp_path: Path) -> None:
    archive = packed([], tmp_path / "out")
    with tarfile.open(fileobj=io.BytesIO(unpacked(archive.path))) as tar:
        assert tar.getmembers() == []
    assert len(archive.segments) == 1


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3), st.binary(max_size=50), min_size=1, max_size=8
    ),
    st.integers(1, 4),
)
def test_any_split_into_plans_unpacks_to_the_same(files: dict[str, bytes], count: int) -> None:
    import tempfile

    members = [Member(f"d/{name}", content) for name, content in sorted(files.items())]
    plans = [plan(str(number), *members[number::count]) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        content = unpacked(packed(plans, Path(folder) / "out").path)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {i.name: file.read() for i in tar if i.isreg() and (file := tar.extractfile(i))}
    assert found == {f"layer/d/{name}": content for name, content in files.items()}


def test_errors_leave_no_archive(tmp_path: Path) -> None:
    broken = plan("b", Member("b", tmp_path / "gone"))
    for number, plans in enumerate(
        [
            [plan("a", Member("a", b"")), plan("b", Member("a", b""))],
            [plan("a", Member("a", b"1" * 10**6)), broken, plan("c", Member("c", b""))],
            [broken],
        ]
    ):
        with pytest.raises(BuildError):
            packed(plans, tmp_path / str(number))
        assert not (tmp_path / str(number) / "a.tar.zst").exists()


def test_level_changes_the_size(tmp_path: Path) -> None:
    content = "".join(f"{number * number}\n" for number in range(20_000)).encode()
    low, high = (
        packed([plan("a", Member("a", content))], tmp_path / str(level), level=level)
        for level in (1, 19)
    )
    assert high.size < low.size
    assert unpacked(high.path) == unpacked(low.path)


def test_module_is_light() -> None:
    code = "import sys, hatch_venvstacks.archives.archive; print('zstandard' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout == "False\n"
