"""The formats of archives, and how each is compressed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_venvstacks.platforms import TargetPlatform


class ArchiveFormat(str, Enum):
    """A format of archives, by the end of their names."""

    TAR_ZST = "tar.zst"
    ZIP = "zip"

    def __str__(self) -> str:
        return self.value

    @property
    def suffix(self) -> str:
        """What the names of such archives end in, with the dot."""
        return f".{self.value}"


@dataclass(frozen=True)
class Compression:
    """What the bytes of an archive depend on besides its content.

    ``level`` is the level of the ``algorithm``, ``library`` the version of what does it here.
    """

    algorithm: str
    level: int
    library: str


def format_of(platform: TargetPlatform) -> ArchiveFormat:
    """The format of archives for ``platform``: Windows unpacks zip files by itself."""
    return ArchiveFormat.ZIP if platform.sys_platform == "win32" else ArchiveFormat.TAR_ZST


def compression_of(archive_format: ArchiveFormat, level: int) -> Compression:
    """How an archive is compressed for which ``level`` is asked, on the scale of zstd (1 to 19).

    What is above the highest level of zip files is that one.
    """
    if archive_format is ArchiveFormat.ZIP:
        import zlib

        level = min(level, zlib.Z_BEST_COMPRESSION)
        return Compression("deflate", level, zlib.ZLIB_RUNTIME_VERSION)
    import zstandard

    version = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
    return Compression("zstd", level, version)
