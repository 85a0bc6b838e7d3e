"""What has changed, since a lock was made, in the projects and wheels of this checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import LockError
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.model.platforms import marker_holds
from hatch_venvstacks.sources.local_wheels import wheel_sources
from hatch_venvstacks.sources.siblings import python_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.pylock import Package

    from hatch_venvstacks.model.lock import Lock
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.held_below import HeldProject
    from hatch_venvstacks.sources.siblings import Sibling


def check_pythons(lock: Lock, siblings: Sequence[Sibling], python: str) -> None:
    """Check that the siblings in ``lock`` run on CPython ``python``.

    :raises LockError: where one does not.
    """
    faults = [
        python_fault(sibling, python)
        for sibling in siblings
        if sibling.name in lock.inputs.projects
    ]
    if any(faults):
        raise LockError(
            "; ".join(fault for fault in faults if fault),
            hint="Change `project.requires-python` there, or `python` of the runtime layer",
        )


def sibling_changes(lock: Lock, siblings: Sequence[Sibling], python: str) -> list[str]:
    """What of the layer's ``siblings`` does not fit ``lock`` any more, a line each.

    Their sources may change: a wheel is built from them whenever the layer is.
    """
    now = {sibling.name: sibling for sibling in siblings}
    lines: list[str] = []
    for platform in lock.targets:
        for package in lock.added(platform.name):
            name = str(package.name)
            sibling = now.get(name)
            if sibling is not None and not marker_holds(sibling.marker, platform, python):
                sibling = None
            lines += _changes(package, sibling, lock)
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
        *(
            sibling
            for sibling in siblings
            if sibling.name in lock.inputs.projects and not sibling.static
        ),
        *(project for project in projects if project.sibling and not project.static),
    ]
    lines = [
        f"the version of `{project.name}` ({shown_path(project.root, lock.path.parent)}) is now"
        f" {project.version}, which `{requirement}` of `{place}` does not allow"
        for project in computed
        for requirement, place in wanted
        if project.root is not None and _refuses(requirement, project, lock, python)
    ]
    return list(dict.fromkeys(lines))


def _changes(package: Package, sibling: Sibling | None, lock: Lock) -> Iterator[str]:
    name, folder = package.name, lock.path.parent
    place = shown_path(sibling.root, folder) if sibling is not None else ""
    if package.directory is None:
        if sibling is not None:
            yield f"`{name}` is now the project in {place}"
        return
    before = lock.inputs.projects[str(name)]
    if sibling is None:
        yield f"`{name}` is no longer the project in {package.directory.path}"
        return
    if place != package.directory.path:
        yield f"`{name}` is now the project in {place}, was that in {package.directory.path}"
    if sibling.static != before.static:
        now = "static" if sibling.static else "dynamic"
        yield f"the version of `{name}` ({place}) is now {now}"
    elif sibling.static and sibling.version != before.version:
        yield f"the version of `{name}` ({place}) is now {sibling.version}, it was {before.version}"
    if sibling.digest != before.requires:
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
        canonicalize_name(entry["name"]) for entry in spec.uv.options.get("dependency-metadata", ())
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


def _refuses(
    requirement: Requirement, project: Sibling | HeldProject, lock: Lock, python: str
) -> bool:
    """Whether ``requirement`` counts on a platform that has ``project``, and does not allow it."""
    if requirement.name != project.name or requirement.specifier.contains(
        project.version, prereleases=True
    ):
        return False
    return any(
        project.name in lock.inputs.below.get(platform.name, {})
        and marker_holds(requirement.marker, platform, python)
        for platform in lock.targets
    )


def wheel_source_changes(lock: Lock, spec: LayerSpec) -> Iterator[str]:
    """What has changed in the sources that are wheels, a line each."""
    now, before = wheel_sources(spec), lock.inputs.wheels
    for name in sorted(now.keys() | before.keys()):
        if now.get(name) != before.get(name):
            place = f"from `{now[name]}`" if name in now else "from an index"
            yield f"`{name}` is now taken {place}"
