"""Which locks a call needs, whether they fit, and what is done where they do not."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hatch_venvstacks.conflicts import HeldProject, held_below, held_versions
from hatch_venvstacks.context import LOCKED
from hatch_venvstacks.errors import ConfigError, LockError, StaleLockError
from hatch_venvstacks.lock import Lock, changed_wheels, command_in, python_changes, staleness
from hatch_venvstacks.lock_file import dump_lock, read_lock, write_lock
from hatch_venvstacks.resolve import Ground, resolve
from hatch_venvstacks.runtime import interpreter, lock_runtime
from hatch_venvstacks.spec import RuntimeOrigin
from hatch_venvstacks.stack import Stack, build_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.context import Context
    from hatch_venvstacks.spec import LayerSpec, LockedRuntime

# Of what a lock adds, so many are named on the terminal.
_SHOWN = 10


@dataclass(frozen=True)
class LockedLayer:
    """A layer that can be built: its stack, its lock, and what the runtime's lock holds.

    ``python`` is a CPython for this machine, of the minor release of the runtime.
    """

    stack: Stack
    lock: Lock
    runtime: LockedRuntime
    python: Path

    @property
    def spec(self) -> LayerSpec:
        """The layer itself."""
        return self.stack.top


def ensure_lock(spec: LayerSpec, context: Context) -> LockedLayer:
    """The layer ``spec`` with its lock; a missing lock is made, and that is said.

    :raises LockError: where a lock of the layers below is missing, or any lock is not valid.
    :raises StaleLockError: where a lock does not fit any more.
    """
    stack = build_stack(spec, context.read)
    below = _locks_below(stack, context)
    if spec.lock_file.exists():
        lock = read_lock(spec.lock_file)
        _refuse_stale(spec, _changes(lock, stack, below, context), lock, context)
    else:
        context.reporter.info(f"`{spec.name}` has no lock yet")
        lock = _write_new_lock(stack, below, None, context)
    runtime = _runtime_of([(spec, lock), *below])
    _check_python(spec, runtime)
    return LockedLayer(stack, lock, runtime, _layer_python(runtime, stack, context))


def update_lock(spec: LayerSpec, context: Context) -> Path:
    """Write the lock of ``spec`` where it is missing or stale; give its path.

    :raises LockError: where that is not possible, or not allowed.
    """
    stack = build_stack(spec, context.read)
    below = _locks_below(stack, context)
    previous = read_lock(spec.lock_file) if spec.lock_file.exists() else None
    if previous is None:
        _write_new_lock(stack, below, None, context)
        return spec.lock_file
    changes = _changes(previous, stack, below, context) + _host_changes(spec, previous)
    if not changes:
        context.reporter.info(f"The lock of `{spec.name}` is up to date")
        return spec.lock_file
    if context.locked:
        _refuse_stale(spec, changes, previous, context)
    for change in changes:
        context.reporter.info(f"  - {change}")
    _write_new_lock(stack, below, previous, context)
    return spec.lock_file


def _layer_python(runtime: LockedRuntime, stack: Stack, context: Context) -> Path:
    """A CPython for this machine, of the minor release of the stack's runtime."""
    return interpreter(
        runtime,
        context.platform.name,
        stack.runtime.root,
        store=context.store,
        reporter=context.reporter,
    )


def _locks_below(stack: Stack, context: Context) -> list[tuple[LayerSpec, Lock]]:
    """The locks of the layers below, in import order; each must be there and fit."""
    locks: dict[str, Lock] = {}
    for layer in reversed(stack.below):
        sub = build_stack(layer, context.read)
        lock = read_lock(layer.lock_file)
        below = [(other, locks[other.name]) for other in sub.below]
        _refuse_stale(layer, _changes(lock, sub, below, context), lock, context)
        locks[layer.name] = lock
    return [(layer, locks[layer.name]) for layer in stack.below]


def _changes(
    lock: Lock, stack: Stack, below: Sequence[tuple[LayerSpec, Lock]], context: Context
) -> list[str]:
    platform = context.platform.name
    projects = _projects_below(stack, lock, context)
    provided = {platform: held_versions(held_below(below, platform, projects))}
    changes = staleness(lock, stack.top, provided) + list(changed_wheels(lock).values())
    return changes + (python_changes(lock, _runtime_of(below)) if below else [])


def _projects_below(stack: Stack, lock: Lock | None, context: Context) -> list[HeldProject]:
    """The own projects of layers below that the top layer may require, itself or through others.

    A version that is computed may be costly, and a project may need a plugin that is not here: such
    a one counts only where the layer requires it, now or in its ``lock``.
    """
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
                held = HeldProject(name, project.version, layer.name, project.core_metadata)
            except ConfigError:
                if name in names:
                    raise
            else:
                projects.append(held)
    return projects


def _host_changes(spec: LayerSpec, lock: Lock) -> list[str]:
    """Whether another Python runs the build than the one that a host runtime was locked for."""
    if lock.inputs.runtime is None or spec.runtime is None:
        return []
    locked, running = lock.inputs.runtime, f"{sys.version_info.major}.{sys.version_info.minor}"
    if spec.runtime.origin is not RuntimeOrigin.HOST or locked.minor == running:
        return []
    return [f"CPython {running} runs the build, the lock is for {locked.minor}"]


def _refuse_stale(spec: LayerSpec, changes: Sequence[str], lock: Lock, context: Context) -> None:
    if changes:
        forbidden = f" ({LOCKED} forbids it here)" if context.locked else ""
        raise StaleLockError(
            f"The lock of layer `{spec.name}` is stale: {lock.path}",
            detail="\n".join(f"  - {change}" for change in changes),
            hint=f"Lock it again: {command_in(spec.root)}{forbidden}",
        )


def _runtime_of(locks: Sequence[tuple[LayerSpec, Lock]]) -> LockedRuntime:
    spec, lock = locks[-1]
    if lock.inputs.runtime is None:
        raise LockError(
            f"The lock of runtime `{spec.name}` names no Python: {lock.path}",
            hint=f"Delete it and make it anew: {command_in(spec.root)}",
        )
    return lock.inputs.runtime


def _write_new_lock(
    stack: Stack,
    below: Sequence[tuple[LayerSpec, Lock]],
    previous: Lock | None,
    context: Context,
) -> Lock:
    spec = stack.top
    if context.locked:
        raise LockError(
            f"The lock of `{spec.name}` is missing, and {LOCKED} forbids to write it: "
            f"{spec.lock_file}",
            hint=f"Unset it, or make the lock elsewhere: {command_in(spec.root)}",
        )
    context.reporter.info(f"Locking `{spec.name}` for {context.platform.name}")
    platforms = (context.platform,)
    if spec.runtime is not None:
        runtime = lock_runtime(
            spec.runtime,
            [platform.name for platform in platforms],
            spec.root,
            store=context.store,
            reporter=context.reporter,
            previous=previous.inputs.runtime if previous else None,
        )
    else:
        runtime = _runtime_of(below)
    _check_python(spec, runtime)
    python = _layer_python(runtime, stack, context)
    refresh = list(changed_wheels(previous)) if previous else []

    def resolved(projects: Sequence[HeldProject]) -> Lock:
        with context.store.workspace() as work:
            ground = Ground(runtime, platforms, python, work)
            return resolve(
                spec, below, ground, projects=projects, previous=previous, refresh=refresh
            )

    projects = _projects_below(stack, None, context)
    lock = resolved(projects)
    # What is required through others is known only now.
    required = _projects_below(stack, lock, context)
    if required != projects:
        lock = resolved(required)
    if previous is not None and dump_lock(previous) == dump_lock(lock):
        context.reporter.info(f"{lock.path.name} stays as it is")
        return lock
    write_lock(lock)
    added = [f"{name} {version}" for name, version in lock.versions().items()]
    shown = ", ".join(added[:_SHOWN]) or "no distribution"
    more = f" and {len(added) - _SHOWN} more" if len(added) > _SHOWN else ""
    context.reporter.info(f"Wrote {lock.path.name}: this layer adds {shown}{more}")
    return lock


def _check_python(spec: LayerSpec, runtime: LockedRuntime) -> None:
    """Compare the project's ``requires-python`` with the runtime."""
    # Of a host's CPython the lock holds the minor release; it is the one that runs the build.
    running = ".".join(str(part) for part in sys.version_info[:3])
    version = running if running.startswith(f"{runtime.version}.") else runtime.version
    if not SpecifierSet(spec.requires_python).contains(version):
        raise LockError(
            f"`project.requires-python` of layer `{spec.name}` is `{spec.requires_python}`, but"
            f" its runtime is CPython {version}",
            hint="Change `project.requires-python`, or `python` of the runtime layer",
        )
