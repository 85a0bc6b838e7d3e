from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_venvstacks.common.errors import LockError, ToolError
from hatch_venvstacks.locking.explanation import Conflict, blames
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.sources.held_below import Held

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LINUX, WINDOWS = "linux_x86_64", "win_amd64"


def spec(name: str, *requirements: str) -> LayerSpec:
    root = Path("/p") / name
    return LayerSpec(root, name, name, LayerKind.FRAMEWORK, requirements=requirements)


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
    return {
        "package": [
            {"name": name, "version": "7", "dependencies": [{"name": one} for one in names]}
            for name, names in requires.items()
        ]
    }


class World:
    """What a resolver would say: uv's lock for each set of requirements, where there is one."""

    def __init__(self, free: Mapping[tuple[str, ...], Any], above: Sequence[str] = ()) -> None:
        self.free, self.above = free, above

    def __call__(
        self, requirements: Sequence[str], *, above: bool, anywhere: bool = False
    ) -> Mapping[str, Any]:
        assert not (above and anywhere)
        if above and all(text in self.above for text in requirements):
            return {}
        if above or tuple(requirements) not in self.free:
            raise ToolError("no", detail="you require x==1.0")
        found: Mapping[str, Any] = self.free[tuple(requirements)]
        return found


HELD = {LINUX: {"x": Held("x", "1.0", "base")}}
HELD2 = {LINUX: {"x": Held("x", "2.0", "base")}}
NOTHING = World({})


def explained(
    requirements: tuple[str, ...],
    detail: str = "you require x==1.0",
    held: Mapping[str, Mapping[str, Held]] = HELD,
    ask: World = NOTHING,
    below: Mapping[str, str] | None = None,
) -> LockError:
    error = ToolError("cannot be resolved", detail=detail)
    conflict = Conflict(spec("top", *requirements), held, below or {}, "3.11", error)
    return conflict.explain(ask)


def said(requirements: tuple[str, ...], detail: str = "", **more: Any) -> str:
    return explained(requirements, detail, **more).message


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
    message = said((requirement,))
    assert message == (
        f"Layer `top` conflicts with a layer below: it requires `{requirement}`, "
        "but layer `base` holds x 1.0"
        if named
        else "cannot be resolved"
    )


def test_one_line_for_several_platforms() -> None:
    held = dict.fromkeys((LINUX, WINDOWS), HELD[LINUX])
    assert said(("x>=2",), held=held).count("`x>=2`") == 1


def test_conflict_on_one_platform() -> None:
    held = {LINUX: HELD[LINUX], WINDOWS: {"x": Held("x", "2.0", "base")}}
    assert said(("x>=2",), held=held).endswith(f"layer `base` holds x 1.0 on {LINUX}")


def test_conflict_through_others_on_one_platform() -> None:
    held = {LINUX: HELD[LINUX], WINDOWS: {"x": Held("x", "2.0", "base")}}
    ask = World({("a",): lock(a=["x"], x=[])})
    assert said(("a",), "you require x==1.0", held=held, ask=ask) == (
        "Layer `top` conflicts with a layer below: its requirement `a` -> a 7 needs another x"
        f" (alone it takes 7) than 1.0, which layer `base` holds on {LINUX}"
    )


def test_other_versions_that_are_hidden_do_not_matter() -> None:
    other = Held("x", "1.0", "base", (("2.0", "left"),))
    held = {LINUX: HELD[LINUX], WINDOWS: {"x": other}}
    ask = World({("a",): lock(a=["x"], x=[])})
    for requirement in ("a", "x>=2"):
        message = said((requirement,), "you require x==1.0", held=held, ask=ask)
        assert message.count("layer `base` holds") == 1
        assert LINUX not in message


def test_two_requirements_that_conflict_through_others() -> None:
    ask = World({("a",): lock(a=["x"], x=[]), ("b",): lock(b=["x"], x=[])})
    message = said(("a", "b"), "you require x==1.0", ask=ask)
    assert "its requirement `a` -> a 7 needs another x" in message
    assert "its requirement `b` -> b 7 needs another x" in message


def test_every_conflict_is_named() -> None:
    held = {LINUX: {**HELD[LINUX], "y": Held("y", "3", "rt")}}
    message = said(("x>=2", "y<3"), held=held)
    assert "layer `base` holds x 1.0" in message
    assert "layer `rt` holds y 3" in message


def test_prerelease_below_fits() -> None:
    held = {LINUX: {"x": Held("x", "2.0rc1", "base")}}
    assert said(("x>=1",), held=held) == "cannot be resolved"


def test_shortest_way_of_the_requirement_that_is_to_blame() -> None:
    free = lock(b=["x", "a"], a=["x"], x=["a"])
    ask = World({("b>1",): free}, above=["a", "c"])
    error = explained(("a", "b>1", "c"), ask=ask, below={"x<2": "base"})
    assert error.message == (
        "Layer `top` conflicts with a layer below: its requirement `b>1` -> b 7 needs another x"
        " (alone it takes 7) than 1.0, which layer `base` holds"
    )
    assert error.hint == (
        "No version does for all layers: those below require `x<2` of `base`. Change one of the"
        " requirements"
    )


def test_version_that_would_do_for_all() -> None:
    ask = World({("b",): lock(b=["x"], x=[]), ("b", "x"): lock(b=["x"], x=[], y=[])})
    error = explained(("b",), ask=ask, below={"x": "base"})
    assert error.hint == (
        "x 7 would do for all layers: lock `base` again with `x==7`, then this layer"
    )


def test_no_version_and_no_bound_below() -> None:
    assert explained(("x>=2",), below={"x": "base", "y<3": "base"}).hint == (
        "No version does for all layers. Change one of the requirements"
    )


def test_version_that_would_do_has_no_wheels_everywhere() -> None:
    error = ToolError(
        "no", detail="  uv: x>=1,<2 has no `sys_platform == 'win32'`-compatible wheels"
    )

    def ask(requirements: Sequence[str], *, above: bool, anywhere: bool = False) -> Any:
        raise error

    conflict = Conflict(spec("top", "x<2"), HELD2, {"x": "base"}, "3.11", error)
    assert conflict.explain(ask).hint == (
        "No version of x that does for all layers has wheels for all target platforms: narrow"
        " `platforms`, or change one of the requirements"
    )


def test_requirements_that_fail_together_only() -> None:
    free = lock(a=["x"], b=[], x=[])
    ask = World({("a", "b"): free}, above=["a", "b"])
    assert "`a` -> a 7 needs another x" in said(("a", "b"), "x==1.0", ask=ask)


def test_way_through_an_extra() -> None:
    free = lock(a=[], x=[])
    free["package"][0]["optional-dependencies"] = {"more": [{"name": "x"}]}
    message = said(("a[more]",), "x==1.0", ask=World({("a[more]",): free}))
    assert "`a[more]` -> a 7 needs another x" in message


def test_circle_of_dependencies_ends() -> None:
    ask = World({("a",): lock(a=["b"], b=["a"], x=[])})
    assert said(("a",), "x==1.0", ask=ask) == "cannot be resolved"


def test_nobody_is_blamed() -> None:
    ask = World({("a",): lock(a=["x"], x=[])})
    assert said(("a",), "something else", ask=ask) == "cannot be resolved"
    assert said(("a",), "x==1.0") == "cannot be resolved"


class Clock:
    """A clock that each question to the resolver moves on by ``pace`` seconds."""

    def __init__(self, ask: World, pace: float) -> None:
        self.ask, self.pace, self.now, self.asked = ask, pace, 100.0, 0

    def __call__(self, requirements: Sequence[str], **how: Any) -> Mapping[str, Any]:
        self.now += self.pace
        self.asked += 1
        return self.ask(requirements, **how)

    def conflict(self, *requirements: str, below: Mapping[str, str] | None = None) -> LockError:
        error = ToolError("cannot be resolved", detail="you require x==1.0")
        conflict = Conflict(spec("top", *requirements), HELD, below or {}, "3.11", error)
        return conflict.explain(self, clock=lambda: self.now)


def test_what_is_found_in_time_is_said() -> None:
    free: dict[tuple[str, ...], Any] = {(name,): lock(**{name: ["x"]}, x=[]) for name in "abc"}
    clock = Clock(World({**free, ("a", "b", "c"): lock(x=[])}), 20 / 3)
    error = clock.conflict("a", "b", "c")
    # Two questions for `a`; the first one for `b` takes the rest of the time.
    assert clock.asked == 3
    assert error.message == (
        "Layer `top` conflicts with a layer below: its requirement `a` -> a 7 needs another x"
        " (alone it takes 7) than 1.0, which layer `base` holds"
    )
    assert error.hint == "Change the requirement, or the version in the layer below"


def test_nothing_is_found_in_time() -> None:
    clock = Clock(World({("a",): lock(a=["x"], x=[])}, above=["b"]), 20)
    error = clock.conflict("b", "a")
    assert clock.asked == 1
    assert error.message == "cannot be resolved"
    assert error.hint == "Which requirement is in the way was not found in 20 seconds"


def test_time_that_is_enough() -> None:
    clock = Clock(World({("b",): lock(b=["x"], x=[]), ("b", "x"): lock(b=["x"], x=[])}), 6)
    assert clock.conflict("b", below={"x": "base"}).hint.startswith("x 7 would do for all layers")
    assert clock.asked == 3


def test_many_words_of_uv_are_cut_where_ours_say_it() -> None:
    words = "\n".join(f"  uv: line {number}" for number in range(40))
    assert explained(("x>=2",), words).detail.splitlines()[-1] == "  uv: … (28 more lines)"
    assert explained(("y>=2",), words).detail == words
