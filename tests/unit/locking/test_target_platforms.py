from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oldest import oldest_systems
from packaging.pylock import Pylock
from packaging.version import Version

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.locking.target_platforms import excluded_packages, layer_targets
from hatch_venvstacks.model.lock import Lock, LockInputs
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import RuntimeOrigin, RuntimeRequest
from hatch_venvstacks.model.spec import LayerKind, LayerSpec

LINUX, ARM, MAC, WINDOWS = "linux_x86_64", "linux_aarch64", "macosx_arm64", "win_amd64"
MUSL = "musllinux_x86_64"
HOST = PLATFORMS[LINUX]


def spec(name: str = "top", **more: Any) -> LayerSpec:
    layer = LayerSpec(Path("/p") / name, name, name, LayerKind.FRAMEWORK)
    return replace(layer, **more)


def lock(*platforms: str, **inputs: Any) -> Lock:
    pylock = Pylock(lock_version=Version("1.0"), created_by="x", packages=[])
    return Lock(Path("/p/pylock.toml"), pylock, LockInputs(platforms, (), **inputs))


def runtime(origin: RuntimeOrigin = RuntimeOrigin.STANDALONE, **more: Any) -> LayerSpec:
    return spec(kind=LayerKind.RUNTIME, runtime=RuntimeRequest(origin, "3.11"), **more)


def names(found: tuple[Any, ...]) -> list[str]:
    return [one.name for one in found]


def test_runtime_is_first_for_this_machine() -> None:
    assert layer_targets(runtime(), [], None, HOST) == (HOST,)


def test_runtime_keeps_the_platforms_of_its_lock() -> None:
    assert names(layer_targets(runtime(), [], lock(MAC, WINDOWS), HOST)) == [MAC, WINDOWS]


def test_option_of_a_runtime_counts() -> None:
    asked = runtime(platforms=(LINUX, MAC))
    assert names(layer_targets(asked, [], lock(WINDOWS), HOST)) == [LINUX, MAC]


def test_copied_interpreter_is_for_this_machine() -> None:
    copied = runtime(RuntimeOrigin.HOST)
    assert layer_targets(copied, [], lock(MAC), HOST) == (HOST,)


def test_platforms_that_all_below_have() -> None:
    below = [(spec("a"), lock(LINUX, ARM, WINDOWS)), (spec("b"), lock(ARM, MAC, WINDOWS))]
    assert names(layer_targets(spec(), below, None, HOST)) == [ARM, WINDOWS]
    assert names(layer_targets(spec(platforms=(WINDOWS,)), below, None, HOST)) == [WINDOWS]


def test_platform_that_a_layer_below_lacks() -> None:
    below = [(spec("a"), lock(LINUX)), (spec("rt"), lock(LINUX, MAC))]
    with pytest.raises(LockError) as caught:
        layer_targets(spec(platforms=(LINUX, MAC)), below, None, HOST)
    assert caught.value.message == (
        f"Layer `top` is for {MAC}, but layer `a` below is for {LINUX} only"
    )


def test_nothing_in_common() -> None:
    below = [(spec("a"), lock(LINUX)), (spec("b"), lock(MAC))]
    with pytest.raises(LockError, match="no target platform in common: `a` is for linux_x86_64"):
        layer_targets(spec(), below, None, HOST)


def test_oldest_systems_are_inherited() -> None:
    below = [
        (spec("a"), lock(LINUX, MAC, oldest_systems=oldest_systems(glibc=(2, 31), macos=(11, 0)))),
        (spec("rt"), lock(LINUX, MAC, oldest_systems=oldest_systems(glibc=(2, 17), macos=(11, 0)))),
    ]
    linux, macos = layer_targets(spec(), below, None, HOST)
    assert [str(one.oldest) for one in (linux, macos)] == ["glibc 2.31", "macOS 11.0"]
    newer = spec(oldest_systems=oldest_systems(glibc=(2, 34), macos=(14, 0)))
    linux, macos = layer_targets(newer, below, None, HOST)
    assert [str(one.oldest) for one in (linux, macos)] == ["glibc 2.34", "macOS 14.0"]


def test_defaults_of_a_runtime() -> None:
    (found,) = layer_targets(runtime(), [], None, HOST)
    assert str(found.oldest) == "glibc 2.28"
    (found,) = layer_targets(runtime(oldest_systems=oldest_systems(glibc=(2, 17))), [], None, HOST)
    assert str(found.oldest) == "glibc 2.17"


@pytest.mark.parametrize(
    ("family", "own", "below", "words"),
    [
        ("glibc", (2, 28), (2, 31), "`linux-target` of layer `top` is glibc@2.28, but"),
        ("musl", (1, 1), (1, 2), "`linux-target` of layer `top` is musl@1.1, but"),
        ("macos", (12, 0), (13, 0), "`macos-target` of layer `top` is 12.0, but"),
    ],
)
def test_older_system_than_below(
    family: str, own: tuple[int, int], below: tuple[int, int], words: str
) -> None:
    with pytest.raises(LockError) as caught:
        layer_targets(
            spec(oldest_systems=oldest_systems(**{family: own})),
            [(spec("rt"), lock(LINUX, oldest_systems=oldest_systems(**{family: below})))],
            *(None, HOST),
        )
    assert words in caught.value.message
    assert "layer `rt` below needs" in caught.value.message


def test_c_libraries_are_inherited_each_on_its_own() -> None:
    both = (LINUX, MUSL)
    below = [
        (spec("a"), lock(*both, oldest_systems=oldest_systems(glibc=(2, 31), musl=(1, 1)))),
        (spec("b"), lock(*both, oldest_systems=oldest_systems(glibc=(2, 17), musl=(1, 2)))),
    ]
    found = layer_targets(spec(), below, None, HOST)
    assert [(one.name, str(one.oldest)) for one in found] == [
        (LINUX, "glibc 2.31"),
        (MUSL, "musl 1.2"),
    ]
    # A lock for other platforms says nothing of musl.
    only = [(spec("rt"), lock(LINUX, oldest_systems=oldest_systems(glibc=(2, 17))))]
    own = spec(oldest_systems=oldest_systems(musl=(1, 1)))
    assert [str(one.oldest) for one in layer_targets(own, only, None, HOST)] == ["glibc 2.17"]


def test_runtime_is_first_for_a_machine_with_musl() -> None:
    host = PLATFORMS[MUSL]
    assert layer_targets(runtime(), [], None, host) == (host,)


def test_excluded_packages() -> None:
    below = [(spec("a"), lock(LINUX, excluded=("x", "y"))), (spec("rt"), lock(LINUX))]
    assert excluded_packages(spec(), below) == ("x", "y")
    own = spec(exclude_packages=("b",), requirements=("y>=1",))
    assert excluded_packages(own, below) == ("b", "x")
