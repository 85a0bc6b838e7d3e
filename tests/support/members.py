"""Plans, and the names and files that they are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

from hypothesis import strategies as st

from hatch_venvstacks.archives.compression import compression_of
from hatch_venvstacks.archives.kept_segments import SegmentStore
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME, ArchiveFormat
from hatch_venvstacks.store.store import Store

ODD_NAMES = ["a b", "ünï/cödé", "n" * 120, "d" * 200 + "/" + "f" * 255, "-x", "new\nline", "q'\"$"]


def plan(
    *members: Member,
    name: str = "dist",
    kind: PlanKind = PlanKind.DISTRIBUTION,
    mtime: int = MEMBER_TIME,
) -> Plan:
    return Plan(kind, name, "1", members, mtime)


def kept_in(
    folder: Path,
    top: str = "top",
    archive_format: ArchiveFormat = ArchiveFormat.TAR_ZST,
    level: int = 1,
) -> SegmentStore:
    """The segments of a store in ``folder``."""
    return SegmentStore(Store(folder), top, archive_format, compression_of(archive_format, level))


def any_path(without: str = "") -> st.SearchStrategy[str]:
    """Relative paths of all kinds, but for the characters ``without``."""
    part = st.text(
        st.characters(codec="utf-8", exclude_characters=f"/\0{without}"), min_size=1, max_size=120
    ).filter(lambda part: part not in (".", ".."))
    return st.lists(part, min_size=1, max_size=6).map("/".join)


class Restless(type(Path())):  # type: ignore[misc]
    """A file that somebody else writes to between a look at it and opening it."""

    def open(self, *arguments: Any, **options: Any) -> IO[Any]:
        size = self.stat().st_size
        os.truncate(self, size * 1000 if self.name == "grows" else 1)
        return super().open(*arguments, **options)  # type: ignore[no-any-return]
