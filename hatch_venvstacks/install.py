"""From a lock to unpacked wheels: uv fetches them, checks their hashes, and installs them.

Everything goes into a *prefix* (never ``--target``, which merges a wheel's data files into the
site directory), one for the whole layer. The files there are links into uv's cache, so they are
only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.lock import TOOL, LockedWheel
from hatch_venvstacks.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.platforms import TargetPlatform


def install_wheels(
    wheels: Sequence[LockedWheel],
    prefix: Path,
    *,
    layer: str,
    interpreter: Path,
    platform: TargetPlatform,
) -> None:
    """Install the locked ``wheels`` into the new folder ``prefix``.

    ``interpreter`` is a CPython of the layer's minor release; it need not be one for ``platform``.

    :raises ToolError: where a wheel cannot be fetched, or is not the one that was locked.
    """
    import tomlkit

    prefix.mkdir(parents=True)
    if not wheels:
        return
    lock = prefix.with_name(f"pylock.{prefix.name}.toml")
    packages = [_package(wheel) for wheel in wheels]
    lock.write_text(
        tomlkit.dumps({"lock-version": "1.0", "created-by": TOOL, "packages": packages}), "utf-8"
    )
    try:
        doing = f"The wheels of layer `{layer}` cannot be installed as they are locked"
        _uv(["sync", "--require-hashes", str(lock)], prefix, interpreter, platform, doing)
    finally:
        lock.unlink()


def install_project(
    wheel: Path, prefix: Path, *, layer: str, interpreter: Path, platform: TargetPlatform
) -> None:
    """Install the ``wheel`` of the layer's own project into the folder ``prefix``, too.

    :raises ToolError: where it is not for the layer's Python or platform.
    """
    # Without the cache: each build's wheel would stay in it for ever.
    arguments = ["install", "--no-deps", "--no-index", "--no-cache", wheel.as_uri()]
    doing = f"The project's own wheel, {wheel.name}, cannot be installed into layer `{layer}`"
    _uv(arguments, prefix, interpreter, platform, doing)


def _package(wheel: LockedWheel) -> dict[str, object]:
    place = "url" if "://" in wheel.location else "path"
    file = {
        "name": wheel.filename,
        place: wheel.location,
        "hashes": {"sha256": wheel.sha256},
    }
    return {"name": wheel.name, "version": wheel.version, "wheels": [file]}


def _uv(
    arguments: Sequence[str], prefix: Path, interpreter: Path, platform: TargetPlatform, doing: str
) -> None:
    options = [
        *("--prefix", str(prefix)),
        *("--python", str(interpreter)),
        *("--python-platform", platform.uv),
        *("--no-build", "--no-compile-bytecode", "--preview-features", "pylock"),
    ]
    run_uv(["pip", *arguments, *options], folder=prefix.parent, doing=doing)
