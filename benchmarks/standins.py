"""What stands in for what a build machine may not be able to download: the runtime."""

from __future__ import annotations

import hashlib
import platform
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standalone import make_standalone

from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Runtime:
    """An archive in the shape of python-build-standalone's, of the CPython ``version``."""

    archive: Path
    version: str
    sha256: str


def make_runtime(folder: Path) -> Runtime:
    """The archive of the CPython that runs this, made in ``folder`` where it is not there yet.

    It is as small as the real ones where there is a `strip` (of the binutils).

    :raises VenvLayerError: where this CPython cannot be copied.
    """
    version = platform.python_version()
    found = list(folder.glob(f"cpython-{version}-*.tar.gz"))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        found = [make_standalone(describe().executable, folder, strip=shutil.which("strip"))]
    digest = hashlib.sha256(found[0].read_bytes()).hexdigest()
    return Runtime(found[0], version, digest)
