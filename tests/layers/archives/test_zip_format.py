from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from members import ODD_NAMES, kept_in, plan

from hatch_venvstacks.archives.archive import Archive, pack
from hatch_venvstacks.archives.plan import Member, Plan, member_of
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    MonkeyPatch = pytest.MonkeyPatch


def packed(plans: Sequence[Plan], folder: Path, top: str = "layer", level: int = 3) -> Archive:
    work = folder / "work"
    work.mkdir(parents=True)
    archive = pack(
        plans, kept_in(folder / "cache", top, ArchiveFormat.ZIP, level), folder / "a.zip", work
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


def with_unzip(archive: Path, root: Path) -> None:
    # With a UTF-8 locale and `-^` it takes the names as they are.
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    said = subprocess.run(
        ["unzip", "-^", "-q", archive, "-d", root], capture_output=True, env=environment, check=True
    )
    assert said.stdout == said.stderr == b""


def with_bsdtar(archive: Path, root: Path) -> None:
    root.mkdir()
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    said = subprocess.run(
        ["bsdtar", "-xf", archive, "-C", root], capture_output=True, env=environment, check=True
    )
    assert said.stderr == b""


def with_python(archive: Path, root: Path) -> None:
    subprocess.run([sys.executable, "-m", "zipfile", "-e", archive, root], check=True)


def with_shutil(archive: Path, root: Path) -> None:
    shutil.unpack_archive(archive, root)


@pytest.mark.parametrize("unpack", [with_unzip, with_bsdtar, with_python, with_shutil])
def test_others_unpack_it(tmp_path: Path, unpack: Callable[[Path, Path], None]) -> None:
    tool = unpack.__name__.removeprefix("with_")
    if tool in ("unzip", "bsdtar") and not shutil.which(tool):
        pytest.skip(f"needs {tool}")
    plans = [*PLANS, plan(Member("big", bytes(range(256)) * 10_000), name="four")]
    archive = packed(plans, tmp_path / "out")
    root = tmp_path / "some where"
    before = os.umask(0o022)
    unpack(archive.path, root)
    os.umask(before)
    found = {path.relative_to(root / "layer").as_posix() for path in root.rglob("*")} - {"."}
    members = [member for one in plans for member in one.members]
    for member in members:
        path = root / "layer" / member.path
        assert path.read_bytes() == member.content
        if tool in ("unzip", "bsdtar"):
            assert path.stat().st_mode & 0o777 == (0o755 if member.executable else 0o644)
    assert {path for path in found if not (root / "layer" / path).is_dir()} == {
        member.path for member in members
    }


@pytest.mark.slow
def test_file_of_more_than_4_gb(tmp_path: Path) -> None:
    size = 2**32 + 5
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(size)
    plans = [plan(member_of("large", tmp_path / "sparse")), plan(Member("small", b"1"), name="s")]
    archive = packed(plans, tmp_path / "out", level=1)
    with zipfile.ZipFile(archive.path) as found:
        assert found.getinfo("layer/large").file_size == size
        # zlib.crc32 of so many zeros, which the reader compares with what it reads.
        assert found.testzip() is None
        assert found.getinfo("layer/small").extra == b""
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tq", archive.path], check=True, stdout=subprocess.DEVNULL)


def test_more_entries_than_16_bits_count(tmp_path: Path) -> None:
    count = 2**16 + 5
    plans = [plan(*(Member(str(number), b"") for number in range(count)))]
    archive = packed(plans, tmp_path / "out")
    with zipfile.ZipFile(archive.path) as found:
        assert found.namelist() == ["layer/", *(f"layer/{number}" for number in range(count))]
    assert sum(segment.size for segment in archive.segments) == archive.path.stat().st_size


@pytest.mark.parametrize("limit", [0, 999, 20_000])
def test_zip64_where_it_is_needed(tmp_path: Path, monkeypatch: MonkeyPatch, limit: int) -> None:
    # As if 32 bits were fewer: sizes and places above the limit are written in 64 bits.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    noise = random.Random(0)  # noqa: S311
    files = {name: noise.randbytes(size) for name, size in (("a", 30_000), ("b", 5), ("c", 2000))}
    archive = packed([plan(Member(*file), name=file[0]) for file in files.items()], tmp_path / "o")
    monkeypatch.undo()
    infos = {info.filename[-1]: info for info in entries(archive.path)}
    for name, content in files.items():
        info = infos[name]
        large = len(content) > limit or info.header_offset > limit
        assert (info.extra[:2] == b"\1\0") == large
        assert info.create_version == (zipfile.ZIP64_VERSION if large else 20)
    assert contents(archive.path) == {f"layer/{name}": files[name] for name in files}
    check_tiles(archive)
    if shutil.which("unzip"):
        with_unzip(archive.path, tmp_path / "root")
        assert (tmp_path / "root/layer/c").read_bytes() == files["c"]
