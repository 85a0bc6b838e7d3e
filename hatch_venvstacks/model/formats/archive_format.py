"""The formats of archives, and how each is compressed."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_venvstacks.model.platforms import TargetPlatform


# 1980-01-01T00:00:00Z in seconds: the first moment that a zip file can hold, too.
MEMBER_TIME = 315_532_800
DEFAULT_COMPRESSION_LEVEL = 9
# Levels above need more memory to unpack than a small target machine may have:
# https://facebook.github.io/zstd/zstd_manual.html, "ultra".
MAX_COMPRESSION_LEVEL = 19


class ArchiveFormat(str, Enum):
    """A format of archives, by the end of their names."""

    TAR_ZST = "tar.zst"
    TAR_XZ = "tar.xz"
    TAR_GZ = "tar.gz"
    TAR = "tar"
    ZIP = "zip"

    def __str__(self) -> str:
        return self.value

    @property
    def suffix(self) -> str:
        """What the names of such archives end in, with the dot."""
        return f".{self.value}"

    @property
    def algorithm(self) -> str:
        """The name of what compresses them, as metadata has it; empty where nothing does."""
        return {
            ArchiveFormat.TAR_ZST: "zstd",
            ArchiveFormat.TAR_XZ: "xz",
            ArchiveFormat.TAR_GZ: "gzip",
            ArchiveFormat.TAR: "",
            ArchiveFormat.ZIP: "deflate",
        }[self]

    @property
    def highest_level(self) -> int:
        """The highest level of what compresses them; that of zstd is the option's own highest."""
        return {"": 0, "zstd": MAX_COMPRESSION_LEVEL}.get(self.algorithm, 9)


def format_of(platform: TargetPlatform) -> ArchiveFormat:
    """The default for ``platform``: Windows unpacks zip files by itself."""
    return ArchiveFormat.ZIP if platform.sys_platform == "win32" else ArchiveFormat.TAR_ZST
