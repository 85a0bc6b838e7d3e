"""From a layer's requirements and the locks below it to its own lock.

``uv`` resolves for all target platforms at once, with what the layers below hold as constraints
(:mod:`hatch_venvstacks.locking.generated_project`). On each platform, what the layers below hold
there is then taken out of the result.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.pylock import Package, Pylock
from packaging.version import Version

from hatch_venvstacks.locking.constraints import (
    check_siblings,
    folder_package,
    held_constraints,
    held_wheel_constraints,
    sibling_constraints,
    wheel_constraints,
)
from hatch_venvstacks.locking.generated_project import ResolutionSetting, constraints
from hatch_venvstacks.locking.index_changes import depended_on, index_inputs
from hatch_venvstacks.locking.layer_resolution import LayerResolution
from hatch_venvstacks.locking.wheel_choice import Wheels, usable_package
from hatch_venvstacks.model.lock import TOOL, Lock, LockInputs, requires_python
from hatch_venvstacks.model.oldest_systems import recorded
from hatch_venvstacks.model.platforms import marker_holds, unknown_facts
from hatch_venvstacks.sources.held_below import Held, HeldProject, held_below, held_versions
from hatch_venvstacks.sources.layer_siblings import locked_projects
from hatch_venvstacks.sources.local_wheels import read_requirements_digest, wheel_sources
from hatch_venvstacks.sources.stub_wheel import write_stub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from hatch_venvstacks.locking.generated_project import Pins
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.siblings import Sibling


def resolve(
    spec: LayerSpec,
    below: Sequence[tuple[LayerSpec, Lock]],
    setting: ResolutionSetting,
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
    for project in projects:
        write_stub(project, setting.stubs)
    names = [platform.name for platform in setting.platforms]
    read = cache(read_requirements_digest)
    held = {name: held_below(below, name, projects, read) for name in names}
    check_siblings(spec, siblings, projects, held, setting)
    resolution = LayerResolution(
        spec=spec,
        below=below,
        held=held,
        setting=setting,
        pins=pins or {},
        refresh=tuple(refresh),
        lower=(
            *constraints(held, setting.environments),
            *held_constraints(projects, held, setting),
            *held_wheel_constraints(below, held, setting),
        ),
        local=(*sibling_constraints(siblings, setting), *wheel_constraints(spec, held, setting)),
    )
    exported = resolution.resolve_own() if spec.requirements else []
    own = _by_platform(exported, setting)
    disputed = [name for name in names if any(package.shadowed for package in held[name].values())]
    found = dict(own)
    if disputed:
        # The version that is imported may require what no layer below holds, because the layer
        # that requires it was locked with the other version.
        everything = resolution.resolve_stack()
        exported = [*exported, *everything]
        agreed = _by_platform(everything, setting)
        found.update({name: agreed[name] for name in disputed})
    setting.warn("markers", list(_unknown(exported, setting)))
    lock = _lock(spec, own, found, held, setting, siblings)
    release = setting.python if _depends_on_release(exported) else ""
    return replace(lock, inputs=replace(lock.inputs, release=release))


def _by_platform(
    packages: Sequence[Package], setting: ResolutionSetting
) -> dict[str, list[Package]]:
    return {
        platform.name: [
            package
            for package in packages
            if marker_holds(package.marker, platform, setting.python)
        ]
        for platform in setting.platforms
    }


def _lock(
    spec: LayerSpec,
    own: Mapping[str, Sequence[Package]],
    found: Mapping[str, Sequence[Package]],
    held: Mapping[str, Mapping[str, Held]],
    setting: ResolutionSetting,
    siblings: Sequence[Sibling],
) -> Lock:
    """The lock of what is ``found`` and not held below; ``own`` is what the layer itself needs."""
    runtime, platforms = setting.runtime, setting.platforms
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(platform.marker) for platform in setting.environments],
        requires_python=requires_python(runtime),
        created_by=TOOL,
        packages=_added(spec, found, held, setting, siblings),
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
        oldest_systems=recorded(platform.oldest for platform in platforms),
        excluded=setting.excluded,
        wheels=wheel_sources(spec),
        indexes=index_inputs(setting.indexes, depended_on(needed, spec), spec.lock_file.parent),
        projects=locked_projects(pylock, siblings),
    )
    return Lock(spec.lock_file, pylock, inputs)


def _added(
    spec: LayerSpec,
    found: Mapping[str, Sequence[Package]],
    held: Mapping[str, Mapping[str, Held]],
    setting: ResolutionSetting,
    siblings: Sequence[Sibling],
) -> list[Package]:
    targets: dict[tuple[str, str, str], tuple[Package, list[TargetPlatform]]] = {}
    for platform in setting.platforms:
        for package in found.get(platform.name, ()):
            if str(package.name) not in held[platform.name]:
                key = (str(package.name), str(package.version), _place(package))
                targets.setdefault(key, (package, []))[1].append(platform)
    wheels = Wheels(setting.platforms, setting.runtime.minor)
    return [
        folder_package(package, siblings, spec, platforms, setting)
        or usable_package(package, spec, platforms, wheels)
        for _, (package, platforms) in sorted(targets.items(), key=lambda item: item[0])
    ]


def _place(package: Package) -> str:
    return package.index or (package.archive and package.archive.path) or ""


def _needed(own: set[str], found: set[str], held: AbstractSet[str]) -> set[str]:
    """The names that this layer depends on: held below, or added here."""
    return (own & held) | (found - held)


def _names(packages: Sequence[Package]) -> set[str]:
    return {str(package.name) for package in packages}


def _recorded(names: set[str], held: Mapping[str, Held]) -> dict[str, str]:
    versions = held_versions(held)
    disputed = {name for name, package in held.items() if package.shadowed}
    return {name: versions.get(name, "") for name in sorted(names | disputed)}


def _unknown(packages: Sequence[Package], setting: ResolutionSetting) -> Iterator[str]:
    """What is required depending on facts that nobody knows of a target platform."""
    platforms: dict[tuple[str, str, str], list[str]] = {}
    for package in packages:
        for platform in setting.platforms:
            for fact in unknown_facts(package.marker, platform, setting.python):
                is_there = marker_holds(package.marker, platform, setting.python)
                what = "locked" if is_there else "left out"
                key = (str(package.name), fact, what)
                platforms.setdefault(key, []).append(platform.name)
    for (name, fact, what), names in sorted(platforms.items()):
        yield (
            f"Whether `{name}` is needed on {', '.join(names)} depends on `{fact}` there, which is"
            f" not known: it is {what}"
        )


def _depends_on_release(packages: Sequence[Package]) -> bool:
    """Whether another patch release of CPython may need something else.

    uv drops from markers what follows from the releases that the lock is for.
    """
    return any("python_full_version" in str(package.marker) for package in packages)
