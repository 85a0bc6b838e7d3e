"""Archives in the shape of python-build-standalone's, made from an installed CPython.

The real ones cannot be fetched everywhere. These run the same path: fetched, checked, unpacked.
They are stand-ins: what was shown with them was not shown with the real ones.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

from hatch_venvstacks.sources.runtimes.host import describe
from hatch_venvstacks.sources.runtimes.host_copy import copy_host

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def make_standalone(
    executable: Path, folder: Path, *, top: str = "python", strip: str | None = None
) -> Path:
    """Pack the CPython of ``executable`` as a ``.tar.gz`` in ``folder``, whose path is given.

    As in the real ones, pip is installed, the tests of the standard library and the static library
    (made up here) are there, and everything lies in the folder ``top``. Nothing in the archive
    depends on when and where it is made. ``strip`` is the tool of that name, which takes out what
    is for debuggers: the real ones come without.
    """
    host = describe(executable)
    tree = folder / "standalone"
    copy_host(host, tree)
    library = tree / "lib" / f"python{host.minor}"
    python = tree / "bin" / f"python{host.minor}"
    command = [str(python), "-I", "-B", "-m", "ensurepip", "--default-pip"]
    subprocess.run(command, check=True, capture_output=True)
    for script in (tree / "bin").glob("pip*"):
        script.write_text("#!/bin/sh\n", "ascii")
    for name in ("test/test_os.py", "idlelib/idle_test/test_run.py", "config-x/libpython.a"):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text("")
    if strip:
        binaries = [tree / "bin" / f"python{host.minor}", *tree.glob("lib/**/*.so*")]
        subprocess.run([strip, "--strip-debug", *binaries], check=True)
    packed = folder / f"cpython-{host.version}-install_only.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        tar.add(tree, top, filter=_plain)
    return packed


def make_archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """Pack ``files`` as ``path``, a ``.tar.gz``: for platforms whose CPython does not run here."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if "/bin/" in name or name.endswith(".exe") else 0o644
            tar.addfile(info, io.BytesIO(content))
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in info.name:
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 1_600_000_000
    return info
