"""The formats of archives, and how each is compressed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.compression import library_version

if TYPE_CHECKING:
    from hatch_venvstacks.model.platforms import TargetPlatform

# For zstd that is the option's own: there are higher ones.
_HIGHEST_LEVEL = {"zstd": 19, "xz": 9, "gzip": 9, "deflate": 9}


class ArchiveFormat(str, Enum):
    """A format of archives, by the end of their names."""

    TAR_ZST = "tar.zst"
    TAR_XZ = "tar.xz"
    TAR_GZ = "tar.gz"
    ZIP = "zip"

    def __str__(self) -> str:
        return self.value

    @property
    def suffix(self) -> str:
        """What the names of such archives end in, with the dot."""
        return f".{self.value}"

    @property
    def algorithm(self) -> str:
        """The name of what compresses them, as metadata has it."""
        return {
            ArchiveFormat.TAR_ZST: "zstd",
            ArchiveFormat.TAR_XZ: "xz",
            ArchiveFormat.TAR_GZ: "gzip",
            ArchiveFormat.ZIP: "deflate",
        }[self]


@dataclass(frozen=True)
class Compression:
    """What the bytes of an archive depend on besides its content.

    ``level`` is the level of the ``algorithm``, ``library`` the version of what does it here.
    """

    algorithm: str
    level: int
    library: str


def format_of(platform: TargetPlatform) -> ArchiveFormat:
    """The default for ``platform``: Windows unpacks zip files by itself."""
    return ArchiveFormat.ZIP if platform.sys_platform == "win32" else ArchiveFormat.TAR_ZST


def compression_of(archive_format: ArchiveFormat, level: int) -> Compression:
    """How an archive is compressed for which ``level`` is asked, on the scale of zstd (1 to 19).

    What is above the highest level of the format is that one.

    :raises BuildError: where this Python cannot compress in that way.
    """
    algorithm = archive_format.algorithm
    highest = min(level, _HIGHEST_LEVEL[algorithm])
    return Compression(algorithm, highest, library_version(algorithm))
