from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import Package, Pylock
from packaging.version import Version

from hatch_venvstacks.conflicts import Held, blames, explain, held_below, held_versions
from hatch_venvstacks.errors import ToolError
from hatch_venvstacks.lock import Lock, LockInputs
from hatch_venvstacks.spec import LayerKind, LayerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def test_layers_for_other_platforms_hold_nothing() -> None:
    layers = [below("a", (WINDOWS,), x="1"), below("b", (LINUX, WINDOWS), x="2")]
    assert held_versions(held_below(layers, LINUX)) == {"x": "2"}
    assert held_versions(held_below(layers, WINDOWS)) == {"x": "1 over 2"}
    assert held_below(layers, "macosx_arm64") == {}


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("you require a-b==1.0", True),
        ("a-b==1.0, a-b==2", True),
        ("(a-b==1.0)", True),
        ("a-b{sys_platform == 'linux'}==1.0 and", True),
        ("a-b==1.0.1", False),
        ("a-b==1.01", False),
        ("a-b==1.0rc1", False),
        ("xa-b==1.0", False),
        ("x-a-b==1.0", False),
        ("x.a-b==1.0", False),
        ("a-b>=1.0", False),
        ("a-b-c==1.0", False),
        ("a-b==11.0", False),
        ("", False),
    ],
)
def test_blame(detail: str, expected: bool) -> None:
    error = ToolError("m", detail=detail)
    assert blames(error, Held("a-b", "1.0", "l")) is expected


def test_blame_is_no_pattern() -> None:
    held = Held("a.b", "1.0+x", "l")
    assert blames(ToolError("m", detail="a.b==1.0+x"), held)
    assert not blames(ToolError("m", detail="a-b==1.0+x"), held)


def lock(**requires: list[str]) -> dict[str, Any]:
    packages: list[dict[str, Any]] = [
        {
            "name": name.replace("_", "-"),
            "source": {"virtual": "."} if name == "root" else {"registry": "x"},
            "dependencies": [{"name": one} for one in names],
        }
        for name, names in requires.items()
    ]
    return {"package": packages}


def said(
    requirements: tuple[str, ...],
    detail: str,
    held: Mapping[str, Mapping[str, Held]],
    free: dict[str, Any] | None = None,
) -> str:
    def unconstrained() -> dict[str, Any]:
        if free is None:
            raise ToolError("no")
        return free

    error = ToolError("cannot be resolved", detail=detail)
    found = explain(spec("top", *requirements), held, "3.11", error, unconstrained)
    assert found.detail == detail
    return found.message


HELD = {LINUX: {"x": Held("x", "1.0", "base")}}


@pytest.mark.parametrize(
    ("requirement", "named"),
    [
        ("x>=2", True),
        ("X==1.0.1", True),
        ("x!=1.0", True),
        ("x>=2 ; sys_platform == 'linux'", True),
        ("x[extra]>=2", True),
        ("x", False),
        ("x>=1", False),
        ("x>=2 ; sys_platform == 'win32'", False),
        ("x>=2 ; python_version < '3.8'", False),
        ("y>=2", False),
    ],
)
def test_requirement_that_conflicts(requirement: str, named: bool) -> None:
    message = said((requirement,), "", HELD)
    assert message == (
        f"Layer `top` conflicts with a layer below: it requires `{requirement}`, "
        "but layer `base` holds x 1.0"
        if named
        else "cannot be resolved"
    )


def test_one_line_for_several_platforms() -> None:
    held = dict.fromkeys((LINUX, WINDOWS), HELD[LINUX])
    assert said(("x>=2",), "", held).count("`x>=2`") == 1


def test_every_conflict_is_named() -> None:
    held = {LINUX: {**HELD[LINUX], "y": Held("y", "3", "rt")}}
    message = said(("x>=2", "y<3"), "", held)
    assert "layer `base` holds x 1.0" in message
    assert "layer `rt` holds y 3" in message


def test_prerelease_below_fits() -> None:
    held = {LINUX: {"x": Held("x", "2.0rc1", "base")}}
    assert said(("x>=1",), "", held) == "cannot be resolved"


def test_shortest_way_to_what_is_blamed() -> None:
    free = lock(root=["a", "b"], a=["c"], c=["d"], d=["x"], b=["x", "a"], x=["a"])
    message = said(("a", "b"), "you require x==1.0", HELD, free)
    assert "its requirement `b` -> `x` needs another version of x than 1.0" in message
    assert "which layer `base` holds" in message


def test_way_through_an_extra() -> None:
    free = lock(root=["a"], a=[], x=[])
    free["package"][1]["optional-dependencies"] = {"more": [{"name": "x"}]}
    assert "`a` -> `x`" in said(("a[more]",), "x==1.0", HELD, free)


def test_circle_of_dependencies_ends() -> None:
    free = lock(root=["a"], a=["b"], b=["a"], x=[])
    assert said(("a",), "x==1.0", HELD, free) == "cannot be resolved"


def test_nobody_is_blamed() -> None:
    assert said(("a",), "something else", HELD, lock(root=["x"], x=[])) == "cannot be resolved"
    assert said(("a",), "x==1.0", HELD, None) == "cannot be resolved"
