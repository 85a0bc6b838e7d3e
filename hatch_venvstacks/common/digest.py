"""Hashes of files, as locks and the store compare them."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


_CHUNK = 2**20
# In nanoseconds: a file that was written so lately may be written to again at the same time.
RECENT = 2_000_000_000


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file (hex), read in pieces, whatever its size.

    :raises OSError: where it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        # Room for a whole piece would cost more than to read a small file.
        if os.fstat(file.fileno()).st_size < _CHUNK:
            digest.update(file.readall())
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
