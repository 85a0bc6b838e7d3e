"""Shared libraries that a compiler of this machine makes, where it has one."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.model.formats.elf import read_elf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_venvstacks.model.formats.elf import ElfFile
    from hatch_venvstacks.sources.runtimes.host import HostPython

    Copies = Callable[[str], tuple[HostPython, Path]]


# Where a compiler is found, libraries are made for what the interpreters here do not have.
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


def read(content: bytes) -> ElfFile:
    return read_elf(io.BytesIO(content))


def compile_library(path: Path, source: str, *options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-nostdlib",
        "-o",
        str(path),
        "-x",
        "c",
        "-",
        "-x",
        "none",
    ]
    subprocess.run([*command, *options], check=True, input=source, text=True)
    return path
