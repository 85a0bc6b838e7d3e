"""What a layer says about itself: ``layer.json`` inside it, and the metadata beside its archive.

Both are described in ``docs/reference/layer-json.md`` and by JSON Schemas in ``docs/schemas/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import FORMAT, Plan, PlanKind
from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.model.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_venvstacks.archives.archive import Archive
    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.pipeline.lock import LockedLayer


def describe_layer(
    layer: LockedLayer,
    version: str,
    platform: TargetPlatform,
    layout: Layout,
    plans: Sequence[Plan],
    launch_module: str | None,
    relies_on: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The content of ``layer.json`` of a ``layer`` that is made of ``plans``.

    ``layout`` is that of ``platform``, ``relies_on`` what
    :func:`~hatch_venvstacks.contents.reliance.reliance` gives.
    """
    stack, folder = layer.stack, f"{layout.scripts}/"
    is_runtime = stack.top.kind is LayerKind.RUNTIME
    return {
        "format": FORMAT,
        "name": stack.top.name,
        "version": version,
        "kind": str(stack.top.kind),
        "platform": platform.name,
        "python": {
            "implementation": "cpython",
            "version": _python_version(layer, plans),
            "abi": f"cp{layer.runtime.minor.replace('.', '')}",
        },
        "executable": layout.runtime_python if is_runtime else layout.layer_python,
        "site_packages": layout.site_packages,
        "base_layers": [
            {"name": base.name, "kind": str(base.kind), "path": f"../{base.name}"}
            for base in stack.below
        ],
        "relies_on": list(relies_on),
        "distributions": [
            {"name": plan.name, "version": plan.version}
            for plan in plans
            if plan.kind is PlanKind.DISTRIBUTION
        ],
        "scripts": sorted(
            {
                member.path[len(folder) :].removesuffix(layout.suffix)
                for plan in plans
                if plan.kind is PlanKind.DISTRIBUTION
                for member in plan.members
                if member.path.startswith(folder)
            }
        ),
        "launch": {"module": launch_module} if launch_module else None,
        "postinstall": None if is_runtime else layout.postinstall or None,
    }


def _python_version(layer: LockedLayer, plans: Sequence[Plan]) -> str:
    """The release that is packed; above a copied host, only its minor release is known."""
    packed = (plan.version for plan in plans if plan.kind is PlanKind.RUNTIME)
    return next(packed, layer.runtime.version)


def describe_archive(archive: Archive, lock: Lock, layer: dict[str, Any]) -> dict[str, Any]:
    """The metadata that is published beside ``archive``; ``layer`` is its ``layer.json``."""
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
            "compression": {
                "algorithm": archive.compression.algorithm,
                "level": archive.compression.level,
                "library": archive.compression.library,
            },
        },
        "layer": layer,
        "lock": {"sha256": file_sha256(lock.path)},
        "segments": segments,
    }
