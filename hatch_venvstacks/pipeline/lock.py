"""Which locks a call needs, whether they fit, and what is done where they do not."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import LockError, StaleLockError
from hatch_venvstacks.locking.index_changes import depended_on, index_changes, index_inputs
from hatch_venvstacks.locking.new_lock import (
    Base,
    check_python,
    layer_python,
    make_lock,
    projects_below,
    running_release,
    runtime_of,
)
from hatch_venvstacks.locking.source_changes import (
    refused_versions,
    sibling_changes,
    wheel_source_changes,
)
from hatch_venvstacks.locking.staleness import changed_wheels, python_changes, staleness
from hatch_venvstacks.locking.target_platforms import excluded_packages, layer_targets
from hatch_venvstacks.model.context import LOCKED
from hatch_venvstacks.model.lock import Lock, LockedLayer, command_in
from hatch_venvstacks.model.lock_file import dump_lock, read_lock, write_lock
from hatch_venvstacks.model.spec import RuntimeOrigin
from hatch_venvstacks.model.stack import Stack, build_stack
from hatch_venvstacks.pipeline.lock_report import (
    _say_what_is_new,
    _say_what_is_not_upgraded,
)
from hatch_venvstacks.sources.held_below import held_below, held_versions
from hatch_venvstacks.sources.indexes import resolution_indexes
from hatch_venvstacks.sources.layer_siblings import layer_siblings
from hatch_venvstacks.sources.local_wheels import requirements_reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.model.context import Context
    from hatch_venvstacks.model.spec import LayerSpec


def ensure_lock(spec: LayerSpec, context: Context) -> LockedLayer:
    """The layer ``spec`` with its lock; a missing lock is made, and that is said.

    :raises LockError: where a lock of the layers below is missing, any lock is not valid, or it is
        not for the platform that is built for.
    :raises StaleLockError: where a lock does not fit any more.
    """
    stack = build_stack(spec, context.read)
    base = Base(stack, _locks_below(stack, context))
    lock = _existing_or_new(base, context)
    runtime = runtime_of([(spec, lock), *base.below])
    check_python(spec, runtime)
    platform = lock.target(context.platform.name)
    return LockedLayer(
        stack, lock, runtime, platform, partial(layer_python, runtime, stack, context)
    )


def locked_platforms(spec: LayerSpec, context: Context) -> tuple[str, ...]:
    """The names of the target platforms that the layer ``spec`` is locked for.

    A missing lock is made, as for :func:`ensure_lock`, which raises the same errors.
    """
    stack = build_stack(spec, context.read)
    return _existing_or_new(Base(stack, _locks_below(stack, context)), context).inputs.platforms


def update_lock(spec: LayerSpec, context: Context) -> Path:
    """Write the lock of ``spec`` where it is missing, stale, or to be upgraded; give its path.

    :raises LockError: where that is not possible, or not allowed.
    """
    stack = build_stack(spec, context.read)
    base = Base(stack, _locks_below(stack, context))
    previous = read_lock(spec.lock_file) if spec.lock_file.exists() else None
    if previous is None:
        _write_new_lock(base, None, context)
        return spec.lock_file
    changes = _changes(previous, base, context) + _host_changes(spec, previous)
    if not changes and not context.upgrade:
        context.reporter.info(f"The lock of `{spec.name}` is up to date")
        return spec.lock_file
    if context.locked and changes:
        _refuse_stale(spec, changes, previous, context)
    for change in changes:
        context.reporter.info(f"  - {change}")
    _say_what_is_not_upgraded(base, previous, context)
    _write_new_lock(base, previous, context)
    return spec.lock_file


def _existing_or_new(base: Base, context: Context) -> Lock:
    spec = base.spec
    if not spec.lock_file.exists():
        context.reporter.info(f"`{spec.name}` has no lock yet")
        _write_new_lock(base, None, context)
        # As later builds have it: what was not read from a file differs in what is left out.
        return read_lock(spec.lock_file)
    lock = read_lock(spec.lock_file)
    _refuse_stale(spec, _changes(lock, base, context), lock, context)
    return lock


def _locks_below(stack: Stack, context: Context) -> list[tuple[LayerSpec, Lock]]:
    """The locks of the layers below, in import order; each must be there and fit."""
    locks: dict[str, Lock] = {}
    for layer in reversed(stack.below):
        sub = build_stack(layer, context.read)
        lock = read_lock(layer.lock_file)
        base = Base(sub, [(other, locks[other.name]) for other in sub.below])
        _refuse_stale(layer, _changes(lock, base, context), lock, context)
        locks[layer.name] = lock
    return [(layer, locks[layer.name]) for layer in stack.below]


def _changes(lock: Lock, base: Base, context: Context) -> list[str]:
    spec, below = base.spec, base.below
    projects = projects_below(base, lock, context)
    targets = layer_targets(spec, below, lock, context.host)
    read = requirements_reader(context.store)
    provided = {
        one.name: held_versions(held_below(below, one.name, projects, read)) for one in targets
    }
    changes = staleness(lock, spec, targets, provided, excluded_packages(spec, below))
    changes += _changed_indexes(lock, base)
    changes += (line for lines in changed_wheels(lock, context.store).values() for line in lines)
    changes += wheel_source_changes(lock, spec)
    runtime = runtime_of(below) if below else lock.inputs.runtime
    if runtime is None:  # The layer was not a runtime when it was locked.
        return changes
    siblings = layer_siblings(spec, runtime, base.stack.runtime.root, context)
    changes += sibling_changes(lock, siblings, runtime.version)
    changes += refused_versions(lock, spec, siblings, projects, runtime.version)
    return changes + python_changes(lock, runtime, running_release(runtime))


def _changed_indexes(lock: Lock, base: Base) -> list[str]:
    spec = base.spec
    indexes = resolution_indexes(spec, base.stack.below)
    names = depended_on(lock.inputs.below, spec)
    return index_changes(lock.inputs.indexes, index_inputs(indexes, names, spec.lock_file.parent))


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


def _write_new_lock(base: Base, previous: Lock | None, context: Context) -> Lock:
    spec = base.spec
    if context.locked:
        doing = "missing" if previous is None else "to be upgraded"
        raise LockError(
            f"The lock of `{spec.name}` is {doing}, and {LOCKED} forbids to write it: "
            f"{spec.lock_file}",
            hint=f"Unset it, or make the lock elsewhere: {command_in(spec.root)}",
        )
    lock = make_lock(base, previous, context)
    if previous is not None and dump_lock(previous) == dump_lock(lock):
        context.reporter.info(f"{lock.path.name} stays as it is")
        return lock
    write_lock(lock)
    _say_what_is_new(base, previous, lock, context)
    return lock


def lock_layer(spec: LayerSpec, context: Context) -> Path:
    """Write the lock of ``spec`` where it is missing or stale; give its path.

    :raises VenvLayerError: of any kind.
    """
    return update_lock(spec, context)
