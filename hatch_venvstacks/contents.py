"""What a layer is made of: from its lock and its project to the plans of its segments."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from hatch_venvstacks.distribution import Target, distribution_plans
from hatch_venvstacks.errors import RuntimeSourceError
from hatch_venvstacks.indexes import resolution_indexes
from hatch_venvstacks.install import Installer
from hatch_venvstacks.launch import check_launch_module
from hatch_venvstacks.layout import check_buildable, layout_of
from hatch_venvstacks.lock import select_wheels
from hatch_venvstacks.lock_file import read_lock
from hatch_venvstacks.metadata import describe_layer
from hatch_venvstacks.names import check_names
from hatch_venvstacks.runtime import provide_runtime, runtime_files
from hatch_venvstacks.segment import Member, Plan, PlanKind, member_of
from hatch_venvstacks.sibling_lock import locked_siblings
from hatch_venvstacks.sibling_wheel import WheelBuilder, check_wheel
from hatch_venvstacks.spec import LayerKind
from hatch_venvstacks.wiring import check_path_files, runtime_links, wiring_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_venvstacks.context import Context, LayerProject
    from hatch_venvstacks.lock import Lock, LockedWheel
    from hatch_venvstacks.locking import LockedLayer
    from hatch_venvstacks.spec import LayerSpec


def layer_plans(
    project: LayerProject, layer: LockedLayer, work: Path, context: Context
) -> tuple[list[Plan], dict[str, Any]]:
    """Everything that the layer is made of, in the archive's order, and its ``layer.json``.

    The plans name files in ``work``, an empty folder that must outlive them.
    """
    check_buildable(context.host, context.platform)
    spec, layout = layer.spec, layout_of(context.platform, layer.runtime.minor)
    plans = []
    if spec.kind is LayerKind.RUNTIME:
        plans.append(_runtime_plan(layer, work, context))
    plans += _distribution_plans(project, layer, work / "wheels", context)
    loose = [member_of(path, file) for path, file in project.loose_files(layout.site_packages)]
    if loose:
        members = tuple(sorted(loose, key=lambda member: member.path))
        plans.append(
            Plan(PlanKind.PROJECT, spec.project_name, project.version, members, context.mtime)
        )
    check_path_files(plans, layout)
    launch = project.launch_name
    if launch is not None:
        below = partial(_site_folders_below, layer, work / "below", context)
        check_launch_module(launch, plans, layout.site_packages, layer.python, below)
    described = describe_layer(layer, project.version, context.platform, layout, plans, launch)
    plans.append(wiring_plan(layer.stack, layout, described))
    check_names(plans, context.platform, layout, context.reporter)
    # What is executable on Windows says its name, and a machine with Windows knows nothing else.
    return [_plain(plan) for plan in plans] if layout.is_windows else plans, described


def _plain(plan: Plan) -> Plan:
    return replace(
        plan, members=tuple(replace(member, executable=False) for member in plan.members)
    )


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
    windows = layout_of(context.platform, layer.runtime.minor).is_windows
    members: list[Member] = []
    for path, file in runtime_files(tree):
        link = str(file.readlink()) if file.is_symlink() else ""
        if link and windows:
            raise RuntimeSourceError(
                f"The runtime for {context.platform.name} holds the symbolic link `{path}`",
                hint="On Windows it could not be unpacked by everyone; use another archive",
            )
        members.append(member_of(path, file, link=link))
    if not windows:
        members += runtime_links([member.path for member in members], layer.runtime.minor)
    members.sort(key=lambda member: member.path)
    return Plan(PlanKind.RUNTIME, "cpython", tree.version, tuple(members))


def _distribution_plans(
    project: LayerProject, layer: LockedLayer, prefix: Path, context: Context
) -> list[Plan]:
    """The plans of what the layer's lock adds, and of the project's own wheel."""
    installer = _installer(layer)
    wheels = _install(layer.spec, layer.lock, layer, prefix, context, doing="Fetching")
    name = str(canonicalize_name(layer.spec.project_name))
    siblings = _install_siblings(layer.spec, layer.lock, layer, prefix, context)
    own = _own_wheel(project, prefix, context)
    if own is not None:
        installer.project(own, prefix)
    built = {**siblings, **({name: own} if own is not None else {})}

    def isolate(wanted: str) -> Path:
        alone = prefix.with_name(f"{prefix.name}-{wanted}")
        installer.wheels([wheel for wheel in wheels if wheel.name == wanted], alone)
        if wanted in built:
            installer.project(built[wanted], alone)
        return alone

    dates = dict.fromkeys((*siblings, name), context.mtime)
    return distribution_plans(prefix, _target(layer, context), isolate, dates)


def _target(layer: LockedLayer, context: Context) -> Target:
    layout = layout_of(context.platform, layer.runtime.minor)
    return Target(
        context.platform,
        layout,
        host=layout_of(context.host, layer.runtime.minor),
        interpreter=str(layer.python),
        python=(
            layout.runtime_python if layer.spec.kind is LayerKind.RUNTIME else layout.layer_python
        ),
    )


def _own_wheel(project: LayerProject, prefix: Path, context: Context) -> Path | None:
    if not project.includes_project():
        if project.scripts and project.spec.kind is LayerKind.APPLICATION:
            context.reporter.warning(
                f"`{project.spec.project_name}` has scripts, but its package is not in the layer:"
                " hatchling finds no files for its wheel, or `include-project` is false"
            )
        return None
    context.reporter.info(f"Building the wheel of `{project.spec.project_name}`")
    folder = prefix.with_name("own")
    folder.mkdir()
    return project.build_wheel(folder)


def _installer(layer: LockedLayer) -> Installer:
    indexes = resolution_indexes(layer.spec, layer.stack.below).indexes
    return Installer(layer.spec.name, layer.python, layer.platform, indexes)


def _install(
    spec: LayerSpec, lock: Lock, layer: LockedLayer, prefix: Path, context: Context, doing: str
) -> list[LockedWheel]:
    """Install what the ``lock`` of ``spec`` adds, on the runtime of ``layer``, into ``prefix``."""
    wheels = select_wheels(lock, layer.platform, layer.runtime.version)
    if wheels:
        count = "1 wheel" if len(wheels) == 1 else f"{len(wheels)} wheels"
        context.reporter.info(f"{doing} {count} of `{spec.name}`")
    _installer(layer).wheels(wheels, prefix)
    return wheels


def _install_siblings(
    spec: LayerSpec, lock: Lock, layer: LockedLayer, prefix: Path, context: Context
) -> dict[str, Path]:
    """Build the siblings that the ``lock`` of ``spec`` adds and install them, too; their wheels."""
    builder = WheelBuilder(layer.python, context.mtime)
    wheels = {}
    for one in locked_siblings(lock, layer.platform.name):
        context.reporter.info(f"Building the wheel of `{one.name}` for `{spec.name}`")
        wheel = builder.build(one.root, prefix.with_name(f"{prefix.name}.{one.name}"))
        check_wheel(wheel, one.name, one.version, layer.platform, layer.runtime.minor)
        _installer(layer).project(wheel, prefix)
        wheels[one.name] = wheel
    return wheels


def _site_folders_below(
    layer: LockedLayer, work: Path, context: Context
) -> Iterator[Callable[[str], bool]]:
    """For each layer below, in import order: does its site directory have this file?"""
    site = layout_of(context.host, layer.runtime.minor).site_packages
    for spec in layer.stack.below:
        project = context.open_project(spec.root)
        yield {
            *project.package_files(),
            *(path.removeprefix(f"{site}/") for path, _ in project.loose_files(site)),
        }.__contains__
        prefix = work / spec.name
        lock = read_lock(spec.lock_file)
        _install(spec, lock, layer, prefix, context, doing="Looking for the launch module in")
        _install_siblings(spec, lock, layer, prefix, context)
        yield partial(_exists, prefix / site)


def _exists(folder: Path, path: str) -> bool:
    return (folder / path).exists()
