from __future__ import annotations

import functools
import itertools
import platform as this
import sys
import sysconfig
from typing import cast

import pytest
from oldest import oldest_systems
from packaging.markers import Marker
from packaging.tags import Tag, parse_tag, sys_tags
from packaging.utils import parse_wheel_filename

from hatch_venvstacks.common.errors import VenvLayerError
from hatch_venvstacks.model.oldest_systems import GLIBC, MUSL
from hatch_venvstacks.model.platforms import (
    PLATFORMS,
    c_library,
    common_marker,
    environments,
    host_platform,
    marker_environment,
    marker_holds,
    unknown_facts,
    wheel_tags,
)

LINUX, ARM, MAC = (PLATFORMS[name] for name in ("linux_x86_64", "linux_aarch64", "macosx_arm64"))
WINDOWS = PLATFORMS["win_amd64"]
LINUXES = ["linux_x86_64", "linux_aarch64", "musllinux_x86_64", "musllinux_aarch64"]


@pytest.mark.parametrize(
    ("tag", "machine", "expected"),
    [
        ("linux-x86_64", "x86_64", "linux_x86_64"),
        ("linux-aarch64", "aarch64", "linux_aarch64"),
        ("macosx-11.0-arm64", "arm64", "macosx_arm64"),
        ("macosx-10.13-x86_64", "x86_64", "macosx_x86_64"),
        ("macosx-10.13-universal2", "arm64", "macosx_arm64"),
        ("macosx-10.9-universal2", "x86_64", "macosx_x86_64"),
        ("win-amd64", "AMD64", "win_amd64"),
        ("win-arm64", "ARM64", "win_arm64"),
    ],
)
def test_host_platform(tag: str, machine: str, expected: str) -> None:
    assert host_platform(tag, machine, GLIBC).name == expected


@pytest.mark.parametrize(
    "tag", ["linux-i686", "win32", "linux-ppc64le", "freebsd-14-amd64", "", "macosx-10.9-fat64"]
)
def test_host_that_is_no_target(tag: str) -> None:
    with pytest.raises(VenvLayerError) as caught:
        host_platform(tag, "odd", GLIBC)
    assert f"({tag})" in caught.value.message
    assert "linux_x86_64" in caught.value.hint


@pytest.mark.parametrize(
    ("tags", "built_for", "expected"),
    [
        (["manylinux_2_36_x86_64", "linux_x86_64"], "x86_64-pc-linux-gnu", "glibc"),
        (["linux_x86_64", "musllinux_1_2_x86_64"], "x86_64-pc-linux-gnu", "musl"),
        # Without a loader: the tags tell nothing.
        (["linux_x86_64"], "x86_64-unknown-linux-musl", "musl"),
        (["linux_x86_64"], "None", "glibc"),
        ([], "aarch64-alpine-linux-musl", "musl"),
    ],
)
def test_c_library(tags: list[str], built_for: str, expected: str) -> None:
    family = c_library(iter(tags), built_for)
    assert family.name == expected
    prefix = "musl" if expected == "musl" else ""
    assert host_platform("linux-aarch64", "", family).name == f"{prefix}linux_aarch64"


def test_other_systems_have_no_c_library_to_choose() -> None:
    assert host_platform("win-arm64", "", MUSL).name == "win_arm64"
    assert host_platform("macosx-11.0-arm64", "", MUSL).name == "macosx_arm64"


@pytest.mark.skipif(sys.platform != "linux", reason="asks this machine")
def test_this_machine() -> None:
    found = host_platform()
    assert found.machine == this.machine()
    prefix = "musl" if found.family == MUSL else ""
    assert found.name == prefix + sysconfig.get_platform().replace("-", "_")
    ours = set(wheel_tags(found, f"{sys.version_info.major}.{sys.version_info.minor}"))
    newest = found.oldest.release[1]
    theirs = {
        tag
        for tag in sys_tags()
        if not tag.platform.startswith(("manylinux_2_", "musllinux_1_"))
        or int(tag.platform.split("_")[2]) <= newest
    }
    assert ours == theirs


@pytest.mark.parametrize("name", PLATFORMS)
def test_markers_tell_platforms_apart(name: str) -> None:
    assert PLATFORMS[name].name == name
    marker = Marker(PLATFORMS[name].marker)
    holds = [
        other.name
        for other in PLATFORMS.values()
        if marker.evaluate(cast("dict[str, str]", marker_environment(other, "3.11")))
    ]
    alike = {"linux": ["", "musl"], "musllinux": ["", "musl"]}
    system, _, machine = name.partition("_")
    assert holds == [
        f"{libc}{system.removeprefix('musl')}_{machine}" for libc in alike.get(system, [""])
    ]
    for_uv = Marker(PLATFORMS[name].marker_for_uv("3.11"))
    for other in PLATFORMS.values():
        for python in ("3.10.9", "3.11", "3.11.13"):
            environment = cast("dict[str, str]", marker_environment(other, python))
            assert for_uv.evaluate(environment) == (other.name in holds and python[:4] == "3.11")


@pytest.mark.parametrize(
    ("macos", "release"),
    [((10, 9), "13.0.0"), ((10, 15), "19.0.0"), ((11, 0), "20.0.0"), ((13, 4), "22.0.0"),
     ((15, 0), "24.0.0"), ((26, 0), "25.0.0")],
)  # fmt: skip
def test_release_of_the_oldest_system(macos: tuple[int, int], release: str) -> None:
    intel = PLATFORMS["macosx_x86_64"].since(oldest_systems(macos=macos))
    assert marker_environment(intel, "3.11")["platform_release"] == release
    for platform in (LINUX, WINDOWS):
        assert marker_environment(platform, "3.11")["platform_release"] == ""


@pytest.mark.parametrize(
    ("marker", "on_linux", "on_mac"),
    [
        ("platform_release >= '5'", ("platform_release",), ()),
        ("platform_version != ''", ("platform_version",), ("platform_version",)),
        ("platform_release >= '5' and sys_platform == 'darwin'", (), ()),
        ("platform_release >= '5' or sys_platform == 'linux'", (), ()),
        ("platform_machine == 'x86_64'", (), ()),
    ],
)
def test_facts_that_are_not_known(
    marker: str, on_linux: tuple[str, ...], on_mac: tuple[str, ...]
) -> None:
    assert unknown_facts(Marker(marker), LINUX, "3.11.7") == on_linux
    assert unknown_facts(Marker(marker), MAC, "3.11.7") == on_mac
    assert unknown_facts(None, LINUX, "3.11.7") == ()


def test_marker_environment() -> None:
    found = marker_environment(LINUX, "3.11")
    assert (found["python_version"], found["python_full_version"]) == ("3.11", "3.11.0")
    found = marker_environment(LINUX, "3.11.13")
    assert (found["python_version"], found["python_full_version"]) == ("3.11", "3.11.13")
    assert found["implementation_name"] == "cpython"
    assert set(marker_environment(MAC, "3.13")) == set(found)


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        (None, True),
        ("", True),
        ("sys_platform == 'linux'", True),
        (Marker("sys_platform == 'win32'"), False),
        ("python_full_version >= '3.11.4' and extra != 'x'", True),
        ("extra == 'x'", False),
        ("'x' in extras", False),
    ],
)
def test_marker_that_holds(marker: Marker | str | None, expected: bool) -> None:
    assert marker_holds(marker, LINUX, "3.11.7") is expected


def fits(tag: str, target: str = "linux_x86_64", python: str = "3.11") -> bool:
    return bool(parse_tag(tag) & set(wheel_tags(PLATFORMS[target], python)))


@pytest.mark.parametrize(
    "tag",
    [
        "py3-none-any",
        "py2.py3-none-any",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp311-cp311-manylinux2014_x86_64",
        "cp311-cp311-manylinux2010_x86_64",
        "cp311-cp311-manylinux1_x86_64",
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp311-cp311-linux_x86_64",
        "cp37-abi3-manylinux_2_17_x86_64",
        "cp311-abi3-manylinux_2_17_x86_64",
        "cp311-none-any",
        "cp311-none-manylinux_2_17_x86_64",
        "py3-none-manylinux_2_17_x86_64",
        "py311-none-any",
        "py310-none-any",
        "py31-none-any",
    ],
)
def test_wheels_that_fit(tag: str) -> None:
    assert fits(tag)
    assert fits(tag, python="3.11.13")


@pytest.mark.parametrize(
    "tag",
    [
        "cp310-cp310-manylinux_2_17_x86_64",
        "cp311-cp311d-manylinux_2_17_x86_64",
        "cp311-cp311-musllinux_1_2_x86_64",
        "cp311-cp311-manylinux_2_29_x86_64",
        "cp311-cp311-manylinux_2_4_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp311-cp311-manylinux_2_17_i686",
        "cp311-cp311-macosx_11_0_arm64",
        "cp311-cp311-win_amd64",
        "cp312-abi3-manylinux_2_17_x86_64",
        "cp313-cp313t-manylinux_2_17_x86_64",
        "cp311-abi3-any",
        "py312-none-any",
        "py2-none-any",
        "pp311-pypy311_pp73-manylinux_2_17_x86_64",
    ],
)
def test_wheels_that_do_not_fit(tag: str) -> None:
    assert not fits(tag)


@pytest.mark.parametrize(
    ("tag", "target", "expected"),
    [
        ("cp311-cp311-macosx_11_0_arm64", "macosx_arm64", True),
        ("cp311-cp311-macosx_13_0_arm64", "macosx_arm64", True),
        ("cp311-cp311-macosx_14_0_arm64", "macosx_arm64", False),
        ("cp311-cp311-macosx_10_9_universal2", "macosx_arm64", True),
        ("cp311-cp311-macosx_10_9_x86_64", "macosx_arm64", False),
        ("cp311-cp311-macosx_10_9_x86_64", "macosx_x86_64", True),
        ("cp311-cp311-win_amd64", "win_amd64", True),
        ("cp311-cp311-win_arm64", "win_amd64", False),
        ("cp311-cp311-win_arm64", "win_arm64", True),
        ("cp311-cp311-win32", "win_amd64", False),
        ("cp311-cp311-manylinux_2_17_aarch64", "linux_aarch64", True),
        ("cp311-cp311-manylinux_2_12_aarch64", "linux_aarch64", False),
        ("cp311-cp311-manylinux2014_aarch64", "linux_aarch64", True),
        ("cp311-cp311-manylinux1_aarch64", "linux_aarch64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", "musllinux_x86_64", True),
        ("cp311-cp311-musllinux_1_1_x86_64", "musllinux_x86_64", True),
        ("cp311-cp311-musllinux_1_0_x86_64", "musllinux_x86_64", True),
        ("cp311-cp311-musllinux_1_3_x86_64", "musllinux_x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", "musllinux_x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64.musllinux_1_1_x86_64", "musllinux_x86_64", True),
        ("cp311-cp311-musllinux_1_2_x86_64", "musllinux_aarch64", False),
        ("cp311-cp311-musllinux_1_2_aarch64", "musllinux_aarch64", True),
        ("cp311-cp311-linux_x86_64", "musllinux_x86_64", True),
        ("py3-none-any", "musllinux_aarch64", True),
    ],
)
def test_other_platforms(tag: str, target: str, expected: bool) -> None:
    assert fits(tag, target) is expected


@pytest.mark.parametrize(
    ("tag", "target", "expected"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64", "linux_x86_64", True),
        ("cp311-cp311-manylinux_2_24_x86_64", "linux_x86_64", False),
        ("cp311-cp311-macosx_12_0_x86_64", "macosx_x86_64", True),
        ("cp311-cp311-macosx_13_0_x86_64", "macosx_x86_64", False),
        ("cp311-cp311-win_amd64", "win_amd64", True),
    ],
)
def test_oldest_system(tag: str, target: str, expected: bool) -> None:
    old = PLATFORMS[target].since(oldest_systems(glibc=(2, 17), macos=(12, 3)))
    assert bool(parse_tag(tag) & set(wheel_tags(old, "3.11"))) is expected
    newest = PLATFORMS[target].since(oldest_systems(glibc=(2, 40), macos=(26, 0)))
    assert parse_tag(tag) & set(wheel_tags(newest, "3.11"))


def test_first_macos_for_arm() -> None:
    old = oldest_systems(macos=(10, 13))
    assert MAC.since(old).oldest.release == (11, 0)
    assert PLATFORMS["macosx_x86_64"].since(old).oldest.release == (10, 13)


@pytest.mark.parametrize(
    ("target", "linux", "macos", "name", "environment"),
    [
        ("linux_x86_64", (2, 28), (13, 0), "x86_64-manylinux_2_28", {}),
        ("linux_aarch64", (2, 17), (13, 0), "aarch64-manylinux_2_17", {}),
        # uv has no name for this release; the lock has only wheels that an older one takes, too.
        ("linux_x86_64", (2, 20), (13, 0), "x86_64-manylinux_2_28", {}),
        ("linux_x86_64", (2, 40), (13, 0), "x86_64-manylinux_2_40", {}),
        (
            "macosx_arm64",
            (2, 28),
            (12, 3),
            "aarch64-apple-darwin",
            {"MACOSX_DEPLOYMENT_TARGET": "12.3"},
        ),
        (
            "macosx_x86_64",
            (2, 28),
            (10, 13),
            "x86_64-apple-darwin",
            {"MACOSX_DEPLOYMENT_TARGET": "10.13"},
        ),
        ("musllinux_x86_64", (2, 28), (13, 0), "x86_64-unknown-linux-musl", {}),
        ("musllinux_aarch64", (2, 28), (13, 0), "aarch64-unknown-linux-musl", {}),
        ("win_amd64", (2, 28), (13, 0), "x86_64-pc-windows-msvc", {}),
        ("win_arm64", (2, 28), (13, 0), "aarch64-pc-windows-msvc", {}),
    ],
)
def test_names_for_uv(
    target: str,
    linux: tuple[int, int],
    macos: tuple[int, int],
    name: str,
    environment: dict[str, str],
) -> None:
    platform = PLATFORMS[target].since(oldest_systems(glibc=linux, macos=macos))
    assert platform.uv == name
    assert platform.uv_environment == environment


@pytest.mark.parametrize(
    ("chosen", "marker"),
    [
        (list(PLATFORMS), ""),
        (LINUXES, "sys_platform == 'linux'"),
        (["macosx_arm64"], "sys_platform == 'darwin' and platform_machine == 'arm64'"),
        (
            [*LINUXES, "win_amd64", "win_arm64"],
            "sys_platform != 'darwin'",
        ),
        (
            ["linux_x86_64", "musllinux_x86_64", "win_amd64", "win_arm64"],
            "sys_platform == 'linux' and platform_machine == 'x86_64' or sys_platform == 'win32'",
        ),
    ],
)
def test_common_marker(chosen: list[str], marker: str) -> None:
    assert common_marker([PLATFORMS[name] for name in chosen], list(PLATFORMS.values())) == marker


def test_one_platform_for_each_marker() -> None:
    assert [one.name for one in environments(PLATFORMS.values())] == [
        name for name in PLATFORMS if not name.startswith("musl")
    ]
    musl = PLATFORMS["musllinux_aarch64"]
    assert environments([musl, ARM, MAC]) == (musl, MAC)


def test_marker_of_two_c_libraries() -> None:
    musl = PLATFORMS["musllinux_x86_64"]
    assert common_marker([LINUX, musl], [LINUX, musl]) == ""
    on_both = "sys_platform == 'linux'"
    assert common_marker([LINUX, musl], [LINUX, musl, WINDOWS]) == on_both
    assert common_marker([musl], [musl, WINDOWS]) == on_both
    assert common_marker([musl, LINUX], [LINUX, musl, WINDOWS]) == on_both


def test_common_markers_hold_where_they_should() -> None:
    # With either C library, and with markers that tell all platforms apart.
    for libc in ("linux", "musllinux"):
        left_out = {"linux": "musllinux", "musllinux": "linux"}[libc]
        check_common_markers([name for name in PLATFORMS if name.split("_")[0] != left_out])


def check_common_markers(names: list[str]) -> None:
    for size in range(1, len(names) + 1):
        for among in itertools.combinations(names, size):
            for count in range(1, size + 1):
                for chosen in itertools.combinations(among, count):
                    text = common_marker(
                        [PLATFORMS[name] for name in chosen], [PLATFORMS[name] for name in among]
                    )
                    holds = [name for name in among if not text or evaluated(text, name)]
                    assert holds == list(chosen)


@functools.cache
def evaluated(marker: str, name: str) -> bool:
    environment = cast("dict[str, str]", marker_environment(PLATFORMS[name], "3.11"))
    return Marker(marker).evaluate(environment)


def test_best_wheel_comes_first() -> None:
    names = [
        "p-1-cp311-cp311-manylinux_2_28_x86_64.whl",
        "p-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "p-1-cp311-cp311-manylinux1_x86_64.whl",
        "p-1-cp311-abi3-manylinux_2_17_x86_64.whl",
        "p-1-cp38-abi3-manylinux_2_17_x86_64.whl",
        "p-1-py3-none-manylinux_2_17_x86_64.whl",
        "p-1-py3-none-any.whl",
    ]
    order = {tag: place for place, tag in reversed(list(enumerate(wheel_tags(LINUX, "3.11"))))}
    ranks = [
        min(order[tag] for tag in parse_wheel_filename(name)[3] & set(order)) for name in names
    ]
    assert ranks == sorted(ranks)
    assert all(first < second for first, second in itertools.pairwise(ranks))


@pytest.mark.parametrize("target", PLATFORMS.values(), ids=PLATFORMS)
def test_no_tag_twice(target: object) -> None:
    tags = list(wheel_tags(target, "3.13"))  # type: ignore[arg-type]
    assert len(tags) == len(set(tags))
    assert all(isinstance(tag, Tag) for tag in tags)
    assert ("win" in WINDOWS.name) is (WINDOWS.os_name == "nt")
    assert ARM.machine == "aarch64"
