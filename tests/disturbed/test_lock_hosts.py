"""A lock is the same bytes wherever it is made: by which Python, where, when, with which cache."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from builders import make_builders
from monorepo import RUNTIME, Monorepo
from universe_check import make_machine
from wheels import make_wheel

from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from front_end import FrontEnds

LAYERS = (RUNTIME, "frameworks/fw", "apps/app")


@pytest.fixture(scope="module")
def builders(front_ends: FrontEnds, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pythons of two releases, each with hatchling and the plugin."""
    return make_builders(front_ends, tmp_path_factory.mktemp("builders"))


@pytest.fixture
def origin(tmp_path: Path, front_ends: FrontEnds) -> Path:
    """A monorepo with all that it needs below one folder: wheels, runtimes, projects."""
    root = tmp_path / "origin"
    wheels = root / "wheels"
    tags = [f"py3-none-{tag}" for tag in ("manylinux_2_17_x86_64", "win_amd64", "any")]
    for tag in tags:
        make_wheel(wheels, "vl-native", "1.0", {"vl_native.py": f"{tag!r}"}, tag=tag)
    make_wheel(wheels, "vl-one", "1.0", requires=["vl-two ; sys_platform == 'win32'", "vl-native"])
    make_wheel(wheels, "vl-two", "1.0")
    make_wheel(wheels, "vl-three", "1.0", requires=["vl-two"])
    runtime = make_machine(root / "machine").runtime
    repo = Monorepo(root / "repo", wheels, front_ends)
    source = {
        platform: {"url": f"file:../../../machine/{platform}.tar.gz", "sha256": one.sha256}
        for platform, one in runtime.archives.items()
    }
    python = f"cpython@{runtime.version}"
    repo.runtime(python=python, python_source=source, platforms=list(PLATFORMS))
    repo.layer("frameworks/fw", dependencies=["vl-one"], base=[RUNTIME])
    repo.layer("apps/app", dependencies=["vl-three"], base=["frameworks/fw"])
    return root


def locks(
    builder: Path, root: Path, environment: Mapping[str, str], fresh: Path
) -> dict[str, bytes]:
    own = {
        **environment,
        "UV_FIND_LINKS": str(root / "wheels"),
        "UV_NO_INDEX": "1",
        "UV_CACHE_DIR": str(fresh / "uv"),
        "HATCH_VENVLAYER_CACHE": str(fresh / "cache"),
    }
    found = {}
    for layer in LAYERS:
        folder = root / "repo" / layer
        command = [str(builder), "-m", "hatchling", "build", "-t", "venvlayer:lock"]
        subprocess.run(command, check=True, cwd=folder, env=own, capture_output=True)
        found[layer] = (folder / "pylock.venvlayer.toml").read_bytes()
    return found


def test_lock_is_the_same_bytes_everywhere(
    origin: Path, builders: list[Path], front_ends: FrontEnds, tmp_path: Path
) -> None:
    made = []
    for number, builder in enumerate(builders):
        # Another folder, of another length, and another second: the files' times are new, too.
        root = tmp_path / ("x" * 7 * number + "place") / "root"
        shutil.copytree(origin, root, copy_function=shutil.copy)
        made.append(locks(builder, root, front_ends.environment, tmp_path / f"fresh-{number}"))
        time.sleep(1.1)
    assert made[0] == made[1]
    assert all(b"../../../wheels/" in made[0][layer] for layer in LAYERS[1:])
    assert str(tmp_path).encode() not in b"".join(made[0].values())
