"""A stack for musl that is built on this machine, and runs with the loader of musl.

``HATCH_VENVLAYER_TEST_MUSL`` names a CPython for musl, packed in the shape of
python-build-standalone's archives: ``scripts/musl-cpython.sh`` compiles one. The loader,
``/lib/ld-musl-x86_64.so.1``, is in Debian's package ``musl``.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deployed import run, unpack_all
from monorepo import RUNTIME, Monorepo, pypi, write
from standalone import sha256_of
from wheels import make_wheel

from hatch_venvstacks.config.environment_variables import PLATFORM
from hatch_venvstacks.model.platforms import host_platform

if TYPE_CHECKING:
    from front_end import FrontEnds

VARIABLE = "HATCH_VENVLAYER_TEST_MUSL"
LOADER = Path("/lib/ld-musl-x86_64.so.1")
MUSL, FRAMEWORK, APP = "musllinux_x86_64", "frameworks/fw", "apps/app"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
PROGRAM = """\
import ctypes, json, sys, sysconfig, zlib
import markupsafe, markupsafe._speedups, vl_pure

def main():
    maps = open("/proc/self/maps").read()
    print(json.dumps({
        "arguments": sys.argv[1:],
        "prefix": sys.prefix,
        "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
        "speedups": markupsafe._speedups.__file__,
        "escaped": str(markupsafe.escape("<")),
        "libraries": sorted({line.split()[-1] for line in maps.splitlines() if ".so" in line}),
    }))
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cpython() -> Path:
    """The CPython for musl: of the minor release that runs the tests, which lock for it."""
    if not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} names no CPython for musl")
    if host_platform().machine != "x86_64" or not LOADER.exists():
        pytest.skip(f"needs {LOADER}")
    packed = Path(os.environ[VARIABLE])
    with tarfile.open(packed) as tar:
        minors = {
            match[1] for n in tar.getnames() if (match := re.search(r"bin/python(3\.\d+)$", n))
        }
    if minors != {MINOR}:
        pytest.skip(f"{packed.name} is for CPython {', '.join(minors)}, not {MINOR}")
    return packed


def test_stack_for_musl(cpython: Path, tmp_path: Path, front_ends: FrontEnds) -> None:
    repo = Monorepo(tmp_path / "repo", tmp_path / "wheels", front_ends)
    make_wheel(repo.wheels, "vl-pure", "1.0")
    source = {MUSL: {"url": cpython.as_uri(), "sha256": sha256_of(cpython)}}
    repo.runtime(python=f"cpython@{MINOR}", python_source=source, platforms=[MUSL])
    repo.layer(FRAMEWORK, dependencies=["vl-pure", "markupsafe"], base=[RUNTIME])
    script = {"scripts": {"app": "app:main"}}
    repo.layer(APP, dependencies=["markupsafe"], base=[FRAMEWORK], project=script)
    write(repo.root / APP, {"app.py": PROGRAM})
    for layer in (RUNTIME, FRAMEWORK, APP):
        done = repo.build(layer, env={**pypi(), PLATFORM: MUSL})
        assert "librar" not in done.stderr
    lock = (repo.root / FRAMEWORK / "pylock.venvlayer.toml").read_text("utf-8")
    assert 'linux-target = "musl@1.2"' in lock
    assert "-musllinux_1_2_x86_64.whl" in lock
    assert "manylinux" not in lock

    root = unpack_all(repo.archives(), tmp_path / "root")
    for number in range(2):
        said = json.loads(run([root / "app/bin/app", "ä b"], tmp_path).stdout)
        assert said["arguments"] == ["ä b"]
        assert said["prefix"] == str(root / "app")
        assert said["suffix"].endswith("-linux-musl.so")
        assert said["speedups"].startswith(str(root / "fw/lib"))
        assert said["escaped"] == "&lt;"
        assert str(LOADER.resolve()) in said["libraries"]
        assert not any(path.endswith("/libc.so.6") for path in said["libraries"])
        root = root.rename(tmp_path / f"moved {number}")
