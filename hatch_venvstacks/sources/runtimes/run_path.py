"""Change the run path of an ELF file without moving a byte."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.model.formats.elf import open_elf, run_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class ElfError(Exception):
    """A run path cannot be changed in place; the message says why."""


def change_run_path(data: bytes, change: Callable[[str], str]) -> bytes:
    """Replace every entry of the run paths by what ``change`` gives for it, in place.

    Entries that become equal are kept once. The strings stay where they are in the string table, so
    a new run path may not be longer than the old one. A linker lets strings share their tails:
    what other entries use of an old run path is left as it is.

    :raises ElfError: where the new run path has no room.
    """
    elf, dynamic, tags = open_elf(io.BytesIO(data))
    if not tags:
        return data
    used: set[int] = set()
    result = bytearray(data)
    for start, old in {start: old for _, start, old in run_paths(tags)}.items():
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


def _other_strings(elf: Any, dynamic: Any, tags: Sequence[Any]) -> Iterator[int]:
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
