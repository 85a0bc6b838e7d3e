"""Make the lock of a layer: what the stages of locking need, put together."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import ConfigError, LockError
from hatch_venvstacks.locking.source_changes import check_pythons
from hatch_venvstacks.locking.staleness import changed_wheels
from hatch_venvstacks.locking.target_platforms import excluded_packages, layer_targets
from hatch_venvstacks.sources.held_below import HeldProject
from hatch_venvstacks.sources.held_indexes import with_held
from hatch_venvstacks.sources.indexes import check_folders, resolution_indexes
from hatch_venvstacks.sources.layer_siblings import find_held_siblings, find_layer_siblings
from hatch_venvstacks.sources.runtimes.runtime import locked_cpython, runtime_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.locking.generated_project import Pins, ResolutionSetting
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.runtime import CPython, LockedRuntime
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.model.stack import StackLocks
    from hatch_venvstacks.model.workshop import Projects, Upgrade, Workshop
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels

# What stands for the interpreter of a runtime among the names to upgrade.
CPYTHON = "cpython"


def make_lock(
    base: StackLocks,
    previous: Lock | None,
    upgrade: Upgrade,
    *,
    projects: Projects,
    sibling_wheels: SiblingWheels,
    workshop: Workshop,
) -> Lock:
    """The lock of the layer on top of ``base``; nothing is written.

    What ``previous`` holds is kept where it still fits, and is not to be upgraded.

    :raises VenvLayerError: where there is none.
    """
    # A build that has its lock does without.
    from hatch_venvstacks.locking.resolve import resolve

    spec = base.spec
    targets = layer_targets(spec, base.below, previous, workshop.host)
    names = ", ".join(target.name for target in targets)
    workshop.reporter.info(f"Locking `{spec.name}` for {names}")
    runtime = _runtime(base, targets, previous, upgrade, workshop)
    check_python(spec, runtime)
    cpython = locked_cpython(runtime, base.stack.runtime.root, workshop)
    warnings: dict[str, Sequence[str]] = {}
    setting = replace(_setting(base, targets, cpython, workshop), warn=warnings.__setitem__)
    siblings = find_layer_siblings(spec, cpython, sibling_wheels)

    def resolved(held: Sequence[HeldProject]) -> Lock:
        with workshop.store.workspace() as work:
            return resolve(
                spec,
                base.below,
                replace(setting, work=work),
                projects=held,
                siblings=siblings,
                pins=_pins(previous, upgrade),
                refresh=list(changed_wheels(previous, workshop.store)) if previous else [],
            )

    held = projects_below(
        base, None, projects=projects, sibling_wheels=sibling_wheels, workshop=workshop
    )
    lock = resolved(held)
    # What is required through others is known only now.
    required = projects_below(
        base, lock, projects=projects, sibling_wheels=sibling_wheels, workshop=workshop
    )
    if required != held:
        lock = resolved(required)
    check_pythons(lock, siblings, running_release(runtime))
    for line in (line for lines in warnings.values() for line in lines):
        workshop.reporter.warning(line)
    return lock


def projects_below(
    base: StackLocks,
    lock: Lock | None,
    *,
    projects: Projects,
    sibling_wheels: SiblingWheels,
    workshop: Workshop,
) -> list[HeldProject]:
    """The projects of layers below that the top layer may require, itself or through others.

    They are the layers' own projects, and the siblings that layers hold. A version that is computed
    may be costly, and a project may need a plugin that is not here: such a one of the former counts
    only where the layer requires it, now or in its ``lock``.
    """
    stack = base.stack
    names: set[str] = {canonicalize_name(Requirement(text).name) for text in stack.top.requirements}
    if lock is not None:
        names.update(name for below in lock.inputs.below.values() for name in below)
    found = []
    for layer in stack.below:
        if layer.include_project:
            name, project = canonicalize_name(layer.project_name), projects.open(layer.root)
            if name not in names and not project.has_static_version:
                continue
            try:
                metadata = project.core_metadata
                held = HeldProject(name, project.version, layer.name, metadata, layer.root)
            except ConfigError:
                if name in names:
                    raise
            else:
                found.append(held)
    if base.below:
        cpython = locked_cpython(base.runtime(), stack.runtime.root, workshop)
        found += find_held_siblings(base.below, cpython, sibling_wheels)
    return found


def check_python(spec: LayerSpec, runtime: LockedRuntime) -> None:
    """Compare the project's ``requires-python`` with the runtime.

    :raises LockError: where it does not allow the runtime's release.
    """
    version = running_release(runtime)
    if not SpecifierSet(spec.requires_python).contains(version):
        raise LockError(
            f"`project.requires-python` of layer `{spec.name}` is `{spec.requires_python}`, but"
            f" its runtime is CPython {version}",
            hint="Change `project.requires-python`, or `python` of the runtime layer",
        )


def running_release(runtime: LockedRuntime) -> str:
    """The full release of ``runtime``: of a host's the lock holds the minor one only."""
    running = ".".join(str(part) for part in sys.version_info[:3])
    return running if running.startswith(f"{runtime.version}.") else runtime.version


def _setting(
    base: StackLocks, targets: tuple[TargetPlatform, ...], cpython: CPython, workshop: Workshop
) -> ResolutionSetting:
    """What the layer is resolved with; each resolution has a folder of its own to work in."""
    from hatch_venvstacks.locking.generated_project import ResolutionSetting

    locks = [lock for _, lock in base.below]
    indexes = with_held(resolution_indexes(base.spec, base.stack.below), locks, targets)
    check_folders(base.spec, indexes)
    return ResolutionSetting(
        runtime=cpython.locked,
        platforms=targets,
        interpreter=cpython.python,
        work=Path(),
        excluded=excluded_packages(base.spec, base.below),
        indexes=indexes,
        release=running_release(cpython.locked),
        say=workshop.reporter.info,
    )


def _runtime(
    base: StackLocks,
    targets: Sequence[TargetPlatform],
    previous: Lock | None,
    upgrade: Upgrade,
    workshop: Workshop,
) -> LockedRuntime:
    spec = base.spec
    if spec.runtime is None:
        return base.runtime()
    kept = previous.inputs.runtime if previous else None
    source = runtime_source(spec.runtime.origin, spec.root, workshop)
    return source.lock(
        spec.runtime,
        [target.name for target in targets],
        None if upgrade.includes(CPYTHON) else kept,
    )


def _pins(previous: Lock | None, upgrade: Upgrade) -> Pins:
    if previous is None:
        return {}
    return {
        platform: {
            name: version
            for name, version in previous.versions(platform).items()
            if not upgrade.includes(name)
        }
        for platform in previous.inputs.platforms
    }
