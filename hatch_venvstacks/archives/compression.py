"""Compressors: each makes one unit of its format, of which readers take one after the other.

These units are a zstd frame (:rfc:`8878`, section 3), an ``.xz`` stream
(https://tukaani.org/xz/xz-file-format.txt, section 2) and a gzip member (:rfc:`1952`, section 2.2).
Nothing but level, size and content goes into their bytes, and the version of the library. Where an
archive is not compressed, its algorithm is ``""``, and the unit is the content.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from hatch_venvstacks.common.errors import BuildError

if TYPE_CHECKING:
    from types import ModuleType

    from hatch_venvstacks.model.formats.archive_format import ArchiveFormat


# Deflate, no fields, no time, no hint at the level, no system: what zlib itself would write there
# differs from build to build.
_GZIP_HEADER = b"\x1f\x8b\x08\0" + bytes(4) + b"\0\xff"
# At the highest level, a zstd frame refers back to all of a segment of usual size, and not only to
# 8 MiB of it; both are powers of two. Readers need as much memory, and allow up to 2**27
# (https://facebook.github.io/zstd/doc/api_manual_latest.html, ZSTD_d_windowLogMax).
_ZSTD_WIDE_LEVEL = 19
_ZSTD_WINDOW, _ZSTD_WIDEST_WINDOW = 23, 25
# The dictionaries of the presets 0 to 9, in powers of two (https://tukaani.org/xz/, `man xz`).
_XZ_DICTIONARY = (18, 20, 21, 22, 22, 23, 23, 24, 25, 26)
_XZ_SMALLEST_DICTIONARY = 2**12


def open_stream(compression: Compression, file: IO[bytes], size: int) -> Stream:
    """A compressor that writes one unit to ``file``, for ``size`` bytes of content.

    Its work is done without the interpreter's lock.
    """
    compressors = {"": _Nothing, "zstd": _zstd, "xz": _xz, "gzip": _Gzip}
    return Stream(compressors[compression.algorithm](compression.level, size), file)


class Stream:
    """Compresses what is written to it, until it is finished; it does not close its file."""

    def __init__(self, compressor: _Compressor, file: IO[bytes]) -> None:
        self._compressor, self._file = compressor, file

    def write(self, content: bytes) -> None:
        self._file.write(self._compressor.compress(content))

    def finish(self) -> None:
        self._file.write(self._compressor.flush())


def library_version(algorithm: str) -> str:
    """The version of the library that does ``algorithm`` (``"deflate"``, too) in this process.

    :raises BuildError: where this Python was built without it.
    """
    if not algorithm:
        return ""
    if algorithm == "zstd":
        import zstandard

        return ".".join(str(part) for part in zstandard.ZSTD_VERSION)
    if algorithm == "xz":
        try:
            import _lzma
        except ImportError as error:
            raise BuildError(
                "The Python that runs the build has no module `lzma`, which `tar.xz` needs",
                hint="Build with another Python, or choose another `archive-format`",
            ) from error
        return liblzma_version(_lzma)
    import zlib

    return zlib.ZLIB_RUNTIME_VERSION


def liblzma_version(module: ModuleType) -> str:
    """The version of the liblzma that an extension ``module`` is linked to.

    CPython does not tell. Where the module does not show it either, because it holds liblzma and
    keeps its names for itself, it is ``cpython-`` and the release of this CPython, which brings it.
    """
    try:
        import ctypes

        # A module without a file is a part of the program.
        library = ctypes.CDLL(getattr(module, "__file__", None))
        library.lzma_version_string.restype = ctypes.c_char_p
        version: bytes = library.lzma_version_string()
    except (ImportError, OSError, AttributeError):
        return "cpython-" + ".".join(str(part) for part in sys.version_info[:3])
    return version.decode()


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Nothing:
    """What stands for a compressor where there is none."""

    def __init__(self, level: int, size: int) -> None:
        pass

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _zstd(level: int, size: int) -> _Compressor:
    import zstandard

    if level == _ZSTD_WIDE_LEVEL and size > 2**_ZSTD_WINDOW:
        window = min((size - 1).bit_length(), _ZSTD_WIDEST_WINDOW)
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, source_size=size, window_log=window, write_checksum=True, threads=0
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
    else:
        compressor = zstandard.ZstdCompressor(level=level, write_checksum=True, threads=0)
    return compressor.compressobj(size=size)


def _xz(level: int, size: int) -> _Compressor:
    import lzma

    # A dictionary that is larger than the content costs memory, here and where it is unpacked.
    dictionary = max(min(size, 2 ** _XZ_DICTIONARY[level]), _XZ_SMALLEST_DICTIONARY)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": dictionary}]
    return lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters)


class _Gzip:
    """What :class:`gzip.GzipFile` does, whose buffer differs between releases of CPython."""

    def __init__(self, level: int, _: int) -> None:
        import zlib

        self._crc32 = zlib.crc32
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._pending = _GZIP_HEADER
        self._crc = self._size = 0

    def compress(self, data: bytes, /) -> bytes:
        self._crc = self._crc32(data, self._crc)
        self._size += len(data)
        pending, self._pending = self._pending, b""
        return pending + self._deflate.compress(data)

    def flush(self) -> bytes:
        trailer = struct.pack("<LL", self._crc, self._size % 2**32)
        return self._pending + self._deflate.flush() + trailer


@dataclass(frozen=True)
class Compression:
    """What the bytes of an archive depend on besides its content.

    ``level`` is the level of the ``algorithm``, ``library`` the version of what does it here. For
    what is not compressed, they are ``""``, 0 and ``""``.
    """

    algorithm: str
    level: int
    library: str


def compression_of(archive_format: ArchiveFormat, level: int) -> Compression:
    """How an archive is compressed for which ``level`` is asked, on the scale of zstd (1 to 19).

    What is above the highest level of the format is that one.

    :raises BuildError: where this Python cannot compress in that way.
    """
    algorithm = archive_format.algorithm
    highest = min(level, archive_format.highest_level)
    return Compression(algorithm, highest, library_version(algorithm))
