from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from members import kept_in

from hatch_venvstacks.archives.archive import pack
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.pipeline.export import write_layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ODD_NAMES = ["a b", "ünï/cödé", "d/" + "f" * 255, "-x", "new\nline", "q'\"$"]


def plan(*members: Member, name: str = "d", mtime: int = MEMBER_TIME) -> Plan:
    return Plan(PlanKind.DISTRIBUTION, name, "1", members, mtime)


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a copy of the tree would keep."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        facts = path.lstat()
        content: object = None
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[path.relative_to(root).as_posix()] = (
            *(stat.S_IFMT(facts.st_mode), stat.S_IMODE(facts.st_mode)),
            # tarfile leaves the time of links alone, where GNU tar sets it.
            0 if path.is_symlink() else int(facts.st_mtime),
            content,
        )
    return found


def unpack(plans: Sequence[Plan], folder: Path, root: Path) -> None:
    work = folder / "work"
    work.mkdir()
    archive = pack(plans, kept_in(folder / "cache"), folder / "a", work)
    with archive.path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        content = reader.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(root, filter="data")
        else:
            tar.extractall(root)  # noqa: S202 - we have just made it


@pytest.mark.parametrize("mask", [0o022, 0o077, 0])
def test_same_as_unpacking_the_archive(tmp_path: Path, mask: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"s" * 3_000_000)
    source.chmod(0o700)
    plans = [
        plan(*(Member(name, name.encode()) for name in ODD_NAMES), name="one"),
        plan(Member("bin/run", b"#!", executable=True), Member("bin/link", link="run"), name="two"),
        plan(member_of("big", source), Member("empty", b""), name="three", mtime=1_700_000_000),
        plan(Member("dangling", link="../nowhere/" + "x" * 200), name="four"),
        plan(name="nothing"),
    ]
    before = os.umask(mask)
    write_layer(plans, "top", tmp_path / "written")
    os.umask(before)
    unpack(plans, tmp_path, tmp_path / "unpacked")
    written = tree(tmp_path / "written")
    assert written == tree(tmp_path / "unpacked")
    assert written["top/big"][:3] == (stat.S_IFREG, 0o755, 1_700_000_000)
    assert (tmp_path / "written/top/bin/link").lstat().st_mtime == MEMBER_TIME
    assert written["top/bin"][:3] == (stat.S_IFDIR, 0o755, MEMBER_TIME)
    assert stat.S_IMODE((tmp_path / "written/top").stat().st_mode) == 0o755


def test_files_are_copies(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"1")
    write_layer([plan(member_of("f", source))], "top", tmp_path / "root")
    (tmp_path / "root/top/f").write_bytes(b"2")
    assert source.read_bytes() == b"1"


def test_layers_side_by_side(tmp_path: Path) -> None:
    write_layer([plan(Member("f", b"1"))], "one", tmp_path)
    write_layer([plan(Member("f", b"2"))], "two", tmp_path)
    assert (tmp_path / "one/f").read_bytes() == b"1"
    assert (tmp_path / "two/f").read_bytes() == b"2"


def test_conflict_writes_nothing(tmp_path: Path) -> None:
    plans = [plan(Member("f", b""), name="one"), plan(Member("f", b""), name="two")]
    with pytest.raises(BuildError, match="`one` and `two`"):
        write_layer(plans, "top", tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="gone"):
        write_layer([plan(Member("f", tmp_path / "gone"))], "top", tmp_path / "root")
