"""Hashes of files, as locks and the store compare them."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.store.store import Store

_CHUNK = 2**20
# In nanoseconds: a file that was written so lately may be written to again at the same time.
RECENT = 2_000_000_000
# In bytes: smaller files are hashed as fast as something is found in the store.
_LARGE = 2**20


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


def remembered_sha256(path: Path, store: Store) -> str:
    """The SHA-256 of a large file (hex), from ``store`` where nobody has written to it since.

    That is judged by its size, its inode and its times, as Git does it.

    :raises OSError: where it cannot be read.
    """
    state = path.stat()
    if state.st_size < _LARGE:
        return file_sha256(path)
    times = (state.st_mtime_ns, state.st_ctime_ns)
    seen = [state.st_size, state.st_ino, *times]
    key = f"file {path.resolve()}"
    known = store.document(key)
    if known is not None and known["state"] == seen:
        return str(known["sha256"])
    found = file_sha256(path)
    if max(times) < time.time_ns() - RECENT:
        store.keep_document(key, {"state": seen, "sha256": found})
    return found
