"""Siblings in locks: how they are resolved, what a lock says of them, whether it still fits.

A resolution sees a stub of each (:mod:`hatch_venvstacks.sources.stub_wheel`), which is named by a
constraint with its address: no package of that name in an index comes in its place. A lock has the
folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.pylock import Package, PackageDirectory
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.model.lock import LockedProject
from hatch_venvstacks.model.platforms import common_marker, marker_holds
from hatch_venvstacks.sources.held_below import HeldProject
from hatch_venvstacks.sources.runtimes.runtime import interpreter
from hatch_venvstacks.sources.sibling_wheel import WheelBuilder
from hatch_venvstacks.sources.siblings import find_siblings, python_fault, shown_path
from hatch_venvstacks.sources.stub_wheel import write_stub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.pylock import Pylock

    from hatch_venvstacks.locking.generated_project import Ground
    from hatch_venvstacks.model.context import Context
    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec, LockedRuntime
    from hatch_venvstacks.sources.held_below import Held
    from hatch_venvstacks.sources.siblings import Sibling


@dataclass(frozen=True)
class LockedSibling:
    """A sibling that a lock adds: its normalized name, its folder (absolute), its version.

    The version is empty where it is computed when the wheel is built.
    """

    name: str
    root: Path
    version: str


def layer_siblings(
    spec: LayerSpec, runtime: LockedRuntime, root: Path, context: Context
) -> tuple[Sibling, ...]:
    """The siblings of the layer ``spec``, whose runtime's project lies in ``root``.

    :raises VenvLayerError: where one cannot be used, or not be built to see what it requires.
    """

    def built(folder: Path) -> str:
        store, reporter = context.store, context.reporter
        here = context.host.name
        find = partial(interpreter, runtime, here, root, store=store, reporter=reporter)
        builder = WheelBuilder(runtime.minor, find, context.mtime, store)
        return context.built_metadata.of(folder, builder)

    return find_siblings(spec, built)


def held_siblings(
    below: Sequence[tuple[LayerSpec, Lock]], runtime: LockedRuntime, root: Path, context: Context
) -> list[HeldProject]:
    """The siblings that the layers ``below`` hold; the arguments are as above."""
    return [
        HeldProject(
            *(one.name, one.version, layer.name, one.metadata, one.root),
            sibling=True,
            static=one.static,
        )
        for layer, lock in below
        if lock.inputs.projects
        for one in layer_siblings(layer, runtime, root, context)
        if one.name in lock.inputs.projects
    ]


def check_siblings(
    spec: LayerSpec,
    siblings: Sequence[Sibling],
    projects: Sequence[HeldProject],
    held: Mapping[str, Mapping[str, Held]],
    ground: Ground,
) -> None:
    """Check that what layers below hold under the names of ``siblings`` are these projects.

    :raises LockError: where it is something else.
    """
    for sibling in siblings:
        for platform in ground.platforms:
            one = held[platform.name].get(sibling.name)
            if one is None or not marker_holds(sibling.marker, platform, ground.python):
                continue
            roots = [project.root for project in projects if _is(one, project) and project.root]
            if not any(root.resolve() == sibling.root.resolve() for root in roots):
                shown = shown_path(sibling.root, spec.root)
                raise LockError(
                    f"Layer `{spec.name}` takes `{sibling.name}` from `{shown}`, but layer"
                    f" `{one.layer}` below holds {one.name} {one.version} from elsewhere",
                    hint="Give it the same source in both layers: `[tool.uv.sources]`",
                )


def sibling_constraints(siblings: Sequence[Sibling], ground: Ground) -> Iterator[str]:
    """Write the stubs of ``siblings``; give the constraints that name them."""
    for sibling in siblings:
        yield _constraint(sibling, sibling.marker, ground)


def held_constraints(
    projects: Sequence[HeldProject], held: Mapping[str, Mapping[str, Held]], ground: Ground
) -> Iterator[str]:
    """The same for siblings that layers below hold, on the platforms where they do."""
    for project in projects:
        if project.sibling:
            targets = [
                platform
                for platform in ground.platforms
                if _is(held[platform.name].get(project.name), project)
            ]
            if targets:
                yield _constraint(project, common_marker(targets, ground.platforms), ground)


def folder_package(
    package: Package,
    siblings: Sequence[Sibling],
    spec: LayerSpec,
    targets: Sequence[TargetPlatform],
    ground: Ground,
) -> Package | None:
    """What the lock of ``spec`` says of a resolved ``package`` that is a sibling on ``targets``.

    Source: :pep:`751`, ``packages.directory``. It must have no version.
    """
    place = package.archive.path if package.archive is not None else None
    # uv's path may be relative to the folder of the resolution.
    if place is None or Path(ground.work, "in", place).resolve().parent != _stubs(ground).resolve():
        return None
    (sibling,) = (one for one in siblings if one.name == package.name)
    marker = common_marker(targets, ground.platforms)
    return Package(
        name=package.name,
        marker=Marker(marker) if marker else None,
        directory=PackageDirectory(path=shown_path(sibling.root, spec.lock_file.parent)),
    )


def locked_projects(pylock: Pylock, siblings: Sequence[Sibling]) -> dict[str, LockedProject]:
    """What is known of the siblings in ``pylock``, by their names."""
    names = {package.name for package in pylock.packages if package.directory is not None}
    return {
        one.name: LockedProject(one.version, one.digest, one.static)
        for one in siblings
        if one.name in names
    }


def check_pythons(lock: Lock, siblings: Sequence[Sibling], python: str) -> None:
    """Check that the siblings in ``lock`` run on CPython ``python``.

    :raises LockError: where one does not.
    """
    faults = [python_fault(one, python) for one in siblings if one.name in lock.inputs.projects]
    if any(faults):
        raise LockError(
            "; ".join(fault for fault in faults if fault),
            hint="Change `project.requires-python` there, or `python` of the runtime layer",
        )


def sibling_changes(lock: Lock, siblings: Sequence[Sibling], python: str) -> list[str]:
    """What of the layer's ``siblings`` does not fit ``lock`` any more, a line each.

    Their sources may change: a wheel is built from them whenever the layer is.
    """
    now = {one.name: one for one in siblings}
    lines: list[str] = []
    for platform in lock.targets:
        for package in lock.added(platform.name):
            name = str(package.name)
            one = now.get(name)
            if one is not None and not marker_holds(one.marker, platform, python):
                one = None
            lines += _changes(package, one, lock)
    return list(dict.fromkeys(lines))


def refused_versions(
    lock: Lock,
    spec: LayerSpec,
    siblings: Sequence[Sibling],
    projects: Sequence[HeldProject],
    python: str,
) -> list[str]:
    """Computed versions that the layer ``spec`` does not allow any more, a line each.

    They are those of its ``siblings`` and of the ``projects`` that layers below hold. No lock is
    for one of them, but a resolution would not take it.
    """
    wanted = list(_wanted(lock, spec, siblings))
    computed: list[Sibling | HeldProject] = [
        *(one for one in siblings if one.name in lock.inputs.projects and not one.static),
        *(one for one in projects if one.sibling and not one.static),
    ]
    lines = [
        f"the version of `{one.name}` ({shown_path(one.root, lock.path.parent)}) is now"
        f" {one.version}, which `{requirement}` of `{place}` does not allow"
        for one in computed
        for requirement, place in wanted
        if one.root is not None and _refuses(requirement, one, lock, python)
    ]
    return list(dict.fromkeys(lines))


def locked_siblings(lock: Lock, platform: str) -> list[LockedSibling]:
    """The siblings that ``lock`` adds on the target platform of that name, sorted by name."""
    found = []
    for package in lock.added(platform):
        if package.directory is not None and package.directory.path is not None:
            locked = lock.inputs.projects[str(package.name)]
            root = Path(os.path.normpath(lock.path.parent / package.directory.path))
            version = locked.version if locked.static else ""
            found.append(LockedSibling(str(package.name), root, version))
    return sorted(found, key=lambda one: one.name)


def _changes(package: Package, one: Sibling | None, lock: Lock) -> Iterator[str]:
    name, folder = package.name, lock.path.parent
    place = shown_path(one.root, folder) if one is not None else ""
    if package.directory is None:
        if one is not None:
            yield f"`{name}` is now the project in {place}"
        return
    before = lock.inputs.projects[str(name)]
    if one is None:
        yield f"`{name}` is no longer the project in {package.directory.path}"
        return
    if place != package.directory.path:
        yield f"`{name}` is now the project in {place}, was that in {package.directory.path}"
    if one.static != before.static:
        yield f"the version of `{name}` ({place}) is now {'static' if one.static else 'dynamic'}"
    elif one.static and one.version != before.version:
        yield f"the version of `{name}` ({place}) is now {one.version}, it was {before.version}"
    if one.digest != before.requires:
        yield f"the requirements of `{name}` ({place}) have changed"


def _wanted(
    lock: Lock, spec: LayerSpec, siblings: Sequence[Sibling]
) -> Iterator[tuple[Requirement, str]]:
    """What the layer and its siblings require, each with who does, as far as uv looks at it."""
    overridden = {
        canonicalize_name(Requirement(text).name)
        for text in spec.uv.options.get("override-dependencies", ())
    }
    # What they require is said there.
    described = {
        canonicalize_name(one["name"]) for one in spec.uv.options.get("dependency-metadata", ())
    }
    texts = [(text, spec.name) for text in spec.requirements]
    for sibling in siblings:
        if sibling.name in lock.inputs.projects and sibling.name not in described:
            texts += [(text, sibling.name) for text in sibling.requires]
    for text, place in texts:
        requirement = Requirement(text)
        requirement.name = canonicalize_name(requirement.name)
        if requirement.name not in overridden:
            yield requirement, place


def _refuses(requirement: Requirement, one: Sibling | HeldProject, lock: Lock, python: str) -> bool:
    """Whether ``requirement`` counts on a platform that has ``one``, and does not allow it."""
    if requirement.name != one.name or requirement.specifier.contains(
        one.version, prereleases=True
    ):
        return False
    return any(
        one.name in lock.inputs.below.get(platform.name, {})
        and marker_holds(requirement.marker, platform, python)
        for platform in lock.targets
    )


def _is(one: Held | None, project: HeldProject) -> bool:
    """Whether what is held is that project, and not a wheel from an index."""
    return (
        one is not None
        and (one.name, one.layer) == (project.name, project.layer)
        and bool(one.requires)
    )


def _constraint(project: Sibling | HeldProject, marker: str, ground: Ground) -> str:
    stub = write_stub(project, _stubs(ground))
    return f"{project.name} @ {stub.as_uri()}" + (f" ; {marker}" if marker else "")


def _stubs(ground: Ground) -> Path:
    # Not where uv looks for distributions by itself.
    return ground.work / "siblings"
