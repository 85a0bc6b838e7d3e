from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.paths import replace_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_replace_nothing(tmp_path: Path) -> None:
    check_replaced(tmp_path)


def test_replace_folder(tmp_path: Path) -> None:
    new_folder(tmp_path / "old", "0")
    check_replaced(tmp_path)


def test_replace_file(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("0")
    check_replaced(tmp_path)


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_replace_symlink(tmp_path: Path, target: str) -> None:
    new_folder(tmp_path / "elsewhere", "kept")
    (tmp_path / "old").symlink_to(target)
    check_replaced(tmp_path)
    assert (tmp_path / "elsewhere/f").read_text() == "kept"


def new_folder(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "f").write_text(content)
    return folder


def check_replaced(folder: Path) -> None:
    for content in ("1", "2"):
        aside = folder / f"aside-{content}"
        replace_folder(new_folder(folder / "new", content), folder / "old", aside)
        assert (folder / "old/f").read_text() == content
        assert not (folder / "old").is_symlink()
        assert not (folder / "new").exists()
