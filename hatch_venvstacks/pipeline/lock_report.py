"""What a new lock has changed, and what it adds: a few lines for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.reporter import in_units
from hatch_venvstacks.locking.new_lock import CPYTHON
from hatch_venvstacks.model.lock import select_wheels, wheel_location
from hatch_venvstacks.sources.held_below import held_below
from hatch_venvstacks.sources.local_wheels import requirements_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.stack import StackLocks
    from hatch_venvstacks.model.workshop import Upgrade, Workshop
    from hatch_venvstacks.sources.held_below import Held

# Of what a lock adds, so many are named on the terminal.
_SHOWN = 10


def differences(
    previous: Lock, lock: Lock, held: Mapping[str, Mapping[str, Held]]
) -> Iterator[str]:
    """What ``lock`` adds, drops or updates against ``previous``, a line each, sorted by name.

    ``held`` maps target platforms to what the layers below hold there now. A change that is not
    the same on all platforms of both locks says where it applies.
    """
    common = [name for name in lock.inputs.platforms if name in previous.inputs.platforms]
    changes: dict[tuple[str, str], list[str]] = {}
    for platform in common:
        before, now = previous.versions(platform), lock.versions(platform)
        for name in before.keys() | now.keys():
            below = held.get(platform, {}).get(name)
            line = _difference(name, before.get(name), now.get(name), below)
            if line:
                changes.setdefault((name, line), []).append(platform)
    for (_, line), platforms in sorted(changes.items()):
        yield line if platforms == common else f"{line} ({', '.join(platforms)})"


def sizes(lock: Lock, platform: TargetPlatform, python: str) -> list[tuple[str, int | None]]:
    """The distributions that ``lock`` adds on ``platform``: ``("numpy 2.1.0", size)``.

    The size is that of the wheel in bytes, ``None`` where the index does not tell; the largest
    come first.
    """
    known = {
        wheel.filename: _size(wheel.size, wheel_location(wheel, lock.path.parent))
        for package in lock.added(platform.name)
        for wheel in package.wheels or ()
    }
    rows: list[tuple[str, int | None]] = [
        (f"{wheel.name} {wheel.version}", known.get(wheel.filename))
        for wheel in select_wheels(lock, platform, python)
    ]
    # Those that are built from their folders have no wheel yet.
    versions = lock.versions(platform.name)
    rows += [
        (f"{package.name} {versions[str(package.name)]}", None)
        for package in lock.added(platform.name)
        if package.directory is not None
    ]
    return sorted(rows, key=lambda row: (-(row[1] or 0), row[0]))


def size_table(rows: Sequence[tuple[str, int | None]]) -> list[str]:
    """``rows`` as lines: names on the left, sizes on the right."""
    shown = [(name, in_units(size)) for name, size in rows]
    width = max((len(name) for name, _ in shown), default=0)
    return [f"{name:{width}} {size:>10}".rstrip() for name, size in shown]


def _difference(name: str, before: str | None, now: str | None, below: Held | None) -> str:
    if before == now:
        return ""
    if before is None:
        return f"added: {name} {now}"
    if now is not None:
        return f"updated: {name} {before} -> {now}"
    if below is None:
        return f"removed: {name} {before}"
    changed = "" if below.version == before else f", was {before} here"
    return f"now provided by layer `{below.layer}`: {name} {below.version}{changed}"


def _size(size: int | None, location: str) -> int | None:
    if size is None and "://" not in location and Path(location).is_file():
        return Path(location).stat().st_size
    return size


def say_what_is_not_upgraded(
    base: StackLocks, previous: Lock, upgrade: Upgrade, workshop: Workshop, option: str
) -> None:
    """Names to upgrade that this layer does not add are not its own to upgrade.

    ``option`` is what users name them with.
    """
    read = requirements_reader(workshop.store)
    platforms = previous.inputs.platforms
    added = {name for platform in platforms for name in previous.versions(platform)}
    held = {
        name: package.layer
        for platform in platforms
        for name, package in held_below(base.below, platform, read=read).items()
    }
    for name in sorted(upgrade.names - added - {CPYTHON}):
        where = (
            f"layer `{held[name]}` holds it: upgrade it there"
            if name in held
            else "this layer does not add it"
        )
        workshop.reporter.info(f"`{name}` of {option} is not upgraded: {where}")


def say_what_is_new(
    base: StackLocks, previous: Lock | None, lock: Lock, workshop: Workshop
) -> None:
    """What ``lock``, just written, adds, and what has changed since ``previous``."""
    reporter, platforms, host = workshop.reporter, lock.inputs.platforms, workshop.host.name
    shown = lock.target(host if host in platforms else platforms[0])
    added = sizes(lock, shown, base.runtime(lock).version)
    total = sum(size or 0 for _, size in added)
    count = "1 distribution" if len(added) == 1 else f"{len(added)} distributions"
    size = f", {in_units(total)}" if total else ""
    adds = f"adds {count}{size}" if added else "adds no distribution"
    reporter.info(f"Wrote {lock.path.name}: this layer {adds} for {shown.name}")
    lines = size_table(added)
    for line in lines[:_SHOWN]:
        reporter.info(f"  {line}")
    if len(lines) > _SHOWN:
        reporter.info(f"  and {len(lines) - _SHOWN} smaller ones (all with `-v`)")
    for line in lines[_SHOWN:]:
        reporter.debug(f"  {line}")
    if previous is not None:
        read = requirements_reader(workshop.store)
        held = {name: held_below(base.below, name, read=read) for name in platforms}
        for line in differences(previous, lock, held):
            reporter.info(f"  {line}")
