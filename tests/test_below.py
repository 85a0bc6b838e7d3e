from __future__ import annotations

from pathlib import Path

import pytest
from test_wiring import stack_of

from hatch_venvstacks.model.stack import stack_names

BASES: dict[str, tuple[str, ...]] = {
    "rt": (),
    "base": ("rt",),
    "left": ("base",),
    "right": ("base", "rt"),
    "both": ("right", "left"),
    "app": ("both", "left"),
}


@pytest.mark.parametrize("layer", BASES)
def test_stack_of_a_layer_within_another(layer: str) -> None:
    root = Path("/stack")
    top = stack_of(root, "app", BASES)
    own = stack_of(root, layer, BASES)
    assert stack_names(own.top, top) == [one.name for one in own.below]
