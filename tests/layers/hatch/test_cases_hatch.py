"""What Hatch's own options and commands do to a layer.

``hatch -q``, ``hatch -v`` and ``hatch clean`` run hatchling with what stands here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from monorepo import RUNTIME, Monorepo, write

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="host runtimes are Linux's so far")


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    repo = Monorepo(tmp_path, wheel_index, front_ends)
    repo.runtime()
    return repo


def test_quiet_and_verbose(repo: Monorepo) -> None:
    def said(env: dict[str, str], *, code: int = 0) -> str:
        done = repo.build(RUNTIME, "lock", env=env, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert said({"HATCH_QUIET": "1"}) == ""
    assert (repo.root / RUNTIME / "pylock.venvlayer.toml").is_file()
    verbose = said({"HATCH_VERBOSE": "1"})
    assert verbose.splitlines()[0] == "Building `venvlayer` version `lock`"
    assert "is up to date" in verbose
    # A fault is said all the same.
    quiet = said({"HATCH_QUIET": "1", "HATCH_VENVLAYER_PLATFORM": "nowhere"}, code=1)
    assert "names no target platform: `nowhere`" in quiet


def test_clean(repo: Monorepo) -> None:
    folder = repo.root / RUNTIME
    archive = "rt-0.9-linux_x86_64.tar.zst"
    layer = {f"dist/venvlayer/{archive}.json": '{"layer": {"name": "rt"}}'}
    write(folder, {f"dist/venvlayer/{archive}": "", "pylock.venvlayer.toml": "", **layer})

    def clean(*target: str) -> list[str]:
        arguments = ["build", "--clean-only", *target]
        repo.front_ends.run("hatchling", *arguments, cwd=folder)
        return sorted(path.name for path in (folder / "dist/venvlayer").iterdir())

    # A bare `hatch clean` is about wheels and sdists.
    assert clean() == [archive, f"{archive}.json"]
    assert clean("-t", "venvlayer") == []
    assert (folder / "pylock.venvlayer.toml").is_file()
