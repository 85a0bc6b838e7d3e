"""The one way to talk to the user.

Stages take a :class:`Reporter` and never print. The adapter to hatchling implements it on
hatchling's application (which honours ``-q`` and ``-v``), tests implement it on a list.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

# In seconds, between two lines of one task.
_PAUSE = 5.0


class Reporter(Protocol):
    """Where lines for the user go."""

    def info(self, message: str) -> None:
        """Say what is being done or was done; hidden by ``-q``."""

    def warning(self, message: str) -> None:
        """Say what the user should look at, though the build goes on."""

    def debug(self, message: str) -> None:
        """Say a detail that only ``-v`` shows."""


class Progress:
    """Says how far a task of ``total`` is that takes long: once in five seconds and never more.

    So a log stays short, and a terminal does not look dead. ``doing`` names the task, ``show``
    words an amount; ``clock`` gives the time in seconds.
    """

    def __init__(
        self,
        reporter: Reporter,
        doing: str,
        total: int,
        show: Callable[[int], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter, self._doing, self._total = reporter, doing, total
        self._show, self._clock = show, clock
        self._done, self._said = 0, clock()
        self._lock = threading.Lock()

    def add(self, amount: int) -> None:
        """Note that ``amount`` more is done; any thread may."""
        with self._lock:
            self._done += amount
            if self._done < self._total and self._clock() - self._said >= _PAUSE:
                self._said = self._clock()
                done, total = self._show(self._done), self._show(self._total)
                self._reporter.info(f"{self._doing}: {done} of {total}")


def in_units(size: int | None) -> str:
    """A ``size`` in bytes for people, in powers of 1000; empty where it is not known."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95 or unit == "GB":
            break
        value /= 1000
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
