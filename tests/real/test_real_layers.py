"""Layers that people make, with distributions of PyPI, locked for all platforms that they are for.

The runtime's archives are stand-ins, and the index of the last layer is a folder of made-up wheels:
what is shown is shown of locks, and of installing them on this machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from monorepo import RUNTIME, Monorepo, pypi
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name, parse_wheel_filename
from universe_check import TOLD_APART, make_machine
from universe_joint import Joint, select
from uv import find_uv_bin
from wheels import make_wheel

from hatch_venvstacks.model.formats.toml import read_toml
from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.model.platforms import PLATFORMS, wheel_tags

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds
    from universe_check import Machine
    from universe_joint import Chosen

    from hatch_venvstacks.model.lock import Lock

# One process locks the layers for all tests.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real layers")]

ACCEL = "linux_x86_64"
# Layer -> what it requires, and what it stands on.
LAYERS = {
    "frameworks/numbers": (["numpy", "scipy", "pandas", "scikit-learn", "matplotlib"], RUNTIME),
    "frameworks/tensors": (["torch"], RUNTIME),
    "frameworks/models": (["transformers"], "frameworks/tensors"),
    "frameworks/notebooks": (["jupyterlab"], RUNTIME),
    "apps/web": (
        ["fastapi", "uvicorn[standard]", "httpx", "sqlalchemy", "pydantic-settings"],
        RUNTIME,
    ),
    "apps/fast": ([f"vl-accel ; {PLATFORMS[ACCEL].marker}", "rich", "numpy"], "frameworks/numbers"),
}
# Platforms that had no wheels when this was written: asking for them takes longer.
WITHOUT = {
    "frameworks/tensors": ("macosx_x86_64", "win_arm64"),
    "apps/web": ("win_arm64",),
}
# What is too large to be installed by a test.
LARGE = ("frameworks/tensors", "frameworks/models")
_MARKER = re.compile(
    r'(sys_platform (==|!=) "\w+"|sys_platform == "\w+" and platform_machine == "\w+")'
)


@dataclass(frozen=True)
class World:
    """The layers above, all locked."""

    repo: Monorepo
    machine: Machine
    joint: Joint

    def lock(self, layer: str) -> Lock:
        return read_lock(self.repo.root / layer / "pylock.venvlayer.toml")

    def stack(self, layer: str) -> list[str]:
        """The layer and those below it that require something."""
        return [layer, *(self.stack(LAYERS[layer][1]) if LAYERS[layer][1] != RUNTIME else [])]

    def chosen(self, layer: str, platform: str) -> dict[str, Chosen]:
        return select(self.lock(layer).pylock, platform, self.machine.python)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, front_ends: FrontEnds) -> World:
    root = tmp_path_factory.mktemp("real")
    index = root / "accel"
    make_wheel(index, "vl-accel", "1.0", tag=f"py3-none-manylinux_2_17_{PLATFORMS[ACCEL].machine}")
    repo = Monorepo(root / "repo", root, front_ends)
    machine = make_machine(root / "machine")
    archives = machine.runtime.archives
    source = {name: {"url": one.url, "sha256": one.sha256} for name, one in archives.items()}
    python = f"cpython@{machine.runtime.version}"
    repo.runtime(python=python, python_source=source, platforms=list(TOLD_APART))
    _lock(repo, RUNTIME, [], "", {})
    tables = {
        "index": [
            {"name": "accel", "url": "../../../accel", "format": "flat", "explicit": True},
        ],
        "sources": {"vl-accel": {"index": "accel"}},
    }
    for layer, (requirements, base) in LAYERS.items():
        _lock(repo, layer, requirements, base, tables if layer == "apps/fast" else {})
    own = f"""
[[tool.uv.index]]
name = "accel"
url = {index.as_uri()!r}
format = "flat"
explicit = true
[tool.uv.sources]
vl-accel = {{ index = "accel" }}
"""
    joint = Joint(root / "joint", None, machine.interpreter, machine.python, own)
    return World(repo, machine, joint)


def _lock(
    repo: Monorepo, layer: str, requirements: list[str], base: str, uv: dict[str, Any]
) -> None:
    """Lock for all platforms but those that the error names one after the other."""
    platforms = [name for name in TOLD_APART if name not in WITHOUT.get(layer, ())]
    if base and (repo.root / base / "pylock.venvlayer.toml").is_file():
        below = read_lock(repo.root / base / "pylock.venvlayer.toml").inputs.platforms
        platforms = [name for name in platforms if name in below]
    while True:
        if base:
            tool = {"uv": uv} if uv else None
            repo.layer(
                layer, dependencies=requirements, base=[base], platforms=platforms, tool=tool
            )
        done = repo.build(layer, "lock", env=pypi(), check=False)
        if done.returncode == 0:
            return
        missing = re.search(r"has no wheel for (\w+)", done.stderr)
        assert missing, done.stderr
        assert len(platforms) > 3, done.stderr
        platforms.remove(missing[1])


@pytest.mark.parametrize("layer", LAYERS)
def test_lock_is_pep_751_for_all_platforms(world: World, layer: str) -> None:
    path = world.repo.root / layer / "pylock.venvlayer.toml"
    document = read_toml(path)
    pylock = Pylock.from_dict(document)
    pylock.validate()
    lock, used = world.lock(layer), set()
    for target in lock.targets:
        tags = frozenset(wheel_tags(target, world.machine.python))
        chosen = world.chosen(layer, target.name)
        ours = select_wheels(lock, target, world.machine.python)
        assert {one.name: one.filename for one in ours} == {
            name: one.filename for name, one in chosen.items()
        }
        for one in chosen.values():
            assert parse_wheel_filename(one.filename)[3] & tags
        for package in lock.added(target.name):
            for wheel in package.wheels or ():
                if parse_wheel_filename(wheel.filename)[3] & tags:
                    used.add(wheel.filename)
    offered = {wheel.filename for one in pylock.packages for wheel in one.wheels or ()}
    assert offered == used
    for package in pylock.packages:
        assert package.sdist is None
        held = [p for p in lock.inputs.platforms if package in lock.added(p)]
        assert (package.marker is None) == (len(held) == len(lock.inputs.platforms))
        for part in str(package.marker or "").split(" or "):
            assert not part or _MARKER.fullmatch(part), package.marker


@pytest.mark.parametrize("layer", LAYERS)
def test_union_is_what_one_resolution_gives(world: World, layer: str) -> None:
    stack, platforms = world.stack(layer), world.lock(layer).inputs.platforms
    union: dict[str, dict[str, Chosen]] = {}
    for platform in platforms:
        union[platform] = {}
        for one in stack:
            chosen = world.chosen(one, platform)
            assert union[platform].keys().isdisjoint(chosen), f"{one} adds what is there"
            union[platform].update(chosen)
    requirements = [text for one in stack for text in LAYERS[one][0]]
    preferred = {p: {name: c.version for name, c in found.items()} for p, found in union.items()}
    resolved = world.joint.resolve(requirements, platforms, preferred=preferred)
    assert resolved == union


def test_package_of_its_own_index_on_one_platform(world: World) -> None:
    for platform in world.lock("apps/fast").inputs.platforms:
        assert ("vl-accel" in world.chosen("apps/fast", platform)) == (platform == ACCEL)
    text = (world.repo.root / "apps/fast/pylock.venvlayer.toml").read_text("utf-8")
    assert 'path = "../../../accel/vl_accel-1.0-py3-none-manylinux_2_17_x86_64.whl"' in text


@pytest.mark.skipif(sys.platform != "linux", reason="the made-up wheel is for Linux")
@pytest.mark.parametrize("layer", [*LAYERS])
def test_plain_uv_installs_it(world: World, layer: str, tmp_path: Path) -> None:
    """For what is large, uv says what it would install."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    environment |= pypi()
    venv = tmp_path / "venv"

    def uv(*arguments: str) -> str:
        done = subprocess.run(
            [find_uv_bin(), *arguments],
            cwd=world.repo.root / layer,
            env={**environment, "VIRTUAL_ENV": str(venv)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout or done.stderr

    uv("venv", "--python", str(world.machine.interpreter), str(venv))
    dry = ["--dry-run"] if layer in LARGE else []
    said = uv("pip", "sync", *dry, "--preview-features", "pylock", "pylock.venvlayer.toml")
    chosen = world.chosen(layer, "linux_x86_64")
    if dry:
        shown = set(re.findall(r"^ \+ ([^=\s]+)==", said, re.MULTILINE))
    else:
        shown = {one["name"] for one in json.loads(uv("pip", "list", "--format", "json"))}
    assert {canonicalize_name(name) for name in shown} == chosen.keys()
