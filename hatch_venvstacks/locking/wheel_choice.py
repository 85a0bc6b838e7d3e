"""Of what uv has resolved, what a lock holds: wheels that a target platform can use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel
from packaging.utils import parse_wheel_filename

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.common.redaction import without_credentials
from hatch_venvstacks.model.index import local_path
from hatch_venvstacks.model.platforms import PLATFORMS, common_marker, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.tags import Tag

    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec


@dataclass(frozen=True)
class Wheels:
    """Which wheels the target ``platforms`` can use under CPython ``python`` (``"3.11"``)."""

    platforms: tuple[TargetPlatform, ...]
    python: str

    @cached_property
    def _tags(self) -> Mapping[str, frozenset[Tag]]:
        return {
            platform.name: frozenset(wheel_tags(platform, self.python))
            for platform in self.platforms
        }

    def fitting(self, package: Package, platform: TargetPlatform) -> dict[str, PackageWheel]:
        """The wheels of ``package`` that fit ``platform``, by their file names."""
        tags = self._tags[platform.name]
        return {
            name: wheel
            for name, wheel in _offered(package).items()
            if tags & parse_wheel_filename(name)[3]
        }

    def supported(self, package: Package) -> list[str]:
        """The names of the platforms that ``package`` has a wheel for."""
        return [platform.name for platform in self.platforms if self.fitting(package, platform)]


def missing_wheel(
    package: Package,
    platform: TargetPlatform,
    spec: LayerSpec,
    others: Sequence[str],
    *,
    listed: bool = True,
) -> LockError:
    """That ``package`` has no wheel for ``platform``; in some version it has for the ``others``.

    Its wheels are ``listed`` where all of them are known.
    """
    shown = ", ".join(sorted(_offered(package))) or "none at all"
    would = f"There are wheels of it for {', '.join(others)}: " if others else ""
    names = ", ".join(f'"{name}"' for name in others)
    narrow = f"set `platforms = [{names}]`, or " if others else ""
    alike = [name for name in others if PLATFORMS[name].marker == platform.marker]
    apart = "require it with a marker"
    if alike:
        apart = f"put it into a layer of its own (no marker tells {platform.name} from {alike[0]})"
    return LockError(
        f"`{package.name}` {package.version} has no wheel for {_described(platform)},"
        f" which layer `{spec.name}` is locked for",
        detail=f"  Its wheels: {shown}" if listed else "",
        hint=f"{would}{narrow}{apart}, or constrain it to a version that has"
        " one; layers are never built from sdists",
    )


def usable_package(
    package: Package, spec: LayerSpec, targets: Sequence[TargetPlatform], wheels: Wheels
) -> Package:
    """``package`` with a simple marker, and only the wheels that its ``targets`` can use.

    :raises LockError: where there is none for one of them.
    """
    usable: dict[str, PackageWheel] = {}
    for platform in targets:
        fitting = wheels.fitting(package, platform)
        if not fitting:
            raise missing_wheel(package, platform, spec, wheels.supported(package))
        usable.update(fitting)
    marker = common_marker(targets, wheels.platforms)
    index = package.index if (package.index or "").startswith("http") else None
    return Package(
        name=package.name,
        version=package.version,
        marker=Marker(marker) if marker else None,
        index=index and without_credentials(index),
        wheels=[_wheel(usable[name], spec.lock_file.parent) for name in sorted(usable)],
    )


def _described(platform: TargetPlatform) -> str:
    oldest = platform.oldest
    return f"{platform.name} (from {oldest} on)" if oldest.release else platform.name


def _offered(package: Package) -> dict[str, PackageWheel]:
    return {wheel.filename: wheel for wheel in (*(package.wheels or ()), *_direct(package))}


def _direct(package: Package) -> Iterator[PackageWheel]:
    """The wheel of a requirement with an address of its own, which uv exports as an archive."""
    archive = package.archive
    if archive is not None and (archive.url or archive.path or "").endswith(".whl"):
        yield PackageWheel(url=archive.url, path=archive.path, hashes=archive.hashes)


def _wheel(wheel: PackageWheel, folder: Path) -> PackageWheel:
    url = wheel.url or ""
    if url and not url.startswith("file:"):
        return replace(wheel, name=None, url=without_credentials(url))
    local = shown_path(local_path(url) or Path(str(wheel.path)), folder)
    return replace(wheel, name=None, url=None, path=local, upload_time=None)
