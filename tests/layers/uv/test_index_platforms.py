"""A package that comes from an index of its own on one of several target platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.pylock import Pylock
from resolving import CP, MINOR, World, make_world
from wheels import make_wheel

from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.lock_file import dump_lock
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.sources.indexes import ResolutionIndexes

if TYPE_CHECKING:
    from pathlib import Path


TAGS = {
    "linux_x86_64": "manylinux_2_28_x86_64",
    "linux_aarch64": "manylinux_2_28_aarch64",
    "macosx_arm64": "macosx_13_0_arm64",
    "macosx_x86_64": "macosx_13_0_x86_64",
    "win_amd64": "win_amd64",
    "win_arm64": "win_arm64",
}
ON_ONE = "sys_platform == 'linux' and platform_machine == 'x86_64'"


@pytest.fixture
def world(tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = make_world(tmp_path, wheel_index, monkeypatch)
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    found.platforms = tuple(TAGS)
    for tag in TAGS.values():
        found.wheel("vl-torch", "2.0", tag=f"{CP}-{CP}-{tag}")
    found.wheel("vl-accel", "1.0", "vl-torch")
    cu = wheel_index / "cu"
    tag = f"{CP}-{CP}-{TAGS['linux_x86_64']}"
    make_wheel(cu, "vl-torch", "2.0+cu126", requires=["vl-cuda"], tag=tag)
    make_wheel(cu, "vl-cuda", "12.6", tag=f"py3-none-{TAGS['linux_x86_64']}")
    found.indexes = ResolutionIndexes(
        (
            Index("main", wheel_index.as_uri(), default=True, flat=True),
            Index("cu", cu.as_uri(), explicit=True, flat=True),
        ),
        {"vl-torch": (("cu", ON_ONE),), "vl-cuda": (("cu", ""),)},
    )
    return found


@pytest.mark.parametrize("requirement", ["vl-torch", "vl-accel"])
def test_on_one_platform(world: World, requirement: str) -> None:
    lock = world.lock(requirement)
    text = dump_lock(lock)
    Pylock.from_dict(parse_toml(text))
    assert str(world.root) not in text
    for name in TAGS:
        wheels = {one.name: one.version for one in select_wheels(lock, PLATFORMS[name], MINOR)}
        wheels.pop("vl-accel", None)
        if name == "linux_x86_64":
            assert wheels == {"vl-torch": "2.0+cu126", "vl-cuda": "12.6"}
        else:
            assert wheels == {"vl-torch": "2.0"}
    again = world.lock(requirement, previous=lock)
    assert dump_lock(again) == text


def test_pins_of_both_indexes_are_kept(world: World) -> None:
    before = world.lock("vl-accel")
    cu = world.index / "cu"
    make_wheel(cu, "vl-torch", "2.1+cu126", tag=f"{CP}-{CP}-{TAGS['linux_x86_64']}")
    for tag in TAGS.values():
        world.wheel("vl-torch", "2.1", tag=f"{CP}-{CP}-{tag}")
    world.wheel("vl-more", "1.0")
    lock = world.lock("vl-accel", "vl-more", previous=before)
    for name in TAGS:
        versions = before.versions(name)
        assert lock.versions(name) == {**versions, "vl-more": "1.0"}
    fresh = world.lock("vl-accel")
    assert fresh.versions("linux_x86_64")["vl-torch"] == "2.1+cu126"
    assert fresh.versions("win_arm64")["vl-torch"] == "2.1"


def test_above_a_layer_that_holds_both(world: World) -> None:
    below = world.layer("base", "vl-torch")
    lock = world.lock("vl-accel", below=below)
    for name in TAGS:
        assert lock.versions(name) == {"vl-accel": "1.0"}
