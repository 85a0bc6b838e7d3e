"""The CPythons of this machine that can become a runtime, for tests that need several."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.sources.runtimes.host import check_host, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_venvstacks.sources.runtimes.host import HostPython

MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
VARIABLE = "HATCH_VENVLAYER_TEST_PYTHONS"


@functools.cache
def interpreters() -> Mapping[str, Path]:
    """Minor release to the executable of an installation; those that are refused are left out.

    They are the one that runs the tests, those that ``HATCH_VENVLAYER_TEST_PYTHONS`` lists (with
    the separator of ``PATH``), those on ``PATH``, and what pyenv and uv have installed.
    """
    found: dict[str, Path] = {}
    for host in _hosts():
        found.setdefault(host.minor, host.executable)
    return found


def interpreter_or_skip(minor: str) -> Path:
    """The interpreter of a minor release; skips the test where there is none."""
    if minor not in interpreters():
        pytest.skip(f"no CPython {minor} that can be copied; {VARIABLE} can name one")
    return interpreters()[minor]


def some_interpreter() -> Path:
    """The interpreter that runs the tests if it can be copied, else another; skips if none can."""
    found = _first_interpreter()
    if found is None:
        pytest.skip(f"no CPython that can be copied; {VARIABLE} can name one")
    return found


@functools.cache
def _first_interpreter() -> Path | None:
    return next((host.executable for host in _hosts()), None)


def _hosts() -> Iterator[HostPython]:
    for candidate in _candidates():
        try:
            host = describe(candidate)
            check_host(host)
        except RuntimeSourceError:
            continue
        yield host


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    yield from (Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name)
    for minor in MINORS:
        on_path = shutil.which(f"python{minor}")
        if on_path:
            yield Path(on_path)
        pyenv = os.environ.get("PYENV_ROOT")
        if pyenv:
            yield from sorted(Path(pyenv).glob(f"versions/{minor}.*/bin/python{minor}"))
    uv = shutil.which("uv")
    if uv:
        command = [uv, "python", "list", "--only-installed", "--output-format", "json"]
        listed = subprocess.run(command, check=False, capture_output=True, text=True)
        if listed.returncode == 0:
            yield from (Path(entry["path"]) for entry in json.loads(listed.stdout))
