"""Locks of made-up packages, as values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packaging.pylock import Package, PackageWheel, Pylock
from packaging.version import Version

from hatch_venvstacks.model.lock import Lock, LockInputs

LINUX = "linux_x86_64"
SHA = "0" * 64


def wheel(tag: str, name: str = "thing", **place: Any) -> PackageWheel:
    """A wheel of ``name`` 1.0; ``place`` is its ``url`` or its ``path``."""
    file = f"{name}-1.0-{tag}.whl"
    where = place or {"url": f"https://x.org/{file}"}
    return PackageWheel(name=None, hashes={"sha256": SHA}, **where)


def package(*wheels: PackageWheel, name: str = "thing", **more: Any) -> Package:
    """The package ``name`` 1.0."""
    return Package(name=name, version=Version("1.0"), wheels=list(wheels), **more)  # type: ignore[arg-type]


def lock(*packages: Package, path: Path = Path("/p/pylock.toml"), **inputs: Any) -> Lock:
    """A lock of ``packages``, for Linux unless ``inputs`` say otherwise."""
    pylock = Pylock(lock_version=Version("1.0"), created_by="x", packages=list(packages))
    return Lock(path, pylock, LockInputs(**{"platforms": (LINUX,), "requirements": (), **inputs}))
