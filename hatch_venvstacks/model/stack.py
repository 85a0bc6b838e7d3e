"""Base layers: from a layer to everything that it stands on, in import order.

The order is the C3 linearization (https://www.python.org/download/releases/2.3/mro/), the one that
Python uses for base classes: every layer comes before the layers it stands on, and base layers
come in the order in which ``base-layers`` names them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import StackError
from hatch_venvstacks.model.spec import LayerKind, LayerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    ReadLayer = Callable[[Path], LayerSpec]


@dataclass(frozen=True)
class Stack:
    """A layer and everything below it, in import order, the runtime last.

    ``below`` is empty for a runtime layer. Where the layers come from is in each one's ``root``.
    """

    top: LayerSpec
    below: tuple[LayerSpec, ...]

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """All layers of the stack in import order, the top one first."""
        return (self.top, *self.below)

    @property
    def runtime(self) -> LayerSpec:
        """The runtime layer: the last one."""
        return self.layers[-1]


def build_stack(top: LayerSpec, read: ReadLayer) -> Stack:
    """The stack that ``top`` stands on.

    ``read`` gives the layer of a project folder, and raises for a folder that is none.

    :raises StackError: for a cycle, a base layer that is an application, base layers without an
        import order, two runtimes, or two layers of one name.
    """
    orders = _Orders(read)
    order = orders.of(top, ())
    stack = Stack(top, tuple(order[1:]))
    _check_one_runtime(stack)
    _check_names(stack)
    return stack


class _Orders:
    """Import orders of layers, each computed once."""

    def __init__(self, read: ReadLayer) -> None:
        self._read = read
        self._layers: dict[str, LayerSpec] = {}
        self._orders: dict[str, list[LayerSpec]] = {}
        self._keys: dict[Path, str] = {}

    def of(self, layer: LayerSpec, path: tuple[LayerSpec, ...]) -> list[LayerSpec]:
        key = self._key(layer.root)
        if any(key == self._key(other.root) for other in path):
            names = " -> ".join(f"`{other.name}`" for other in (*path, layer))
            raise StackError(
                f"Layers stand on each other in a circle: {names}",
                hint="Take one of them out of the other's `base-layers`",
            )
        if key not in self._orders:
            bases = [self._base(layer, folder) for folder in layer.base_layers]
            twice = [
                base.name for i, base in enumerate(bases) if any(base is one for one in bases[:i])
            ]
            if twice:
                raise StackError(
                    f"The `base-layers` of `{layer.name}` name `{twice[0]}` twice",
                    hint="Two paths that lead to one folder are one base layer",
                )
            below = [self.of(base, (*path, layer)) for base in bases]
            sequences = [(base.name, order) for base, order in zip(bases, below, strict=True)]
            self._orders[key] = [layer, *merge(layer.name, [*sequences, (layer.name, bases)])]
        return self._orders[key]

    def _key(self, folder: Path) -> str:
        """The folder itself, by whichever path it is reached; asked of the disk only once."""
        if folder not in self._keys:
            self._keys[folder] = os.path.realpath(folder)
        return self._keys[folder]

    def _base(self, layer: LayerSpec, folder: Path) -> LayerSpec:
        key = self._key(folder)
        if key not in self._layers:
            try:
                self._layers[key] = self._read(folder)
            except StackError as error:
                raise StackError(
                    f"`{layer.name}` has a base layer that is none: {error.message}",
                    detail=error.detail,
                    hint=error.hint or f"Correct `base-layers` in {layer.root / 'pyproject.toml'}",
                ) from error
        base = self._layers[key]
        if base.kind is LayerKind.APPLICATION:
            raise StackError(
                f"Layer `{layer.name}` stands on `{base.name}`, which is an application: {folder}",
                hint="Move what both need into a framework, and let both stand on that",
            )
        return base


def merge(name: str, sequences: Sequence[tuple[str, Sequence[LayerSpec]]]) -> list[LayerSpec]:
    """The C3 merge of ``(owner, order)`` pairs, for the layer ``name``.

    One layer is one object in all orders.

    :raises StackError: where the orders contradict each other.
    """
    pending = [(owner, list(order)) for owner, order in sequences if order]
    result: list[LayerSpec] = []
    while pending:
        for _, order in pending:
            if not any(order[0] is later for _, other in pending for later in other[1:]):
                break
        else:
            raise _contradiction(name, pending)
        head = order[0]
        result.append(head)
        pending = [
            (owner, [layer for layer in order if layer is not head]) for owner, order in pending
        ]
        pending = [(owner, order) for owner, order in pending if order]
    return result


def _contradiction(name: str, pending: list[tuple[str, list[LayerSpec]]]) -> StackError:
    heads = {order[0].name: order[0] for _, order in pending}.values()
    says = dict.fromkeys(
        f"`{owner}` has `{order[0].name}` before `{head.name}`"
        for head in heads
        for owner, order in pending
        if any(head is later for later in order[1:])
    )
    return StackError(
        f"The base layers of `{name}` have no common import order: {', '.join(says)}",
        hint="Change the order in one `base-layers`, so that all agree",
    )


def _check_one_runtime(stack: Stack) -> None:
    runtimes = [layer for layer in stack.layers if layer.kind is LayerKind.RUNTIME]
    if len(runtimes) == 1:
        return
    names = " and ".join(f"`{layer.name}` ({layer.root})" for layer in runtimes)
    raise StackError(
        f"Layer `{stack.top.name}` stands on {len(runtimes)} runtimes: {names}",
        hint="All layers of a stack share one runtime",
    )


def _check_names(stack: Stack) -> None:
    seen: dict[str, LayerSpec] = {}
    for layer in stack.layers:
        other = seen.setdefault(layer.name.casefold(), layer)
        if other is not layer:
            raise StackError(
                f"Two layers in the stack of `{stack.top.name}` have the name `{layer.name}`: "
                f"{other.root} and {layer.root}",
                hint="Set `name` in one of them: it is the layer's folder on the target machine",
            )


def stack_names(spec: LayerSpec, stack: Stack) -> list[str]:
    """The names of the layers below ``spec``, which is in ``stack``, in its own import order.

    C3 keeps the order of each layer's own stack, so that is the order in ``stack``.
    """
    layers = {os.path.realpath(one.root): one for one in stack.below}
    found: set[str] = set()
    pending = list(spec.base_layers)
    while pending:
        base = layers[os.path.realpath(pending.pop())]
        if base.name not in found:
            found.add(base.name)
            pending += base.base_layers
    return [one.name for one in stack.below if one.name in found]
