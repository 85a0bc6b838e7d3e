"""A stack as folders, ready to run on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.member_paths import check_paths
from hatch_venvstacks.archives.plan import Plan, head, read
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import remove_partial, replace_folder
from hatch_venvstacks.contents.installation import build_own_wheel
from hatch_venvstacks.locking.new_lock import check_python
from hatch_venvstacks.pipeline.lock import ensure_lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.archives.plan import Member
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.pipeline.session import Session

EXPORTING = ".export-"


def export_stack(spec: LayerSpec, folder: Path, platform: str, session: Session) -> Path:
    """Write the stack of the layer ``spec`` for ``platform`` into ``folder``; give ``folder``.

    :raises VenvLayerError: of any kind; then what was in ``folder`` before is still there.
    """
    layer = ensure_lock(spec, platform, session)
    try:
        with session.workshop.store.exclusive(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            remove_partial(folder.parent, EXPORTING)
            with tempfile.TemporaryDirectory(prefix=EXPORTING, dir=folder.parent) as temporary:
                root = Path(temporary) / "export"
                _export_layers(layer, root, session)
                replace_folder(root, folder, Path(temporary) / "replaced")
    except OSError as error:
        raise BuildError(f"The stack cannot be exported to {folder}: {error}") from error
    return folder


def _export_layers(layer: LockedLayer, root: Path, session: Session) -> None:
    _export(layer, root, session)
    for spec in layer.stack.below:
        check_python(spec, layer.runtime)
        # hatchling runs the hooks of the project that is built, but not of others.
        with session.projects.open(spec.root).run_hooks(root / spec.name):
            _export(layer.of(spec), root, session)


def _export(layer: LockedLayer, root: Path, session: Session) -> None:
    from hatch_venvstacks.contents.layer_plans import plan_layer

    project, workshop = session.projects.open(layer.spec.root), session.workshop
    with workshop.store.workspace() as work:
        plans, _ = plan_layer(
            layer,
            build_own_wheel(project, work / "own", workshop.reporter),
            work / "layer",
            projects=session.projects,
            sibling_wheels=session.sibling_wheels,
            mtime=session.mtime,
            workshop=workshop,
        )
        workshop.reporter.info(f"Exporting `{layer.spec.name}`")
        write_layer(plans, layer.spec.name, root)


def write_layer(plans: Sequence[Plan], top: str, root: Path) -> None:
    """Write the layer of ``plans`` as the folder ``top`` of the deployment root ``root``.

    Every file is a copy: editing it changes neither uv's cache nor the project.

    :raises BuildError: where two plans claim one path, or a file cannot be read.
    """
    check_paths(plans)
    folders = head(plans)
    for plan in (folders, *plans):
        for member in plan.members:
            _write(member, root / top / member.path, plan.mtime)
    # Writing a file touches its folder, so the times of folders come last, the deepest first.
    for folder in reversed(folders.members):
        os.utime(root / top / folder.path, (folders.mtime, folders.mtime))


def _write(member: Member, path: Path, mtime: int) -> None:
    if member.link:
        path.symlink_to(member.link)
    elif member.content is None:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        return
    else:
        with path.open("wb") as file:
            for chunk in read(member):
                file.write(chunk)
        path.chmod(0o755 if member.executable else 0o644)
    if os.utime in os.supports_follow_symlinks:
        os.utime(path, (mtime, mtime), follow_symlinks=False)
