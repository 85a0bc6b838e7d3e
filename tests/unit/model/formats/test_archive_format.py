from __future__ import annotations

from hatch_venvstacks.model.formats.archive_format import ArchiveFormat, format_of
from hatch_venvstacks.model.platforms import PLATFORMS


def test_default_for_each_platform() -> None:
    assert {name: str(format_of(one)) for name, one in PLATFORMS.items()} == {
        "linux_x86_64": "tar.zst",
        "linux_aarch64": "tar.zst",
        "musllinux_x86_64": "tar.zst",
        "musllinux_aarch64": "tar.zst",
        "macosx_arm64": "tar.zst",
        "macosx_x86_64": "tar.zst",
        "win_amd64": "zip",
        "win_arm64": "zip",
    }


def test_suffixes() -> None:
    suffixes = [".tar.zst", ".tar.xz", ".tar.gz", ".tar", ".zip"]
    assert [one.suffix for one in ArchiveFormat] == suffixes
