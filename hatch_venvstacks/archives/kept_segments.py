"""Segments that are kept in the store, and what they hold: of what did not change, nothing is read.

A segment's bytes depend on its plan, the layer's folder, and how it is compressed. Where a plan has
a key that stands for all of its members, the store keeps its segments under that, and the plan
without the contents of its files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import (
    Member,
    Plan,
    PlanKind,
    Stored,
    content_length,
    recipe_key,
)
from hatch_venvstacks.store.eviction import note_use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.compression import Compression
    from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
    from hatch_venvstacks.store.store import Store

# What documents of this module hold, and how: a change raises it.
_DOCUMENT = 1


@dataclass(frozen=True)
class StoredSegment:
    """A segment in the file ``path``: its size in bytes, and its SHA-256 (hex)."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Packed:
    """A plan without content, and its segments."""

    plan: Plan
    segments: tuple[StoredSegment, ...]


class SegmentStore:
    """The segments in ``store`` for archives of one layer.

    ``top`` is the layer's folder, the first part of every member's name.
    """

    def __init__(
        self, store: Store, top: str, archive_format: ArchiveFormat, compression: Compression
    ) -> None:
        self.format, self.compression = archive_format, compression
        self._store, self.top = store, top
        self._found: dict[str, Packed | None] = {}
        self._damaged: set[str] = set()

    def find(self, key: str) -> Packed | None:
        """What is kept of the plan with that ``key``; its segments are there, but not verified."""
        if not key:
            return None
        if key not in self._found:
            self._found[key] = self._read(key)
        return self._found[key]

    def drop(self, segment: StoredSegment) -> None:
        """Forget ``segment``, which is not what it was."""
        self._store.drop(segment.path)
        self._damaged.add(segment.sha256)
        self._found.clear()

    def _read(self, key: str) -> Packed | None:
        document = self._store.read_document(self._name(key))
        if document is None:
            return None
        segments = tuple(
            StoredSegment(self._store.segment(sha256), size, sha256)
            for size, sha256 in document["segments"]
        )
        if any(
            segment.sha256 in self._damaged or not _is_there(segment.path) for segment in segments
        ):
            return None
        for segment in segments:
            note_use(segment.path)
        return Packed(_to_plan(document["plan"], key), segments)

    def keep(self, plan: Plan, segments: Sequence[StoredSegment]) -> None:
        """Keep ``plan`` and its ``segments`` under its key, where it has one.

        A store that cannot be written keeps nothing.
        """
        if not plan.key:
            return
        for segment in segments:
            if not self._store.keep_segment(segment.path, segment.sha256):
                return
        described = {
            "plan": _from_plan(plan),
            "segments": [[segment.size, segment.sha256] for segment in segments],
        }
        self._store.keep_document(self._name(plan.key), described)

    def _name(self, key: str) -> str:
        compression = (self.compression.algorithm, self.compression.level, self.compression.library)
        return recipe_key("packed", _DOCUMENT, key, self.top, str(self.format), *compression)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder of another user, who shares the cache
        return False


def _from_plan(plan: Plan) -> dict[str, Any]:
    return {
        "kind": str(plan.kind),
        "name": plan.name,
        "version": plan.version,
        "mtime": plan.mtime,
        "members": [
            [member.path, content_length(member), member.link, member.executable]
            for member in plan.members
        ],
    }


def _to_plan(document: dict[str, Any], key: str) -> Plan:
    members = tuple(
        Member(path, None if link else Stored(size), link, executable)
        for path, size, link, executable in document["members"]
    )
    kind = PlanKind(document["kind"])
    plan = Plan(kind, document["name"], document["version"], members, document["mtime"])
    return replace(plan, key=key)
