"""Where a dynamic loader looks for the libraries that a file needs, and what a system has anyway.

The rules are those of ``ld.so(8)`` and ``dyld(1)``, for paths that are relative to the file: an
absolute one leads out of all layers. Paths are relative to a layer's folder, as if all layers of a
stack were one.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_venvstacks.composition.native_files import Native
    from hatch_venvstacks.model.platforms import TargetPlatform

# What every Linux that runs manylinux wheels has (PEP 600, and the list of auditwheel's policies:
# https://github.com/pypa/auditwheel/blob/main/src/auditwheel/policy/manylinux-policy.json).
_MANYLINUX = frozenset(
    (
        *("libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0"),
        *("libnsl.so.1", "libutil.so.1", "libresolv.so.2", "libanl.so.1"),
        *("libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1", "libz.so.1", "libexpat.so.1"),
        *("libX11.so.6", "libXext.so.6", "libXrender.so.1", "libICE.so.6", "libSM.so.6"),
        *("libGL.so.1", "libgobject-2.0.so.0", "libgthread-2.0.so.0", "libglib-2.0.so.0"),
    )
)
# Since which release of glibc a manylinux policy has them, too.
_LATER = {"libmvec.so.1": (2, 24)}
_LINUX_LOADER = "ld-linux"
_MACOS_FOLDERS = ("/usr/lib/", "/System/")
_ORIGINS = ("$ORIGIN", "${ORIGIN}", "@loader_path")
_EXECUTABLE = "@executable_path"
_RPATH = "@rpath/"
# The folder of the interpreter.
_PROGRAMS = "bin"


def is_guaranteed(needed: str, platform: TargetPlatform) -> bool:
    """Whether every system that ``platform`` stands for has the library ``needed``."""
    if platform.sys_platform == "darwin":
        return needed.startswith(_MACOS_FOLDERS)
    name = posixpath.basename(needed)
    if name in _LATER:
        return platform.oldest >= _LATER[name]
    return name in _MANYLINUX or name.startswith(_LINUX_LOADER)


def folders(entries: Iterable[str], origin: str) -> tuple[str, ...]:
    """The folders that ``entries`` of a run path name, for a file in the folder ``origin``."""
    expanded = (_expanded(entry, origin) for entry in entries)
    return tuple(folder for folder in expanded if folder is not None)


def candidates(native: Native, origin: str, needed: str, inherited: Iterable[str]) -> list[str]:
    """The paths at which the loader looks for ``needed``, in its order.

    ``native`` lies in the folder ``origin``; ``inherited`` are folders of ``DT_RPATH`` or
    ``LC_RPATH`` of the files that it was loaded by.
    """
    if needed.startswith(_RPATH):
        places = [*folders(native.rpath, origin), *inherited]
        return [_joined(place, needed[len(_RPATH) :]) for place in places]
    if "/" in needed:
        path = _expanded(needed, origin)
        return [] if path is None else [path]
    if native.runpath:
        places = [*folders(native.runpath, origin)]
    else:
        places = [*folders(native.rpath, origin), *inherited]
    return [_joined(place, needed) for place in places]


def _expanded(entry: str, origin: str) -> str | None:
    """A path with the token that it begins with replaced; ``None`` where it leads out."""
    for token in _ORIGINS:
        if entry == token or entry.startswith(f"{token}/"):
            return _inside(_joined(origin, entry[len(token) :].lstrip("/")))
    if entry.startswith(f"{_EXECUTABLE}/"):
        return _inside(_joined(_PROGRAMS, entry[len(_EXECUTABLE) + 1 :]))
    return None


def _joined(folder: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(folder, path))
    return "" if joined == "." else joined


def _inside(path: str) -> str | None:
    return None if path == ".." or path.startswith("../") else path
