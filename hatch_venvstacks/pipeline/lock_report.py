"""What a new lock has changed, and what it adds: a few lines for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.model.lock import select_wheels, wheel_location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.sources.held_below import Held


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
    found: list[tuple[str, int | None]] = [
        (f"{wheel.name} {wheel.version}", known.get(wheel.filename))
        for wheel in select_wheels(lock, platform, python)
    ]
    # Those that are built from their folders have no wheel yet.
    versions = lock.versions(platform.name)
    found += [
        (f"{package.name} {versions[str(package.name)]}", None)
        for package in lock.added(platform.name)
        if package.directory is not None
    ]
    return sorted(found, key=lambda one: (-(one[1] or 0), one[0]))


def size_table(found: Sequence[tuple[str, int | None]]) -> list[str]:
    """``found`` as lines: names on the left, sizes on the right."""
    shown = [(name, in_units(size)) for name, size in found]
    width = max((len(name) for name, _ in shown), default=0)
    return [f"{name:{width}} {size:>10}".rstrip() for name, size in shown]


def in_units(size: int | None) -> str:
    """A ``size`` in bytes for people, in powers of 1000; empty where it is not known."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95 or unit == "GB":
            break
        value /= 1000
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


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
