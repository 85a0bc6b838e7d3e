from __future__ import annotations

from pathlib import Path

from packaging.pylock import Package, Pylock
from packaging.version import Version

from hatch_venvstacks.model.lock import Lock, LockInputs
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.sources.held_below import Held, held_below, held_versions

LINUX, WINDOWS = "linux_x86_64", "win_amd64"


def spec(name: str, *requirements: str) -> LayerSpec:
    return LayerSpec(Path("/p") / name, name, name, LayerKind.FRAMEWORK, requirements=requirements)


def below(
    name: str, platforms: tuple[str, ...] = (LINUX,), **versions: str
) -> tuple[LayerSpec, Lock]:
    packages = [
        Package(name=key.replace("_", "-"), version=Version(value))  # type: ignore[arg-type]
        for key, value in versions.items()
    ]
    pylock = Pylock(lock_version=Version("1.0"), created_by="x", packages=packages)
    return spec(name), Lock(Path("/p"), pylock, LockInputs(platforms, ()))


def test_nothing_below() -> None:
    assert held_below([], LINUX) == {}
    assert held_versions({}) == {}


def test_first_in_import_order_counts() -> None:
    held = held_below(
        [below("a", x="1"), below("b", x="2", y="1"), below("c", x="1", y="1"), below("d", x="3")],
        LINUX,
    )
    assert held == {
        "x": Held("x", "1", "a", (("2", "b"), ("3", "d"))),
        "y": Held("y", "1", "b"),
    }
    assert held_versions(held) == {"x": "1 over 2 over 3", "y": "1"}


def test_a_version_that_several_layers_hold_is_recorded_once() -> None:
    held = held_below([below("a", x="1"), below("b", x="2"), below("c", x="2")], LINUX)
    assert held == {"x": Held("x", "1", "a", (("2", "b"), ("2", "c")))}
    assert held_versions(held) == {"x": "1 over 2"}


def test_layers_for_other_platforms_hold_nothing() -> None:
    layers = [below("a", (WINDOWS,), x="1"), below("b", (LINUX, WINDOWS), x="2")]
    assert held_versions(held_below(layers, LINUX)) == {"x": "2"}
    assert held_versions(held_below(layers, WINDOWS)) == {"x": "1 over 2"}
    assert held_below(layers, "macosx_arm64") == {}
