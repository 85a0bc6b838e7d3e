"""What describes an archive: the JSON document beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.deployment.published import FORMAT

if TYPE_CHECKING:
    from hatch_venvstacks.archives.archive import Archive
    from hatch_venvstacks.archives.compression import Compression
    from hatch_venvstacks.model.lock import Lock


def describe_archive(archive: Archive, lock: Lock, layer_json: dict[str, Any]) -> dict[str, Any]:
    """The metadata that is published beside ``archive``; ``layer_json`` is that of the layer."""
    offset = 0
    segments = []
    for segment in archive.segments:
        plan = segment.plan
        named = {"name": plan.name, "version": plan.version} if plan.version else {}
        segments.append(
            {
                "kind": str(plan.kind),
                **named,
                "offset": offset,
                "size": segment.size,
                "sha256": segment.sha256,
            }
        )
        offset += segment.size
    return {
        "format": FORMAT,
        "archive": {
            "file": archive.path.name,
            "format": str(archive.format),
            "size": archive.size,
            "sha256": archive.sha256,
            "compression": _describe_compression(archive.compression),
        },
        "layer": layer_json,
        "lock": {"sha256": file_sha256(lock.path)},
        "segments": segments,
    }


def _describe_compression(compression: Compression) -> dict[str, Any] | None:
    if not compression.algorithm:
        return None
    return {
        "algorithm": compression.algorithm,
        "level": compression.level,
        "library": compression.library,
    }
