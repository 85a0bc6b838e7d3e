"""Layers as folders: what unpacking their archives gives, without packing them first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_venvstacks.segment import Plan, check_paths, head, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.segment import Member


def write_layer(plans: Sequence[Plan], top: str, root: Path) -> None:
    """Write the layer of ``plans`` as the folder ``top`` of the deployment root ``root``.

    Every file is a copy: editing it changes neither uv's cache nor the project.

    :raises BuildError: where two plans claim one path, or a file cannot be read.
    """
    check_paths(plans)
    folders = head(plans)
    for plan in (folders, *plans):
        for member in plan.members:
            _write(member, root / top / member.path, plan.mtime)
    # Writing a file touches its folder, so the times of folders come last, the deepest first.
    for folder in reversed(folders.members):
        os.utime(root / top / folder.path, (folders.mtime, folders.mtime))


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


def _write(member: Member, path: Path, mtime: int) -> None:
    if member.link:
        path.symlink_to(member.link)
    elif member.content is None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        return
    else:
        with path.open("wb") as file:
            for chunk in read(member):
                file.write(chunk)
        path.chmod(0o755 if member.executable else 0o644)
    if os.utime in os.supports_follow_symlinks:
        os.utime(path, (mtime, mtime), follow_symlinks=False)
