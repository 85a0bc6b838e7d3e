"""A layer's lock as a value.

Any tool that reads :pep:`751` locks can install from it what the layer adds. What it was computed
from stands in its ``[tool.hatch-venvstacks]`` table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.pylock import Pylock, PylockSelectError
from packaging.specifiers import SpecifierSet

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.model.oldest_systems import OldestSystems, recorded
from hatch_venvstacks.model.platforms import (
    PLATFORMS,
    marker_environment,
    marker_holds,
    wheel_tags,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.pylock import Package, PackageWheel

    from hatch_venvstacks.model.index import Index
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.runtime import LockedRuntime

TOOL = "hatch-venvstacks"
# Between the version that is imported and those of further layers that it hides.
OVER = " over "
# Between the version of a project and a digest of its requirements.
REQUIRES = " requires "
# In the place of a version that is computed.
DYNAMIC = "dynamic"


@dataclass(frozen=True)
class LockedProject:
    """What a lock says of a project of the monorepo that the layer packs (its sibling).

    ``version`` is the one that it had. Only a ``static`` one, which stands in the project's table,
    has to stay as it is: others change with each commit. ``requires`` is a digest of what it
    requires. Where it lies is said by the package in the lock.
    """

    version: str
    requires: str
    static: bool = True


@dataclass(frozen=True)
class IndexInputs:
    """What was told uv of where packages come from, as far as it matters to one layer.

    ``indexes`` are in the order in which uv looked into them; local addresses are paths relative to
    the lock's folder. ``sources`` maps normalized names to indexes, each with a marker or without:
    ``"torch-cpu ; sys_platform == 'linux'"``. ``options`` are further keys of ``[tool.uv]``.
    """

    indexes: tuple[Index, ...] = ()
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude_newer: str = ""
    find_links: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LockInputs:
    """What a lock was computed from: its ``[tool.hatch-venvstacks]`` table.

    ``below`` maps a target platform to the names of this layer's full resolution, each with the
    version that a layer below holds; the empty string where none does, and this layer adds it.
    Names on which the layers below differ are there in any case, as ``2.0 over 1.0``. ``runtime``
    is set in the locks of runtime layers only. ``platforms`` are names in the order of
    :data:`hatch_venvstacks.model.platforms.PLATFORMS`; ``oldest_systems`` are those that
    :func:`~hatch_venvstacks.model.oldest_systems.recorded` finds. ``excluded`` are the names that
    were left out though something may require them, those that layers below leave out among them.
    ``indexes`` are where packages came from, as far as projects say so. ``projects`` maps
    normalized names to what is known of projects that are packed from their folders. ``wheels``
    maps names to the single wheels that ``[tool.uv.sources]`` names. ``release`` is the release of
    CPython where what is needed depends on its patch release, else empty.
    """

    platforms: tuple[str, ...]
    requirements: tuple[str, ...]
    below: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    runtime: LockedRuntime | None = None
    oldest_systems: OldestSystems = field(default_factory=lambda: recorded(()))
    excluded: tuple[str, ...] = ()
    wheels: Mapping[str, str] = field(default_factory=dict)
    release: str = ""
    indexes: IndexInputs = field(default_factory=IndexInputs)
    projects: Mapping[str, LockedProject] = field(default_factory=dict)


@dataclass(frozen=True)
class Lock:
    """A lock file: where it lies, its :pep:`751` content, what it was computed from."""

    path: Path
    pylock: Pylock
    inputs: LockInputs

    @cached_property
    def targets(self) -> tuple[TargetPlatform, ...]:
        """The target platforms, with the oldest systems that must run the layer."""
        inputs = self.inputs
        return tuple(PLATFORMS[name].since(inputs.oldest_systems) for name in inputs.platforms)

    def target(self, platform: str) -> TargetPlatform:
        """The target platform of that name.

        :raises LockError: where the lock is not for it.
        """
        found = [target for target in self.targets if target.name == platform]
        if not found:
            raise LockError(
                f"The lock is not for {platform}: {self.path}",
                hint=Mend(
                    f"It is for {', '.join(self.inputs.platforms)}. Add the platform to"
                    " `platforms` of the layer and of those below (a runtime from `host` can have"
                    " that of its machine only), or build for one that it has: {platform}"
                ),
            )
        return found[0]

    def added(self, platform: str) -> tuple[Package, ...]:
        """What this layer adds on the target platform of that name; nothing on another one."""
        return self._added.get(platform, ())

    def versions(self, platform: str) -> dict[str, str]:
        """Normalized name -> version of what this layer adds on that target platform."""
        return {str(package.name): self._version(package) for package in self.added(platform)}

    def _version(self, package: Package) -> str:
        # PEP 751 allows no version for a folder, whose content may change.
        if package.directory is None:
            return str(package.version)
        known = self.inputs.projects.get(str(package.name))
        return known.version if known else ""

    @cached_property
    def local_wheels(self) -> Mapping[tuple[str, str], tuple[tuple[Path, ...], ...]]:
        """Name and version of what comes from local wheels -> these, for each entry of the lock."""
        found: dict[tuple[str, str], tuple[tuple[Path, ...], ...]] = {}
        for package in self.pylock.packages:
            wheels = tuple(
                Path(wheel_location(wheel, self.path.parent))
                for wheel in package.wheels or ()
                if wheel.path is not None
            )
            if wheels:
                key = str(package.name), str(package.version)
                found[key] = (*found.get(key, ()), wheels)
        return found

    @cached_property
    def _added(self) -> dict[str, tuple[Package, ...]]:
        # The markers in a lock only tell platforms apart, so that no release of Python matters.
        return {
            target.name: tuple(
                package
                for package in self.pylock.packages
                if marker_holds(package.marker, target, "3.10")
            )
            for target in self.targets
        }


@dataclass(frozen=True)
class LockedWheel:
    """The one wheel that a lock selects for a distribution on one target platform.

    ``location`` is a URL, or the absolute path of a local wheel; ``size`` is in bytes, ``None``
    where the index does not tell.
    """

    name: str
    version: str
    location: str
    sha256: str
    filename: str
    size: int | None = None


def requires_python(runtime: LockedRuntime) -> SpecifierSet:
    """The Pythons that a layer on ``runtime`` works with: this release and later patch releases."""
    major, minor = (int(part) for part in runtime.minor.split("."))
    return SpecifierSet(f">={runtime.version},<{major}.{minor + 1}")


def select_wheels(lock: Lock, platform: TargetPlatform, python: str) -> list[LockedWheel]:
    """The wheels that ``lock`` has for ``platform`` under CPython ``python``, sorted by name.

    The oldest systems that count are those of the lock. Projects that are packed from their folders
    have no wheel yet: :func:`hatch_venvstacks.sources.layer_siblings.locked_siblings`.

    :raises LockError: where the lock is not for the platform, or has none for a distribution.
    """
    return sorted(_selected(lock, lock.target(platform.name), python), key=lambda wheel: wheel.name)


def _selected(lock: Lock, platform: TargetPlatform, python: str) -> Iterator[LockedWheel]:
    from packaging.pylock import PackageDirectory, PackageWheel

    try:
        for package, wheel in lock.pylock.select(
            environment=marker_environment(platform, python),
            tags=list(wheel_tags(platform, python)),
        ):
            if isinstance(wheel, PackageDirectory):
                continue
            if not isinstance(wheel, PackageWheel):
                raise LockError(
                    f"The lock has no wheel for `{package.name}`: {lock.path}",
                    hint=Mend("Make it anew: {lock}", project_of(lock.path)),
                )
            yield LockedWheel(
                str(package.name),
                str(package.version),
                wheel_location(wheel, lock.path.parent),
                str(wheel.hashes.get("sha256", "")),
                wheel.filename,
                wheel.size,
            )
    except PylockSelectError as error:
        raise LockError(
            f"The lock does not fit {platform.name}: {lock.path}: {error}",
            hint=Mend("Make it anew: {lock}", project_of(lock.path)),
        ) from error


def wheel_location(wheel: PackageWheel, folder: Path) -> str:
    """The URL of ``wheel``, or the absolute path of a local one (``folder`` is the lock's)."""
    if wheel.path is not None:
        return os.path.normpath(folder / wheel.path)
    return str(wheel.url)


def project_of(lock: Path) -> Path:
    """The folder of the project that the file ``lock`` belongs to."""
    projects = (folder for folder in lock.parents if (folder / "pyproject.toml").is_file())
    return next(projects, lock.parent)
