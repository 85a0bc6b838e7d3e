"""Read ELF files, and change their run path without moving a byte.

The tables are those of the System V ABI
(https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html); ``$ORIGIN``, ``DT_RPATH`` and
``DT_RUNPATH`` are described in ``ld.so(8)``.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = b"\x7fELF"


class ElfError(Exception):
    """A run path cannot be changed in place; the message says why."""


@dataclass(frozen=True)
class ElfFile:
    """What the dynamic loader reads of a file.

    ``loader`` is the path of the loader itself (``PT_INTERP``), empty for libraries; ``needed`` are
    the names of libraries, ``run_path`` the folders they are looked for in, in the order of search.
    """

    loader: str
    needed: tuple[str, ...]
    run_path: tuple[str, ...]


def read(data: bytes) -> ElfFile:
    """Read the file with the content ``data``; without a dynamic section all fields are empty."""
    elf, dynamic = _open(data)
    loaders = [str(s.get_interp_name()) for s in elf.iter_segments("PT_INTERP")]
    tags = list(dynamic.iter_tags()) if dynamic else []
    needed = tuple(str(tag.needed) for tag in tags if tag.entry.d_tag == "DT_NEEDED")
    in_force = next((path for _, path in _run_path_tags(tags)), "")
    run_path = tuple(entry for entry in in_force.split(":") if entry)
    return ElfFile("".join(loaders), needed, run_path)


def change_run_path(data: bytes, change: Callable[[str], str]) -> bytes:
    """Replace every entry of the run paths by what ``change`` gives for it, in place.

    Entries that become equal are kept once. The strings stay where they are in the string table, so
    a new run path may not be longer than the old one. A linker lets strings share their tails:
    what other entries use of an old run path is left as it is.

    :raises ElfError: where the new run path has no room.
    """
    elf, dynamic = _open(data)
    if not dynamic:
        return data
    tags = list(dynamic.iter_tags())
    used: set[int] = set()
    result = bytearray(data)
    for start, old in dict(_run_path_tags(tags)).items():
        new = ":".join(dict.fromkeys(change(entry) for entry in old.split(":")))
        if new == old:
            continue
        used = used or set(_other_strings(elf, dynamic, tags))
        end = start + len(old.encode()) + 1
        room = min((offset for offset in used if start <= offset < end), default=end) - start
        raw = new.encode()
        if len(raw) >= room:
            raise ElfError(f"its run path `{old}` has no room for `{new}`")
        at = dynamic.get_table_offset("DT_STRTAB")[1] + start
        result[at : at + room] = raw.ljust(room, b"\0")
    return bytes(result)


def _open(data: bytes) -> tuple[Any, Any]:
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(data))
    return elf, next(elf.iter_segments("PT_DYNAMIC"), None)


def _run_path_tags(tags: list[Any]) -> list[tuple[int, str]]:
    """The run paths of a file, the one in force first: offset in the string table, value.

    ``DT_RPATH`` counts only where there is no ``DT_RUNPATH``.
    """
    return [
        (int(tag.entry.d_val), str(getattr(tag, name)))
        for name in ("runpath", "rpath")
        for tag in tags
        if tag.entry.d_tag == f"DT_{name.upper()}"
    ]


def _other_strings(elf: Any, dynamic: Any, tags: list[Any]) -> Iterator[int]:
    """Offsets of all strings in the dynamic string table that something but a run path uses."""
    names = {"DT_NEEDED", "DT_SONAME", "DT_AUXILIARY", "DT_FILTER", "DT_CONFIG", "DT_AUDIT"}
    yield from (tag.entry.d_val for tag in tags if tag.entry.d_tag in names)
    # The name comes first in a symbol of either class; thousands of them are read at once.
    start, size = dynamic.get_table_offset("DT_SYMTAB")[1], 24 if elf.elfclass == 64 else 16
    order = "<" if elf.little_endian else ">"
    count = dynamic.num_symbols()
    elf.stream.seek(start)
    table = elf.stream.read(count * size)
    yield from (name for (name,) in struct.iter_unpack(f"{order}I{size - 4}x", table))
    from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for need, parts in section.iter_versions():
                yield need.entry.vn_file
                yield from (part.entry.vna_name for part in parts)
        elif isinstance(section, GNUVerDefSection):
            for _, parts in section.iter_versions():
                yield from (part.entry.vda_name for part in parts)
