"""The options of a layer that say how its archive is packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.model.formats.archive_format import (
    DEFAULT_COMPRESSION_LEVEL,
    MAX_COMPRESSION_LEVEL,
    ArchiveFormat,
)

if TYPE_CHECKING:
    from hatch_venvstacks.config.table import Table


def read_archive_format(options: Table) -> ArchiveFormat | None:
    """The option ``archive-format``; ``None`` where it is a matter of the platform, or faulty."""
    name = options.choice("archive-format", [str(known) for known in ArchiveFormat])
    return None if name is None else ArchiveFormat(name)


def read_compression_level(options: Table) -> int:
    """The option ``compression-level``, or its default; a fault where nothing is compressed."""
    option = "compression-level"
    if options.options.get("archive-format") == ArchiveFormat.TAR and option in options:
        options.note_fault(
            f"Field {options.field(option)} cannot be set, because the `archive-format` is `tar`,"
            " which is not compressed"
        )
        return DEFAULT_COMPRESSION_LEVEL
    return options.integer(option, 1, MAX_COMPRESSION_LEVEL) or DEFAULT_COMPRESSION_LEVEL
