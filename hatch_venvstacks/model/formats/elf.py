"""What the dynamic loader of Linux reads of a program or library.

The tables are those of the System V ABI
(https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html); ``DT_RPATH`` and ``DT_RUNPATH``
are described in ``ld.so(8)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class ElfFile:
    """What an ELF file says to the loader; without a dynamic section most of it is empty.

    ``machine`` is the name of a constant (``"EM_X86_64"``), ``loader`` the path of the loader
    itself (``PT_INTERP``), empty for libraries. ``soname`` is the name that the file has for
    others; ``needed`` are the names of libraries, as they stand there. ``rpath`` are folders that
    count for what it loads and for what that loads in turn (``DT_RPATH`` without ``DT_RUNPATH``),
    ``runpath`` those that count for it alone.
    """

    machine: str = ""
    loader: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()

    @property
    def run_path(self) -> tuple[str, ...]:
        """The folders in which its own libraries are looked for, in the order of search."""
        return self.runpath or self.rpath


def read_elf(file: BinaryIO) -> ElfFile:
    """Read an ELF ``file``; whatever pyelftools makes of a damaged one is raised."""
    elf, _, tags = open_elf(file)
    paths = run_paths(tags)
    kind, _, in_force = paths[0] if paths else ("", 0, "")
    folders = tuple(folder for folder in in_force.split(":") if folder)
    return ElfFile(
        machine=str(elf["e_machine"]),
        loader="".join(str(part.get_interp_name()) for part in elf.iter_segments("PT_INTERP")),
        soname="".join(str(tag.soname) for tag in tags if tag.entry.d_tag == "DT_SONAME"),
        needed=tuple(str(tag.needed) for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
        rpath=folders if kind == "rpath" else (),
        runpath=folders if kind == "runpath" else (),
    )


def open_elf(file: BinaryIO) -> tuple[Any, Any, list[Any]]:
    """An ELF ``file`` as pyelftools has it, its dynamic segment or ``None``, and the tags there."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(file)
    dynamic: Any = next(elf.iter_segments("PT_DYNAMIC"), None)
    return elf, dynamic, list(dynamic.iter_tags()) if dynamic else []


def run_paths(tags: Sequence[Any]) -> list[tuple[str, int, str]]:
    """The run paths among ``tags``, the one in force first: kind, offset of its string, value.

    ``DT_RPATH`` counts only where there is no ``DT_RUNPATH``.
    """
    return [
        (kind, int(tag.entry.d_val), str(getattr(tag, kind)))
        for kind in ("runpath", "rpath")
        for tag in tags
        if tag.entry.d_tag == f"DT_{kind.upper()}"
    ]
