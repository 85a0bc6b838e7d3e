from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_venvstacks.common.errors import ConfigError, StackError
from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.stack import Stack, build_stack, merge

ROOT = Path("/layers")
Bases = dict[str, tuple[str, ...]]


def layer(name: str, *bases: str, kind: LayerKind | None = None, root: Path = ROOT) -> LayerSpec:
    default = LayerKind.FRAMEWORK if bases else LayerKind.RUNTIME
    return LayerSpec(root / name, name, name, kind or default, tuple(root / base for base in bases))


def stack_of(layers: dict[Path, LayerSpec], top: str, root: Path = ROOT) -> Stack:
    return build_stack(layers[root / top], layers.__getitem__)


def layers_of(bases: Bases, **kinds: LayerKind) -> dict[Path, LayerSpec]:
    return {ROOT / name: layer(name, *below, kind=kinds.get(name)) for name, below in bases.items()}


def names(bases: Bases, top: str) -> list[str]:
    return [one.name for one in stack_of(layers_of(bases), top).layers]


def error(bases: Bases, top: str, **kinds: LayerKind) -> StackError:
    with pytest.raises(StackError) as caught:
        stack_of(layers_of(bases, **kinds), top)
    assert caught.value.hint
    return caught.value


def python_order(bases: Bases, top: str) -> list[str] | None:
    """What Python makes of classes with these bases; None where it refuses."""
    classes: dict[str, type] = {}
    try:
        for name, below in bases.items():
            classes[name] = type(name, tuple(classes[base] for base in below), {})
    except TypeError:
        return None
    return [one.__name__ for one in classes[top].__mro__[:-1]]


@st.composite
def graphs(draw: st.DrawFn) -> Bases:
    """Layers above one runtime `n0`, all of them below the last one."""
    size = draw(st.integers(1, 8))
    bases: Bases = {"n0": ()}
    for number in range(1, size):
        before = list(bases)
        bases[f"n{number}"] = tuple(
            draw(st.lists(st.sampled_from(before), min_size=1, max_size=4, unique=True))
        )
    unused = [name for name in bases if not any(name in below for below in bases.values())]
    if unused != ["n0"]:
        bases["top"] = tuple(draw(st.permutations(unused)))
    return bases


@settings(max_examples=60)
@given(graphs())
def test_order_is_that_of_python_classes(bases: Bases) -> None:
    top = list(bases)[-1]
    expected = python_order(bases, top)
    if expected is None:
        error(bases, top)
    else:
        assert names(bases, top) == expected


@settings(max_examples=60)
@given(graphs())
def test_order_keeps_the_two_promises(bases: Bases) -> None:
    top = list(bases)[-1]
    if python_order(bases, top) is None:
        return
    order = names(bases, top)
    assert sorted(order) == sorted(bases)
    assert order[-1] == "n0"
    for name, below in bases.items():
        places = [order.index(one) for one in (name, *below)]
        assert places == sorted(places)


def test_runtime_alone() -> None:
    stack = stack_of(layers_of({"rt": ()}), "rt")
    assert stack.below == ()
    assert stack.runtime is stack.top


def test_diamond() -> None:
    bases: Bases = {"rt": (), "left": ("rt",), "right": ("rt",), "app": ("left", "right")}
    assert names(bases, "app") == ["app", "left", "right", "rt"]
    stack = stack_of(layers_of(bases, app=LayerKind.APPLICATION), "app")
    assert stack.runtime.name == "rt"
    assert stack.top.kind is LayerKind.APPLICATION


def test_deep_chain() -> None:
    bases: Bases = {"n0": ()}
    for number in range(1, 30):
        bases[f"n{number}"] = (f"n{number - 1}",)
    assert names(bases, "n29") == list(reversed(bases))


def test_many_diamonds_are_not_walked_again_and_again() -> None:
    bases: Bases = {"j0": ()}
    for number in range(1, 9):
        bases[f"l{number}"] = bases[f"r{number}"] = (f"j{number - 1}",)
        bases[f"j{number}"] = (f"l{number}", f"r{number}")
    reads: list[Path] = []
    layers = layers_of(bases)

    def read(folder: Path) -> LayerSpec:
        reads.append(folder)
        return layers[folder]

    assert len(build_stack(layers[ROOT / "j8"], read).layers) == len(bases)
    assert len(reads) == len(set(reads))


def test_contradiction_names_the_layers() -> None:
    said = error({"rt": (), "a": ("rt",), "b": ("rt", "a")}, "b").message
    assert "`b`" in said
    assert "`b` has `rt` before `a`" in said
    assert "`a` has `a` before `rt`" in said


def test_contradiction_of_two_frameworks() -> None:
    bases: Bases = {"rt": (), "x": ("rt",), "y": ("rt",), "xy": ("x", "y"), "yx": ("y", "x")}
    bases["app"] = ("xy", "yx")
    said = error(bases, "app").message
    assert "`xy` has `x` before `y`" in said
    assert "`yx` has `y` before `x`" in said


@pytest.mark.parametrize("length", [1, 2, 3])
def test_cycle(length: int) -> None:
    ring = [f"n{number}" for number in range(length)]
    bases: Bases = {name: (ring[(place + 1) % length],) for place, name in enumerate(ring)}
    said = error(bases, "n0").message
    assert said.endswith(": " + " -> ".join(f"`{name}`" for name in [*ring, "n0"]))


def test_cycle_below_the_top_is_named_whole() -> None:
    said = error({"app": ("a",), "a": ("b",), "b": ("a",)}, "app").message
    assert "`a` -> `b` -> `a`" in said


def test_application_as_a_base() -> None:
    said = error({"rt": (), "app": ("rt",), "up": ("app",)}, "up", app=LayerKind.APPLICATION)
    assert "`up` stands on `app`, which is an application" in said.message
    assert str(ROOT / "app") in said.message


def test_application_that_stands_on_itself() -> None:
    said = error({"app": ("app",)}, "app", app=LayerKind.APPLICATION).message
    assert "`app`" in said


def test_two_runtimes() -> None:
    said = error({"r1": (), "r2": (), "a": ("r1",), "b": ("r2",), "app": ("a", "b")}, "app").message
    assert "`app`" in said
    assert f"`r1` ({ROOT / 'r1'})" in said
    assert f"`r2` ({ROOT / 'r2'})" in said


@pytest.mark.parametrize("other", ["same", "SAME", "Same"])
def test_two_layers_of_one_name(other: str) -> None:
    layers = layers_of({"rt": (), "one": ("rt",), "two": ("rt",), "app": ("one", "two")})
    for folder, name in (("one", "same"), ("two", other)):
        layers[ROOT / folder] = LayerSpec(
            ROOT / folder, folder, name, LayerKind.FRAMEWORK, (ROOT / "rt",)
        )
    with pytest.raises(StackError) as caught:
        stack_of(layers, "app")
    assert f"`{other}`" in caught.value.message
    assert str(ROOT / "one") in caught.value.message
    assert str(ROOT / "two") in caught.value.message


def test_symlinked_folder_is_the_same_layer(tmp_path: Path) -> None:
    (tmp_path / "rt").mkdir()
    (tmp_path / "again").symlink_to("rt")
    layers = {
        tmp_path / "rt": layer("rt", root=tmp_path),
        tmp_path / "again": LayerSpec(tmp_path / "again", "rt", "rt", LayerKind.RUNTIME),
        tmp_path / "a": layer("a", "rt", root=tmp_path),
        tmp_path / "b": layer("b", "again", root=tmp_path),
        tmp_path / "app": layer("app", "a", "b", root=tmp_path),
    }
    stack = stack_of(layers, "app", tmp_path)
    assert [one.name for one in stack.layers] == ["app", "a", "b", "rt"]


def test_cycle_through_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    spec = layer("a", "link", root=tmp_path)
    with pytest.raises(StackError, match="circle: `a` -> `a`"):
        build_stack(spec, lambda folder: LayerSpec(folder, "a", "a", spec.kind, spec.base_layers))


def test_one_base_by_two_paths_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "rt").mkdir()
    (tmp_path / "again").symlink_to("rt")
    layers = {
        tmp_path / "rt": layer("rt", root=tmp_path),
        tmp_path / "again": LayerSpec(tmp_path / "again", "rt", "rt", LayerKind.RUNTIME),
        tmp_path / "app": layer("app", "rt", "again", root=tmp_path),
    }
    with pytest.raises(StackError) as caught:
        stack_of(layers, "app", tmp_path)
    assert "`rt` before `rt`" not in caught.value.message


def test_errors_of_the_reader_come_through() -> None:
    def read(folder: Path) -> LayerSpec:
        raise ConfigError(f"no layer: {folder}")

    with pytest.raises(ConfigError, match="no layer: /layers/rt"):
        build_stack(layer("app", "rt"), read)


def test_merge_of_nothing() -> None:
    assert merge("x", [("a", ()), ("b", ())]) == []


WITHIN: Bases = {
    "rt": (),
    "base": ("rt",),
    "left": ("base",),
    "right": ("base", "rt"),
    "both": ("right", "left"),
    "app": ("both", "left"),
}


@pytest.mark.parametrize("layer", WITHIN)
def test_stack_of_a_layer_within_another(layer: str) -> None:
    layers = layers_of(WITHIN)
    top, own = stack_of(layers, "app"), stack_of(layers, layer)
    (spec,) = (spec for spec in top.layers if spec.name == layer)
    assert top.of(spec).top is spec
    assert [lower.name for lower in top.of(spec).below] == [lower.name for lower in own.below]
