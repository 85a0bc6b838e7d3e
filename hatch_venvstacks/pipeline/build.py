"""The stages in their order: config -> spec -> stack -> lock -> segments -> archive -> metadata.

Nothing else knows of more than one stage. The adapter to hatchling calls one of the three public
functions, one for each version of the target.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.compression import compression_of
from hatch_venvstacks.archives.kept_segments import Shelf
from hatch_venvstacks.archives.member_paths import check_no_links
from hatch_venvstacks.archives.metadata import describe_archive
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import remove_partial
from hatch_venvstacks.contents.installation import own_wheel
from hatch_venvstacks.deployment.published import to_json
from hatch_venvstacks.model.archive_format import format_of
from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.pipeline.lock import ensure_lock
from hatch_venvstacks.pipeline.unchanged import (
    Built,
    Recorder,
    find_built,
    inputs_key,
    keep_built,
    read_files,
)

if TYPE_CHECKING:
    from hatch_venvstacks.archives.archive import Archive
    from hatch_venvstacks.model.context import Context, LayerProject
    from hatch_venvstacks.model.lock import LockedLayer

# Folders in which files are made before they get their names.
PACKING = ".archive-"


def build_archive(project: LayerProject, folder: Path, context: Context) -> Path:
    """Build the archive of ``project`` and its metadata into ``folder``; give the archive's path.

    :raises VenvLayerError: of any kind; then nothing is written to ``folder``.
    """
    spec = project.spec
    with context.store.workspace() as work:
        layer = ensure_lock(spec, context)
        own = own_wheel(project, work / "own", context)
        archive_format = spec.archive_format or format_of(context.platform)
        compression = compression_of(archive_format, spec.compression_level)
        shelf = Shelf(context.store, spec.name, archive_format, compression)
        name = f"{spec.name}-{project.version}-{context.platform.name}{archive_format.suffix}"
        files = read_files(project, layer, context)
        key = inputs_key(project, layer, own, files, shelf, context)
        built = find_built(key, folder / name, context.store)
        if built is not None:
            for warning in built.warnings:
                context.reporter.warning(warning)
            context.reporter.info(f"Nothing has changed since {name} was built")
            return folder / name
        recorder = Recorder(context.reporter)
        recorded = replace(context, reporter=recorder)
        archive, described = _packed(project, layer, own, work, shelf, work / name, recorded)
        metadata = to_json(describe_archive(archive, layer.lock, described))
        same = read_lock(layer.lock.path) == layer.lock
        same = same and read_files(project, layer, context) == files
        with context.store.exclusive(folder) as alone:
            if alone:
                remove_partial(folder, PACKING)
            _publish(work / name, metadata, folder)
        built = Built(archive.sha256, sha256(metadata).hexdigest(), tuple(recorder.warnings))
        # Else who undoes an edit would be told that nothing has changed since this build.
        if same:
            keep_built(key, built, context.store)
        else:
            context.reporter.info(f"Files were changed while {name} was built: build it again")
    context.store.evict()
    return folder / name


def _packed(
    project: LayerProject,
    layer: LockedLayer,
    own: Path | None,
    work: Path,
    shelf: Shelf,
    path: Path,
    context: Context,
) -> tuple[Archive, dict[str, Any]]:
    """The archive in the file ``path``, and ``layer.json``.

    Where segments in the store turn out to be damaged, they are made anew.
    """
    # Only here, as most builds find that nothing has changed.
    from hatch_venvstacks.archives.archive import DamagedSegmentError, pack
    from hatch_venvstacks.contents.layer_plans import layer_plans

    for attempt in itertools.count():
        folder = work / f"attempt-{attempt}"
        plans, described = layer_plans(project, layer, own, folder, context, shelf)
        if context.platform.sys_platform == "win32":
            check_no_links(plans)
        context.reporter.info(f"Packing {path.name}")
        segments = folder / "segments"
        segments.mkdir()
        try:
            return pack(plans, shelf, path, segments, context.reporter), described
        except DamagedSegmentError as error:
            # Each time another one is known to be so.
            context.reporter.debug(f"A segment in the cache is damaged, and made anew: {error}")
    raise AssertionError


def _publish(archive: Path, metadata: bytes, folder: Path) -> None:
    """Move ``archive`` and its metadata to ``folder``: each file is there whole, or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the folder itself, because a file can only be renamed within a file system.
        with tempfile.TemporaryDirectory(prefix=PACKING, dir=folder) as temporary:
            files = [Path(temporary, archive.name), Path(temporary, f"{archive.name}.json")]
            try:
                archive.rename(files[0])
            except OSError:  # from another file system
                shutil.copyfile(archive, files[0])
            files[1].write_bytes(metadata)
            for file in files:
                file.chmod(0o644)
                file.replace(folder / file.name)
    except OSError as error:
        raise BuildError(f"The archive cannot be written to {folder}: {error}") from error
