"""Whether what lies in a folder is what it was, by contents of files, or by their state on disk.

An entry of the store is a folder with ``tree``, ``digest`` and, once it was compared, ``state``.
Compiled modules in ``__pycache__`` do not count, as running an interpreter makes them.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.digest import RECENT, file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator


def note_digest(entry: Path) -> None:
    """Keep in ``entry`` what lies in its ``tree`` now.

    :raises OSError: where something cannot be read or written.
    """
    (entry / "digest").write_text(tree_digest(entry / "tree"), "ascii")


def is_intact(entry: Path, *, unread: bool) -> bool:
    """Whether the ``tree`` in ``entry`` is what it was.

    With ``unread``, files count as such that nobody has written to since they were last read.
    """
    state_file = entry / "state"
    try:
        # Before the contents, so that what is written meanwhile shows the next time.
        state = tree_state(entry / "tree") if unread else None
        if state is not None and _text(state_file) == state:
            return True
        if _text(entry / "digest") != tree_digest(entry / "tree"):
            return False
    except OSError:
        return False
    if state is not None:
        part = entry / "state.part"
        with suppress(OSError):
            part.write_text(state, "ascii")
            part.replace(state_file)
    return True


def tree_digest(tree: Path) -> str:
    """SHA-256 (hex) over the names, kinds, executable bits and contents of all files in ``tree``.

    :raises OSError: where something cannot be read.
    """
    total = hashlib.sha256()
    for place, path, state in _files(tree):
        if stat.S_ISLNK(state.st_mode):
            content, kind = Path(path).readlink().as_posix(), "link"
        else:
            content, kind = file_sha256(Path(path)), oct(state.st_mode & 0o111)
        total.update(_line(place, kind, content))
    return total.hexdigest()


def tree_state(tree: Path) -> str | None:
    """A value (hex) that is another one after something in ``tree`` was written, added or removed.

    It is made of names, sizes, inodes and times, as Git judges files, so it takes a small part of
    the time of :func:`tree_digest`. It is of use on this machine only. ``None`` where a file was
    changed so lately that it may be written to once more without a sign.

    :raises OSError: where something cannot be read.
    """
    total = hashlib.sha256()
    recent = time.time_ns() - RECENT
    for place, _, state in _files(tree):
        times = (state.st_mtime_ns, state.st_ctime_ns)
        if max(times) > recent:
            return None
        total.update(_line(place, *map(str, (state.st_mode, state.st_size, state.st_ino, *times))))
    return total.hexdigest()


def _files(tree: Path, folder: str = "") -> Iterator[tuple[str, str, os.stat_result]]:
    """Names below ``tree`` with ``/``, paths, and states of files and links, in a fixed order.

    :raises OSError: where a folder or file cannot be read.
    """
    with os.scandir(tree / folder) as unsorted:
        entries = sorted(unsorted, key=lambda entry: entry.name)
    folders = []
    for entry in entries:
        place = f"{folder}/{entry.name}" if folder else entry.name
        if not entry.is_dir(follow_symlinks=False):
            # Not of the entry, which on Windows has no inode and may have times that are not exact.
            yield place, entry.path, os.lstat(entry.path)
        elif entry.name != "__pycache__":
            folders.append(place)
    for place in folders:
        yield from _files(tree, place)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _line(*values: str) -> bytes:
    return "".join(f"{value}\0" for value in values).encode("utf-8", "surrogateescape")
