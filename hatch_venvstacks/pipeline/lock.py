"""Which locks a call needs, whether they fit, and what is done where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import LockError, StaleLockError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.locking.index_changes import depended_on, index_changes, index_inputs
from hatch_venvstacks.locking.new_lock import (
    check_python,
    make_lock,
    projects_below,
    running_release,
)
from hatch_venvstacks.locking.source_changes import (
    refused_versions,
    sibling_changes,
    wheel_source_changes,
)
from hatch_venvstacks.locking.staleness import changed_wheels, python_changes, staleness
from hatch_venvstacks.locking.target_platforms import excluded_packages, layer_targets
from hatch_venvstacks.model.lock_file import dump_lock, read_lock, write_lock
from hatch_venvstacks.model.stack import LockedLayer, StackLocks
from hatch_venvstacks.pipeline.lock_report import say_what_is_new, say_what_is_not_upgraded
from hatch_venvstacks.sources.held_below import held_below, held_versions
from hatch_venvstacks.sources.indexes import resolution_indexes
from hatch_venvstacks.sources.layer_siblings import find_layer_siblings
from hatch_venvstacks.sources.local_wheels import requirements_reader
from hatch_venvstacks.sources.runtimes.runtime import locked_cpython, runtime_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.pipeline.session import Session


def ensure_lock(spec: LayerSpec, platform: str, session: Session) -> LockedLayer:
    """The layer ``spec`` with its locks, for ``platform``; a missing lock is made, and said.

    :raises LockError: where a lock of the layers below is missing, any lock is not valid, or it is
        not for the platform that is built for.
    :raises StaleLockError: where a lock does not fit any more.
    """
    base = _read_stack_locks(spec, session)
    lock = _ensure_own_lock(base, session)
    runtime = base.runtime(lock)
    check_python(spec, runtime)
    cpython = locked_cpython(runtime, base.stack.runtime.root, session.workshop)
    locks = {**base.locks, spec.name: lock}
    return LockedLayer(base.stack, locks, lock.target(platform), cpython)


def ensure_locked_platforms(spec: LayerSpec, session: Session) -> tuple[str, ...]:
    """The names of the target platforms that the layer ``spec`` is locked for.

    A missing lock is made, as for :func:`ensure_lock`, which raises the same errors.
    """
    return _ensure_own_lock(_read_stack_locks(spec, session), session).inputs.platforms


def update_lock(spec: LayerSpec, session: Session) -> Path:
    """Write the lock of ``spec`` where it is missing, stale, or to be upgraded; give its path.

    :raises LockError: where that is not possible, or not allowed.
    """
    base = _read_stack_locks(spec, session)
    previous = read_lock(spec.lock_file) if spec.lock_file.exists() else None
    if previous is None:
        _write_new_lock(base, None, session)
        return spec.lock_file
    reporter, options = session.workshop.reporter, session.locking
    changes = _find_changes(previous, base, session) + _host_changes(spec, previous, session)
    if not changes and not options.upgrade:
        reporter.info(f"The lock of `{spec.name}` is up to date")
        return spec.lock_file
    if options.locked and changes:
        _refuse_stale(spec, changes, locked=True)
    for change in changes:
        reporter.info(f"  - {change}")
    say_what_is_not_upgraded(
        base, previous, options.upgrade, session.workshop, session.wording.upgrade
    )
    _write_new_lock(base, previous, session)
    return spec.lock_file


def _ensure_own_lock(base: StackLocks, session: Session) -> Lock:
    spec = base.spec
    if not spec.lock_file.exists():
        session.workshop.reporter.info(f"`{spec.name}` has no lock yet")
        _write_new_lock(base, None, session)
        # As later builds have it: what was not read from a file differs in what is left out.
        return read_lock(spec.lock_file)
    lock = read_lock(spec.lock_file)
    _refuse_stale(spec, _find_changes(lock, base, session), locked=session.locking.locked)
    return lock


def _read_stack_locks(spec: LayerSpec, session: Session) -> StackLocks:
    """The stack of ``spec`` with the locks of the layers below; each must be there and fit."""
    stack = session.projects.stack(spec)
    locks: dict[str, Lock] = {}
    for layer in reversed(stack.below):
        lock = read_lock(layer.lock_file)
        base = StackLocks(stack.of(layer), locks)
        _refuse_stale(layer, _find_changes(lock, base, session), locked=session.locking.locked)
        # Not added to what that layer stands on.
        locks = {**locks, layer.name: lock}
    return StackLocks(stack, locks)


def _find_changes(lock: Lock, base: StackLocks, session: Session) -> list[str]:
    spec, below, workshop = base.spec, base.below, session.workshop
    projects, sibling_wheels = session.projects, session.sibling_wheels
    held = projects_below(
        base, lock, projects=projects, sibling_wheels=sibling_wheels, workshop=workshop
    )
    targets = layer_targets(spec, below, lock, workshop.host)
    read = requirements_reader(workshop.store)
    provided = {
        target.name: held_versions(held_below(below, target.name, held, read)) for target in targets
    }
    changes = staleness(lock, spec, targets, provided, excluded_packages(spec, below))
    changes += _changed_indexes(lock, base)
    changes += (line for lines in changed_wheels(lock, workshop.store).values() for line in lines)
    changes += wheel_source_changes(lock, spec)
    if not below and lock.inputs.runtime is None:
        # The layer was not a runtime when it was locked.
        return changes
    runtime = base.runtime(lock)
    cpython = locked_cpython(runtime, base.stack.runtime.root, workshop)
    siblings = find_layer_siblings(spec, cpython, sibling_wheels)
    changes += sibling_changes(lock, siblings, runtime.version)
    changes += refused_versions(lock, spec, siblings, held, runtime.version)
    return changes + python_changes(lock, runtime, running_release(runtime))


def _changed_indexes(lock: Lock, base: StackLocks) -> list[str]:
    spec = base.spec
    indexes = resolution_indexes(spec, base.stack.below)
    names = depended_on(lock.inputs.below, spec)
    return index_changes(lock.inputs.indexes, index_inputs(indexes, names, spec.lock_file.parent))


def _host_changes(spec: LayerSpec, lock: Lock, session: Session) -> list[str]:
    """Whether this machine would lock another CPython than the one that is locked."""
    if lock.inputs.runtime is None or spec.runtime is None:
        return []
    source = runtime_source(spec.runtime.origin, spec.root, session.workshop)
    return source.changes(lock.inputs.runtime)


def _refuse_stale(spec: LayerSpec, changes: Sequence[str], *, locked: bool) -> None:
    if changes:
        forbidden = " ({locked} forbids it here)" if locked else ""
        raise StaleLockError(
            f"The lock of layer `{spec.name}` is stale: {spec.lock_file}",
            detail="\n".join(f"  - {change}" for change in changes),
            hint=Mend(f"Lock it again: {{lock}}{forbidden}", spec.root),
        )


def _write_new_lock(base: StackLocks, previous: Lock | None, session: Session) -> Lock:
    spec, workshop = base.spec, session.workshop
    if session.locking.locked:
        doing = "missing" if previous is None else "to be upgraded"
        raise LockError(
            f"The lock of `{spec.name}` is {doing}, and {session.wording.locked} forbids to write"
            f" it: {spec.lock_file}",
            hint=Mend("Unset it, or make the lock elsewhere: {lock}", spec.root),
        )
    lock = make_lock(
        base,
        previous,
        session.locking.upgrade,
        projects=session.projects,
        sibling_wheels=session.sibling_wheels,
        workshop=workshop,
    )
    if previous is not None and dump_lock(previous) == dump_lock(lock):
        workshop.reporter.info(f"{lock.path.name} stays as it is")
        return lock
    write_lock(lock)
    say_what_is_new(base, previous, lock, workshop)
    return lock
