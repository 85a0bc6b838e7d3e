"""The stages in their order: config -> spec -> stack -> lock -> segments -> archive -> metadata.

Nothing else knows of more than one stage.
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
from hatch_venvstacks.archives.kept_segments import SegmentStore
from hatch_venvstacks.archives.member_paths import check_no_links
from hatch_venvstacks.archives.metadata import describe_archive
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import remove_partial
from hatch_venvstacks.contents.installation import build_own_wheel
from hatch_venvstacks.deployment.published import to_json
from hatch_venvstacks.model.formats.archive_format import format_of
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
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.pipeline.session import Session

# Folders in which files are made before they get their names.
PACKING = ".archive-"


def build_archive(spec: LayerSpec, folder: Path, platform: str, session: Session) -> Path:
    """Build the archive of the layer ``spec`` for ``platform``, and its metadata, into ``folder``.

    Gives the archive's path.

    :raises VenvLayerError: of any kind; then nothing is written to ``folder``.
    """
    project, workshop = session.projects.open(spec.root), session.workshop
    store, reporter = workshop.store, workshop.reporter
    with store.workspace() as work:
        layer = ensure_lock(spec, platform, session)
        own = build_own_wheel(project, work / "own", reporter)
        archive_format = spec.archive_format or format_of(layer.platform)
        compression = compression_of(archive_format, spec.compression_level)
        segment_store = SegmentStore(store, spec.name, archive_format, compression)
        name = f"{spec.name}-{project.version}-{platform}{archive_format.suffix}"
        files = read_files(layer, session.projects, session.sibling_wheels)
        key = inputs_key(project, layer, own, files, segment_store, session.mtime)
        built = find_built(key, folder / name, store)
        if built is not None:
            for warning in built.warnings:
                reporter.warning(warning)
            reporter.info(f"Nothing has changed since {name} was built")
            return folder / name
        recorder = Recorder(reporter)
        recorded = replace(session, workshop=replace(workshop, reporter=recorder))
        archive, described = _pack_layer(layer, own, work, segment_store, work / name, recorded)
        metadata = to_json(describe_archive(archive, layer.lock, described))
        same = read_lock(layer.lock.path) == layer.lock
        same = same and read_files(layer, session.projects, session.sibling_wheels) == files
        with store.exclusive(folder) as alone:
            if alone:
                remove_partial(folder, PACKING)
            _publish(work / name, metadata, folder)
        built = Built(archive.sha256, sha256(metadata).hexdigest(), tuple(recorder.warnings))
        # Else who undoes an edit would be told that nothing has changed since this build.
        if same:
            keep_built(key, built, store)
        else:
            reporter.info(f"Files were changed while {name} was built: build it again")
    store.evict()
    return folder / name


def _pack_layer(
    layer: LockedLayer,
    own: Path | None,
    work: Path,
    segment_store: SegmentStore,
    path: Path,
    session: Session,
) -> tuple[Archive, dict[str, Any]]:
    """The archive in the file ``path``, and ``layer.json``.

    Where segments in the store turn out to be damaged, they are made anew.
    """
    # Only here, as most builds find that nothing has changed.
    from hatch_venvstacks.archives.archive import DamagedSegmentError, pack
    from hatch_venvstacks.contents.layer_plans import plan_layer

    reporter = session.workshop.reporter
    for attempt in itertools.count():
        folder = work / f"attempt-{attempt}"
        plans, described = plan_layer(
            layer,
            own,
            folder,
            projects=session.projects,
            sibling_wheels=session.sibling_wheels,
            mtime=session.mtime,
            workshop=session.workshop,
            segments=segment_store,
        )
        if layer.layout.is_windows:
            check_no_links(plans)
        reporter.info(f"Packing {path.name}")
        segments = folder / "segments"
        segments.mkdir()
        try:
            return pack(plans, segment_store, path, segments, reporter), described
        except DamagedSegmentError as error:
            # Each time another one is known to be so.
            reporter.debug(f"A segment in the cache is damaged, and made anew: {error}")
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
