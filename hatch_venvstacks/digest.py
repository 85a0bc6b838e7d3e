"""Hashes of files, as locks and the store compare them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 2**20


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file (hex), read in pieces, whatever its size.

    :raises OSError: where it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
