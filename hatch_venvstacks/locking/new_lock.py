"""Make the lock of a layer: what the stages of locking need, put together."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import ConfigError, LockError
from hatch_venvstacks.locking.source_changes import check_pythons
from hatch_venvstacks.locking.staleness import changed_wheels
from hatch_venvstacks.locking.target_platforms import excluded_packages, layer_targets
from hatch_venvstacks.model.lock import command_in
from hatch_venvstacks.sources.held_below import HeldProject
from hatch_venvstacks.sources.held_indexes import with_held
from hatch_venvstacks.sources.indexes import check_folders, resolution_indexes
from hatch_venvstacks.sources.layer_siblings import held_siblings, layer_siblings
from hatch_venvstacks.sources.runtimes.runtime import interpreter, lock_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.locking.generated_project import Pins
    from hatch_venvstacks.model.context import Context, Upgrade
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec, LockedRuntime
    from hatch_venvstacks.model.stack import Stack

# What stands for the interpreter of a runtime among the names to upgrade.
CPYTHON = "cpython"


@dataclass(frozen=True)
class Base:
    """What a layer stands on: its stack, and the locks below it in import order."""

    stack: Stack
    below: Sequence[tuple[LayerSpec, Lock]]

    @property
    def spec(self) -> LayerSpec:
        """The layer itself."""
        return self.stack.top


def make_lock(base: Base, previous: Lock | None, context: Context) -> Lock:
    """The lock of the layer on ``base``; nothing is written.

    What ``previous`` holds is kept where it still fits, and is not to be upgraded.

    :raises VenvLayerError: where there is none.
    """
    # A build that has its lock does without.
    from hatch_venvstacks.locking.resolve import Ground, resolve

    spec = base.spec
    targets = layer_targets(spec, base.below, previous, context.host)
    names = ", ".join(one.name for one in targets)
    context.reporter.info(f"Locking `{spec.name}` for {names}")
    runtime = _runtime(base, targets, previous, context)
    check_python(spec, runtime)
    python = layer_python(runtime, base.stack, context)
    refresh = list(changed_wheels(previous, context.store)) if previous else []
    pins = _pins(previous, context.upgrade)
    excluded = excluded_packages(spec, base.below)
    locks = [lock for _, lock in base.below]
    indexes = with_held(resolution_indexes(spec, base.stack.below), locks, targets)
    check_folders(spec, indexes)
    siblings = layer_siblings(spec, runtime, base.stack.runtime.root, context)

    warnings: dict[str, Sequence[str]] = {}

    def resolved(projects: Sequence[HeldProject]) -> Lock:
        with context.store.workspace() as work:
            release = running_release(runtime)
            ground = Ground(runtime, targets, python, work, excluded, indexes, release)
            ground = replace(ground, warn=warnings.__setitem__)
            return resolve(
                spec,
                base.below,
                ground,
                projects=projects,
                siblings=siblings,
                pins=pins,
                refresh=refresh,
            )

    projects = projects_below(base, None, context)
    lock = resolved(projects)
    # What is required through others is known only now.
    required = projects_below(base, lock, context)
    if required != projects:
        lock = resolved(required)
    check_pythons(lock, siblings, running_release(runtime))
    for line in (line for lines in warnings.values() for line in lines):
        context.reporter.warning(line)
    return lock


def projects_below(base: Base, lock: Lock | None, context: Context) -> list[HeldProject]:
    """The projects of layers below that the top layer may require, itself or through others.

    They are the layers' own projects, and the siblings that layers hold. A version that is computed
    may be costly, and a project may need a plugin that is not here: such a one of the former counts
    only where the layer requires it, now or in its ``lock``.
    """
    stack = base.stack
    names: set[str] = {canonicalize_name(Requirement(text).name) for text in stack.top.requirements}
    if lock is not None:
        names.update(name for below in lock.inputs.below.values() for name in below)
    projects = []
    for layer in stack.below:
        if layer.include_project:
            name, project = canonicalize_name(layer.project_name), context.open_project(layer.root)
            if name not in names and not project.has_static_version:
                continue
            try:
                metadata = project.core_metadata
                held = HeldProject(name, project.version, layer.name, metadata, layer.root)
            except ConfigError:
                if name in names:
                    raise
            else:
                projects.append(held)
    if base.below:
        runtime = runtime_of(base.below)
        projects += held_siblings(base.below, runtime, stack.runtime.root, context)
    return projects


def runtime_of(locks: Sequence[tuple[LayerSpec, Lock]]) -> LockedRuntime:
    """The CPython of the last of ``locks``, which is a runtime's.

    :raises LockError: where that lock names none.
    """
    spec, lock = locks[-1]
    if lock.inputs.runtime is None:
        raise LockError(
            f"The lock of runtime `{spec.name}` names no Python: {lock.path}",
            hint=f"Delete it and make it anew: {command_in(spec.root)}",
        )
    return lock.inputs.runtime


def layer_python(runtime: LockedRuntime, stack: Stack, context: Context) -> Path:
    """A CPython for this machine, of the minor release of the stack's runtime."""
    return interpreter(
        runtime,
        context.host.name,
        stack.runtime.root,
        store=context.store,
        reporter=context.reporter,
    )


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


def _runtime(
    base: Base, targets: Sequence[TargetPlatform], previous: Lock | None, context: Context
) -> LockedRuntime:
    spec = base.spec
    if spec.runtime is None:
        return runtime_of(base.below)
    kept = previous.inputs.runtime if previous else None
    return lock_runtime(
        spec.runtime,
        [one.name for one in targets],
        spec.root,
        store=context.store,
        reporter=context.reporter,
        previous=None if context.upgrade.includes(CPYTHON) else kept,
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
