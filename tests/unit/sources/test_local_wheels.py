from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.sources import local_wheels as local_wheel
from hatch_venvstacks.sources.local_wheels import read_requirements_digest, requirements_reader
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def wheel(folder: Path, requires: str) -> Path:
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x-1.dist-info/METADATA", f"Name: x\nRequires-Dist: {requires}\n")
    return path


def test_what_a_wheel_requires_is_read_once(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wheel(tmp_path, "y")
    expected = read_requirements_digest(path)
    assert expected
    assert requirements_reader(store)(path) == expected

    def unread(_wheel: Path) -> str:
        raise AssertionError

    monkeypatch.setattr(local_wheel, "read_requirements_digest", unread)
    assert requirements_reader(store)(path) == expected


def test_a_wheel_that_is_built_again_is_read_again(tmp_path: Path, store: Store) -> None:
    path = wheel(tmp_path, "y")
    before, state = requirements_reader(store)(path), path.stat()
    wheel(tmp_path, "z")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = requirements_reader(store)(path)
    assert after == read_requirements_digest(path) != before


def test_a_wheel_that_comes_while_another_is_read(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wheel(tmp_path, "y")
    content = path.read_bytes()

    def replaced(one: Path) -> str:
        return read_requirements_digest(wheel(one.parent, "z"))

    with monkeypatch.context() as patched:
        patched.setattr(local_wheel, "read_requirements_digest", replaced)
        requirements_reader(store)(path)
    path.write_bytes(content)
    assert requirements_reader(store)(path) == read_requirements_digest(path)


@pytest.mark.parametrize("content", [None, b"no zip file"])
def test_no_wheel(tmp_path: Path, store: Store, content: bytes | None) -> None:
    path = tmp_path / "x-1-py3-none-any.whl"
    if content is not None:
        path.write_bytes(content)
    assert read_requirements_digest(path) == ""
    assert [requirements_reader(store)(path) for _ in range(2)] == ["", ""]


def test_a_description_that_speaks_of_requirements(tmp_path: Path) -> None:
    before = read_requirements_digest(wheel(tmp_path, "y"))
    assert (
        read_requirements_digest(wheel(tmp_path, "y\n\nRequires-Dist: z, as METADATA says"))
        == before
    )
