"""Which indexes a layer is resolved from, what its lock records of it, what changes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.locking.index_changes import index_changes, index_inputs
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.lock import IndexInputs, Lock, LockInputs
from hatch_venvstacks.model.lock_file import inputs_table, read_inputs
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.spec import LayerKind, LayerSpec, PackageSource, UvSettings
from hatch_venvstacks.model.stack import build_stack
from hatch_venvstacks.sources.held_indexes import with_held
from hatch_venvstacks.sources.indexes import ResolutionIndexes, check_folders, resolution_indexes

REPO = Path("/repo")
CPU = Index("torch-cpu", "https://torch.example/cpu", explicit=True)
CU = Index("torch-cu", "https://torch.example/cu126", explicit=True)
CORP = Index("corp", "https://corp.example/simple", default=True)
EXTRA = Index("extra", "https://extra.example/simple")
TORCH_CPU = PackageSource("torch", index="torch-cpu")
LINUX = "sys_platform == 'linux'"


def layer(
    name: str,
    *base: LayerSpec,
    indexes: tuple[Index, ...] = (),
    sources: tuple[PackageSource, ...] = (),
    uv: dict[str, Any] | None = None,
    **options: Any,
) -> LayerSpec:
    return LayerSpec(
        root=REPO / name,
        project_name=name,
        name=name,
        kind=LayerKind.FRAMEWORK if base else LayerKind.RUNTIME,
        base_layers=tuple(one.root for one in base),
        uv=UvSettings(indexes, sources, **(uv or {})),
        **options,
    )


RUNTIME = layer("py")
CPU_FW = layer("cpu", RUNTIME, indexes=(CPU,), package_indexes={"torch": "torch-cpu"})
CU_FW = layer("cu", RUNTIME, indexes=(CU,), package_indexes={"torch": "torch-cu"})


def found(top: LayerSpec, *others: LayerSpec) -> ResolutionIndexes:
    layers = {one.root: one for one in (RUNTIME, CPU_FW, CU_FW, *others)}
    return resolution_indexes(top, build_stack(top, layers.__getitem__).below)


def refused(top: LayerSpec, *others: LayerSpec) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        found(top, *others)
    return caught.value


class TestAssignments:
    def test_nothing(self) -> None:
        assert found(RUNTIME) == ResolutionIndexes()

    def test_inherited(self) -> None:
        middle = layer("middle", CPU_FW)
        top = layer("top", middle)
        assert found(top, middle) == ResolutionIndexes(
            indexes=(CPU,), sources={"torch": (("torch-cpu", ""),)}
        )

    def test_sources_of_the_project(self) -> None:
        fw = layer("fw", RUNTIME, indexes=(CPU,), sources=(replace(TORCH_CPU, marker=LINUX),))
        assert found(layer("top", fw), fw).sources == {"torch": (("torch-cpu", LINUX),)}

    def test_the_option_counts_more_than_the_project(self) -> None:
        top = layer(
            "top",
            RUNTIME,
            indexes=(CPU, CU),
            sources=(TORCH_CPU,),
            package_indexes={"torch": "torch-cu"},
        )
        assert found(top).sources == {"torch": (("torch-cu", ""),)}

    def test_stacks_beside_each_other(self) -> None:
        assert found(layer("a", CPU_FW)).sources == {"torch": (("torch-cpu", ""),)}
        assert found(layer("b", CU_FW)).sources == {"torch": (("torch-cu", ""),)}

    def test_conflict(self) -> None:
        error = refused(layer("top", CPU_FW, CU_FW))
        assert error.message == (
            "`torch` is to come from two indexes in layer `top`: from `torch-cpu` by layer `cpu`,"
            " and from `torch-cu` by layer `cu`"
        )
        assert error.hint == (
            "Say in the layer which one counts, in its table"
            ' `tool.hatch.build.targets.venvlayer`: `index-overrides = { torch-cu = "torch-cpu" }`'
        )

    def test_conflict_with_the_layer_itself(self) -> None:
        top = layer("top", CPU_FW, indexes=(CU,), package_indexes={"torch": "torch-cu"})
        assert "by layer `top`, and from `torch-cpu` by layer `cpu`" in refused(top).message
        decided = replace(top, index_overrides={"torch-cpu": "torch-cu"})
        assert found(decided) == ResolutionIndexes((CU,), {"torch": (("torch-cu", ""),)})

    def test_decided(self) -> None:
        top = layer("top", CPU_FW, CU_FW, index_overrides={"torch-cpu": "torch-cu"})
        assert found(top) == ResolutionIndexes((CU,), {"torch": (("torch-cu", ""),)})

    def test_a_decision_is_inherited(self) -> None:
        middle = layer("middle", CPU_FW, CU_FW, index_overrides={"torch-cpu": "torch-cu"})
        for top in (
            layer("top", middle),
            layer("top", middle, CPU_FW),
            layer("top", middle, CPU_FW, CU_FW),
        ):
            assert found(top, middle).sources == {"torch": (("torch-cu", ""),)}
            assert found(top, middle).indexes == (CU,)

    def test_two_decisions(self) -> None:
        one = layer("one", CPU_FW, indexes=(CU,), index_overrides={"torch-cpu": "torch-cu"})
        extra = replace(EXTRA, explicit=True)
        two = layer("two", CPU_FW, indexes=(extra,), index_overrides={"torch-cpu": "extra"})
        error = refused(layer("top", one, two), one, two)
        assert "(which names `torch-cpu`)" in error.message
        top = layer("top", one, two, index_overrides={"extra": "torch-cu"})
        assert found(top, one, two).sources == {"torch": (("torch-cu", ""),)}

    @pytest.mark.parametrize(
        ("first", "second", "meet"),
        [
            (LINUX, "sys_platform == 'darwin'", False),
            (LINUX, "platform_machine == 'x86_64'", True),
            (LINUX, LINUX, True),
            ("", LINUX, True),
            ("python_version < '3.12'", "python_version >= '3.12'", False),
        ],
    )
    def test_markers(self, first: str, second: str, meet: bool) -> None:
        one = layer(
            "one",
            RUNTIME,
            indexes=(CPU,),
            sources=(PackageSource("torch", "torch-cpu", None, first),),
        )
        two = layer(
            "two",
            RUNTIME,
            indexes=(CU,),
            sources=(PackageSource("torch", "torch-cu", None, second),),
        )
        top = layer("top", one, two)
        if meet:
            assert "two indexes" in refused(top, one, two).message
        else:
            assert found(top, one, two).sources == {
                "torch": (("torch-cpu", first), ("torch-cu", second))
            }

    def test_one_index_under_several_markers(self) -> None:
        mac = "sys_platform == 'darwin'"
        sources = tuple(replace(TORCH_CPU, marker=marker) for marker in (LINUX, mac))
        one = layer("one", RUNTIME, indexes=(CPU,), sources=sources)
        assert found(one).sources == {"torch": (("torch-cpu", f"({LINUX}) or ({mac})"),)}
        assert found(layer("top", one, CPU_FW), one).sources == {"torch": (("torch-cpu", ""),)}

    def test_unknown_index(self) -> None:
        top = layer("top", CPU_FW, package_indexes={"numpy": "torch-cpv"})
        error = refused(top)
        assert error.message == (
            "Layer `top` takes `numpy` from an index that is not known in layer `top`:"
            " `torch-cpv`; did you mean `torch-cpu`?"
        )
        assert "[[tool.uv.index]]" in error.hint
        other = layer("top", RUNTIME, package_indexes={"numpy": "x"})
        assert refused(other).message.endswith("`x` (there is none)")

    def test_refused_sources(self) -> None:
        git = PackageSource("lib", fault="is a Git repository")
        assert found(layer("top", RUNTIME, sources=(git,), requirements=("numpy",))).sources == {}
        error = refused(layer("top", RUNTIME, sources=(git,), requirements=("lib[x]>1",)))
        assert error.message == (
            "Field `tool.uv.sources.lib` of layer `top` is a Git repository, from which a layer"
            " cannot take what it requires"
        )
        top = layer(
            "top",
            CPU_FW,
            sources=(git,),
            requirements=("lib",),
            package_indexes={"lib": "torch-cpu"},
        )
        assert found(top).sources["lib"] == (("torch-cpu", ""),)


class TestIndexes:
    def test_order(self) -> None:
        fw = layer("fw", RUNTIME, indexes=(EXTRA, Index("", "https://x.example/")))
        own = Index("own", "https://own.example")
        top = layer("top", fw, indexes=(own, Index("", "https://x.example")))
        assert found(top, fw).indexes == (own, Index("", "https://x.example"), EXTRA)

    def test_priority(self) -> None:
        fw = layer("fw", CPU_FW, indexes=(EXTRA, CORP))
        top = layer("top", fw, priority_indexes=("corp", "torch-cpu"))
        assert found(top, fw).indexes == (
            replace(CORP, default=False),
            replace(CPU, explicit=False),
            EXTRA,
            # So that uv does not look into PyPI.
            replace(CORP, name=""),
        )
        upper = layer("upper", top)
        assert found(upper, top, fw).indexes == (EXTRA, CORP, CPU)

    def test_unknown_priority(self) -> None:
        assert refused(layer("top", CPU_FW, priority_indexes=("torch_cpu",))).message == (
            "Field `tool.hatch.build.targets.venvlayer.priority-indexes` of layer `top` names an"
            " index that is not known: `torch_cpu`; did you mean `torch-cpu`?"
        )

    def test_explicit_only_where_all_say_so(self) -> None:
        one = layer("one", RUNTIME, indexes=(replace(EXTRA, explicit=True),))
        two = layer("two", RUNTIME, indexes=(replace(EXTRA, url=f"{EXTRA.url}/"),))
        assert found(layer("top", one, two), one, two).indexes == (EXTRA,)
        top = layer("top", one, two, indexes=(replace(EXTRA, explicit=True),))
        assert found(top, one, two).indexes == (replace(EXTRA, explicit=True),)

    def test_two_addresses_below(self) -> None:
        one = layer("one", RUNTIME, indexes=(EXTRA,))
        other = replace(EXTRA, url="https://other.example")
        two = layer("two", RUNTIME, indexes=(other,))
        error = refused(layer("top", one, two), one, two)
        assert error.message == (
            "Layer `top` knows two indexes of the name `extra`: `extra`,"
            " https://extra.example/simple of layer `one`, and `extra`, https://other.example of"
            " layer `two`"
        )
        assert '`index-overrides = { extra = "the-one-that-counts" }`' in error.hint
        top = layer("top", one, two, indexes=(other,), index_overrides={"extra": "extra"})
        assert found(top, one, two).indexes == (other,)

    def test_two_addresses_with_the_layer_itself(self) -> None:
        one = layer("one.x", RUNTIME, indexes=(replace(EXTRA, name="ex.tra"),))
        own = Index("ex.tra", "https://other.example")
        top = layer("top", one, indexes=(own,))
        assert '`index-overrides = { "ex.tra" = "ex.tra" }`' in refused(top, one).hint
        decided = replace(top, index_overrides={"ex.tra": "ex.tra"})
        assert found(decided, one).indexes == (own,)

    def test_two_defaults(self) -> None:
        one = layer("one", RUNTIME, indexes=(CORP,))
        two = layer("two", RUNTIME, indexes=(replace(EXTRA, default=True),))
        error = refused(layer("top", one, two), one, two)
        assert "Two indexes are to take PyPI's place below layer `top`: `corp`" in error.message
        assert '`index-overrides = { extra = "corp" }`' in error.hint
        top = layer("top", one, two, index_overrides={"extra": "corp"})
        assert found(top, one, two).indexes == (CORP,)
        same = layer("same", RUNTIME, indexes=(replace(CORP, name=""),))
        assert len(found(layer("top", one, same), one, same).indexes) == 2

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (
                {"torch_cpu": "torch-cu"},
                "replaces an index that no layer below has; did you mean `torch-cpu`?",
            ),
            ({"torch-cpu": "torch-cpu"}, "has none of this name"),
            (
                {"torch-cpu": "other"},
                "names an index that is not known: `other`; known are `torch-cu`",
            ),
        ],
    )
    def test_overrides(self, overrides: dict[str, str], message: str) -> None:
        top = layer("top", CPU_FW, CU_FW, index_overrides=overrides)
        assert refused(top).message.endswith(message)

    def test_find_links_and_settings(self) -> None:
        fw = layer("fw", RUNTIME, uv={"find_links": ("file:///a",), "exclude_newer": "2025-01-01"})
        top = layer("top", fw, uv={"find_links": ("file:///b", "file:///a"), "options": {"x": 1}})
        assert found(top, fw) == ResolutionIndexes(
            find_links=("file:///b", "file:///a"), options={"x": 1}
        )
        assert found(fw).exclude_newer == "2025-01-01"


FULL = ResolutionIndexes(
    indexes=(CORP, replace(CPU, url="file:///repo/wheels", flat=True), CU, Index("", "https://x")),
    sources={
        "torch": (("torch-cpu", LINUX), ("corp", "sys_platform != 'linux'")),
        "other": (("torch-cu", ""),),
    },
    exclude_newer="1 week",
    find_links=("file:///repo/links",),
    options={"prerelease": "allow"},
)
RECORDED = IndexInputs(
    indexes=(CORP, replace(CPU, url="../wheels", flat=True), Index("", "https://x")),
    sources={"torch": (f"torch-cpu ; {LINUX}", "corp ; sys_platform != 'linux'")},
    exclude_newer="1 week",
    find_links=("../links",),
    options={"prerelease": "allow"},
)


class TestInputs:
    def test_what_matters_to_the_layer(self) -> None:
        assert index_inputs(FULL, {"torch", "numpy"}, REPO / "fw") == RECORDED
        assert index_inputs(ResolutionIndexes(), {"torch"}, REPO) == IndexInputs()

    def test_table(self) -> None:
        table = inputs_table(RECORDED)
        assert read_inputs(table) == RECORDED
        assert table["index"][1] == {
            "name": "torch-cpu",
            "url": "../wheels",
            "explicit": True,
            "format": "flat",
        }
        assert inputs_table(IndexInputs()) == {}
        assert read_inputs({}) == IndexInputs()

    @pytest.mark.parametrize(
        "table", [{"index": [{}]}, {"sources": {"a": [1]}}, {"exclude-newer": 1}]
    )
    def test_damaged(self, table: dict[str, Any]) -> None:
        with pytest.raises((KeyError, TypeError)):
            read_inputs(table)

    @pytest.mark.parametrize(
        ("change", "lines"),
        [
            ({}, []),
            (
                {"sources": {"torch": ("corp",)}},
                [
                    (
                        "`torch` is now taken from index `corp`, was"
                        f" `torch-cpu ; {LINUX}` and `corp ; sys_platform != 'linux'`"
                    )
                ],
            ),
            (
                {"sources": {"numpy": ("corp",), **RECORDED.sources}},
                ["`numpy` is now taken from index `corp`"],
            ),
            (
                {"indexes": (replace(CORP, url="https://new.example"), *RECORDED.indexes[1:])},
                [
                    "index `corp` is now https://new.example, was https://corp.example/simple",
                ],
            ),
            (
                {"indexes": RECORDED.indexes[1:]},
                ["index removed: `corp` (https://corp.example/simple)"],
            ),
            (
                {"indexes": (*RECORDED.indexes, Index("", "https://y"))},
                ["index added: https://y"],
            ),
            (
                {"indexes": (replace(CORP, default=False, flat=True), *RECORDED.indexes[1:])},
                [
                    "index `corp` (https://corp.example/simple) is no longer default",
                    "index `corp` (https://corp.example/simple) is flat",
                ],
            ),
            (
                {"indexes": RECORDED.indexes[::-1]},
                [
                    (
                        "indexes have another order: https://x, `torch-cpu` (../wheels), `corp`"
                        " (https://corp.example/simple)"
                    )
                ],
            ),
            ({"exclude_newer": ""}, ["`exclude-newer` is now not set, was 1 week"]),
            (
                {"find_links": ("../other",)},
                ["find-links added: ../other", "find-links removed: ../links"],
            ),
            ({"options": {}}, ["`tool.uv.prerelease` has changed"]),
        ],
    )
    def test_changes(self, change: dict[str, Any], lines: list[str]) -> None:
        assert index_changes(RECORDED, replace(RECORDED, **change)) == lines

    def test_no_longer_taken(self) -> None:
        before = IndexInputs(sources={"torch": ("corp",)})
        assert index_changes(before, IndexInputs()) == [
            "`torch` is no longer taken from index `corp`"
        ]


def test_held_below(tmp_path: Path) -> None:
    remote = Index("remote", "https://a.example/simple/")
    local = Index("local", (tmp_path / "wheels").as_uri(), flat=True)

    def lock(packages: list[dict[str, Any]]) -> Lock:
        document = {"lock-version": "1.0", "created-by": "x", "packages": packages}
        inputs = LockInputs(("linux_x86_64", "win_amd64"), ())
        return Lock(tmp_path / "fw/pylock.venvlayer.toml", Pylock.from_dict(document), inputs)

    def package(name: str, place: str, **more: str) -> dict[str, Any]:
        hashes = {"sha256": "0" * 64}
        file = f"{name}-1-py3-none-any.whl"
        key = "path" if place.startswith(".") else "url"
        wheels = [{"name": file, key: f"{place}/{file}", "hashes": hashes}]
        return {"name": name, "version": "1", "wheels": wheels, **more}

    upper = lock(
        [
            package("a", "https://files", index="https://a.example/simple"),
            package("b", "../wheels", marker=LINUX),
            package("c", "../other"),
        ]
    )
    lower = lock([package("a", "../wheels"), package("d", "https://x", index="https://pypi.org")])
    known = ResolutionIndexes(
        (Index("", "https://pypi.org"), remote, local), sources={"b": (("remote", ""),)}
    )
    targets = [PLATFORMS[name] for name in ("linux_x86_64", "win_amd64")]
    found = with_held(known, [upper, lower], targets)
    assert found == replace(known, held={"a": (("remote", ""),), "b": (("local", LINUX),)})
    assert found.steered == {"a": (("remote", ""),), "b": (("remote", ""),)}
    # On each platform it is the first lock that has it there.
    only = lock([package("d", "../wheels", marker=LINUX)])
    both = with_held(known, [only, lock([package("d", "https://x", index=remote.url)])], targets)
    windows = "sys_platform == 'win32'"
    assert both.held == {"d": (("local", LINUX), ("remote", windows))}
    # They are no part of what is recorded.
    assert index_inputs(found, {"a", "b"}, tmp_path).sources == {"b": ("remote",)}


def test_folder_of_wheels_that_is_not_flat(tmp_path: Path) -> None:
    """uv would find nothing in it, and look on elsewhere."""
    wheel = tmp_path / "vl_x-1.0-py3-none-any.whl"
    wheel.touch()
    index = Index("mine", tmp_path.as_uri())
    with pytest.raises(ConfigError) as caught:
        check_folders(RUNTIME, ResolutionIndexes((CORP, index)))
    message = f"layer `py` is a folder of wheels, and is not said to be one: {tmp_path}"
    assert caught.value.message.endswith(message)
    assert 'Add `format = "flat"`' in caught.value.hint
    check_folders(RUNTIME, ResolutionIndexes((CORP, replace(index, flat=True))))
    wheel.unlink()
    check_folders(RUNTIME, ResolutionIndexes((CORP, index)))
