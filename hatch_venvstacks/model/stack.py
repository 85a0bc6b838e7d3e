"""Base layers: from a layer to everything that it stands on, in import order, and their locks.

The order is the C3 linearization (https://www.python.org/download/releases/2.3/mro/), the one that
Python uses for base classes: every layer comes before the layers it stands on, and base layers
come in the order in which ``base-layers`` names them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import LockError, StackError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.lock import Lock, select_wheels
from hatch_venvstacks.model.spec import LayerKind, LayerSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.lock import Lock, LockedWheel
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.runtime import CPython, LockedRuntime

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

    def of(self, layer: LayerSpec) -> Stack:
        """The stack of ``layer``, which is one of this stack's.

        C3 keeps the order of each layer's own stack, so that is the order here.
        """
        names = self._names_below[layer.name]
        return Stack(layer, tuple(spec for spec in self.below if spec.name in names))

    @cached_property
    def _names_below(self) -> dict[str, frozenset[str]]:
        """The names of all layers below each layer."""
        names = {os.path.realpath(spec.root): spec.name for spec in self.layers}
        found: dict[str, frozenset[str]] = {}
        for spec in reversed(self.layers):
            bases = [names[os.path.realpath(folder)] for folder in spec.base_layers]
            found[spec.name] = frozenset(bases).union(*(found[base] for base in bases))
        return found


@dataclass(frozen=True)
class StackLocks:
    """A stack with the ``locks`` of its layers below, by their names; the top one may have none."""

    stack: Stack
    locks: Mapping[str, Lock]

    @property
    def spec(self) -> LayerSpec:
        """The layer at the top."""
        return self.stack.top

    @cached_property
    def below(self) -> tuple[tuple[LayerSpec, Lock], ...]:
        """The layers below with their locks, in import order."""
        return tuple((spec, self.locks[spec.name]) for spec in self.stack.below)

    def runtime(self, lock: Lock | None = None) -> LockedRuntime:
        """The CPython of the stack; ``lock`` is that of the top layer, which may be the runtime.

        :raises LockError: where the lock of the runtime layer names none.
        """
        below = self.below[-1][1] if self.below else lock
        found = None if below is None else below.inputs.runtime
        if found is None:
            path = self.stack.runtime.lock_file if below is None else below.path
            raise LockError(
                f"The lock of runtime `{self.stack.runtime.name}` names no Python: {path}",
                hint=Mend("Delete it and make it anew: {lock}", self.stack.runtime.root),
            )
        return found


@dataclass(frozen=True)
class LockedLayer:
    """A layer that can be built: its stack, the locks of all of that, and what is built for.

    ``locks`` are those of all layers of the stack, by their names. ``platform`` is the target
    platform that it is built for, with the oldest system that must run this layer. ``cpython`` is
    the CPython of the stack's runtime.
    """

    stack: Stack
    locks: Mapping[str, Lock]
    platform: TargetPlatform
    cpython: CPython

    @property
    def spec(self) -> LayerSpec:
        """The layer itself."""
        return self.stack.top

    @property
    def lock(self) -> Lock:
        """The lock of the layer itself."""
        return self.locks[self.spec.name]

    @property
    def runtime(self) -> LockedRuntime:
        """What the lock of the runtime layer says of its CPython."""
        return self.cpython.locked

    @cached_property
    def layout(self) -> Layout:
        """Where files of a layer lie on the platform."""
        return layout_of(self.platform, self.runtime.minor)

    @property
    def below(self) -> tuple[tuple[LayerSpec, Lock], ...]:
        """The layers below with their locks, in import order."""
        return tuple((spec, self.locks[spec.name]) for spec in self.stack.below)

    @cached_property
    def wheels(self) -> tuple[LockedWheel, ...]:
        """The wheels that the layer adds on the platform, sorted by name.

        :raises LockError: where the lock has none for a distribution.
        """
        return tuple(select_wheels(self.lock, self.platform, self.runtime.version))

    def of(self, layer: LayerSpec) -> LockedLayer:
        """``layer``, which is one of this stack's, for the same target platform.

        The oldest system is then the one that must run ``layer``.
        """
        platform = self.locks[layer.name].target(self.platform.name)
        return replace(self, stack=self.stack.of(layer), platform=platform)


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
                base.name
                for i, base in enumerate(bases)
                if any(base is earlier for earlier in bases[:i])
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
                    hint=error.mend or f"Correct `base-layers` in {layer.root / 'pyproject.toml'}",
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
