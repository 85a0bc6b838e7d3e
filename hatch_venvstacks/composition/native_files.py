"""What a dynamic loader reads of a program or library: ELF files, Mach-O files, names of DLLs.

Which platform a file is for stands in the file: a wheel for any platform may hold files of several.
The meaning of the entries is described in ``ld.so(8)`` and ``dyld(1)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hatch_venvstacks.model.platforms import TargetPlatform

# The machines of ELF files, and of Mach-O files (`mach/machine.h`), by `platform.machine()`.
_ELF_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
_MACH_MACHINES = {"x86_64": 0x01000007, "arm64": 0x0100000C}
_ELF_MAGIC = b"\x7fELF"
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
        if platform.sys_platform == "linux" and magic == _ELF_MAGIC:
            return _read_elf(path, _ELF_MACHINES[platform.machine])
        if platform.sys_platform == "darwin" and magic in _MACH_MAGIC:
            return _read_mach_o(path, _MACH_MACHINES[platform.machine])
    except Exception:  # noqa: BLE001 (the libraries raise whatever a damaged file makes them)
        return None
    return None


def _read_elf(path: Path, machine: str) -> Native | None:
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        elf = ELFFile(file)
        if elf["e_machine"] != machine:
            return None
        dynamic: Any = next(elf.iter_segments("PT_DYNAMIC"), None)
        tags = list(dynamic.iter_tags()) if dynamic else []
        soname = "".join(_values(tags, "soname")) or path.name
        needed = tuple(_values(tags, "needed"))
        rpath, runpath = (_folders(tags, name) for name in ("rpath", "runpath"))
        return Native(soname, needed, () if runpath else rpath, runpath)


def _values(tags: list[Any], name: str) -> Iterator[str]:
    return (str(getattr(tag, name)) for tag in tags if tag.entry.d_tag == f"DT_{name.upper()}")


def _folders(tags: list[Any], name: str) -> tuple[str, ...]:
    entries = (entry for value in _values(tags, name) for entry in value.split(":"))
    return tuple(entry for entry in entries if entry)


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
