"""The bound of the store: what was not used for the longest time goes first.

The time of the last use is an entry's modification time, which the store sets; times of access are
off on many systems.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_SIZE = 20 * 2**30
# In seconds: an entry that was used so lately may be in use now, by another build.
IN_USE = 3600.0
# In seconds: the time of an entry's last use is not noted more often.
_NOTED = 60.0
_DAY = 86_400.0
# The file in a runtime's folder that says how large it is: to look takes long.
_SIZE = "size"
_SHELVES = ("documents", "segments", "wheels")


@dataclass(frozen=True)
class _Entry:
    path: Path
    size: int
    used: float
    is_folder: bool


def note_use(path: Path) -> None:
    """Note that the entry ``path`` is used now."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _NOTED:
            os.utime(path)


def evict(root: Path, limit: int) -> int:
    """Remove entries of the store in the folder ``root`` until it holds at most ``limit`` bytes.

    Runtimes that were used within :data:`IN_USE` stay, as builds may be running them. Gives the
    number of bytes that are gone.
    """
    entries = sorted(_entries(root), key=lambda entry: entry.used)
    excess = sum(entry.size for entry in entries) - limit
    gone = 0
    now = time.time()
    _forget_outputs(root, now)
    for entry in entries:
        if gone >= excess:
            break
        if entry.is_folder:
            if now - entry.used < IN_USE or not _remove_runtime(entry.path):
                continue
        else:
            with suppress(OSError):  # on Windows, where it is being read
                entry.path.unlink()
        gone += entry.size
    return gone


def _forget_outputs(root: Path, now: float) -> None:
    """Remove locks of folders that nothing was built into for a day; there may be many."""
    for lock in _scan(root / "outputs"):
        with suppress(OSError):
            if now - lock.stat().st_mtime > _DAY:
                Path(lock.path).unlink()


def _entries(root: Path) -> Iterator[_Entry]:
    for shelf in _SHELVES:
        for folder in _scan(root / shelf):
            if not folder.is_dir(follow_symlinks=False):
                continue
            for file in _scan(folder.path):
                with suppress(OSError):
                    state = file.stat(follow_symlinks=False)
                    yield _Entry(Path(file.path), state.st_size, state.st_mtime, is_folder=False)
    for runtime in _scan(root / "runtimes"):
        if runtime.is_dir(follow_symlinks=False) and not runtime.name.startswith("."):
            path = Path(runtime.path)
            yield _Entry(path, _runtime_size(path), runtime.stat().st_mtime, is_folder=True)


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def write_size(runtime: Path) -> None:
    """Note the size of the files in the folder of a ``runtime``, which nobody changes any more."""
    (runtime / _SIZE).write_text(str(_size(runtime)), "ascii")


def _runtime_size(runtime: Path) -> int:
    try:
        return int((runtime / _SIZE).read_text("ascii"))
    except (OSError, ValueError):
        return _size(runtime)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total


def _remove_runtime(entry: Path) -> bool:
    """Remove the runtime in the folder ``entry``, unless somebody is about to use it."""
    from filelock import FileLock, Timeout

    lock = entry.with_name(f".{entry.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            # Renamed first: whoever is killed here leaves nothing that counts.
            leaving = entry.with_name(f".{entry.name}.part")
            shutil.rmtree(leaving, ignore_errors=True)
            entry.rename(leaving)
            shutil.rmtree(leaving, ignore_errors=True)
    except (OSError, Timeout):
        return False
    return True
