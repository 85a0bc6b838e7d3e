"""Run a command and say what it took."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_LAUNCHER = str(Path(__file__).resolve().with_name("launcher.py"))
# In seconds, between two looks at the memory.
_PAUSE = 0.02


@dataclass(frozen=True)
class Usage:
    """What a command took, with all processes that it started and waited for.

    ``wall`` and ``cpu`` (user and system) are seconds. ``peak`` is the resident memory, in bytes,
    of the largest *single* process at its largest. ``together`` is that of all processes at one
    time, shared pages counted once; 0 where nobody watched, as that costs time.
    """

    wall: float
    cpu: float
    peak: int
    together: int = 0

    def __add__(self, after: Usage) -> Usage:
        """One command and then another."""
        return Usage(
            self.wall + after.wall,
            self.cpu + after.cpu,
            max(self.peak, after.peak),
            max(self.together, after.together),
        )


class CommandError(Exception):
    """A measured command failed: which, and the end of what it said."""


def measure(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    watch: bool = False,
) -> Usage:
    """Run ``command``, with what it says added to the file ``log``.

    The figures are wait4(2)'s for the child, which include those of its children once they were
    waited for. ``watch`` looks at all processes every few milliseconds besides (on Linux).

    :raises CommandError: where it fails.
    """
    parts = [str(part) for part in command]
    # What earlier commands wrote is not written to the disk in the time of this one.
    os.sync()
    reading, writing = os.pipe()
    with log.open("ab") as said, open(reading, "rb") as answer:  # noqa: PTH123 (a descriptor)
        said.write(f"$ {shlex.join(parts)}\n".encode())
        said.flush()
        begin = said.tell()
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", _LAUNCHER, str(writing), *parts],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
        )
        os.close(writing)
        with _watched(child.pid if watch else None) as largest:
            code = child.wait()
        told = json.loads(answer.read() or b"{}")
    code = code or told["code"]
    if code:
        end = log.read_bytes()[begin:][-4000:].decode(errors="replace")
        message = f"{shlex.join(parts)}\n(in {cwd}) failed with {code}:\n{end}"
        raise CommandError(message)
    return Usage(told["wall"], told["cpu"], told["peak"], largest[0])


def size_of(files: Iterable[Path]) -> int:
    """The bytes of ``files``, links excepted."""
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


@contextmanager
def _watched(process: int | None) -> Iterator[list[int]]:
    """The largest memory of all that ``process`` started, as the one item of a list."""
    largest = [0]
    if process is None:
        yield largest
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_PAUSE):
            largest[0] = max(largest[0], sum(map(_memory, _below(process))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield largest
    finally:
        done.set()
        watcher.join()


def _below(process: int) -> Iterator[int]:
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # it has just ended
            for child in task.read_text("ascii").split():
                yield int(child)
                yield from _below(int(child))


def _memory(process: int) -> int:
    """The proportional set size: https://docs.kernel.org/filesystems/proc.html."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
