"""For which platforms a layer is locked: its own options, and the locks below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.model.oldest_systems import FAMILIES, OldestSystems
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.oldest_systems import OldestSystem, SystemFamily
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec

    Below = Sequence[tuple[LayerSpec, Lock]]


def layer_targets(
    spec: LayerSpec, below: Below, previous: Lock | None, host: TargetPlatform
) -> tuple[TargetPlatform, ...]:
    """The target platforms of the layer ``spec``, with the oldest systems that must run it.

    The locks ``below`` say what is possible: platforms may only be left out, and systems only be
    newer. A runtime's platforms are its own to say; without the option they stay those of its
    ``previous`` lock, and are at first the one of this machine, ``host``.

    :raises LockError: where the layer asks for what a layer below cannot do.
    """
    names = _upper(spec, below) if below else _runtime(spec, previous, host)
    families = [family for family in FAMILIES if family.option]
    oldest = OldestSystems(tuple(_oldest(spec, below, family) for family in families))
    return tuple(PLATFORMS[name].since(oldest) for name in names)


def excluded_packages(spec: LayerSpec, below: Below) -> tuple[str, ...]:
    """The names that are left out of the layer ``spec``, sorted.

    What a layer below leaves out is not missed by those above either, unless they require it
    themselves, or another layer below holds it.
    """
    wanted: set[str] = {Requirement(text).name for text in spec.requirements}
    for _, lock in below:
        wanted.update(name for target in lock.targets for name in lock.versions(target.name))
    inherited = {name for _, lock in below for name in lock.inputs.excluded}
    return tuple(sorted({*spec.exclude_packages, *(inherited - wanted)}))


def _runtime(spec: LayerSpec, previous: Lock | None, host: TargetPlatform) -> tuple[str, ...]:
    if spec.platforms:
        return spec.platforms
    only_here = spec.runtime is not None and spec.runtime.origin.only_here
    if previous is None or only_here:
        return (host.name,)
    return previous.inputs.platforms


def _upper(spec: LayerSpec, below: Below) -> tuple[str, ...]:
    for layer, lock in below:
        beyond = [name for name in spec.platforms if name not in lock.inputs.platforms]
        if beyond:
            raise LockError(
                f"Layer `{spec.name}` is for {', '.join(beyond)}, but layer `{layer.name}` below is"
                f" for {', '.join(lock.inputs.platforms)} only",
                hint="Add the platform to `platforms` of the layers below, or take it out here",
            )
    common = [name for name in PLATFORMS if all(name in lock.inputs.platforms for _, lock in below)]
    if not common:
        layers = "; ".join(
            f"`{layer.name}` is for {', '.join(lock.inputs.platforms)}" for layer, lock in below
        )
        raise LockError(
            f"The layers below `{spec.name}` have no target platform in common: {layers}",
            hint="Change `platforms` in one of them",
        )
    return spec.platforms or tuple(common)


def _oldest(spec: LayerSpec, below: Below, family: SystemFamily) -> OldestSystem:
    """The oldest system of ``family`` that must run the layer: no older one than below."""
    known = [
        (system, layer.name)
        for layer, lock in below
        if (system := lock.inputs.oldest_systems.named_of(family))
    ]
    own = spec.oldest_systems.named_of(family)
    if not known:
        return spec.oldest_systems.of(family)
    newest, layer = max(known, key=lambda named: named[0].release)
    if own is not None and own.release < newest.release:
        raise LockError(
            f"`{family.option}` of layer `{spec.name}` is {own.spelled}, but layer `{layer}` below"
            f" needs {newest.spelled}",
            hint=f"Set it to {newest.spelled} or newer, or lower it in `{layer}`",
        )
    return own or newest
