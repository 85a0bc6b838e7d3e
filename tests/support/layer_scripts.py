"""A folder with a script and an interpreter beside it, as in a layer."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.sources.runtimes.script_header import posix_header

if TYPE_CHECKING:
    from pathlib import Path


posix = pytest.mark.skipif(os.name != "posix", reason="scripts are made for POSIX systems")
SHOW = b"import os, sys\nprint(ascii([os.environ.get('MARK'), sys.argv[1:], __name__]))\n"


def layer(folder: Path, name: str = "tool", body: bytes = SHOW) -> Path:
    """A folder with a script, and an interpreter that says that it is the one beside it."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    wrapper = bin_folder / "python"
    wrapper.write_text(f'#!/bin/sh\nMARK=beside exec {sys.executable} -E "$@"\n')
    wrapper.chmod(0o755)
    script = bin_folder / name
    script.write_bytes(posix_header() + body)
    script.chmod(0o755)
    return script


def run(
    command: str | Path,
    *arguments: str,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    shell: str = "",
) -> str:
    process = subprocess.run(
        [*([shell] if shell else []), command, *arguments],
        cwd=cwd,
        env=dict(os.environ) if env is None else env,
        capture_output=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr.decode()
    assert process.stderr == b""
    return process.stdout.decode()
