from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from members import Restless, any_path, plan

from hatch_venvstacks.archives.plan import (
    Member,
    PlanKind,
    content_length,
    cut,
    head,
    member_of,
    read,
    read_exactly,
)
from hatch_venvstacks.common.errors import BuildError


def length(member: Member) -> int:
    assert isinstance(member.content, bytes)
    return len(member.content)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), max_size=12), st.integers(1, 40))
def test_cut(sizes: list[int], limit: int) -> None:
    whole = plan(*(Member(str(number), bytes(size)) for number, size in enumerate(sizes)))
    parts = list(cut(whole, limit))
    assert tuple(member for part in parts for member in part.members) == whole.members
    totals = [sum(map(length, part.members)) for part in parts]
    for part, total in zip(parts, totals, strict=True):
        assert part.members
        assert total <= limit or len(part.members) == 1
        assert (part.kind, part.name, part.version, part.mtime) == (
            *(whole.kind, whole.name, whole.version),
            whole.mtime,
        )
    for total, following in zip(totals, parts[1:], strict=False):
        assert total + length(following.members[0]) > limit


def test_head_has_every_folder_once() -> None:
    found = head([plan(Member("a/b/c", b""), Member("a/d", b"")), plan(Member("e", b""))])
    assert [member.path for member in found.members] == ["", "a", "a/b"]
    assert all(member.content is None and not member.link for member in found.members)
    assert found.kind is PlanKind.HEAD


@settings(max_examples=40)
@given(st.lists(any_path(), min_size=1, max_size=8, unique=True))
def test_folders_come_before_what_is_in_them(files: list[str]) -> None:
    order = [member.path for member in head([plan(*(Member(path, b"") for path in files))]).members]
    assert len(order) == len(set(order))
    for path in [*files, *order]:
        if path:
            assert path.rpartition("/")[0] in order
            assert path not in order or order.index(path.rpartition("/")[0]) < order.index(path)


@pytest.mark.parametrize("name", ["grows", "shrinks"])
def test_file_that_changes_while_it_is_packed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"12345")
    file = Restless(tmp_path / name)
    file.write_bytes(b"12345")
    with pytest.raises(BuildError, match="changed while it was packed"):
        list(read_exactly(Member("f", file), content_length(Member("f", file))))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_file_that_holds_more_than_it_says() -> None:
    status = Member("f", Path("/proc/self/status"))
    with pytest.raises(BuildError, match="/proc/self/status"):
        list(read_exactly(status, content_length(status)))


def test_missing_file(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(BuildError, match="gone"):
        member_of("f", gone)
    with pytest.raises(BuildError, match="gone"):
        list(read(Member("f", gone)))
    with pytest.raises(BuildError, match="gone"):
        content_length(Member("f", gone))
    with pytest.raises(BuildError, match="gone"):
        list(cut(plan(Member("f", gone))))


@pytest.mark.parametrize(
    ("member", "content"),
    [
        (Member("f", b"12"), b"12"),
        (Member("f", b""), b""),
        (Member("f"), b""),
        (Member("f", link="x"), b""),
    ],
)
def test_members_without_a_file(member: Member, content: bytes) -> None:
    assert content_length(member) == len(content)
    assert b"".join(read_exactly(member, len(content))) == content


def test_member_of(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"1")
    file.chmod(0o655)
    assert member_of("x", file) == Member("x", file)
    file.chmod(0o744)
    assert member_of("x", file) == Member("x", file, executable=True)
    assert member_of("x", tmp_path / "gone", link="y") == Member("x", link="y")


def test_names_of_kinds() -> None:
    assert [str(kind) for kind in PlanKind] == [
        *("head", "runtime", "distribution", "project", "wiring")
    ]
