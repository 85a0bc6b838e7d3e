"""Tasks that do not depend on each other, on all cores of the machine."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Result = TypeVar("Result")


def run_on_all_cores(tasks: Iterable[Callable[[], Result]]) -> tuple[Result, ...]:
    """What ``tasks`` return, in their order; each runs on one core.

    They are threads: this is for work that is done outside the interpreter, such as compression.
    What the first one of them raises is raised; those that have not begun by then never do.
    """
    with ThreadPoolExecutor(cores()) as pool:
        running = [pool.submit(task) for task in tasks]
        try:
            return tuple(task.result() for task in running)
        finally:
            for task in running:
                task.cancel()


def cores() -> int:
    """How many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover (macos)
