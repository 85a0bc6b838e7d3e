"""Pythons of several releases that can build: with hatchling and the plugin of this checkout."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from interpreters import interpreter_or_skip
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from front_end import FrontEnds

MINORS = ("3.10", "3.13")


def make_builders(
    front_ends: FrontEnds, folder: Path, minors: Iterable[str] = MINORS
) -> list[Path]:
    """The executables of new environments below ``folder``; skips where a release is missing."""
    uv, found = find_uv_bin(), []
    for minor in minors:
        python = interpreter_or_skip(minor)
        environment = folder / minor
        executable = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        wheel = next(front_ends.wheels.glob("*.whl"))
        for command in (
            ["venv", "--quiet", "--python", str(python), str(environment)],
            ["pip", "install", "--quiet", "--python", str(executable), str(wheel)],
        ):
            subprocess.run([uv, *command], check=True, env={**front_ends.environment})
        found.append(executable)
    return found
