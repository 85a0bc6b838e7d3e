"""One lock for several platforms: what lies below on some, what has wheels for some, and forks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker
from packaging.pylock import Pylock
from resolving import CP, MINOR, World, make_world, refused

from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.lock_file import dump_lock, read_lock, write_lock
from hatch_venvstacks.model.platforms import PLATFORMS, marker_environment, wheel_tags

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.model.lock import Lock

LINUX, MAC, WINDOWS = "linux_x86_64", "macosx_arm64", "win_amd64"


@pytest.fixture
def world(tmp_path: Path, wheel_index: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = make_world(tmp_path, wheel_index, monkeypatch)
    world.platforms = tuple(PLATFORMS)
    return world


def native(
    world: World, name: str, version: str, *tags: str, requires: tuple[str, ...] = ()
) -> None:
    for tag in tags:
        world.wheel(name, version, *requires, tag=f"{CP}-{CP}-{tag}")


def markers(lock: Lock) -> dict[str, str]:
    return {f"{p.name} {p.version}": str(p.marker or "") for p in lock.pylock.packages}


def by_platform(lock: Lock) -> dict[str, dict[str, str]]:
    return {platform: lock.versions(platform) for platform in lock.inputs.platforms}


def test_markers_are_simple(world: World) -> None:
    for name in ("everywhere", "windows", "posix", "mac-arm", "odd"):
        world.wheel(name, "1.0")
    lock = world.lock(
        "everywhere",
        "windows ; os_name == 'nt' and implementation_name == 'cpython'",
        "posix ; sys_platform != 'win32' and python_version >= '3.8'",
        "mac-arm ; sys_platform == 'darwin' and platform_machine == 'arm64'",
        "odd ; platform_machine == 'x86_64' or sys_platform == 'win32' and python_version < '4'",
    )
    assert markers(lock) == {
        "everywhere 1.0": "",
        "mac-arm 1.0": 'sys_platform == "darwin" and platform_machine == "arm64"',
        "odd 1.0": (
            'sys_platform == "linux" and platform_machine == "x86_64" or sys_platform == "darwin"'
            ' and platform_machine == "x86_64" or sys_platform == "win32"'
        ),
        "posix 1.0": 'sys_platform != "win32"',
        "windows 1.0": 'sys_platform == "win32"',
    }
    assert 'marker = ""' not in dump_lock(lock)


def test_markers_depend_on_the_platforms_of_the_lock(world: World) -> None:
    world.wheel("windows", "1.0")
    world.wheel("all", "1.0")
    world.platforms = (LINUX, WINDOWS)
    lock = world.lock("all", "windows ; sys_platform == 'win32'")
    assert markers(lock) == {"all 1.0": "", "windows 1.0": 'sys_platform == "win32"'}
    world.platforms = (WINDOWS,)
    assert markers(world.lock("windows ; sys_platform == 'win32'")) == {"windows 1.0": ""}


def test_lock_is_pep_751_and_selects_the_right_wheels(world: World, tmp_path: Path) -> None:
    tags = {
        "linux_x86_64": "manylinux_2_17_x86_64",
        "linux_aarch64": "manylinux_2_17_aarch64",
        "musllinux_x86_64": "musllinux_1_2_x86_64",
        "musllinux_aarch64": "musllinux_1_1_aarch64",
        "macosx_arm64": "macosx_11_0_arm64",
        "macosx_x86_64": "macosx_10_13_x86_64",
        "win_amd64": "win_amd64",
        "win_arm64": "win_arm64",
    }
    native(world, "native", "1.0", *tags.values(), "win32", "musllinux_1_3_x86_64")
    write_lock(world.lock("native"))
    (path,) = world.root.glob("top/pylock.*")
    lock = read_lock(path)
    (package,) = lock.pylock.packages
    assert len(package.wheels or ()) == len(tags)
    for platform, tag in tags.items():
        target = PLATFORMS[platform]
        ((_, wheel),) = lock.pylock.select(
            environment=marker_environment(target, f"{MINOR}.20"),
            tags=list(wheel_tags(target, MINOR)),
        )
        assert wheel == next(w for w in package.wheels or () if w.filename.endswith(f"{tag}.whl"))
        (selected,) = select_wheels(lock, target, MINOR)
        assert selected.filename.endswith(f"-{tag}.whl")
    assert isinstance(lock.pylock, Pylock)


def test_fork_by_requirement(world: World) -> None:
    for version in ("1.0", "2.0"):
        world.wheel("lib", version)
    world.wheel("dep", "1.0", "lib<2 ; sys_platform == 'win32'", "lib ; sys_platform != 'win32'")
    lock = world.lock("dep")
    for platform, versions in by_platform(lock).items():
        assert versions["lib"] == ("1.0" if platform.startswith("win") else "2.0")
    # An upper layer takes on each platform what lies there.
    world.wheel("top", "1.0", "lib")
    below = world.layer("base", "dep")
    upper = world.lock("top", below=below)
    assert by_platform(upper) == {key: {"top": "1.0"} for key in PLATFORMS}
    assert upper.inputs.below[LINUX]["lib"] == "2.0"
    assert upper.inputs.below[WINDOWS]["lib"] == "1.0"
    error = refused(world, "lib>=2", below=below)
    assert "layer `base` holds lib 1.0" in error.message


def test_pins_of_a_fork_are_kept(world: World) -> None:
    for version in ("1.0", "2.0"):
        world.wheel("lib", version)
    requirements = ("lib<2 ; sys_platform == 'win32'", "lib ; sys_platform != 'win32'")
    lock = world.lock(*requirements)
    for version in ("1.5", "2.5"):
        world.wheel("lib", version)
    assert by_platform(world.lock(*requirements, previous=lock)) == by_platform(lock)
    assert by_platform(world.lock(*requirements)) != by_platform(lock)


def test_what_lies_below_on_some_platforms_only(world: World) -> None:
    for version in ("1.0", "2.0"):
        world.wheel("sub", version)
    below = world.layer("base", "sub<2 ; sys_platform == 'linux'")
    lock = world.lock("sub", below=below)
    assert markers(lock) == {"sub 1.0": 'sys_platform != "linux"'}
    assert lock.inputs.below[LINUX] == {"sub": "1.0"}
    assert lock.inputs.below[MAC] == {"sub": ""}


def test_extra_of_what_lies_below_on_some_platforms(world: World) -> None:
    world.wheel("socks", "1.0")
    world.wheel("web", "1.0", "socks ; extra == 'proxy'", extras=["proxy"])
    below = world.layer("base", "web ; sys_platform != 'win32'")
    lock = world.lock("web[proxy]", below=below)
    assert markers(lock) == {"socks 1.0": "", "web 1.0": 'sys_platform == "win32"'}


def test_two_bases_that_differ_on_one_platform(world: World) -> None:
    world.wheel("lib", "1.0")
    right = world.layer("right", "lib")
    world.wheel("need", "1.0")
    world.wheel("lib", "2.0", "need")
    world.wheel("dep", "1.0", "lib")
    left = world.layer("left", "lib>1 ; sys_platform == 'win32'")
    lock = world.lock("dep", below=[*left, *right])
    recorded = dict(lock.inputs.below[WINDOWS])
    assert recorded.pop("lib").startswith("2.0 over 1.0 requires ")
    assert recorded == {"dep": "", "need": "1.0"}
    assert lock.inputs.below[LINUX] == {"dep": "", "lib": "1.0"}
    assert by_platform(lock) == {key: {"dep": "1.0"} for key in PLATFORMS}


def test_markers_on_the_release_of_a_system(world: World) -> None:
    world.wheel("new", "1.0")
    world.wheel("dep", "1.0", "new ; platform_release >= '22.0' and sys_platform != 'win32'")
    lock = world.lock("dep")
    assert [name for name in PLATFORMS if "new" in lock.versions(name)] == [
        "macosx_arm64",
        "macosx_x86_64",
    ]
    (line,) = world.warnings["markers"]
    assert line == (
        "Whether `new` is needed on linux_x86_64, linux_aarch64, musllinux_x86_64,"
        " musllinux_aarch64 depends on `platform_release` there, which is not known: it is left"
        " out"
    )
    world.macos = (12, 0)
    assert "new" not in world.lock("dep").versions(MAC)
    world.lock("dep ; sys_platform == 'darwin'")
    assert world.warnings["markers"] == []


def test_two_bases_that_disagree_on_one_platform(world: World) -> None:
    """On the others the first does for both, though the second holds another there, too."""
    world.wheel("lib", "1.0")
    left = world.layer("left", "lib==1.0")
    world.wheel("lib", "2.0")
    world.wheel("lib", "3.0")
    right = world.layer("right", "lib", "lib==2.0 ; sys_platform == 'win32'")
    error = refused(world, "lib", below=[*left, *right])
    assert error.message.endswith(
        "hold different versions of `lib` on win_amd64, win_arm64: `left` holds 1.0, `right` holds"
        " 2.0"
    )
    # That is for users of uv, and names a setting that does not count here.
    assert "tool.uv.environments" not in error.detail


def test_older_version_where_the_newest_has_no_wheel(world: World) -> None:
    linux = (
        *("manylinux_2_17_x86_64", "manylinux_2_17_aarch64"),
        *("musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
    )
    others = ("macosx_11_0_arm64", "macosx_10_13_x86_64", "win_amd64", "win_arm64")
    native(world, "native", "2.0", *linux, *others[:2], "win_amd64")
    native(world, "native", "1.0", *linux, *others)
    lock = world.lock("native")
    for platform, versions in by_platform(lock).items():
        assert versions == {"native": "1.0" if platform == "win_arm64" else "2.0"}, platform


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({}, {LINUX: "2.0", MAC: "2.0"}),
        ({"linux": (2, 39)}, {LINUX: "3.0", MAC: "2.0"}),
        # A version that does on one platform is taken on the next as well.
        ({"linux": (2, 17)}, {LINUX: "1.0", MAC: "1.0"}),
        ({"macos": (26, 0)}, {LINUX: "2.0", MAC: "2.0"}),
        ({"macos": (11, 0)}, {LINUX: "2.0", MAC: "1.0"}),
    ],
)
def test_version_for_the_oldest_system(
    world: World, targets: dict[str, tuple[int, int]], expected: dict[str, str]
) -> None:
    world.platforms = (LINUX, MAC)
    native(world, "native", "3.0", "manylinux_2_34_x86_64", "macosx_14_0_arm64")
    native(world, "native", "2.0", "manylinux_2_28_x86_64", "macosx_12_0_arm64")
    native(world, "native", "1.0", "manylinux_2_12_x86_64", "macosx_10_9_universal2")
    for name, release in targets.items():
        setattr(world, name, release)
    lock = world.lock("native")
    assert {p: v["native"] for p, v in by_platform(lock).items()} == expected
    assert all(world.oldest_systems.named_of(one.family) == one.oldest for one in lock.targets)
    if "linux" in targets:
        found = [w.filename for w in lock.added(LINUX)[0].wheels or ()]
        assert all("manylinux" in name or len(set(expected.values())) == 1 for name in found)


def test_no_wheel_for_a_platform(world: World) -> None:
    native(world, "native", "2.0", "macosx_11_0_arm64", "macosx_10_13_x86_64")
    world.wheel("dep", "1.0", "native")
    error = refused(world, "dep")
    assert error.message == (
        "`native` 2.0 has no wheel for linux_x86_64 (from glibc 2.28 on), which layer `top` is"
        " locked for"
    )
    assert error.hint.startswith(
        "There are wheels of it for macosx_arm64, macosx_x86_64: set `platforms = "
        '["macosx_arm64", "macosx_x86_64"]`, or require it with a marker'
    )
    world.platforms = ("macosx_arm64", "macosx_x86_64")
    assert set(by_platform(world.lock("dep"))[MAC]) == {"dep", "native"}
    world.platforms = tuple(PLATFORMS)
    assert world.lock("native ; sys_platform == 'darwin'").versions(LINUX) == {}


def test_no_wheel_for_an_old_system(world: World) -> None:
    world.platforms = (LINUX,)
    native(world, "native", "1.0", "manylinux_2_34_x86_64")
    error = refused(world, "native")
    assert "`native` 1.0 has no wheel for linux_x86_64 (from glibc 2.28 on)" in error.message
    assert f"native-1.0-{CP}-{CP}-manylinux_2_34_x86_64.whl" in error.detail
    error = refused(world, "native==1.0")
    assert "`native` 1.0 has no wheel" in error.message
    world.linux = (2, 34)
    assert world.lock("native").versions(LINUX) == {"native": "1.0"}


def test_sdist_is_never_taken(world: World) -> None:
    import io
    import tarfile

    with tarfile.open(world.index / "raw-2.0.tar.gz", "w:gz") as archive:
        content = b"Metadata-Version: 2.2\nName: raw\nVersion: 2.0\n"
        info = tarfile.TarInfo("raw-2.0/PKG-INFO")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    native(world, "raw", "2.0", "win_amd64", "win_arm64")
    world.wheel("raw", "1.0")
    assert by_platform(world.lock("raw")) == {key: {"raw": "1.0"} for key in PLATFORMS}
    error = refused(world, "raw>=2")
    assert "`raw` 2.0 has no wheel for linux_x86_64" in error.message
    assert "There are wheels of it for win_amd64, win_arm64" in error.hint


def test_excluded_packages(world: World) -> None:
    world.wheel("heavy", "1.0", "heavier")
    world.wheel("heavier", "1.0")
    world.wheel("dep", "1.0", "heavy")
    world.excluded = ("heavy",)
    lock = world.lock("dep")
    assert lock.versions(LINUX) == {"dep": "1.0"}
    assert lock.inputs.excluded == ("heavy",)
    assert 'exclude-packages = ["heavy"]' in dump_lock(lock)


def test_environments_of_the_lock(world: World) -> None:
    world.wheel("dep", "1.0")
    lock = world.lock("dep")
    environments = lock.pylock.environments or []
    # Markers tell glibc and musl not apart.
    named = [name for name in PLATFORMS if not name.startswith("musl")]
    assert environments == [Marker(PLATFORMS[name].marker) for name in named]
