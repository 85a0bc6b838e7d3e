from __future__ import annotations

import zlib

import pytest

from hatch_venvstacks.archives.compression import compression_of
from hatch_venvstacks.model.archive_format import ArchiveFormat, format_of
from hatch_venvstacks.model.platforms import PLATFORMS


def test_default_for_each_platform() -> None:
    assert {name: str(format_of(one)) for name, one in PLATFORMS.items()} == {
        "linux_x86_64": "tar.zst",
        "linux_aarch64": "tar.zst",
        "macosx_arm64": "tar.zst",
        "macosx_x86_64": "tar.zst",
        "win_amd64": "zip",
        "win_arm64": "zip",
    }


def test_suffixes() -> None:
    assert [one.suffix for one in ArchiveFormat] == [".tar.zst", ".tar.xz", ".tar.gz", ".zip"]


@pytest.mark.parametrize(
    ("archive_format", "algorithm", "levels"),
    [
        ("tar.zst", "zstd", [1, 9, 10, 19]),
        ("tar.xz", "xz", [1, 9, 9, 9]),
        ("tar.gz", "gzip", [1, 9, 9, 9]),
        ("zip", "deflate", [1, 9, 9, 9]),
    ],
)
def test_levels(archive_format: str, algorithm: str, levels: list[int]) -> None:
    found = [compression_of(ArchiveFormat(archive_format), level) for level in (1, 9, 10, 19)]
    assert [one.level for one in found] == levels
    assert {one.algorithm for one in found} == {algorithm}


def test_gzip_and_zip_name_one_library() -> None:
    for one in (ArchiveFormat.TAR_GZ, ArchiveFormat.ZIP):
        assert compression_of(one, 9).library == zlib.ZLIB_RUNTIME_VERSION
