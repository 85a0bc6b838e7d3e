"""Layers as folders of a deployment root: from their archives, or without packing them first."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import FORMAT, Plan, check_paths, head, read
from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.errors import DeployError, words
from hatch_venvstacks.composition.wiring import LAYER_JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.archives.plan import Member

# A folder in which a layer is unpacked before it gets its name.
_UNPACKING = ".venvlayer-"


def deploy_archive(archive: Path, root: Path) -> Path:
    """Unpack a layer's ``archive`` as a folder of the deployment root ``root``; give its path.

    The archive must be the one that the metadata beside it (``<archive>.json``) describes. A folder
    of the same layer is replaced once the new one is complete.

    :raises DeployError: where the archive or its metadata was altered or cannot be read, or holds
        something outside the layer's folder, or where ``root`` cannot be written; then ``root`` has
        what it had before.
    """
    described = _described(archive)
    name = str(described["layer"]["name"])
    try:
        if file_sha256(archive) != described["archive"]["sha256"]:
            raise DeployError(
                f"The archive is not the one that its metadata describes: {archive}",
                hint="It was altered or is not complete: fetch both files again",
            )
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_UNPACKING, dir=root) as temporary:
            unpacked = Path(temporary, "unpacked")
            unpacked.mkdir()
            _unpack(archive, unpacked, described["layer"])
            replace_folder(unpacked / name, root / name, Path(temporary, "replaced"))
    except OSError as error:
        raise DeployError(f"The layer `{name}` cannot be deployed to {root}: {error}") from error
    return root / name


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


def replace_folder(new: Path, old: Path, aside: Path) -> None:
    """Put the folder ``new`` in the place of ``old``, which need not exist, and goes to ``aside``.

    All three are on one file system.
    """
    replaced = old.exists() or old.is_symlink()
    if replaced:
        old.rename(aside)
    try:
        new.rename(old)
    except OSError:
        if replaced:
            aside.rename(old)
        raise


def _described(archive: Path) -> dict[str, Any]:
    """The metadata of ``archive``, as far as it is needed here."""
    path = archive.with_name(f"{archive.name}.json")
    try:
        metadata: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if metadata["format"] != FORMAT:
            raise DeployError(
                f"The archive is of another format than this version knows ({FORMAT}): {archive}",
                hint="Use the version that built it, or build it again",
            )
        found = {"archive": {"sha256": metadata["archive"]["sha256"]}, "layer": metadata["layer"]}
        _ = metadata["layer"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeployError(
            f"The metadata of the archive cannot be read: {path}: {words(error)}",
            hint="It is published beside the archive: fetch both files",
        ) from error
    return found


def _unpack(archive: Path, folder: Path, layer: dict[str, Any]) -> None:
    """Unpack ``archive``, which holds that ``layer``, into the new ``folder``."""
    from hatch_venvstacks.deployment.unpack import unpack

    # For all that the archive knows, the folder is the deployment root.
    unpack(archive, folder, archive.name, DeployError)
    for path in sorted(folder.iterdir()):
        if path.name != layer["name"]:
            raise DeployError(
                f"The archive `{archive.name}` is refused: `{path.name}` lies outside the folder of"
                f" the layer `{layer['name']}`"
            )
    try:
        inside = json.loads((folder / layer["name"] / LAYER_JSON).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DeployError(
            f"The archive `{archive.name}` holds no `{LAYER_JSON}`: {words(error)}"
        ) from error
    if inside != layer:
        raise DeployError(
            f"The archive `{archive.name}` holds another layer than its metadata describes"
        )


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
