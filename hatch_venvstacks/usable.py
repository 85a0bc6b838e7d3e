"""Of what uv has resolved, what a lock holds: wheels that a target platform can use."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from packaging.markers import Marker
from packaging.pylock import Package, PackageWheel

from hatch_venvstacks.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.tags import Tag

    from hatch_venvstacks.platforms import TargetPlatform
    from hatch_venvstacks.spec import LayerSpec


def usable_package(
    package: Package,
    spec: LayerSpec,
    targets: Sequence[TargetPlatform],
    platforms: Sequence[TargetPlatform],
    tags: Mapping[str, frozenset[Tag]],
) -> Package:
    """``package`` with a simple marker, and only the wheels that its targets can use."""
    from packaging.utils import parse_wheel_filename

    usable: dict[str, PackageWheel] = {}
    offered = {wheel.filename: wheel for wheel in (*(package.wheels or ()), *_direct(package))}
    for platform in targets:
        fitting = {
            name: wheel
            for name, wheel in offered.items()
            if tags[platform.name] & parse_wheel_filename(name)[3]
        }
        if not fitting:
            shown = ", ".join(sorted(offered)) or "none at all"
            raise LockError(
                f"`{package.name}` {package.version} has no wheel for {platform.name}, "
                f"which layer `{spec.name}` is locked for",
                detail=f"  Its wheels: {shown}",
                hint="Constrain it to a version that has one; layers are never built from sdists",
            )
        usable.update(fitting)
    everywhere = len(targets) == len(platforms)
    index = package.index if (package.index or "").startswith("http") else None
    return Package(
        name=package.name,
        version=package.version,
        marker=None if everywhere else Marker(" or ".join(p.marker for p in targets)),
        index=index and without_credentials(index),
        wheels=[_wheel(usable[name], spec.lock_file.parent) for name in sorted(usable)],
    )


def _direct(package: Package) -> Iterator[PackageWheel]:
    """The wheel of a requirement with an address of its own, which uv exports as an archive."""
    archive = package.archive
    if archive is not None and (archive.url or archive.path or "").endswith(".whl"):
        yield PackageWheel(url=archive.url, path=archive.path, hashes=archive.hashes)


def _wheel(wheel: PackageWheel, folder: Path) -> PackageWheel:
    url = wheel.url or ""
    if url and not url.startswith("file:"):
        return replace(wheel, name=None, url=without_credentials(url))
    local = url2pathname(urlsplit(url).path) if url else str(wheel.path)
    with suppress(ValueError):  # on Windows, another drive has no relative path
        local = os.path.relpath(local, folder)
    return replace(wheel, name=None, url=None, path=Path(local).as_posix(), upload_time=None)


def without_credentials(url: str) -> str:
    """``url`` without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
