"""Siblings in locks: how they are resolved, what a lock says of them, whether it still fits.

A resolution sees a stub of each (:mod:`hatch_venvstacks.sources.stub_wheel`), which is named by a
constraint with its address: no package of that name in an index comes in its place. A lock has the
folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.pylock import Package, PackageDirectory

from hatch_venvstacks.common.errors import ConfigError, LockError
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.model.lock import wheel_location
from hatch_venvstacks.model.platforms import common_marker, marker_holds
from hatch_venvstacks.sources.local_wheels import is_wheel
from hatch_venvstacks.sources.stub_wheel import write_stub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.locking.generated_project import ResolutionSetting
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.held_below import Held, HeldProject
    from hatch_venvstacks.sources.siblings import Sibling


def check_siblings(
    spec: LayerSpec,
    siblings: Sequence[Sibling],
    projects: Sequence[HeldProject],
    held: Mapping[str, Mapping[str, Held]],
    setting: ResolutionSetting,
) -> None:
    """Check that what layers below hold under the names of ``siblings`` are these projects.

    :raises LockError: where it is something else.
    """
    for sibling in siblings:
        for platform in setting.platforms:
            package = held[platform.name].get(sibling.name)
            if package is None or not marker_holds(sibling.marker, platform, setting.python):
                continue
            roots = [project.root for project in projects if _is(package, project) and project.root]
            if not any(root.resolve() == sibling.root.resolve() for root in roots):
                shown = shown_path(sibling.root, spec.root)
                raise LockError(
                    f"Layer `{spec.name}` takes `{sibling.name}` from `{shown}`, but layer"
                    f" `{package.layer}` below holds {package.name} {package.version} from"
                    " elsewhere",
                    hint="Give it the same source in both layers: `[tool.uv.sources]`",
                )


def sibling_constraints(siblings: Sequence[Sibling], setting: ResolutionSetting) -> Iterator[str]:
    """Write the stubs of ``siblings``; give the constraints that name them."""
    for sibling in siblings:
        yield _constraint(sibling, sibling.marker, setting)


def held_constraints(
    projects: Sequence[HeldProject],
    held: Mapping[str, Mapping[str, Held]],
    setting: ResolutionSetting,
) -> Iterator[str]:
    """The same for siblings that layers below hold, on the platforms where they do."""
    for project in projects:
        if project.sibling:
            targets = [
                platform
                for platform in setting.platforms
                if _is(held[platform.name].get(project.name), project)
            ]
            if targets:
                yield _constraint(project, common_marker(targets, setting.platforms), setting)


def folder_package(
    package: Package,
    siblings: Sequence[Sibling],
    spec: LayerSpec,
    targets: Sequence[TargetPlatform],
    setting: ResolutionSetting,
) -> Package | None:
    """What the lock of ``spec`` says of a resolved ``package`` that is a sibling on ``targets``.

    Source: :pep:`751`, ``packages.directory``. It must have no version.
    """
    place = package.archive.path if package.archive is not None else None
    # uv's path may be relative to the folder of the resolution.
    if (
        place is None
        or Path(setting.work, "in", place).resolve().parent != _stubs(setting).resolve()
    ):
        return None
    (sibling,) = (candidate for candidate in siblings if candidate.name == package.name)
    marker = common_marker(targets, setting.platforms)
    return Package(
        name=package.name,
        marker=Marker(marker) if marker else None,
        directory=PackageDirectory(path=shown_path(sibling.root, spec.lock_file.parent)),
    )


def _is(package: Held | None, project: HeldProject) -> bool:
    """Whether what is held is that project, and not a wheel from an index."""
    return (
        package is not None
        and (package.name, package.layer) == (project.name, project.layer)
        and bool(package.requires)
    )


def _constraint(project: Sibling | HeldProject, marker: str, setting: ResolutionSetting) -> str:
    stub = write_stub(project, _stubs(setting))
    return f"{project.name} @ {stub.as_uri()}" + (f" ; {marker}" if marker else "")


def _stubs(setting: ResolutionSetting) -> Path:
    # Not where uv looks for distributions by itself.
    return setting.work / "siblings"


def wheel_constraints(
    spec: LayerSpec, held: Mapping[str, Mapping[str, Held]], setting: ResolutionSetting
) -> Iterator[str]:
    """Constraints that make a resolution take the wheels that ``spec`` names.

    What a layer below holds on a platform comes from there.

    :raises ConfigError: where there is no such file.
    """
    for source in spec.uv.sources:
        if source.path is None or not is_wheel(source.path):
            continue
        targets = [
            platform for platform in setting.platforms if source.name not in held[platform.name]
        ]
        if not targets:
            continue
        if not source.path.is_file():
            raise ConfigError(
                f"The wheel of `{source.name}` that layer `{spec.name}` names does not exist:"
                f" {source.path}",
                hint="Look at `tool.uv.sources`",
            )
        markers = [common_marker(targets, setting.platforms), source.marker]
        yield _wheel_constraint(
            source.name, source.path, " and ".join(f"({m})" for m in markers if m)
        )


def held_wheel_constraints(
    below: Sequence[tuple[LayerSpec, Lock]],
    held: Mapping[str, Mapping[str, Held]],
    setting: ResolutionSetting,
) -> Iterator[str]:
    """The same for those that layers below hold: no index may have them."""
    for layer, lock in below:
        for name in lock.inputs.wheels:
            for package in lock.pylock.packages:
                places = [wheel.path for wheel in package.wheels or () if wheel.path is not None]
                targets = (
                    [
                        platform
                        for platform in setting.platforms
                        if package in lock.added(platform.name)
                        and held[platform.name][name].layer == layer.name
                    ]
                    if package.name == name and len(places) == 1
                    else []
                )
                if targets:
                    (wheel,) = package.wheels or ()
                    path = Path(wheel_location(wheel, lock.path.parent))
                    yield _wheel_constraint(name, path, common_marker(targets, setting.platforms))


def _wheel_constraint(name: str, path: Path, marker: str) -> str:
    url = f"{name} @ {path.as_uri()}"
    return f"{url} ; {marker}" if marker else url
