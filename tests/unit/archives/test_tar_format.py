from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from members import Restless, any_path, plan

from hatch_venvstacks.archives.compression import compression_of
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of
from hatch_venvstacks.archives.tar_format import END_OF_ARCHIVE, compress
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME, ArchiveFormat

FAST, ZSTD = (compression_of(ArchiveFormat.TAR_ZST, level) for level in (1, 3))


def decompressed(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().decompress(path.read_bytes())


def tar_bytes(*plans: Plan) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(number)) for number in range(len(plans))]
        for one, file in zip(plans, files, strict=True):
            compress(one, "top", FAST, file, last=file is files[-1])
        return b"".join(decompressed(file) for file in files)


def listed(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {info.name: info for info in archive.getmembers()}


@settings(max_examples=40)
@given(st.dictionaries(any_path(), st.tuples(st.binary(max_size=1500), st.booleans()), max_size=6))
def test_any_member_comes_back(files: dict[str, tuple[bytes, bool]]) -> None:
    members = [
        Member(path, content, executable=mode) for path, (content, mode) in sorted(files.items())
    ]
    content = tar_bytes(plan(*members))
    assert len(content) % tarfile.BLOCKSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        # tarfile drops slashes at the end of any name.
        for info, member in zip(archive, members, strict=True):
            assert info.name == f"top/{member.path}"
            file = archive.extractfile(info)
            assert file is not None
            assert file.read() == member.content
            assert info.mode == (0o755 if member.executable else 0o644)
            assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")
            assert info.mtime == MEMBER_TIME


def test_kinds_of_members() -> None:
    members = [Member(""), Member("d"), Member("f", b""), Member("l", link="../x/y")]
    found = listed(tar_bytes(plan(*members)))
    assert found["top"].isdir()
    assert found["top/d"].isdir()
    assert (found["top/d"].mode, found["top/l"].mode) == (0o755, 0o777)
    assert found["top/f"].isfile()
    assert found["top/f"].size == 0
    assert found["top/l"].issym()
    assert found["top/l"].linkname == "../x/y"


@pytest.mark.parametrize("length", [90, 99, 100, 101, 155, 254, 255, 256, 300, 1000])
def test_long_names_and_targets(length: int) -> None:
    name, link = "n" * length, "ü" * length
    found = listed(tar_bytes(plan(Member(name, b"1"), Member("link", link=link))))
    assert found[f"top/{name}"].size == 1
    assert found["top/link"].linkname == link


def test_name_that_is_not_unicode() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert list(listed(tar_bytes(plan(Member(name, b"1"))))) == [f"top/{name}"]


def test_time_of_the_plan() -> None:
    dated = Plan(PlanKind.PROJECT, "p", "1", (Member("f", b""), Member("l", link="f")), 8**11 - 1)
    assert {info.mtime for info in listed(tar_bytes(dated)).values()} == {8**11 - 1}


def test_nothing_comes_from_the_file_system(tmp_path: Path, monkeypatch: Any) -> None:
    contents = []
    for number, (mask, mode) in enumerate([(0o022, 0o644), (0o077, 0o600), (0, 0o666)]):
        monkeypatch.setenv("TZ", f"XYZ{number * 5}")
        time.tzset()
        before = os.umask(mask)
        folder = tmp_path / f"{'x' * number}f"
        folder.mkdir()
        for name, executable in (("a", False), ("b", True)):
            file = folder / name
            file.write_bytes(name.encode() * 1000)
            file.chmod(mode | (0o100 if executable else 0))
            os.utime(file, (number * 10**8, number * 10**8))
        os.umask(before)
        content = tar_bytes(plan(*(member_of(name, folder / name) for name in "ab")))
        contents.append(content)
        modes = [info.mode for info in listed(content).values()]
        assert modes == [0o644, 0o755]
    monkeypatch.undo()
    time.tzset()
    assert len(set(contents)) == 1


def test_compressed_segment(tmp_path: Path) -> None:
    one = plan(Member("a", b"a" * 1000), Member("b", b""))
    compress(one, "top", ZSTD, tmp_path / "s", last=True)
    content = (tmp_path / "s").read_bytes()
    assert zstandard.frame_content_size(content) == len(tar_bytes(one))
    assert zstandard.get_frame_parameters(content).has_checksum
    assert decompressed(tmp_path / "s") == tar_bytes(one)
    compress(one, "top", ZSTD, tmp_path / "t")
    assert decompressed(tmp_path / "t") + END_OF_ARCHIVE == tar_bytes(one)


def test_segment_that_is_not_compressed(tmp_path: Path) -> None:
    one = plan(Member("a", b"a" * 1000), Member("b", b""))
    plain = compression_of(ArchiveFormat.TAR, 9)
    compress(one, "top", plain, tmp_path / "s", last=True)
    assert (tmp_path / "s").read_bytes() == tar_bytes(one)
    compress(one, "top", plain, tmp_path / "t")
    assert (tmp_path / "t").read_bytes() + END_OF_ARCHIVE == tar_bytes(one)


def test_empty_plan(tmp_path: Path) -> None:
    compress(plan(), "top", ZSTD, tmp_path / "s", last=True)
    assert decompressed(tmp_path / "s") == END_OF_ARCHIVE
    compress(plan(), "top", ZSTD, tmp_path / "t")
    assert (tmp_path / "t").read_bytes()


@pytest.mark.parametrize("name", ["grows", "shrinks"])
def test_file_that_changes_while_it_is_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"12345")
    file = Restless(tmp_path / name)
    file.write_bytes(b"12345")
    with pytest.raises(BuildError, match="changed while it was packed"):
        compress(plan(Member("f", file)), "top", ZSTD, tmp_path / "s")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_file_that_holds_more_than_it_says(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="/proc/self/status"):
        compress(plan(Member("f", Path("/proc/self/status"))), "top", ZSTD, tmp_path / "s")


def test_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=str(tmp_path)):
        tar_bytes(plan(Member("f", tmp_path)))


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"1")
    file.chmod(0)
    with pytest.raises(BuildError, match="secret"):
        compress(plan(Member("f", file)), "top", ZSTD, tmp_path / "s")
