"""From a layer's requirements and the locks below it to its own lock.

``uv`` resolves for all target platforms at once, with what the layers below hold as constraints
(:mod:`hatch_venvstacks.resolution`). On each platform, what the layers below hold there is then
taken out of the result.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from packaging.markers import Marker
from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.version import Version

from hatch_venvstacks.conflicts import Held, HeldProject, held_below, held_versions
from hatch_venvstacks.errors import LockError, ToolError
from hatch_venvstacks.explanation import Conflict, blames
from hatch_venvstacks.index_inputs import depended_on, index_inputs
from hatch_venvstacks.lock import TOOL, Lock, LockInputs, requires_python
from hatch_venvstacks.platforms import LINUX_GLIBC, MACOS_RELEASE, marker_environment
from hatch_venvstacks.resolution import Ground, Resolution, constraints, without_wheels
from hatch_venvstacks.sibling_lock import (
    check_siblings,
    folder_package,
    held_constraints,
    locked_projects,
    sibling_constraints,
)
from hatch_venvstacks.stub import write_stub
from hatch_venvstacks.usable import Wheels, missing_wheel, usable_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from hatch_venvstacks.platforms import TargetPlatform
    from hatch_venvstacks.resolution import Pins
    from hatch_venvstacks.siblings import Sibling
    from hatch_venvstacks.spec import LayerSpec, LockedRuntime

__all__ = ["Ground", "resolve"]

# So many versions that lack a wheel for an old system are passed over before it is an error.
_ROUNDS = 100


def resolve(
    spec: LayerSpec,
    below: Sequence[tuple[LayerSpec, Lock]],
    ground: Ground,
    *,
    projects: Sequence[HeldProject] = (),
    siblings: Sequence[Sibling] = (),
    pins: Pins | None = None,
    refresh: Sequence[str] = (),
) -> Lock:
    """The lock of ``spec`` above the locks ``below`` (in import order).

    ``projects`` are projects that the layers below include and this layer may require: no index has
    them; ``siblings`` are such that this layer itself includes where it requires them. The versions
    ``pins`` are kept where they still fit. What uv has cached of the distributions ``refresh`` is
    not used.

    :raises LockError: where there is no resolution, no wheel, or the layers below disagree.
    """
    for one in projects:
        write_stub(one, ground.stubs)
    names = [platform.name for platform in ground.platforms]
    held = {name: held_below(below, name, projects) for name in names}
    check_siblings(spec, siblings, projects, held, ground)
    question = _Question(
        *(spec, below, held, ground, pins or {}, tuple(refresh)),
        lower=(
            *constraints(held, ground.platforms),
            *held_constraints(projects, held, ground),
        ),
        local=tuple(sibling_constraints(siblings, ground)),
    )
    own = _by_platform(question.own(), ground) if spec.requirements else {}
    disputed = [name for name in names if any(one.shadowed for one in held[name].values())]
    found = dict(own)
    if disputed:
        # The version that is imported may require what no layer below holds, because the layer
        # that requires it was locked with the other version.
        agreed = _by_platform(question.agreed(), ground)
        found.update({name: agreed[name] for name in disputed})
    return _lock(spec, own, found, held, ground, siblings)


@dataclass(frozen=True)
class _Question:
    """What is asked of uv for one layer; ``held`` is what the layers below hold.

    ``lower`` are the constraints that follow from that, ``local`` those that follow from siblings.
    """

    spec: LayerSpec
    below: Sequence[tuple[LayerSpec, Lock]]
    held: Mapping[str, Mapping[str, Held]]
    ground: Ground
    pins: Pins
    refresh: tuple[str, ...]
    lower: tuple[str, ...]
    local: tuple[str, ...]

    def own(self) -> list[Package]:
        """What the layer's own requirements resolve to, on all platforms."""
        resolution = Resolution(
            self.spec.name,
            self.ground,
            self.spec.requirements,
            (*self.lower, *self.local),
            refresh=self.refresh,
        )
        try:
            return self._with_wheels(resolution)
        except ToolError as error:
            self._check_wheels(resolution, error)
            raise self._explained(error) from error

    def agreed(self) -> list[Package]:
        """What the whole stack resolves to, where layers below hold different versions.

        The first one in import order must do for all layers.
        """
        resolution = Resolution(
            self.spec.name,
            self.ground,
            self._stack(),
            (*self.lower, *self.local),
        )
        try:
            return _exported(self.spec, resolution.export("agreement", self.pins))
        except ToolError as error:
            raise self._disagreement(error) from error

    def _with_wheels(self, resolution: Resolution) -> list[Package]:
        """Resolve, and again without versions whose wheels need a newer system than the target."""
        wheels = Wheels(self.ground.platforms, self.ground.runtime.minor)
        lacking: list[LockError] = []
        for number in range(_ROUNDS):
            try:
                export = resolution.export(f"resolution-{number}", self.pins)
            except ToolError:
                if lacking:
                    raise lacking[0] from None
                raise
            packages = _exported(self.spec, export)
            passed_over = list(self._lacking(packages, wheels))
            if not passed_over:
                return packages
            lacking += [
                missing_wheel(package, platform, self.spec, wheels.supported(package))
                for package, platform in passed_over
            ]
            others = [
                f"{package.name}!={package.version} ; {platform.marker}"
                for package, platform in passed_over
            ]
            resolution = replace(resolution, constraints=(*resolution.constraints, *others))
        raise lacking[0]

    def _lacking(
        self, packages: Sequence[Package], wheels: Wheels
    ) -> Iterator[tuple[Package, TargetPlatform]]:
        for platform in self.ground.platforms:
            for package in packages:
                if (
                    str(package.name) not in self.held[platform.name]
                    and _holds(package.marker, platform, self.ground.runtime)
                    and not wheels.fitting(package, platform)
                ):
                    yield package, platform

    def _check_wheels(self, resolution: Resolution, error: ToolError) -> None:
        """Say which package lacks a wheel, where there is a solution on other platforms.

        :raises LockError: which says so, and where there are wheels.
        """
        if any(blames(error, one) for names in self.held.values() for one in names.values()):
            return
        ground, alone = self.ground, dict[str, list[Package]]()
        failed: list[tuple[TargetPlatform, ToolError]] = []
        for platform in ground.platforms:
            one = replace(resolution, ground=replace(ground, platforms=(platform,)))
            try:
                export = one.export(f"on-{platform.name}", self.pins)
            except ToolError as only:
                failed.append((platform, only))
            else:
                alone[platform.name] = _exported(self.spec, export)
        if failed and alone:
            raise self._only_elsewhere(resolution, *failed[0], alone) from error

    def _only_elsewhere(
        self,
        resolution: Resolution,
        platform: TargetPlatform,
        error: ToolError,
        alone: Mapping[str, Sequence[Package]],
    ) -> LockError:
        """That there is no solution on ``platform``, where those ``alone`` have one."""
        elsewhere = next(iter(alone.values()))
        # With these versions and no others, uv names what has no wheel, and not all that follows.
        pinned = replace(
            resolution,
            ground=replace(self.ground, platforms=(platform,)),
            constraints=(
                *resolution.constraints,
                *(f"{package.name}=={package.version}" for package in elsewhere),
            ),
        )
        try:
            pinned.export("pinned", {})
        except ToolError as shorter:
            error = shorter
        name = without_wheels(error)
        package = next((one for one in elsewhere if one.name == name), None)
        if package is None:
            return LockError(
                f"The requirements of layer `{self.spec.name}` cannot be resolved for"
                f" {platform.name}, as they can for {', '.join(alone)}",
                detail=error.detail,
                hint="Narrow `platforms`, or use markers in the requirements",
            )
        others = [one for one, found in alone.items() if any(p.name == name for p in found)]
        return missing_wheel(package, platform, self.spec, others, listed=False)

    def _explained(self, error: ToolError) -> LockError:
        numbers = itertools.count()

        def ask(requirements: Sequence[str], *, above: bool) -> Mapping[str, Any]:
            held = self.lower if above else ()
            one = Resolution(self.spec.name, self.ground, tuple(requirements), (*self.local, *held))
            return one.lock(f"asked-{next(numbers)}", {})

        below = {
            text: layer.name for layer, lock in self.below for text in lock.inputs.requirements
        }
        version = self.ground.runtime.version
        return Conflict(self.spec, self.held, below, version, error).explained(ask)

    def _disagreement(self, error: ToolError) -> LockError:
        shadowed = [one for names in self.held.values() for one in names.values() if one.shadowed]
        one = next((one for one in shadowed if blames(error, one)), shadowed[0])
        others = ", ".join(f"`{layer}` holds {version}" for version, layer in one.shadowed)
        return LockError(
            f"The layers below `{self.spec.name}` hold different versions of `{one.name}`: "
            f"`{one.layer}` holds {one.version}, {others}",
            detail=error.detail,
            hint="Constrain it to one version in both layers, or move it into a layer below both",
        )

    def _stack(self) -> tuple[str, ...]:
        """The requirements of the layer and of all layers below it."""
        lower = (text for _, lock in self.below for text in lock.inputs.requirements)
        return tuple(sorted({*self.spec.requirements, *lower}))


def _by_platform(packages: Sequence[Package], ground: Ground) -> dict[str, list[Package]]:
    return {
        platform.name: [
            package for package in packages if _holds(package.marker, platform, ground.runtime)
        ]
        for platform in ground.platforms
    }


def _lock(
    spec: LayerSpec,
    own: Mapping[str, Sequence[Package]],
    found: Mapping[str, Sequence[Package]],
    held: Mapping[str, Mapping[str, Held]],
    ground: Ground,
    siblings: Sequence[Sibling],
) -> Lock:
    """The lock of what is ``found`` and not held below; ``own`` is what the layer itself needs."""
    runtime, platforms = ground.runtime, ground.platforms
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(platform.marker) for platform in platforms],
        requires_python=requires_python(runtime),
        created_by=TOOL,
        packages=_added(spec, found, held, ground, siblings),
    )
    needed = {
        name: _needed(_names(own.get(name, ())), _names(found.get(name, ())), names.keys())
        for name, names in held.items()
    }
    inputs = LockInputs(
        platforms=tuple(platform.name for platform in platforms),
        requirements=spec.requirements,
        below={name: _recorded(keys, held[name]) for name, keys in needed.items()},
        runtime=runtime if spec.runtime is not None else None,
        linux_target=_oldest(platforms, "linux") or LINUX_GLIBC,
        macos_target=_oldest(platforms, "darwin") or MACOS_RELEASE,
        excluded=ground.excluded,
        indexes=index_inputs(ground.indexes, depended_on(needed, spec), spec.lock_file.parent),
        projects=locked_projects(pylock, siblings),
    )
    return Lock(spec.lock_file, pylock, inputs)


def _added(
    spec: LayerSpec,
    found: Mapping[str, Sequence[Package]],
    held: Mapping[str, Mapping[str, Held]],
    ground: Ground,
    siblings: Sequence[Sibling],
) -> list[Package]:
    targets: dict[tuple[str, str, str], tuple[Package, list[TargetPlatform]]] = {}
    for platform in ground.platforms:
        for package in found.get(platform.name, ()):
            if str(package.name) not in held[platform.name]:
                key = (str(package.name), str(package.version), _place(package))
                targets.setdefault(key, (package, []))[1].append(platform)
    wheels = Wheels(ground.platforms, ground.runtime.minor)
    return [
        folder_package(package, siblings, spec, platforms, ground)
        or usable_package(package, spec, platforms, wheels)
        for _, (package, platforms) in sorted(targets.items(), key=lambda item: item[0])
    ]


def _place(package: Package) -> str:
    return package.index or (package.archive and package.archive.path) or ""


def _needed(own: set[str], found: set[str], held: AbstractSet[str]) -> set[str]:
    """The names that this layer depends on: held below, or added here."""
    return (own & held) | (found - held)


def _names(packages: Sequence[Package]) -> set[str]:
    return {str(one.name) for one in packages}


def _recorded(names: set[str], held: Mapping[str, Held]) -> dict[str, str]:
    versions = held_versions(held)
    disputed = {name for name, one in held.items() if one.shadowed}
    return {name: versions.get(name, "") for name in sorted(names | disputed)}


def _oldest(platforms: Sequence[TargetPlatform], system: str) -> tuple[int, int] | None:
    """The oldest system of that kind that any of ``platforms`` names."""
    found = [one.oldest for one in platforms if one.sys_platform == system]
    return cast("tuple[int, int]", min(found)) if found else None


def _exported(spec: LayerSpec, export: Mapping[str, Any]) -> list[Package]:
    try:
        document = Pylock.from_dict({"lock-version": "1.0", "created-by": TOOL, **export})
    except PylockValidationError as error:
        raise LockError(
            f"What uv has resolved for layer `{spec.name}` cannot be locked: {error}",
            hint="An index that gives no SHA-256 of its files cannot be used",
        ) from error
    return list(document.packages)


def _holds(marker: Marker | None, platform: TargetPlatform, runtime: LockedRuntime) -> bool:
    environment = marker_environment(platform, runtime.version)
    return marker is None or marker.evaluate(
        cast("dict[str, str]", environment), context="lock_file"
    )
