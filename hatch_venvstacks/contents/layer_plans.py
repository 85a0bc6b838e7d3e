"""What a layer is made of: from its lock and its project to the plans of its segments."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from hatch_venvstacks.archives.member_paths import check_names
from hatch_venvstacks.archives.plan import Plan, PlanKind, member_of
from hatch_venvstacks.composition.data_links import link_data
from hatch_venvstacks.composition.file_checks import (
    PackageFiles,
    check_cases,
    check_files,
    hidden_path_files,
    package_files,
)
from hatch_venvstacks.composition.imports import check_imports
from hatch_venvstacks.composition.inventory import LayerContents
from hatch_venvstacks.composition.launch_module import check_launch_module
from hatch_venvstacks.composition.library_links import link_libraries, preloaded
from hatch_venvstacks.composition.startup import StartUp, check_path_files
from hatch_venvstacks.composition.wiring import Ties, wiring_plan
from hatch_venvstacks.contents.compiler import compiler_of
from hatch_venvstacks.contents.installation import install
from hatch_venvstacks.contents.inventories import contents_below, inventories, loose_parts
from hatch_venvstacks.contents.layer_json import describe_layer, reliance
from hatch_venvstacks.contents.plan_cache import Shaping, layer_distributions
from hatch_venvstacks.contents.runtime import RuntimeLibraries, runtime_plan
from hatch_venvstacks.model.checks import report
from hatch_venvstacks.model.layout import check_buildable, layout_of
from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.kept_segments import Shelf
    from hatch_venvstacks.composition.inventory import Inventory
    from hatch_venvstacks.composition.library_links import Linking
    from hatch_venvstacks.contents.installation import Installation
    from hatch_venvstacks.model.context import Context, LayerProject
    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.lock import LockedLayer


@dataclass(frozen=True)
class _Surroundings:
    """What the layer has to do with the layers below.

    ``layers`` is what it and they hold; ``extended`` are its packages that have parts in them, as
    folders below the site directory; ``packages`` is what they put into its packages, and
    ``linking`` what it needs of their libraries.
    """

    layers: tuple[LayerContents, ...]
    extended: frozenset[str]
    packages: PackageFiles
    linking: Linking
    preloaded: tuple[tuple[str, str], ...]


def layer_plans(
    project: LayerProject,
    layer: LockedLayer,
    own: Path | None,
    work: Path,
    context: Context,
    shelf: Shelf | None = None,
) -> tuple[list[Plan], dict[str, Any]]:
    """Everything that the layer is made of, in the archive's order, and its ``layer.json``.

    ``own`` is the wheel of the project, where that is a part of the layer. The plans name files in
    ``work``, a new folder that must outlive them; plans that ``shelf`` has segments of come without
    content.

    :raises VenvLayerError: where the layer cannot be put together, or what it and the layers below
        hold does not go together.
    """
    check_buildable(context.host, context.platform)
    work.mkdir()
    spec, layout = layer.spec, layout_of(context.platform, layer.runtime.minor)
    there = _installed(project, layer, own, work / "wheels", context)
    compiler = compiler_of(layer, work / "compiled", context, own=there.built)
    plans = []
    if spec.kind is LayerKind.RUNTIME:
        plans.append(runtime_plan(layer, work / "runtime", context, shelf, compiler))
    parts = inventories(there, layer, context)
    around = _surroundings(project, layer, parts, work, context)
    shaping = replace(_shaping(there, around, layer, context), compiler=compiler)
    plans += layer_distributions(there, parts, shaping, layer, context, shelf)
    loose = [member_of(path, file) for path, file in project.loose_files(layout.site_packages)]
    if loose:
        members = tuple(sorted(loose, key=lambda member: member.path))
        loose_plan = Plan(
            PlanKind.PROJECT, spec.project_name, project.version, members, context.mtime
        )
        plans.append(compiler.plan(loose_plan, checked=True) if compiler else loose_plan)
    check_path_files(plans, layout)
    launch = project.launch_name
    if launch is not None:
        below = partial(_site_folders, around.layers[1:], layout)
        check_launch_module(launch, plans, layout.site_packages, lambda: layer.python, below)
    relies_on = reliance(layer, around.linking.used)
    described = describe_layer(
        layer, project.version, context.platform, layout, plans, launch, relies_on
    )
    wiring = wiring_plan(layer.stack, layout, described, _ties(around, plans, layout))
    plans.append(compiler.plan(wiring, checked=False) if compiler else wiring)
    check_names(plans, context.platform, layout, context.reporter)
    # What is executable on Windows says its name, and a machine with Windows knows nothing else.
    return [_plain(plan) for plan in plans] if layout.is_windows else plans, described


def _plain(plan: Plan) -> Plan:
    return replace(
        plan, members=tuple(replace(member, executable=False) for member in plan.members)
    )


def _installed(
    project: LayerProject, layer: LockedLayer, own: Path | None, prefix: Path, context: Context
) -> Installation:
    """What the layer's lock adds, and its own wheel, unpacked."""
    spec = layer.spec
    if project.scripts and spec.kind is LayerKind.APPLICATION and own is None:
        context.reporter.warning(
            f"`{spec.project_name}` has scripts, but its package is not in the layer:"
            " hatchling finds no files for its wheel, or `include-project` is false"
        )
    wheels = select_wheels(layer.lock, layer.platform, layer.runtime.version)
    return install(spec, layer.lock, wheels, layer, prefix, context, own)


def _surroundings(
    project: LayerProject,
    layer: LockedLayer,
    parts: Sequence[Inventory],
    work: Path,
    context: Context,
) -> _Surroundings:
    """Look at the layer and at those below together; findings are reported."""
    spec, layout = layer.spec, layout_of(context.platform, layer.runtime.minor)
    site = layout.site_packages
    own = (*parts, *loose_parts(project, layer, context))
    names = frozenset(base.name for base in layer.stack.below)
    top = LayerContents(spec.name, own, names, spec.dynlib_exclude)
    layers = (top, *contents_below(layer, work / "below", context))
    libraries = RuntimeLibraries(layer, work / "libraries", context)
    imports = check_imports(layers, site)
    packages = package_files(layers, site, links=not layout.is_windows)
    linking = link_libraries(layers, site, layer.platform, libraries, packages.beside)
    loaded = _preloaded(layer, layers, libraries)
    findings = (
        *imports.findings,
        *check_files(layers, site),
        *check_cases(layers, site, context.platform),
        *packages.findings,
        *linking.findings,
    )
    report(findings, spec.checks, spec.name, context.reporter)
    return _Surroundings(layers, imports.extended, packages, linking, loaded)


def _preloaded(
    layer: LockedLayer, layers: Sequence[LayerContents], libraries: RuntimeLibraries
) -> tuple[tuple[str, str], ...]:
    """What the layer asks to be loaded, and what those below do: their code runs here, too."""
    found: dict[tuple[str, str], None] = {}
    for spec, contents in zip(layer.stack.layers, layers, strict=True):
        if spec.dynlib_preload:
            own = [one for one in layers if one is contents or one.name in contents.below]
            found.update(dict.fromkeys(preloaded(spec.dynlib_preload, own, libraries)))
    return tuple(found)


def _shaping(
    there: Installation, around: _Surroundings, layer: LockedLayer, context: Context
) -> Shaping:
    name = str(canonicalize_name(layer.spec.project_name))
    layout = layout_of(context.platform, layer.runtime.minor)
    inits = {f"{layout.site_packages}/{folder}/__init__.py" for folder in around.extended}
    dates = dict.fromkeys((*there.built, name), context.mtime)
    return Shaping(layout, frozenset(inits), dates)


def _ties(around: _Surroundings, plans: Sequence[Plan], layout: Layout) -> Ties:
    """What the wiring must have for the layers below, besides what every layer has."""
    held = {member.path for plan in plans for member in plan.members}
    inits = {f"{layout.site_packages}/{folder}/__init__.py" for folder in around.extended}
    libraries = around.linking.links
    found = (*link_data(around.layers, layout, around.packages, libraries), *libraries)
    links = {link.path: link.layer for link in found}
    return Ties(links, tuple(sorted(inits - held)), _start(around, held, layout))


def _start(around: _Surroundings, held: set[str], layout: Layout) -> StartUp:
    site = layout.site_packages
    start_files = (path for path in held if path.endswith((".pth", ".start")))
    own = {posixpath.basename(one) for one in start_files if posixpath.dirname(one) == site}
    names = {*own, *(name for layer in around.layers[1:] for name in layer.names_in(site))}
    return StartUp(
        around.preloaded,
        tuple(hidden_path_files(around.layers, site)),
        has_path_files=any(name.endswith(".pth") for name in own),
        # The name that setuptools gave them: https://setuptools.pypa.io/en/latest/history.html.
        has_namespaces=any(name.endswith("-nspkg.pth") for name in names),
        has_start_files=any(name.endswith(".start") for name in names),
    )


def _site_folders(
    layers: Sequence[LayerContents], layout: Layout
) -> Iterator[Callable[[str], bool]]:
    """For each layer below, in import order: does its site directory have this file?"""
    site = f"{layout.site_packages}/"
    for one in layers:
        yield {path.removeprefix(site) for part in one.parts for path in part.files}.__contains__
