"""From a layer's requirements and the locks below it to its own lock.

``uv lock`` resolves in a generated project, with the target platforms as its environments and what
the layers below hold as constraints. Constraints of a project with environments stay with their
platform, which those of ``uv pip compile --universal`` do not. What the layers below hold is then
taken out of the result.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from packaging.markers import Marker
from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.version import Version

from hatch_venvstacks.conflicts import Held, HeldProject, blames, explain, held_below, held_versions
from hatch_venvstacks.errors import LockError, ToolError
from hatch_venvstacks.lock import TOOL, Lock, LockInputs, requires_python
from hatch_venvstacks.platforms import marker_environment, wheel_tags
from hatch_venvstacks.stub import write_stub
from hatch_venvstacks.usable import usable_package
from hatch_venvstacks.uv import run_uv

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover (python < 3.11)
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from hatch_venvstacks.platforms import TargetPlatform
    from hatch_venvstacks.spec import LayerSpec, LockedRuntime

# Has to differ from every requirement.
_PROJECT = "venvlayer-resolution"


@dataclass(frozen=True)
class Ground:
    """What a resolution stands on besides requirements.

    ``interpreter`` is a CPython of the minor release of ``runtime``, ``work`` an empty folder.
    """

    runtime: LockedRuntime
    platforms: tuple[TargetPlatform, ...]
    interpreter: Path
    work: Path

    @property
    def stubs(self) -> Path:
        """The folder of stubs for projects that no index has (:mod:`hatch_venvstacks.stub`)."""
        return self.work / "stubs"


def resolve(
    spec: LayerSpec,
    below: Sequence[tuple[LayerSpec, Lock]],
    ground: Ground,
    *,
    projects: Sequence[HeldProject] = (),
    previous: Lock | None = None,
    refresh: Sequence[str] = (),
) -> Lock:
    """The lock of ``spec`` above the locks ``below`` (in import order).

    ``projects`` are own projects of the layers below that this layer may require: no index has
    them. The versions of ``previous`` are kept where they still fit. What uv has cached of the
    distributions ``refresh`` is not used.

    :raises LockError: where there is no resolution, no wheel, or the layers below disagree.
    """
    for one in projects:
        write_stub(one, ground.stubs)
    held = {
        platform.name: held_below(below, platform.name, projects) for platform in ground.platforms
    }
    export: dict[str, Any] = {"packages": []}
    pins = previous.versions() if previous else {}
    if spec.requirements:
        constraints = list(_constraints(held, ground.platforms))
        project = _project(spec.requirements, constraints, ground)
        try:
            export = _run(spec.name, project, pins, ground, "resolution", refresh)
        except ToolError as error:
            free = _project(spec.requirements, [], ground)

            def unconstrained() -> Mapping[str, Any]:
                _run(spec.name, free, pins, ground, "free")
                return tomllib.loads((ground.work / "free" / "uv.lock").read_text("utf-8"))

            raise explain(spec, held, ground.runtime.version, error, unconstrained) from error
    agreed = _agreement(spec, below, held, pins, ground)
    own = _exported(spec, export)
    return _lock(spec, own, own if agreed is None else _exported(spec, agreed), held, ground)


def _run(
    layer: str,
    project: Mapping[str, Any],
    pins: Mapping[str, str],
    ground: Ground,
    name: str,
    refresh: Sequence[str] = (),
) -> dict[str, Any]:
    """Resolve a generated project in the subfolder ``name``; give uv's export (:pep:`751`)."""
    import tomlkit

    folder = ground.work / name
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(tomlkit.dumps(project), "utf-8")
    if pins:
        (folder / "uv.lock").write_text(_preferences(project, pins), "utf-8")
    doing = f"The requirements of layer `{layer}` cannot be resolved"
    python = ("--python", str(ground.interpreter))
    again = [f"--refresh-package={one}" for one in refresh]
    run_uv(["lock", *python, *again], folder=folder, doing=doing)
    text = run_uv(
        ["export", *python, "--frozen", "--no-header", "--format", "pylock.toml"],
        folder=folder,
        doing=doing,
    )
    return tomllib.loads(text)


def _project(
    requirements: Sequence[str], constraints: Sequence[str], ground: Ground
) -> dict[str, Any]:
    markers = [platform.marker_for_uv(ground.runtime.minor) for platform in ground.platforms]
    return {
        "project": {
            "name": _PROJECT,
            "version": "0",
            "requires-python": str(requires_python(ground.runtime)),
            "dependencies": list(requirements),
        },
        "tool": {
            "uv": {
                "package": False,
                "no-build": True,
                "environments": markers,
                "required-environments": markers,
                "constraint-dependencies": list(constraints),
                "find-links": [str(ground.stubs)] if ground.stubs.is_dir() else [],
                # Makes the generated project a root, whatever lies in the folders above it.
                "workspace": {},
            }
        },
    }


def _preferences(project: Mapping[str, Any], pins: Mapping[str, str]) -> str:
    # uv takes versions that an existing uv.lock holds as preferences, also of a lock that does not
    # fit the project: names and versions are all that matters in it.
    import tomlkit

    packages = [
        {"name": name, "version": version, "source": {"registry": "https://pypi.org/simple"}}
        for name, version in sorted(pins.items())
    ]
    python = project["project"]["requires-python"]
    return tomlkit.dumps(
        {"version": 1, "revision": 3, "requires-python": python, "package": packages}
    )


def _constraints(
    held: Mapping[str, Mapping[str, Held]], platforms: Sequence[TargetPlatform]
) -> Iterator[str]:
    names = sorted({name for names in held.values() for name in names})
    for name in names:
        versions = {
            platform: held[platform.name][name].version
            for platform in platforms
            if name in held[platform.name]
        }
        if len(versions) == len(platforms) and len(set(versions.values())) == 1:
            yield f"{name}=={next(iter(versions.values()))}"
        else:
            for platform, version in versions.items():
                yield f"{name}=={version} ; {platform.marker}"


def _agreement(
    spec: LayerSpec,
    below: Sequence[tuple[LayerSpec, Lock]],
    held: Mapping[str, Mapping[str, Held]],
    pins: Mapping[str, str],
    ground: Ground,
) -> dict[str, Any] | None:
    """Where two base layers hold two versions, the first must do for the whole stack.

    What uv exports for the whole stack then counts: the version that is imported may require what
    no layer below holds, because the layer that requires it was locked with the other version.
    """
    shadowed = [one for names in held.values() for one in names.values() if one.shadowed]
    if not shadowed:
        return None
    requirements = sorted({*spec.requirements, *_requirements_below(below)})
    project = _project(requirements, list(_constraints(held, ground.platforms)), ground)
    try:
        return _run(spec.name, project, pins, ground, "agreement")
    except ToolError as error:
        one = next((one for one in shadowed if blames(error, one)), shadowed[0])
        others = ", ".join(f"`{layer}` holds {version}" for version, layer in one.shadowed)
        raise LockError(
            f"The layers below `{spec.name}` hold different versions of `{one.name}`: "
            f"`{one.layer}` holds {one.version}, {others}",
            detail=error.detail,
            hint="Constrain it to one version in both layers, or move it into a layer below both",
        ) from error


def _requirements_below(below: Sequence[tuple[LayerSpec, Lock]]) -> Iterator[str]:
    for _, lock in below:
        yield from lock.inputs.requirements


def _lock(
    spec: LayerSpec,
    own: Sequence[Package],
    found: Sequence[Package],
    held: Mapping[str, Mapping[str, Held]],
    ground: Ground,
) -> Lock:
    """The lock of what is ``found`` and not held below; ``own`` is what the layer itself needs."""
    runtime, platforms = ground.runtime, ground.platforms
    needed = {
        platform.name: _needed(
            _names(own, platform, runtime),
            _names(found, platform, runtime),
            held[platform.name].keys(),
        )
        for platform in platforms
    }
    tags = {platform.name: frozenset(wheel_tags(platform, runtime.minor)) for platform in platforms}
    added = []
    for package in sorted(found, key=lambda package: (str(package.name), str(package.version))):
        targets = [
            platform
            for platform in platforms
            if _holds(package.marker, platform, runtime)
            and str(package.name) not in held[platform.name]
        ]
        if targets:
            added.append(usable_package(package, spec, targets, platforms, tags))
    pylock = Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(platform.marker) for platform in platforms],
        requires_python=requires_python(runtime),
        created_by=TOOL,
        packages=added,
    )
    inputs = LockInputs(
        platforms=tuple(platform.name for platform in platforms),
        requirements=spec.requirements,
        below={name: _recorded(keys, held[name]) for name, keys in needed.items()},
        runtime=runtime if spec.runtime is not None else None,
    )
    return Lock(spec.lock_file, pylock, inputs)


def _needed(own: set[str], found: set[str], held: AbstractSet[str]) -> set[str]:
    """The names that this layer depends on: held below, or added here."""
    return (own & held) | (found - held)


def _names(
    packages: Sequence[Package], platform: TargetPlatform, runtime: LockedRuntime
) -> set[str]:
    return {str(one.name) for one in packages if _holds(one.marker, platform, runtime)}


def _recorded(names: set[str], held: Mapping[str, Held]) -> dict[str, str]:
    versions = held_versions(held)
    disputed = {name for name, one in held.items() if one.shadowed}
    return {name: versions.get(name, "") for name in sorted(names | disputed)}


def _exported(spec: LayerSpec, export: Mapping[str, Any]) -> Sequence[Package]:
    try:
        return Pylock.from_dict({"lock-version": "1.0", "created-by": TOOL, **export}).packages
    except PylockValidationError as error:
        raise LockError(
            f"What uv has resolved for layer `{spec.name}` cannot be locked: {error}",
            hint="An index that gives no SHA-256 of its files cannot be used",
        ) from error


def _holds(marker: Marker | None, platform: TargetPlatform, runtime: LockedRuntime) -> bool:
    environment = marker_environment(platform, runtime.version)
    return marker is None or marker.evaluate(
        cast("dict[str, str]", environment), context="lock_file"
    )
