"""What a dynamic loader reads of a program or library: ELF files, Mach-O files, names of DLLs.

Which platform a file is for stands in the file: a wheel for any platform may hold files of several.
The meaning of the entries is described in ``ld.so(8)`` and ``dyld(1)``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from hatch_venvstacks.model.formats.elf import MAGIC as ELF_MAGIC
from hatch_venvstacks.model.formats.elf import read_elf
from hatch_venvstacks.model.oldest_systems import GLIBC, MACOS, MUSL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hatch_venvstacks.model.oldest_systems import Release
    from hatch_venvstacks.model.platforms import TargetPlatform

# The C library and its loader, by which a file tells what it is for.
_C_LIBRARIES = {
    GLIBC.name: (
        *("libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0"),
        *("libnsl.so.1", "libutil.so.1", "libresolv.so.2", "libanl.so.1", "ld-linux*"),
    ),
    MUSL.name: ("libc.so", "libc.musl-*.so.1", "ld-musl-*.so.1"),
}
# What else every system of a family has, and since which release. That of Linux is what the
# policies of auditwheel allow (PEP 600 and PEP 656;
# https://github.com/pypa/auditwheel/tree/main/src/auditwheel/policy).
_GUARANTEED: Mapping[str, Mapping[str, Release]] = {
    GLIBC.name: {
        **dict.fromkeys(
            (
                *("libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1", "libz.so.1"),
                *("libexpat.so.1", "libX11.so.6", "libXext.so.6", "libXrender.so.1"),
                *("libICE.so.6", "libSM.so.6", "libGL.so.1", "libgobject-2.0.so.0"),
                *("libgthread-2.0.so.0", "libglib-2.0.so.0"),
            ),
            (),
        ),
        "libmvec.so.1": (2, 24),
    },
    MUSL.name: {"libz.so.1": ()},
    MACOS.name: {"/usr/lib/*": (), "/System/*": ()},
}
_ORIGINS = ("$ORIGIN", "${ORIGIN}", "@loader_path")
_EXECUTABLE = "@executable_path"
_RPATH = "@rpath/"
# The folder of the interpreter.
_PROGRAMS = "bin"

# The machines of ELF files, and of Mach-O files (`mach/machine.h`), by `platform.machine()`.
_ELF_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
_MACH_MACHINES = {"x86_64": 0x01000007, "arm64": 0x0100000C}
_MACH_MAGIC = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
# Most files of most distributions, which need not be opened.
_TEXT = (".py", ".pyi", ".pyc", ".txt", ".json", ".h", ".hpp", ".md", ".rst", ".html", ".js")


@dataclass(frozen=True)
class Native:
    """What the dynamic loader reads of a file.

    ``soname`` is the name that the file has for others: its ``DT_SONAME``, or the file name of its
    ``LC_ID_DYLIB``, or its own file name. ``needed`` are the libraries that it names, as they stand
    there. ``rpath`` are folders that count for what it loads and for what that loads in turn
    (``DT_RPATH`` without ``DT_RUNPATH``, ``LC_RPATH``), ``runpath`` those that count for it alone
    (``DT_RUNPATH``).
    """

    soname: str
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()


def read_native(path: Path, platform: TargetPlatform) -> Native | None:
    """What the loader of ``platform`` reads of the file ``path``; ``None`` for all other files.

    Of DLLs only the name is known: which folders Windows searches is not said in the file.
    A file that begins like a library and cannot be read as one is none.
    """
    if path.name.endswith(_TEXT):
        return None
    if platform.sys_platform == "win32":
        return Native(path.name) if path.suffix.lower() == ".dll" else None
    with path.open("rb") as file:
        magic = file.read(4)
    try:
        if platform.sys_platform == "linux" and magic == ELF_MAGIC:
            return _read_elf(path, _ELF_MACHINES[platform.machine])
        if platform.sys_platform == "darwin" and magic in _MACH_MAGIC:
            return _read_mach_o(path, _MACH_MACHINES[platform.machine])
    except Exception:  # noqa: BLE001 (the libraries raise whatever a damaged file makes them)
        return None
    return None


def _read_elf(path: Path, machine: str) -> Native | None:
    with path.open("rb") as file:
        elf = read_elf(file)
    if elf.machine != machine:
        return None
    return Native(elf.soname or path.name, elf.needed, elf.rpath, elf.runpath)


def _read_mach_o(path: Path, machine: int) -> Native | None:
    from macholib import mach_o
    from macholib.MachO import MachO

    loading = {
        mach_o.LC_LOAD_DYLIB,
        mach_o.LC_LOAD_WEAK_DYLIB,
        mach_o.LC_REEXPORT_DYLIB,
        mach_o.LC_LOAD_UPWARD_DYLIB,
    }
    for header in MachO(str(path)).headers:
        if header.header.cputype != machine:
            continue
        found: dict[int, list[str]] = {}
        for load, _, data in header.commands:
            if isinstance(data, bytes):
                text = data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
                found.setdefault(int(load.cmd), []).append(text)
        names = found.get(mach_o.LC_ID_DYLIB, [path.name])
        needed = tuple(text for kind in sorted(loading) for text in found.get(kind, ()))
        return Native(names[0].rpartition("/")[2], needed, tuple(found.get(mach_o.LC_RPATH, ())))
    return None


@cache
def is_guaranteed(needed: str, platform: TargetPlatform) -> bool:
    """Whether every system that ``platform`` stands for has the library ``needed``."""
    family, oldest = platform.family.name, platform.oldest.release
    own = _C_LIBRARIES.get(family, ())
    found = [*dict.fromkeys(own, ()).items(), *_GUARANTEED.get(family, {}).items()]
    return any(oldest >= since and _is_called(needed, pattern) for pattern, since in found)


def other_c_library(needed: str, platform: TargetPlatform) -> str:
    """The C library that ``needed`` belongs to, where ``platform`` has another one; else empty."""
    return next(
        (
            family
            for family, patterns in _C_LIBRARIES.items()
            if platform.family.name in _C_LIBRARIES.keys() - {family}
            and any(_is_called(needed, pattern) for pattern in patterns)
        ),
        "",
    )


def _is_called(needed: str, pattern: str) -> bool:
    name = needed if "/" in pattern else posixpath.basename(needed)
    return fnmatchcase(name, pattern)


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
