"""Layers as folders of a deployment root: from their archives, or without packing them first."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.errors import DeployError, UnpackError, words
from hatch_venvstacks.common.paths import replace_folder
from hatch_venvstacks.deployment.published import FORMAT, LAYER_JSON

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
    described = _read_metadata(archive)
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


def _read_metadata(archive: Path) -> dict[str, Any]:
    """The metadata of ``archive``, as far as it is needed here."""
    path = archive.with_name(f"{archive.name}.json")
    try:
        metadata: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if metadata["format"] != FORMAT:
            raise DeployError(
                f"The archive is of another format than this version knows ({FORMAT}): {archive}",
                hint="Use the version that built it, or build it again",
            )
        needed = {"archive": {"sha256": metadata["archive"]["sha256"]}, "layer": metadata["layer"]}
        _ = metadata["layer"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeployError(
            f"The metadata of the archive cannot be read: {path}: {words(error)}",
            hint="It is published beside the archive: fetch both files",
        ) from error
    return needed


def _unpack(archive: Path, folder: Path, layer: dict[str, Any]) -> None:
    """Unpack ``archive``, which holds that ``layer``, into the new ``folder``."""
    from hatch_venvstacks.deployment.unpack import unpack

    # For all that the archive knows, the folder is the deployment root.
    try:
        unpack(archive, folder, archive.name)
    except UnpackError as error:
        raise DeployError(error.message, hint=error.hint) from error
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
