"""With a folder of wheels and a runtime archive, everything works without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from deployed import run, unpack_all
from interpreters import some_interpreter
from monorepo import RUNTIME, Monorepo, write
from standalone import make_standalone, sha256_of
from wheels import make_wheel

from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

HERE = host_platform().name


def cut_off() -> list[str]:
    """The beginning of a command that has no network; skips where the machine does not allow it."""
    for command in (["unshare", "--net"], ["unshare", "-r", "--net"]):
        found = shutil.which("unshare")
        if found and not subprocess.run([*command, "true"], check=False).returncode:
            return command
    pytest.skip("no network namespace can be made here: needs unshare and the right to use it")


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_without_a_network(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> None:
    under = cut_off()
    code = {"vl_lib.py": "def main(): print('far out')\n"}
    make_wheel(wheel_index, "vl-lib", "1.0", code, requires=["vl-more"])
    make_wheel(wheel_index, "vl-more", "1.0")
    packed = make_standalone(some_interpreter(), tmp_path / "archive")
    source = {HERE: {"url": packed.as_uri(), "sha256": sha256_of(packed)}}
    version = describe(some_interpreter()).version
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    uv = {"uv": {"index": [{"name": "here", "url": str(wheel_index), "format": "flat"}]}}
    repo.runtime(python=f"cpython@{version}", python_source=source)
    repo.layer("frameworks/fw", dependencies=["vl-lib"], base=[RUNTIME], tool=uv)
    scripts = {"scripts": {"app": "app:main"}}
    repo.layer("apps/app", dependencies=["vl-lib"], base=["frameworks/fw"], project=scripts)
    write(repo.root / "apps/app", {"app.py": "from vl_lib import main\n"})
    # As on a machine that has never seen a network.
    environment = {
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "HATCH_VENVLAYER_CACHE": str(tmp_path / "cache"),
        "UV_FIND_LINKS": "",
        "UV_DEFAULT_INDEX": "",
    }
    for layer in (RUNTIME, "frameworks/fw", "apps/app"):
        repo.build(layer, env=environment, under=under)
    root = unpack_all(repo.archives(), tmp_path / "root")
    assert run([root / "app/bin/app"], tmp_path).stdout == "far out\n"
