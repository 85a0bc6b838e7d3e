"""What the layers below hold, on each target platform."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hatch_venvstacks.model.lock import DYNAMIC, OVER, REQUIRES
from hatch_venvstacks.sources.local_wheels import read_requirements_digest, requirements_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.spec import LayerSpec


@dataclass(frozen=True)
class Held:
    """A distribution that a layer below holds: the first one in import order counts.

    ``shadowed`` are the other versions, in other layers: ``(version, layer)``. ``requires`` is set
    for projects: a digest of what one requires, which can change in one version. A version that is
    not ``static`` is not recorded in locks.
    """

    name: str
    version: str
    layer: str
    shadowed: tuple[tuple[str, str], ...] = ()
    requires: str = ""
    static: bool = True


@dataclass(frozen=True)
class HeldProject:
    """A project that a layer below includes: its own, or a sibling.

    ``name`` is normalized, ``metadata`` the text of its METADATA file, ``root`` its folder. The
    version of a ``sibling`` that is not ``static`` is computed by its build backend.
    """

    name: str
    version: str
    layer: str
    metadata: str
    root: Path | None = None
    sibling: bool = False
    static: bool = True

    @property
    def requires(self) -> str:
        """A digest of the project's requirements, those of its extras among them."""
        return requirements_digest(self.metadata)


def held_below(
    below: Sequence[tuple[LayerSpec, Lock]],
    platform: str,
    projects: Sequence[HeldProject] = (),
    read: Callable[[Path], str] = read_requirements_digest,
) -> dict[str, Held]:
    """What the layers ``below`` (in import order) hold on ``platform``, by normalized name.

    ``projects`` are own projects of these layers, and siblings. ``read`` gives a digest of what a
    local wheel requires: one that remembers saves time, as a large wheel is slow to read.
    """
    held: dict[str, Held] = {}
    for layer, lock in below:
        if platform not in lock.inputs.platforms:
            continue
        added = lock.versions(platform)
        folders = {
            package.name for package in lock.added(platform) if package.directory is not None
        }
        for project in projects:
            if project.layer == layer.name and (not project.sibling or project.name in folders):
                version, requires = project.version, project.requires
                _hold(held, Held(project.name, version, layer.name, (), requires, project.static))
                if project.sibling:
                    del added[project.name]
        for name, version in added.items():
            requires = _requires(lock.local_wheels.get((name, version), ()), read)
            _hold(held, Held(name, version, layer.name, (), requires))
    return held


def _requires(entries: Sequence[Sequence[Path]], read: Callable[[Path], str]) -> str:
    """The digests of the wheels of one version: the ``entries`` of a lock, as locks record them.

    A wheel that is built again may require something else in the same version.
    """
    digests = [sorted({read(wheel) for wheel in wheels} - {""}) for wheels in entries]
    return " ".join(itertools.chain.from_iterable(digests))


def _hold(held: dict[str, Held], package: Held) -> None:
    first = held.setdefault(package.name, package)
    if first.version != package.version:
        held[package.name] = replace(
            first, shadowed=(*first.shadowed, (package.version, package.layer))
        )


def held_versions(held: Mapping[str, Held]) -> dict[str, str]:
    """Normalized name -> version of what is ``held``, as locks record it.

    Where layers differ it is the version of the first, ``over`` those of the others, once each.
    With a project goes the digest of its requirements.
    """
    return {
        name: OVER.join(
            (_recorded(package), *dict.fromkeys(version for version, _ in package.shadowed))
        )
        + (f"{REQUIRES}{package.requires}" if package.requires else "")
        for name, package in held.items()
    }


def _recorded(package: Held) -> str:
    return package.version if package.static else DYNAMIC
