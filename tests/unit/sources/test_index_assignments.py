from __future__ import annotations

from dataclasses import replace

import pytest
from index_layers import (
    CPU,
    CPU_FW,
    CU,
    CU_FW,
    EXTRA,
    LINUX,
    RUNTIME,
    TORCH_CPU,
    found,
    layer,
    refused,
)

from hatch_venvstacks.model.spec import PackageSource
from hatch_venvstacks.sources.indexes import ResolutionIndexes


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
