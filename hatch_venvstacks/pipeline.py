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
from hatch_venvstacks.archive_format import format_of
from hatch_venvstacks.contents import layer_plans
from hatch_venvstacks.deploy import replace_folder, write_layer
from hatch_venvstacks.errors import BuildError
from hatch_venvstacks.locking import ensure_lock, update_lock
from hatch_venvstacks.metadata import describe_archive
from hatch_venvstacks.segment import check_no_links
from hatch_venvstacks.wiring import to_json

if TYPE_CHECKING:
    from hatch_venvstacks.context import Context, LayerProject
    from hatch_venvstacks.spec import LayerSpec
    from hatch_venvstacks.stack import Stack

# Folders in which files are made before they get their names.
EXPORTING, PACKING = ".export-", ".archive-"


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
    with context.store.workspace() as work:
        layer = ensure_lock(project.spec, context)
        plans, described = layer_plans(project, layer, work, context)
        if context.platform.sys_platform == "win32":
            check_no_links(plans)
        archive_format = spec.archive_format or format_of(context.platform)
        name = f"{spec.name}-{project.version}-{context.platform.name}{archive_format.suffix}"
        context.reporter.info(f"Packing {name}")
        segments = work / "segments"
        segments.mkdir()
        level = spec.compression_level
        archive = pack(plans, spec.name, archive_format, level, work / name, segments)
        metadata = describe_archive(archive, layer.lock, described)
        _publish(work / name, to_json(metadata), folder)
    return folder / name


def export_stack(project: LayerProject, folder: Path, context: Context) -> Path:
    """Write the whole stack of ``project``, ready to run, into ``folder``; give ``folder``.

    :raises VenvLayerError: of any kind; then what was in ``folder`` before is still there.
    """
    stack = ensure_lock(project.spec, context).stack
    try:
        with context.store.exclusive(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            remove_partial(folder.parent, EXPORTING)
            with tempfile.TemporaryDirectory(prefix=EXPORTING, dir=folder.parent) as temporary:
                root = Path(temporary) / "export"
                _export_layers(project, stack, root, context)
                replace_folder(root, folder, Path(temporary) / "replaced")
    except OSError as error:
        raise BuildError(f"The stack cannot be exported to {folder}: {error}") from error
    return folder


def remove_partial(folder: Path, prefix: str) -> None:
    """Remove what killed builds have left in ``folder``, under names that begin with ``prefix``."""
    for path in folder.glob(f"{prefix}*"):
        shutil.rmtree(path, ignore_errors=True)


def _export_layers(project: LayerProject, stack: Stack, root: Path, context: Context) -> None:
    _export(project, root, context)
    for layer in stack.below:
        source = context.open_project(layer.root)
        # hatchling runs the hooks of the project that is built, but not of others.
        with source.hooked(root / layer.name):
            _export(source, root, context)


def _export(project: LayerProject, root: Path, context: Context) -> None:
    with context.store.workspace() as work:
        locked = ensure_lock(project.spec, context)
        plans, _ = layer_plans(project, locked, work, context)
        context.reporter.info(f"Exporting `{project.spec.name}`")
        write_layer(plans, project.spec.name, root)


def _publish(archive: Path, metadata: bytes, folder: Path) -> None:
    """Move ``archive`` and its metadata to ``folder``: each file is there whole, or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the folder itself, because a file can only be renamed within a file system.
        with tempfile.TemporaryDirectory(prefix=PACKING, dir=folder) as temporary:
            files = [Path(temporary, archive.name), Path(temporary, f"{archive.name}.json")]
            shutil.copyfile(archive, files[0])
            files[1].write_bytes(metadata)
            for file in files:
                file.chmod(0o644)
                file.replace(folder / file.name)
    except OSError as error:
        raise BuildError(f"The archive cannot be written to {folder}: {error}") from error
