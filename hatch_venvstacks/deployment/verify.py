"""Do the layers in a deployment root still fit together?

Layers are replaced one at a time. Each says in its ``layer.json`` what it relies on of the layers
below (:mod:`hatch_venvstacks.contents.layer_json`); this compares it with what lies there now.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.deployment.published import FORMAT, LAYER_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


# What is looked at in a description.
_KEYS = ("base_layers", "distributions", "platform", "python", "relies_on")


@dataclass(frozen=True)
class Breakage:
    """Why ``layer`` does not work above ``below`` any more; both are names of layers."""

    layer: str
    below: str
    reason: str

    def __str__(self) -> str:
        return f"`{self.layer}` does not fit on `{self.below}`: {self.reason}"


def check_deployment(root: Path) -> list[Breakage]:
    """What no longer fits together in the deployment root ``root``; empty where everything does.

    Only what lies there is looked at: ``layer.json`` of all layers, and whether the libraries are
    there that layers link. Nothing is run.

    :raises BuildError: where ``root`` holds no layer, or a ``layer.json`` cannot be read.
    """
    layers = {folder.name: _read(folder) for folder in _folders(root)}
    if not layers:
        raise BuildError(f"There is no layer in this folder: {root}")
    return [
        Breakage(name, below, reason)
        for name in layers
        for below, reason in _faults(name, layers, root)
    ]


def _folders(root: Path) -> list[Path]:
    return sorted(path.parents[2] for path in root.glob(f"*/{LAYER_JSON}"))


def _read(folder: Path) -> dict[str, Any]:
    path = folder / LAYER_JSON
    try:
        layer = json.loads(path.read_text("utf-8"))
        if layer["format"] != FORMAT:
            raise BuildError(
                f"The layer is of another format than this version knows ({FORMAT}): {path}",
                hint="Build it again, or use the version that built it",
            )
        return {key: layer[key] for key in _KEYS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"The layer's description cannot be read: {path}: {error}") from error


def _faults(
    layer_name: str, layers: Mapping[str, Mapping[str, Any]], root: Path
) -> Iterator[tuple[str, str]]:
    layer = layers[layer_name]
    own = _versions(layer)
    relied_on = {lower["name"]: lower for lower in layer["relies_on"]}
    nothing: dict[str, Any] = {"distributions": [], "libraries": []}
    for base in layer["base_layers"]:
        name = base["name"]
        below = layers.get(name)
        if below is None:
            yield name, "it is not there"
            continue
        yield from ((name, reason) for reason in _other_kind(layer, below))
        needed = relied_on.get(name, nothing)
        there = _versions(below)
        for distribution in needed["distributions"]:
            version = there.get(distribution["name"])
            if version != distribution["version"]:
                built = f"{distribution['name']} {distribution['version']}"
                now = f"is {version}" if version else "is missing"
                yield name, f"it was built with {built}, which now {now} there"
        for library in needed["libraries"]:
            if not (root / name / library["path"]).is_file():
                yield name, f"it links `{library['path']}`, which is there no more"
        for package, version in own.items():
            if package in there and there[package] != version:
                yield (
                    name,
                    f"{package} is at {version} in the one, at {there[package]} in the other",
                )


def _other_kind(layer: Mapping[str, Any], below: Mapping[str, Any]) -> Iterator[str]:
    if layer["platform"] != below["platform"]:
        yield f"it is for {layer['platform']}, the other one for {below['platform']}"
    if layer["python"]["abi"] != below["python"]["abi"]:
        yield f"it is for {layer['python']['abi']}, the other one for {below['python']['abi']}"


def _versions(layer: Mapping[str, Any]) -> dict[str, str]:
    return {
        distribution["name"]: distribution["version"] for distribution in layer["distributions"]
    }
