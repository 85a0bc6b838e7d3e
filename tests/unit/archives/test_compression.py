from __future__ import annotations

import ctypes.util
import gzip
import io
import lzma
import re
import shutil
import subprocess
import sys
import zlib
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import zstandard

from hatch_venvstacks.archives.compression import (
    Compression,
    compression_of,
    liblzma_version,
    library_version,
    open_stream,
)
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTENT = "".join(f"{number * number}\n" for number in range(50_000)).encode()
RELEASE = ".".join(str(part) for part in sys.version_info[:3])
READERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "xz": lzma.decompress,
    "gzip": gzip.decompress,
}
algorithms = pytest.mark.parametrize("algorithm", READERS)


def unit(algorithm: str, level: int, *parts: bytes) -> bytes:
    file = io.BytesIO()
    size = sum(map(len, parts))
    stream = open_stream(Compression(algorithm, level, "1"), file, size)
    for part in parts:
        stream.write(part)
    stream.finish()
    return file.getvalue()


@algorithms
def test_unit_holds_what_was_written(algorithm: str) -> None:
    parts = [CONTENT[:1], CONTENT[1:700], b"", CONTENT[700:]]
    assert READERS[algorithm](unit(algorithm, 3, *parts)) == CONTENT


@algorithms
def test_unit_of_nothing(algorithm: str) -> None:
    for parts in ((), (b"",)):
        written = unit(algorithm, 3, *parts)
        assert bool(written) == bool(algorithm)
        assert READERS[algorithm](written) == b""


@pytest.mark.parametrize(("algorithm", "highest"), [("zstd", 19), ("xz", 9), ("gzip", 9)])
def test_levels(algorithm: str, highest: int) -> None:
    sizes = [len(unit(algorithm, level, CONTENT)) for level in (1, highest)]
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("level", range(1, 10))
def test_gzip_header_is_the_same_everywhere(level: int) -> None:
    written = unit("gzip", level, CONTENT)
    # Neither a time, nor a name, nor a system (RFC 1952, section 2.3).
    assert written[:10] == bytes.fromhex("1f8b 0800 0000 0000 00ff")
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    assert written[10:-8] == deflate.compress(CONTENT) + deflate.flush()


def test_xz_has_the_check_and_the_preset() -> None:
    written = unit("xz", 2, CONTENT)
    assert written[:8] == b"\xfd7zXZ\0\0\4"  # flags: CRC64
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 2, "dict_size": len(CONTENT)}]
    assert written == lzma.compress(CONTENT, check=lzma.CHECK_CRC64, filters=filters)


def test_zstd_has_size_and_checksum() -> None:
    written = unit("zstd", 3, CONTENT)
    assert zstandard.frame_content_size(written) == len(CONTENT)
    assert zstandard.get_frame_parameters(written).has_checksum


@pytest.mark.parametrize(
    ("level", "size", "window"),
    [(18, 9, 8), (19, 5, 5), (19, 9, 9), (19, 40, 32)],
    ids=["as usual", "small", "all of it", "at most so far"],
)
def test_how_far_zstd_looks_back(level: int, size: int, window: int) -> None:
    """That is how much memory unpacking takes; sizes in MiB."""
    content = bytes(size * 2**20)
    frame = unit("zstd", level, content)
    assert zstandard.get_frame_parameters(frame).window_size == window * 2**20
    assert zstandard.ZstdDecompressor().decompress(frame) == content


def test_versions_of_libraries() -> None:
    assert library_version("zstd") == ".".join(map(str, zstandard.ZSTD_VERSION))
    assert library_version("gzip") == library_version("deflate") == zlib.ZLIB_RUNTIME_VERSION
    assert library_version("") == ""
    assert re.fullmatch(rf"5\.\d+\.\d+\w*|cpython-{RELEASE}", library_version("xz"))


@pytest.mark.skipif(not shutil.which("ldd"), reason="needs ldd, to see which liblzma it is")
def test_version_of_liblzma_is_that_of_the_file() -> None:
    import _lzma

    if not getattr(_lzma, "__file__", None):
        pytest.skip("this Python holds liblzma")
    said = subprocess.run(["ldd", _lzma.__file__], check=True, capture_output=True, text=True)
    found = re.search(r"liblzma\S* => (\S+)", said.stdout)
    if not found:
        pytest.skip("this Python's _lzma holds liblzma")
    library = ctypes.CDLL(found[1])
    library.lzma_version_number.restype = ctypes.c_uint32
    number = library.lzma_version_number()
    # 50040012 is 5.4.1, stable (lzma/version.h).
    digits = f"{number // 10**7}.{number // 10**4 % 1000}.{number // 10 % 1000}"
    assert library_version("xz").startswith(digits)


def test_liblzma_that_shows_no_version(tmp_path: Path) -> None:
    without, broken = ModuleType("without"), ModuleType("broken")
    without.__file__ = ctypes.util.find_library("c")
    broken.__file__ = str(tmp_path / "gone.so")
    for module in (without, broken):
        assert liblzma_version(module) == f"cpython-{RELEASE}"


def test_python_without_lzma(monkeypatch: pytest.MonkeyPatch) -> None:
    # What an import finds where CPython was built without liblzma's headers.
    monkeypatch.setitem(sys.modules, "_lzma", None)
    with pytest.raises(BuildError, match="has no module `lzma`") as caught:
        library_version("xz")
    assert "archive-format" in caught.value.hint


@pytest.mark.parametrize(
    ("archive_format", "algorithm", "levels"),
    [
        ("tar.zst", "zstd", [1, 9, 10, 19]),
        ("tar.xz", "xz", [1, 9, 9, 9]),
        ("tar.gz", "gzip", [1, 9, 9, 9]),
        ("tar", "", [0, 0, 0, 0]),
        ("zip", "deflate", [1, 9, 9, 9]),
    ],
)
def test_levels_of_formats(archive_format: str, algorithm: str, levels: list[int]) -> None:
    found = [compression_of(ArchiveFormat(archive_format), level) for level in (1, 9, 10, 19)]
    assert [one.level for one in found] == levels
    assert {one.algorithm for one in found} == {algorithm}


def test_gzip_and_zip_name_one_library() -> None:
    for one in (ArchiveFormat.TAR_GZ, ArchiveFormat.ZIP):
        assert compression_of(one, 9).library == zlib.ZLIB_RUNTIME_VERSION
