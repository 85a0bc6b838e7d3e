"""Disks that are small, read-only or damaged: what happens to machines that build."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from random import Random

PAGE = 4096


@contextmanager
def disk(folder: Path, size: int) -> Iterator[None]:
    """Let ``folder`` be a disk of its own, of ``size`` bytes; see :func:`why_no_disks`."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={max(PAGE, size)},mode=1777"
    _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield
    finally:
        _run("umount", "-l", str(folder))


def resize(folder: Path, size: int) -> None:
    """Give the :func:`disk` at ``folder`` another size."""
    _run("mount", "-o", f"remount,size={size}", str(folder))


def make_read_only(folder: Path) -> None:
    """Let nobody write to the :func:`disk` at ``folder`` any more, not even root."""
    _run("mount", "-o", "remount,ro", str(folder))


@contextmanager
def peak(folder: Path) -> Iterator[list[int]]:
    """The highest use of the :func:`disk` at ``folder`` in bytes, as the last of a list."""
    highest, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            state = os.statvfs(folder)
            highest.append(max(highest[-1], (state.f_blocks - state.f_bfree) * state.f_frsize))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield highest
    finally:
        over.set()
        watcher.join()


def why_no_disks() -> str:
    """Why no disk can be mounted here; empty where it can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root can mount small disks"
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=4096", "tmpfs", "/mnt"]
    done = subprocess.run(probe, check=False, capture_output=True, encoding="utf-8")
    return f"no disk can be mounted here: {done.stderr.strip()}" if done.returncode else ""


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def damages() -> Mapping[str, Callable[[Path, Random], None]]:
    """Ways in which a file of a cache can come to be another one."""
    ways: dict[str, Callable[[Path, Random], None]] = {
        "truncated": _truncate,
        "emptied": lambda path, _: _rewrite(path, b""),
        "one bit flipped": _flip,
        "longer": lambda path, random: _rewrite(path, path.read_bytes() + random.randbytes(100)),
        "deleted": lambda path, _: path.unlink(),
        "replaced by a folder": _replace_by_folder,
        "replaced by a link to nowhere": _replace_by_link,
    }
    if os.geteuid() != 0:
        ways["unreadable"] = lambda path, _: path.chmod(0)
    return ways


def _rewrite(path: Path, content: bytes) -> None:
    # As a file of its own: uv's cache may hold the same one under another name.
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def _truncate(path: Path, random: Random) -> None:
    content = path.read_bytes()
    _rewrite(path, content[: random.randrange(max(1, len(content)))])


def _flip(path: Path, random: Random) -> None:
    """Flip one bit, as a disk does: the file's size and time stay."""
    state = path.stat()
    content = bytearray(path.read_bytes())
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    _rewrite(path, bytes(content))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def _replace_by_folder(path: Path, _: Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_bytes(b"x")


def _replace_by_link(path: Path, _: Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def without_rights() -> list[str]:
    """What to put before a command, so that the rights of files hold for the superuser, too."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, to run without the rights of the superuser")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
