from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import MINORS, interpreter_or_skip

# Run by Pythons that have none of our dependencies: headers are all that tarfile makes.
LOOK = """\
import sys; sys.path.insert(0, sys.argv[1])
import hashlib
from hatch_venvstacks.archives.plan import Member
from hatch_venvstacks.archives.tar_format import _header
members = (
    Member("a"), Member("a/" + "\\u00fc" * 200, b"x"), Member("a/" + "y" * 300, link="z" * 150),
    Member("a/e", b"1" * 700, executable=True), Member("a/l", link="e"), Member("a/\\udce9", b""),
)
headers = b"".join(_header(member, "top", time)[0] for member in members for time in (0, 8**11 - 1))
print(hashlib.sha256(headers).hexdigest())
"""


@pytest.fixture(params=MINORS)
def python(request: pytest.FixtureRequest) -> str:
    return str(interpreter_or_skip(request.param))


def test_same_bytes_from_every_python(python: str) -> None:
    root = str(Path(__file__).parents[3])
    said = [
        subprocess.run(
            [command, "-S", "-c", LOOK, root],
            check=True,
            capture_output=True,
            text=True,
            env={"LC_ALL": locale, "TZ": zone, "PATH": os.environ["PATH"]},
        ).stdout
        for command, locale, zone in (
            (sys.executable, "C", "UTC"),
            (python, "C.UTF-8", "Pacific/Apia"),
            (python, "POSIX", "Europe/Berlin"),
        )
    ]
    assert len(set(said)) == 1
