"""Single wheels that ``[tool.uv.sources]`` names by their path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.model.lock import wheel_location
from hatch_venvstacks.model.platforms import common_marker
from hatch_venvstacks.sources.siblings import is_wheel, shown_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.locking.generated_project import Ground
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.held_below import Held


def wheel_sources(spec: LayerSpec) -> dict[str, str]:
    """What a lock records of the sources of ``spec`` that are wheels: name -> where from.

    With the path, relative to the layer's folder, goes the marker under which it counts.
    """
    return {
        name: "; ".join(sorted(f"{path} ; {marker}" if marker else path for path, marker in found))
        for name, found in _by_name(spec).items()
    }


def wheel_source_changes(lock: Lock, spec: LayerSpec) -> Iterator[str]:
    """What has changed in the sources that are wheels, a line each."""
    now, before = wheel_sources(spec), lock.inputs.wheels
    for name in sorted(now.keys() | before.keys()):
        if now.get(name) != before.get(name):
            place = f"from `{now[name]}`" if name in now else "from an index"
            yield f"`{name}` is now taken {place}"


def wheel_constraints(
    spec: LayerSpec, held: Mapping[str, Mapping[str, Held]], ground: Ground
) -> Iterator[str]:
    """Constraints that make a resolution take the wheels that ``spec`` names.

    What a layer below holds on a platform comes from there.

    :raises ConfigError: where there is no such file.
    """
    for source in spec.uv.sources:
        if source.path is None or not is_wheel(source.path):
            continue
        targets = [one for one in ground.platforms if source.name not in held[one.name]]
        if not targets:
            continue
        if not source.path.is_file():
            raise ConfigError(
                f"The wheel of `{source.name}` that layer `{spec.name}` names does not exist:"
                f" {source.path}",
                hint="Look at `tool.uv.sources`",
            )
        markers = [common_marker(targets, ground.platforms), source.marker]
        yield _constraint(source.name, source.path, " and ".join(f"({m})" for m in markers if m))


def held_wheel_constraints(
    below: Sequence[tuple[LayerSpec, Lock]],
    held: Mapping[str, Mapping[str, Held]],
    ground: Ground,
) -> Iterator[str]:
    """The same for those that layers below hold: no index may have them."""
    for layer, lock in below:
        for name in lock.inputs.wheels:
            for package in lock.pylock.packages:
                places = [wheel.path for wheel in package.wheels or () if wheel.path is not None]
                targets = (
                    [
                        platform
                        for platform in ground.platforms
                        if package in lock.added(platform.name)
                        and held[platform.name][name].layer == layer.name
                    ]
                    if package.name == name and len(places) == 1
                    else []
                )
                if targets:
                    (wheel,) = package.wheels or ()
                    path = Path(wheel_location(wheel, lock.path.parent))
                    yield _constraint(name, path, common_marker(targets, ground.platforms))


def _by_name(spec: LayerSpec) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for source in spec.uv.sources:
        if source.path is not None and is_wheel(source.path):
            place = shown_path(source.path, spec.root)
            found.setdefault(source.name, []).append((place, source.marker))
    return found


def _constraint(name: str, path: Path, marker: str) -> str:
    url = f"{name} @ {path.as_uri()}"
    return f"{url} ; {marker}" if marker else url
