"""What a layer is made of: from its lock and its project to the plans of its segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hatch_venvstacks.distribution import distribution_plans, site_packages
from hatch_venvstacks.install import install_project, install_wheels
from hatch_venvstacks.launch import check_launch_module
from hatch_venvstacks.lock import Lock, select_wheels
from hatch_venvstacks.lock_file import read_lock
from hatch_venvstacks.metadata import describe_layer
from hatch_venvstacks.runtime import provide_runtime, runtime_files
from hatch_venvstacks.segment import Member, Plan, PlanKind, member_of
from hatch_venvstacks.spec import LayerKind
from hatch_venvstacks.wiring import check_path_files, runtime_links, wiring_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hatch_venvstacks.context import Context, LayerProject
    from hatch_venvstacks.locking import LockedLayer
    from hatch_venvstacks.spec import LayerSpec


def layer_plans(
    project: LayerProject, layer: LockedLayer, work: Path, context: Context
) -> tuple[list[Plan], dict[str, Any]]:
    """Everything that the layer is made of, in the archive's order, and its ``layer.json``.

    The plans name files in ``work``, an empty folder that must outlive them.
    """
    spec, stack, minor = layer.spec, layer.stack, layer.runtime.minor
    plans = []
    if spec.kind is LayerKind.RUNTIME:
        plans.append(_runtime_plan(layer, work, context))
    plans += _locked_plans(spec, layer.lock, layer, work / "wheels", context)
    if project.includes_project():
        plans += _project_plans(project, layer, work, context)
    loose = [member_of(path, file) for path, file in project.loose_files(site_packages(minor))]
    if loose:
        members = tuple(sorted(loose, key=lambda member: member.path))
        plans.append(
            Plan(PlanKind.PROJECT, spec.project_name, project.version, members, context.mtime)
        )
    check_path_files(plans, minor)
    launch = project.launch_name
    if launch is not None:

        def below() -> Iterable[str]:
            return _files_below(layer, work / "below", context)

        check_launch_module(launch, plans, minor, layer.python, below)
    described = describe_layer(layer, project.version, context.platform, plans, launch)
    plans.append(wiring_plan(stack, minor, described))
    return plans, described


def _runtime_plan(layer: LockedLayer, work: Path, context: Context) -> Plan:
    folder = work / "runtime"
    folder.mkdir()
    tree = provide_runtime(
        layer.runtime,
        context.platform.name,
        layer.spec.root,
        store=context.store,
        work=folder,
        reporter=context.reporter,
    )
    members: list[Member] = []
    for path, file in runtime_files(tree):
        link = str(file.readlink()) if file.is_symlink() else ""
        members.append(member_of(path, file, link=link))
    members += runtime_links([member.path for member in members], layer.runtime.minor)
    members.sort(key=lambda member: member.path)
    return Plan(PlanKind.RUNTIME, "cpython", tree.version, tuple(members))


def _locked_plans(
    spec: LayerSpec, lock: Lock, layer: LockedLayer, prefix: Path, context: Context
) -> list[Plan]:
    """The plans of what the ``lock`` of ``spec`` adds, on the runtime of ``layer``."""
    wheels = select_wheels(lock, context.platform, layer.runtime.version)
    if wheels:
        count = "1 wheel" if len(wheels) == 1 else f"{len(wheels)} wheels"
        context.reporter.info(f"Fetching {count} of `{spec.name}`")

    def install(names: Iterable[str], folder: Path) -> Path:
        chosen = [wheel for wheel in wheels if wheel.name in names]
        install_wheels(
            chosen, folder, layer=spec.name, interpreter=layer.python, platform=context.platform
        )
        return folder

    install({wheel.name for wheel in wheels}, prefix)
    return distribution_plans(
        prefix,
        layer.runtime.minor,
        str(layer.python),
        lambda name: install({name}, prefix.with_name(f"{prefix.name}-{name}")),
    )


def _project_plans(
    project: LayerProject, layer: LockedLayer, work: Path, context: Context
) -> list[Plan]:
    context.reporter.info(f"Building the wheel of `{project.spec.project_name}`")
    folder, prefix = work / "wheel", work / "project"
    folder.mkdir()
    install_project(
        project.build_wheel(folder),
        prefix,
        layer=layer.spec.name,
        interpreter=layer.python,
        platform=context.platform,
    )
    minor = layer.runtime.minor
    return distribution_plans(prefix, minor, str(layer.python), lambda _: prefix, context.mtime)


def _files_below(layer: LockedLayer, prefix: Path, context: Context) -> Iterator[str]:
    for spec in layer.stack.below:
        lock = read_lock(spec.lock_file)
        plans = _locked_plans(spec, lock, layer, prefix / spec.name, context)
        yield from (member.path for plan in plans for member in plan.members)
