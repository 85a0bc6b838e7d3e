"""What the layers below hold, on each target platform."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hatch_venvstacks.lock import OVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_venvstacks.lock import Lock
    from hatch_venvstacks.spec import LayerSpec


@dataclass(frozen=True)
class Held:
    """A distribution that a layer below holds: the first one in import order counts.

    ``shadowed`` are the other versions, in other layers: ``(version, layer)``. ``requires`` is set
    for the own project of a layer: a digest of what it requires, which can change in one version.
    """

    name: str
    version: str
    layer: str
    shadowed: tuple[tuple[str, str], ...] = ()
    requires: str = ""


@dataclass(frozen=True)
class HeldProject:
    """The own project of a layer below, which that layer includes.

    ``name`` is normalized, ``metadata`` the text of its METADATA file.
    """

    name: str
    version: str
    layer: str
    metadata: str

    @property
    def requires(self) -> str:
        """A digest of the project's requirements, those of its extras among them."""
        lines = [line for line in self.metadata.splitlines() if line.startswith("Requires-Dist:")]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def held_below(
    below: Sequence[tuple[LayerSpec, Lock]],
    platform: str,
    projects: Sequence[HeldProject] = (),
) -> dict[str, Held]:
    """What the layers ``below`` (in import order) hold on ``platform``, by normalized name.

    ``projects`` are own projects of these layers.
    """
    held: dict[str, Held] = {}
    for layer, lock in below:
        if platform not in lock.inputs.platforms:
            continue
        own = [one for one in projects if one.layer == layer.name]
        for one in own:
            _hold(held, Held(one.name, one.version, layer.name, requires=one.requires))
        for name, version in lock.versions(platform).items():
            _hold(held, Held(name, version, layer.name))
    return held


def _hold(held: dict[str, Held], one: Held) -> None:
    first = held.setdefault(one.name, one)
    if first.version != one.version:
        held[one.name] = replace(first, shadowed=(*first.shadowed, (one.version, one.layer)))


def held_versions(held: Mapping[str, Held]) -> dict[str, str]:
    """Normalized name -> version of what is ``held``, as locks record it.

    Where layers differ it is the version of the first, ``over`` those of the others. With the own
    project of a layer goes the digest of its requirements.
    """
    return {
        name: OVER.join((one.version, *(version for version, _ in one.shadowed)))
        + (f" requires {one.requires}" if one.requires else "")
        for name, one in held.items()
    }
