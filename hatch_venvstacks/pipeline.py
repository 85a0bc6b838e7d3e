"""The stages in their order: config -> spec -> stack -> lock -> segments -> archive -> metadata.

Nothing else knows of more than one stage. The adapter to hatchling calls one of the three public
functions, one for each version of the target.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.archive import pack
from hatch_venvstacks.contents import layer_plans
from hatch_venvstacks.deploy import replace_folder, write_layer
from hatch_venvstacks.errors import BuildError
from hatch_venvstacks.locking import ensure_lock, update_lock
from hatch_venvstacks.metadata import describe_archive
from hatch_venvstacks.wiring import to_json

if TYPE_CHECKING:
    from hatch_venvstacks.context import Context, LayerProject
    from hatch_venvstacks.spec import LayerSpec


def lock_layer(spec: LayerSpec, context: Context) -> Path:
    """Write the lock of ``spec`` where it is missing or stale; give its path.

    :raises VenvLayerError: of any kind.
    """
    return update_lock(spec, context)


def build_archive(project: LayerProject, folder: Path, context: Context) -> Path:
    """Build the archive of ``project`` and its metadata into ``folder``; give the archive's path.

    :raises VenvLayerError: of any kind; then nothing is written to ``folder``.
    """
    spec = project.spec
    with context.workspace() as work:
        layer = ensure_lock(project.spec, context)
        plans, described = layer_plans(project, layer, work, context)
        name = f"{spec.name}-{project.version}-{context.platform.name}.tar.zst"
        context.reporter.info(f"Packing {name}")
        segments = work / "segments"
        segments.mkdir()
        archive = pack(plans, spec.name, spec.compression_level, work / name, segments)
        metadata = describe_archive(archive, layer.lock, described, spec.compression_level)
        _publish(work / name, to_json(metadata), folder)
    return folder / name


def export_stack(project: LayerProject, folder: Path, context: Context) -> Path:
    """Write the whole stack of ``project``, ready to run, into ``folder``; give ``folder``.

    :raises VenvLayerError: of any kind; then what was in ``folder`` before is still there.
    """
    stack = ensure_lock(project.spec, context).stack
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as temporary:
            root = Path(temporary) / "export"
            for layer in stack.layers:
                source = project if layer is stack.top else context.open_project(layer.root)
                with context.workspace() as work:
                    locked = ensure_lock(source.spec, context)
                    plans, _ = layer_plans(source, locked, work, context)
                    context.reporter.info(f"Exporting `{layer.name}`")
                    write_layer(plans, layer.name, root)
            replace_folder(root, folder)
    except OSError as error:
        raise BuildError(f"The stack cannot be exported to {folder}: {error}") from error
    return folder


def _publish(archive: Path, metadata: bytes, folder: Path) -> None:
    """Move ``archive`` and its metadata to ``folder``: each file is there whole, or not at all."""
    final = folder / archive.name
    pairs = [(archive, final), (metadata, final.with_name(f"{archive.name}.json"))]
    partial = [target.with_name(f".{target.name}.part") for _, target in pairs]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(archive, partial[0])
            partial[1].write_bytes(metadata)
            for part, (_, target) in zip(partial, pairs, strict=True):
                part.chmod(0o644)
                part.replace(target)
        finally:
            for part in partial:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise BuildError(f"The archive cannot be written to {folder}: {error}") from error
