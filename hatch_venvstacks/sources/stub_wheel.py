"""A stand-in for a project that no index has, so that uv can resolve requirements on it.

It is a wheel that holds nothing but the project's metadata. It is resolved, and never installed:
the layer below that includes the project provides it, or its wheel is built when the layer is.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.sources.held_below import HeldProject
    from hatch_venvstacks.sources.siblings import Sibling

_WHEEL = (
    "Wheel-Version: 1.0\nGenerator: hatch-venvstacks\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)


def write_stub(project: HeldProject | Sibling, folder: Path) -> Path:
    """Write the stub of ``project`` into ``folder``, which is made; give its path.

    The format is
    https://packaging.python.org/en/latest/specifications/binary-distribution-format/.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{project.name.replace('-', '_')}-{project.version}"
    record = f"{stem}.dist-info/RECORD"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", project.metadata)
        wheel.writestr(f"{stem}.dist-info/WHEEL", _WHEEL)
        wheel.writestr(record, f"{record},,\n")
    return path
