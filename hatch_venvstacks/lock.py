"""A layer's lock as a value, and whether it still fits what it was computed from.

Any tool that reads :pep:`751` locks can install from it what the layer adds. What it was computed
from stands in its ``[tool.hatch-venvstacks]`` table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.pylock import Pylock, PylockSelectError
from packaging.specifiers import SpecifierSet

from hatch_venvstacks.digest import file_sha256
from hatch_venvstacks.errors import LockError
from hatch_venvstacks.spec import LayerSpec, LockedRuntime, RuntimeOrigin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.pylock import PackageWheel

    from hatch_venvstacks.platforms import TargetPlatform

TOOL = "hatch-venvstacks"
# Between the version that is imported and those of further layers that it hides.
OVER = " over "
LOCK_COMMAND = "hatch build -t venvlayer:lock"


@dataclass(frozen=True)
class LockInputs:
    """What a lock was computed from: its ``[tool.hatch-venvstacks]`` table.

    ``below`` maps a target platform to the names of this layer's full resolution, each with the
    version that a layer below holds; the empty string where none does, and this layer adds it.
    Names on which the layers below differ are there in any case, as ``2.0 over 1.0``. ``runtime``
    is set in the locks of runtime layers only.
    """

    platforms: tuple[str, ...]
    requirements: tuple[str, ...]
    below: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    runtime: LockedRuntime | None = None


@dataclass(frozen=True)
class Lock:
    """A lock file: where it lies, its :pep:`751` content, what it was computed from."""

    path: Path
    pylock: Pylock
    inputs: LockInputs

    def versions(self) -> dict[str, str]:
        """Normalized name -> version of everything that this layer adds."""
        return {str(package.name): str(package.version) for package in self.pylock.packages}


@dataclass(frozen=True)
class LockedWheel:
    """The one wheel that a lock selects for a distribution on one target platform.

    ``location`` is a URL, or the absolute path of a local wheel.
    """

    name: str
    version: str
    location: str
    sha256: str
    filename: str


def staleness(lock: Lock, spec: LayerSpec, provided: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What has changed since ``lock`` was computed, a line each; nothing where it still fits.

    ``provided`` maps the target platforms that are built for to what the layers below hold there:
    normalized name -> version, as :attr:`LockInputs.below` has it.
    """
    inputs = lock.inputs
    lines = [f"requirement added: {name}" for name in _missing(spec, inputs.requirements)]
    lines += [
        f"requirement removed: {name}"
        for name in inputs.requirements
        if name not in spec.requirements
    ]
    lines += _runtime_changes(spec, inputs.runtime)
    for platform, names in provided.items():
        if platform not in inputs.platforms:
            lines.append(f"platform added: {platform}")
        known = inputs.below.get(platform, {})
        disputed = {name: "" for name, now in names.items() if OVER in now and name not in known}
        for name, before in {**known, **disputed}.items():
            now = names.get(name, "")
            if now != before:
                lines.append(_below_change(name, before, now))
    return lines


def changed_wheels(lock: Lock) -> dict[str, str]:
    """The distributions whose local wheels are not the files that were locked: name -> what is."""
    changes = {}
    for package in lock.pylock.packages:
        for wheel in package.wheels or ():
            if wheel.path is None:
                continue
            path = Path(wheel_location(wheel, lock.path.parent))
            if not path.is_file():
                changes[str(package.name)] = f"the local wheel is gone: {wheel.path}"
            elif file_sha256(path) != wheel.hashes["sha256"]:
                changes[str(package.name)] = f"the local wheel has changed: {wheel.path}"
    return changes


def python_changes(lock: Lock, runtime: LockedRuntime) -> list[str]:
    """Why ``lock`` does not fit the CPython of the runtime below, a line each."""
    wanted = lock.pylock.requires_python
    if wanted is None or wanted.contains(runtime.version):
        return []
    return [f"the runtime is CPython {runtime.version}, the lock is for {wanted}"]


def requires_python(runtime: LockedRuntime) -> SpecifierSet:
    """The Pythons that a layer on ``runtime`` works with: this release and later patch releases."""
    major, minor = (int(part) for part in runtime.minor.split("."))
    return SpecifierSet(f">={runtime.version},<{major}.{minor + 1}")


def select_wheels(lock: Lock, platform: TargetPlatform, python: str) -> list[LockedWheel]:
    """The wheels that ``lock`` has for ``platform`` under CPython ``python``, sorted by name.

    :raises LockError: where the lock has none for a distribution.
    """
    return sorted(_selected(lock, platform, python), key=lambda wheel: wheel.name)


def _selected(lock: Lock, platform: TargetPlatform, python: str) -> Iterator[LockedWheel]:
    from packaging.pylock import PackageWheel

    from hatch_venvstacks.platforms import marker_environment, wheel_tags

    try:
        for package, wheel in lock.pylock.select(
            environment=marker_environment(platform, python),
            tags=list(wheel_tags(platform, python)),
        ):
            if not isinstance(wheel, PackageWheel):
                raise LockError(
                    f"The lock has no wheel for `{package.name}`: {lock.path}",
                    hint=f"Make it anew: {lock_command(lock.path)}",
                )
            yield LockedWheel(
                str(package.name),
                str(package.version),
                wheel_location(wheel, lock.path.parent),
                str(wheel.hashes.get("sha256", "")),
                wheel.filename,
            )
    except PylockSelectError as error:
        raise LockError(
            f"The lock does not fit {platform.name}: {lock.path}: {error}",
            hint=f"Make it anew: {lock_command(lock.path)}",
        ) from error


def wheel_location(wheel: PackageWheel, folder: Path) -> str:
    """The URL of ``wheel``, or the absolute path of a local one (``folder`` is the lock's)."""
    if wheel.path is not None:
        return os.path.normpath(folder / wheel.path)
    return str(wheel.url)


def lock_command(lock: Path) -> str:
    """The command that makes the file ``lock`` anew, in the project that it belongs to."""
    projects = (folder for folder in lock.parents if (folder / "pyproject.toml").is_file())
    return command_in(next(projects, lock.parent))


def command_in(folder: Path, command: str = LOCK_COMMAND) -> str:
    """``command`` as it is to be typed for the project in ``folder``, from the current one."""
    try:
        shown = os.path.relpath(folder)
    except ValueError:  # pragma: no cover (windows): another drive
        shown = str(folder)
    if shown == os.curdir:
        return f"`{command}`"
    return f"`{command}` in `{Path(shown).as_posix()}`"


def _missing(spec: LayerSpec, requirements: Sequence[str]) -> list[str]:
    return [name for name in spec.requirements if name not in requirements]


def _runtime_changes(spec: LayerSpec, locked: LockedRuntime | None) -> list[str]:
    request = spec.runtime
    if request is None or locked is None:
        return [] if request is None and locked is None else ["`kind` has changed"]
    if request.origin is not locked.origin:
        return [f"`python-source` is now {request.origin}, was {locked.origin}"]
    lines = []
    if request.version and not _fits(request.version, locked.version):
        lines.append(f"`python` is now {request.version}, was {locked.version}")
    if request.origin is RuntimeOrigin.ARCHIVE:
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
    if not before:
        return f"a layer below now holds {name} {now}"
    if not now:
        return f"no layer below holds {name} any more, it was {before}"
    return f"the layer below now holds {name} {now}, it was {before}"
