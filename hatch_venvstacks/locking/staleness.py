"""Whether a lock still fits what it was computed from, and if not, what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.model.lock import DYNAMIC, OVER, REQUIRES, wheel_location
from hatch_venvstacks.store.store import remembered_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.runtime import LockedRuntime
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.store.store import Store


def staleness(
    lock: Lock,
    spec: LayerSpec,
    targets: Sequence[TargetPlatform],
    provided: Mapping[str, Mapping[str, str]],
    excluded: Sequence[str] = (),
) -> list[str]:
    """What has changed since ``lock`` was computed, a line each; nothing where it still fits.

    ``targets`` are the target platforms of the layer now, ``provided`` maps their names to what the
    layers below hold there: normalized name -> version, as ``LockInputs.below`` has it;
    ``excluded`` are the names that are left out now.
    """
    inputs = lock.inputs
    lines = [
        *_difference("requirement", spec.requirements, inputs.requirements),
        *_runtime_changes(spec, inputs.runtime),
        *_difference("platform", [target.name for target in targets], inputs.platforms),
        *_target_changes(lock, targets),
        *_difference("excluded package", _relevant(lock, spec, excluded), inputs.excluded),
    ]
    changes: dict[str, list[str]] = {}
    for target in targets:
        if target.name in inputs.platforms:
            known = inputs.below.get(target.name, {})
            for line in _below_changes(known, provided.get(target.name, {})):
                changes.setdefault(line, []).append(target.name)
    common = [name for name in inputs.platforms if name in {target.name for target in targets}]
    for line, names in changes.items():
        lines.append(line if names == common else f"{line} ({', '.join(names)})")
    return lines


def changed_wheels(lock: Lock, store: Store) -> dict[str, list[str]]:
    """The distributions whose local wheels are not the files that were locked.

    Names to what is with their wheels, a line each. Hashes are remembered in ``store``.
    """
    changes: dict[str, list[str]] = {}
    for package in lock.pylock.packages:
        for wheel in package.wheels or ():
            if wheel.path is None:
                continue
            path = Path(wheel_location(wheel, lock.path.parent))
            if not path.is_file():
                line = f"the local wheel is gone: {wheel.path}"
            elif remembered_sha256(path, store) != wheel.hashes["sha256"]:
                line = f"the local wheel has changed: {wheel.path}"
            else:
                continue
            changes.setdefault(str(package.name), []).append(line)
    return changes


def python_changes(lock: Lock, runtime: LockedRuntime, release: str = "") -> list[str]:
    """Why ``lock`` does not fit the CPython of the runtime below, a line each.

    ``release`` is the full one, where ``runtime`` has only the minor release.
    """
    wanted, depended = lock.pylock.requires_python, lock.inputs.release
    if wanted is not None and not wanted.contains(runtime.version):
        return [f"the runtime is CPython {runtime.version}, the lock is for {wanted}"]
    release = release or runtime.version
    if depended and depended != release:
        return [f"the runtime is CPython {release}, and what is needed was found for {depended}"]
    return []


def _difference(what: str, now: Sequence[str], before: Sequence[str]) -> Iterator[str]:
    yield from (f"{what} added: {value}" for value in now if value not in before)
    yield from (f"{what} removed: {value}" for value in before if value not in now)


def _relevant(lock: Lock, spec: LayerSpec, excluded: Sequence[str]) -> list[str]:
    """Those that matter: a layer below may leave out what this one does not need."""
    known = {*spec.exclude_packages, *lock.inputs.excluded}
    known.update(name for names in lock.inputs.below.values() for name in names)
    return [name for name in excluded if name in known]


def _target_changes(lock: Lock, targets: Sequence[TargetPlatform]) -> list[str]:
    """Other oldest systems, said once for a system and not for each of its machines."""
    before = {platform.name: platform.oldest for platform in lock.targets}
    return list(
        dict.fromkeys(
            f"the oldest {platform.family.name} is now {platform.oldest.number}, was"
            f" {before[platform.name].number}"
            for platform in targets
            if platform.name in before and platform.oldest != before[platform.name]
        )
    )


def _below_changes(known: Mapping[str, str], names: Mapping[str, str]) -> Iterator[str]:
    disputed = {name: "" for name, now in names.items() if OVER in now and name not in known}
    for name, before in {**known, **disputed}.items():
        now = names.get(name, "")
        if now != before:
            yield _below_change(name, before, now)


def _runtime_changes(spec: LayerSpec, locked: LockedRuntime | None) -> list[str]:
    request = spec.runtime
    if request is None or locked is None:
        return [] if request is None and locked is None else ["`kind` has changed"]
    if request.origin is not locked.origin:
        return [f"`python-source` is now {request.origin}, was {locked.origin}"]
    lines = []
    if request.version and not _fits(request.version, locked.version):
        lines.append(f"`python` is now {request.version}, was {locked.version}")
    if request.archives:
        lines += [
            f"`python-source` has another archive for {platform}"
            for platform, archive in locked.archives.items()
            if request.archives.get(platform) != archive
        ]
    return lines


def _fits(asked: str, locked: str) -> bool:
    # "3.11" fits "3.11.13"; of a host's lock, which holds "3.11", the patch release is not known.
    shorter, longer = sorted((asked.split("."), locked.split(".")), key=len)
    return longer[: len(shorter)] == shorter


def _below_change(name: str, before: str, now: str) -> str:
    was, is_now = (_held(text) for text in (before, now))
    if not before:
        return f"a layer below now holds {name} {is_now}"
    if not now:
        return f"no layer below holds {name} any more, it was {was}"
    if was == is_now:
        return f"the requirements of {name} {is_now}, which a layer below holds, have changed"
    return f"the layer below now holds {name} {is_now}, it was {was}"


def _held(text: str) -> str:
    """For people, without the digest of requirements: see ``sources.held_below.held_versions``."""
    version = text.partition(REQUIRES)[0]
    first, over, others = version.partition(OVER)
    return ("of a computed version" if first == DYNAMIC else first) + over + others
