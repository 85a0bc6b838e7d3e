"""Stacks of layers as values, without projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.stack import Stack, build_stack

if TYPE_CHECKING:
    from pathlib import Path


def stack_of(root: Path, top: str, bases: dict[str, tuple[str, ...]]) -> Stack:
    """The stack of ``top``, where ``bases`` says of each layer what it stands on."""
    layers = {
        root / name: LayerSpec(
            root=root / name,
            project_name=name,
            name=name,
            kind=LayerKind.FRAMEWORK if below else LayerKind.RUNTIME,
            base_layers=tuple(root / base for base in below),
        )
        for name, below in bases.items()
    }
    return build_stack(layers[root / top], layers.__getitem__)


DIAMOND: dict[str, tuple[str, ...]] = {
    "runtime": (),
    "left": ("runtime",),
    "right": ("runtime",),
    "app": ("left", "right"),
}
