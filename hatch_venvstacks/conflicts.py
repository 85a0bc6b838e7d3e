"""What the layers below hold, and the words for it when it stands in the way."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_venvstacks.errors import LockError, ToolError
from hatch_venvstacks.lock import OVER
from hatch_venvstacks.platforms import PLATFORMS, marker_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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


def explain(
    spec: LayerSpec,
    held: Mapping[str, Mapping[str, Held]],
    python: str,
    error: ToolError,
    unconstrained: Callable[[], Mapping[str, Any]],
) -> LockError:
    """Say in the layers' terms why there is no resolution.

    ``held`` is what the layers below hold on each target platform, ``python`` the runtime's
    version; ``error`` is uv's; ``unconstrained`` resolves without the layers below and gives uv's
    lock, or raises :class:`ToolError` where that fails too: then no layer is to blame.
    """
    everything = {name: one for names in held.values() for name, one in names.items()}
    lines = list(dict.fromkeys(_direct(spec, held, python)))
    if not lines:
        lines = list(_through_others(everything, error, unconstrained))
    if not lines:
        return LockError(error.message, detail=error.detail)
    return LockError(
        f"Layer `{spec.name}` conflicts with a layer below: {'; '.join(lines)}",
        detail=error.detail,
        hint="Change the requirement, or the version in the layer below and lock that again",
    )


def blames(error: ToolError, one: Held) -> bool:
    """Whether uv's words name the very version that a layer below holds."""
    name, version = re.escape(one.name), re.escape(one.version)
    pattern = rf"(?<![\w.-]){name}(\{{[^}}]*\}})?=={version}(?![\w.])"
    return re.search(pattern, error.detail) is not None


def _direct(spec: LayerSpec, held: Mapping[str, Mapping[str, Held]], python: str) -> Iterator[str]:
    for text in spec.requirements:
        requirement = Requirement(text)
        for platform, names in held.items():
            one = names.get(canonicalize_name(requirement.name))
            environment = cast("dict[str, str]", marker_environment(PLATFORMS[platform], python))
            if (
                one is not None
                and (requirement.marker is None or requirement.marker.evaluate(environment))
                and not requirement.specifier.contains(one.version, prereleases=True)
            ):
                yield (
                    f"it requires `{text}`, but layer `{one.layer}` holds {one.name} {one.version}"
                )


def _through_others(
    held: Mapping[str, Held],
    error: ToolError,
    unconstrained: Callable[[], Mapping[str, Any]],
) -> Iterator[str]:
    blamed = [one for one in held.values() if blames(error, one)]
    if not blamed:
        return
    try:
        packages = unconstrained()["package"]
    except ToolError:
        return
    for one in blamed:
        chain = _chain(packages, one.name)
        if chain:
            through = " -> ".join(f"`{name}`" for name in chain)
            yield (
                f"its requirement {through} needs another version of {one.name} than "
                f"{one.version}, which layer `{one.layer}` holds"
            )


def _chain(packages: Sequence[Mapping[str, Any]], wanted: str) -> list[str]:
    """The shortest way from a requirement of the project to ``wanted``, both included."""
    requires = {
        package["name"]: [
            dependency["name"]
            for dependency in (
                *package.get("dependencies", ()),
                *(
                    one
                    for extra in package.get("optional-dependencies", {}).values()
                    for one in extra
                ),
            )
        ]
        for package in packages
    }
    root = next(package["name"] for package in packages if "virtual" in package["source"])
    ways = deque([[name] for name in requires[root]])
    seen: set[str] = set()
    while ways:
        way = ways.popleft()
        if way[-1] == wanted:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways.extend([*way, name] for name in requires.get(way[-1], ()))
    return []
