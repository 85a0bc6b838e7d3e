from __future__ import annotations

import io
import lzma

import pytest

from hatch_venvstacks.archives.compression import (
    Compression,
    open_stream,
)

CONTENT = "".join(f"{number * number}\n" for number in range(50_000)).encode()


def unit(algorithm: str, level: int, *parts: bytes) -> bytes:
    file = io.BytesIO()
    size = sum(map(len, parts))
    stream = open_stream(Compression(algorithm, level, "1"), file, size)
    for part in parts:
        stream.write(part)
    stream.finish()
    return file.getvalue()


@pytest.mark.parametrize("level", range(10))
def test_xz_with_more_content_than_its_dictionary(level: int) -> None:
    # As the preset alone would do it: the sizes of the dictionaries are those of liblzma.
    file = io.BytesIO()
    stream = open_stream(Compression("xz", level, "1"), file, 2**30)
    stream.write(CONTENT)
    stream.finish()
    assert file.getvalue() == lzma.compress(CONTENT, check=lzma.CHECK_CRC64, preset=level)


def test_xz_of_little_content_takes_little_memory_to_unpack() -> None:
    reader = lzma.LZMADecompressor(memlimit=2 * 2**20)
    assert reader.decompress(unit("xz", 9, CONTENT)) == CONTENT
    with pytest.raises(lzma.LZMAError, match="Memory"):
        lzma.LZMADecompressor(memlimit=2 * 2**20).decompress(lzma.compress(CONTENT, preset=9))
