from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from interpreters import MINORS, interpreter_or_skip

if TYPE_CHECKING:
    MonkeyPatch = pytest.MonkeyPatch


# Run by Pythons that have none of our dependencies.
LOOK = """\
import sys; sys.path.insert(0, sys.argv[1])
import hashlib, pathlib, tempfile, zlib
from hatch_venvstacks.archives.compression import compression_of
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.archives.zip_format import compress, join
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
text = "".join(f"{number * number}\\n" for number in range(50_000)).encode()
plans = [
    Plan(PlanKind.HEAD, "", "", (Member(""), Member("a"))),
    Plan(PlanKind.DISTRIBUTION, "a", "1", (Member("a/" + "\\u00fc" * 200, text), Member("e", b""))),
    Plan(PlanKind.PROJECT, "b", "1", (Member("run", b"#!", executable=True),), 1_700_000_001),
]
with tempfile.TemporaryDirectory() as work:
    path = pathlib.Path(work, "a.zip")
    runs = [pathlib.Path(work, plan.kind) for plan in plans]
    for plan, run in zip(plans, runs):
        compress(plan, "top", compression_of(ArchiveFormat.ZIP, 6), run)
    join(runs, path, pathlib.Path.unlink)
    print(zlib.ZLIB_RUNTIME_VERSION, hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.parametrize("minor", MINORS)
def test_same_bytes_from_every_python_with_one_zlib(minor: str) -> None:
    root = str(Path(__file__).parents[3])
    ours, other = (
        subprocess.run(
            [command, "-S", "-c", LOOK, root],
            check=True,
            capture_output=True,
            text=True,
            env={"LC_ALL": locale, "TZ": zone, "PATH": os.environ["PATH"]},
        ).stdout.split()
        for command, locale, zone in (
            (sys.executable, "C", "UTC"),
            (str(interpreter_or_skip(minor)), "C.UTF-8", "Pacific/Apia"),
        )
    )
    if ours[0] != other[0]:
        pytest.skip(f"zlib {ours[0]} here, and {other[0]} under CPython {minor}")
    assert ours == other
