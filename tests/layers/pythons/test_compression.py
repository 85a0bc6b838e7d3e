from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import MINORS, interpreter_or_skip

# Run by Pythons that have none of our dependencies.
LOOK = """\
import sys; sys.path.insert(0, sys.argv[1])
import hashlib, io
from hatch_venvstacks.archives.compression import Compression, library_version, open_stream
text = "".join(f"{number * number}\\n" for number in range(50_000)).encode()
for algorithm in ("xz", "gzip"):
    file = io.BytesIO()
    stream = open_stream(Compression(algorithm, 6, ""), file, len(text))
    for start in range(0, len(text), 700):
        stream.write(text[start : start + 700])
    stream.finish()
    print(library_version(algorithm), hashlib.sha256(file.getvalue()).hexdigest())
"""


@pytest.mark.parametrize("minor", MINORS)
def test_same_bytes_from_every_python_with_one_library(minor: str) -> None:
    root = str(Path(__file__).parents[3])
    ours, other = (
        subprocess.run(
            [python, "-S", "-c", LOOK, root], check=True, capture_output=True, text=True
        ).stdout.split()
        for python in (sys.executable, str(interpreter_or_skip(minor)))
    )
    if ours[::2] != other[::2]:
        pytest.skip(f"{ours[::2]} here, and {other[::2]} under CPython {minor}")
    assert ours == other
