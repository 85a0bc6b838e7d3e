from __future__ import annotations

from pathlib import Path

import pytest
from layer_specs import stack_of

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
    (spec,) = (spec for spec in top.layers if spec.name == layer)
    assert top.of(spec).top is spec
    assert [lower.name for lower in top.of(spec).below] == [lower.name for lower in own.below]
