"""Linux with glibc and Linux with musl: one environment for markers, two for wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker
from resolving import CP, MINOR, World, make_world, refused

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.locking.staleness import staleness
from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.lock_file import dump_lock, read_lock, write_lock
from hatch_venvstacks.model.platforms import PLATFORMS, marker_environment, wheel_tags
from hatch_venvstacks.sources.runtimes.releases import find_release

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.model.lock import Lock

GLIBC, MUSL, MAC = "linux_x86_64", "musllinux_x86_64", "macosx_arm64"
MANY, MUSLLINUX = "manylinux_2_17_x86_64", "musllinux_1_2_x86_64"


@pytest.fixture
def world(tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, wheel_index, monkeypatch)
    world.platforms = (GLIBC, MUSL)
    return world


def native(world: World, name: str, version: str, *tags: str) -> None:
    for tag in tags:
        world.wheel(name, version, tag=f"{CP}-{CP}-{tag}")


def selected(lock: Lock, platform: str) -> list[str]:
    return [wheel.filename for wheel in select_wheels(lock, PLATFORMS[platform], MINOR)]


def test_one_entry_with_wheels_for_both(world: World) -> None:
    native(world, "native", "1.0", MANY, MUSLLINUX)
    world.wheel("pure", "1.0")
    write_lock(world.lock("native", "pure"))
    (path,) = world.root.glob("top/pylock.*")
    lock = read_lock(path)
    assert [(str(p.name), p.marker) for p in lock.pylock.packages] == [
        ("native", None),
        ("pure", None),
    ]
    assert lock.pylock.environments == [Marker(PLATFORMS[GLIBC].marker)]
    pure = "pure-1.0-py3-none-any.whl"
    assert selected(lock, GLIBC) == [f"native-1.0-{CP}-{CP}-{MANY}.whl", pure]
    assert selected(lock, MUSL) == [f"native-1.0-{CP}-{CP}-{MUSLLINUX}.whl", pure]
    # Other tools read it in the same way.
    for platform, tag in ((GLIBC, MANY), (MUSL, MUSLLINUX)):
        target = PLATFORMS[platform]
        (_, wheel), _ = lock.pylock.select(
            environment=marker_environment(target, f"{MINOR}.20"),
            tags=list(wheel_tags(target, MINOR)),
        )
        assert wheel.filename.endswith(f"{tag}.whl")  # type: ignore[union-attr]


def test_environments_of_uv_are_no_duplicates(world: World) -> None:
    native(world, "native", "1.0", MANY, MUSLLINUX, "macosx_11_0_arm64")
    world.wheel("mac", "1.0")
    world.platforms = (GLIBC, MUSL, MAC)
    lock = world.lock("native", "mac ; sys_platform == 'darwin'")
    project = (world.root / "work 1/resolution-0/pyproject.toml").read_text("utf-8")
    assert project.count("sys_platform == 'linux'") == 2  # environments, required ones
    assert lock.versions(MAC) == {"mac": "1.0", "native": "1.0"}
    assert lock.versions(MUSL) == lock.versions(GLIBC) == {"native": "1.0"}
    # An upper layer adds on Linux what is below on macOS only, for both kinds of Linux.
    below = [(world.spec("base"), lock)]
    upper = world.lock("mac", "native", below=below)
    assert [(str(p.name), str(p.marker)) for p in upper.pylock.packages] == [
        ("mac", 'sys_platform == "linux"')
    ]
    assert upper.inputs.below[MUSL] == upper.inputs.below[GLIBC] == {"mac": "", "native": "1.0"}


def test_version_that_has_wheels_for_both(world: World) -> None:
    native(world, "native", "4.0", MANY)
    native(world, "native", "3.0", MUSLLINUX)
    native(world, "native", "2.0", MANY, MUSLLINUX)
    native(world, "native", "1.0", MANY, MUSLLINUX)
    lock = world.lock("native")
    assert lock.versions(GLIBC) == lock.versions(MUSL) == {"native": "2.0"}
    for platform, version in ((GLIBC, "4.0"), (MUSL, "3.0")):
        world.platforms = (platform,)
        assert world.lock("native").versions(platform) == {"native": version}


def test_pins_of_one_platform_count_for_both(world: World) -> None:
    for version in ("1.0", "2.0"):
        native(world, "native", version, MANY, MUSLLINUX)
    world.platforms = (GLIBC,)
    previous = world.lock("native<2")
    world.platforms = (GLIBC, MUSL)
    lock = world.lock("native", previous=previous)
    assert lock.versions(GLIBC) == lock.versions(MUSL) == {"native": "1.0"}


def test_no_wheel_for_musl(world: World) -> None:
    native(world, "native", "2.0", MANY)
    native(world, "native", "1.0", MANY)
    world.wheel("dep", "1.0", "native")
    error = refused(world, "dep")
    assert error.message == (
        "`native` 2.0 has no wheel for musllinux_x86_64 (from musl 1.2 on), which layer `top` is"
        " locked for"
    )
    assert f"native-2.0-{CP}-{CP}-{MANY}.whl" in error.detail
    assert error.hint.startswith(
        'There are wheels of it for linux_x86_64: set `platforms = ["linux_x86_64"]`, or put it'
        " into a layer of its own (no marker tells musllinux_x86_64 from linux_x86_64), or"
    )
    world.platforms = (GLIBC,)
    assert world.lock("dep").versions(GLIBC) == {"dep": "1.0", "native": "2.0"}


def test_no_wheel_for_glibc(world: World) -> None:
    native(world, "native", "1.0", MUSLLINUX)
    error = refused(world, "native==1.0")
    assert "no wheel for linux_x86_64 (from glibc 2.28 on)" in error.message
    assert "There are wheels of it for musllinux_x86_64: " in error.hint


def test_no_wheel_for_any_linux(world: World) -> None:
    world.platforms = (GLIBC, MUSL, MAC)
    native(world, "native", "1.0", "macosx_11_0_arm64")
    error = refused(world, "native")
    assert "`native` 1.0 has no wheel for linux_x86_64" in error.message
    assert error.hint.startswith("There are wheels of it for macosx_arm64: set")
    # uv is content with what has a wheel for one of them.
    native(world, "native", "1.0", MUSLLINUX)
    error = refused(world, "native")
    assert "There are wheels of it for musllinux_x86_64, macosx_arm64: " in error.hint


def test_two_bases_that_differ(world: World) -> None:
    """On both platforms in the same way."""
    world.wheel("lib", "1.0")
    left = world.layer("left", "lib")
    world.wheel("lib", "2.0")
    right = world.layer("right", "lib")
    world.wheel("dep", "1.0", "lib<2")
    lock = world.lock("dep", below=[*left, *right])
    assert lock.inputs.below[GLIBC] == lock.inputs.below[MUSL]
    assert lock.inputs.below[MUSL]["lib"] == "1.0 over 2.0"


@pytest.mark.parametrize(("musl", "version"), [((1, 2), "2.0"), ((1, 1), "1.0")])
def test_oldest_musl(world: World, musl: tuple[int, int], version: str) -> None:
    native(world, "native", "2.0", MANY, "musllinux_1_2_x86_64")
    native(world, "native", "1.0", MANY, "musllinux_1_1_x86_64")
    world.musl = musl
    lock = world.lock("native")
    assert lock.versions(MUSL) == {"native": version}
    spelled = f'["glibc@2.28", "musl@{musl[0]}.{musl[1]}"]'
    assert f"linux-target = {spelled}\n" in dump_lock(lock)
    world.platforms = (MUSL,)
    alone = world.lock("native")
    assert f'linux-target = "musl@{musl[0]}.{musl[1]}"\n' in dump_lock(alone)
    write_lock(alone)
    assert read_lock(alone.path).inputs == alone.inputs
    newer = [target.since(world.oldest_systems) for target in alone.targets]
    assert staleness(alone, world.spec("top", "native", bases=False), newer, {}) == []


def test_lock_without_musl_is_as_before(world: World) -> None:
    world.wheel("pure", "1.0")
    world.platforms = (GLIBC, MAC)
    text = dump_lock(world.lock("pure"))
    assert 'linux-target = "glibc@2.28"\nmacos-target = "13.0"\n' in text
    assert "musl" not in text


def test_change_of_the_oldest_musl(world: World) -> None:
    world.wheel("pure", "1.0")
    lock = world.lock("pure")
    world.musl = (1, 1)
    now = [target.since(world.oldest_systems) for target in lock.targets]
    assert staleness(lock, world.spec("top", "pure"), now, {}) == [
        "the oldest musl is now 1.1, was 1.2"
    ]


def test_wheel_that_names_no_c_library(world: World) -> None:
    native(world, "built", "1.0", "linux_x86_64")
    lock = world.lock("built")
    assert (
        selected(lock, GLIBC) == selected(lock, MUSL) == [f"built-1.0-{CP}-{CP}-linux_x86_64.whl"]
    )


def test_builds_of_python_for_musl_are_to_be_named() -> None:
    with pytest.raises(RuntimeSourceError) as caught:
        find_release("3.11", [GLIBC, MUSL])
    assert caught.value.message == (
        "The table of `pbs-installer` has no builds of python-build-standalone for"
        " `musllinux_x86_64`"
    )
    assert "`python-source`" in caught.value.hint
