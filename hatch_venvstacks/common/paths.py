"""Paths: as messages and locks name them, and as file systems take them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions; which of
# these names with a suffix, or a digit 0, are refused depends on the release of Windows.
_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]) *(?:\..*)?", re.IGNORECASE
)


def is_windows_device(name: str) -> bool:
    """Whether Windows takes the file name ``name`` for a device, as it does with ``nul.txt``."""
    return _DEVICE.fullmatch(name) is not None


def parents(paths: Iterable[str]) -> set[str]:
    """All folders that ``paths``, which are relative and have slashes, are in, near and far."""
    found: set[str] = set()
    for nearest in {path.rpartition("/")[0] for path in paths}:
        folder = nearest
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def shown_path(path: Path, folder: Path) -> str:
    """``path`` as locks and messages name it: relative to ``folder``, with ``/``.

    On Windows, one on another drive stays absolute.
    """
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # pragma: no cover (windows)
        return path.as_posix()


def replace_folder(new: Path, old: Path, aside: Path) -> None:
    """Put the folder ``new`` in the place of ``old``, which need not exist, and goes to ``aside``.

    All three are on one file system.
    """
    replaced = old.exists() or old.is_symlink()
    if replaced:
        old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        if replaced:
            aside.rename(old)
        raise


def remove_partial(folder: Path, prefix: str) -> None:
    """Remove what killed builds have left in ``folder``, under names that begin with ``prefix``."""
    for path in folder.glob(f"{prefix}*"):
        shutil.rmtree(path, ignore_errors=True)
