"""Which indexes a layer is resolved from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from index_layers import (
    CORP,
    CPU,
    CPU_FW,
    CU_FW,
    EXTRA,
    RUNTIME,
    found,
    layer,
    refused,
)

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.sources.indexes import ResolutionIndexes, check_folders

if TYPE_CHECKING:
    from pathlib import Path


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
