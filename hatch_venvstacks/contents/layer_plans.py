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
from hatch_venvstacks.composition.wiring import LayerTies, wiring_plan
from hatch_venvstacks.contents.compiler import compiler_of
from hatch_venvstacks.contents.installation import install
from hatch_venvstacks.contents.inventories import inventories, layers_below, loose_parts
from hatch_venvstacks.contents.layer_json import describe_layer, reliance
from hatch_venvstacks.contents.plan_cache import Shaping, layer_distributions
from hatch_venvstacks.contents.runtime import RuntimeLibraries, runtime_plan
from hatch_venvstacks.model.checks import report
from hatch_venvstacks.model.layout import check_buildable
from hatch_venvstacks.model.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.kept_segments import SegmentStore
    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.composition.inventory import Inventory, LowerLayer
    from hatch_venvstacks.composition.library_links import Linking
    from hatch_venvstacks.contents.compiler import Compiler
    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.model.workshop import LayerProject, Projects, Workshop
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels


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

    def inits(self, site: str) -> frozenset[str]:
        """The ``__init__.py`` files, in the layer, that have to find parts in other layers."""
        return frozenset(f"{site}/{folder}/__init__.py" for folder in self.extended)


def layer_plans(
    project: LayerProject,
    layer: LockedLayer,
    own: Path | None,
    work: Path,
    *,
    projects: Projects,
    wheels: SiblingWheels,
    mtime: int,
    workshop: Workshop,
    kept: SegmentStore | None = None,
) -> tuple[list[Plan], dict[str, Any]]:
    """Everything that the layer is made of, in the archive's order, and its ``layer.json``.

    ``own`` is the wheel of the project, where that is a part of the layer; ``mtime`` dates its own
    files (seconds since the epoch). The plans name files in ``work``, a new folder that must
    outlive them; plans that ``kept`` has segments of come without content.

    :raises VenvLayerError: where the layer cannot be put together, or what it and the layers below
        hold does not go together.
    """
    check_buildable(workshop.host, layer.platform)
    work.mkdir()
    spec, layout = layer.spec, layer.layout
    if project.scripts and spec.kind is LayerKind.APPLICATION and own is None:
        workshop.reporter.warning(
            f"`{spec.project_name}` has scripts, but its package is not in the layer:"
            " hatchling finds no files for its wheel, or `include-project` is false"
        )
    there = install(layer, work / "wheels", wheels, workshop.reporter, own)
    compiler = compiler_of(layer, work / "compiled", workshop, own=there.built)
    plans = []
    if spec.kind is LayerKind.RUNTIME:
        plans.append(runtime_plan(layer, work / "runtime", kept, compiler))
    parts = inventories(there, workshop)
    below = layers_below(layer, work / "below", projects=projects, wheels=wheels, workshop=workshop)
    libraries = RuntimeLibraries(layer, work / "libraries")
    top = (*parts, *loose_parts(project, layer))
    around = _surroundings(layer, top, below, libraries, workshop.reporter)
    dates = dict.fromkeys((*there.built, str(canonicalize_name(spec.project_name))), mtime)
    shaping = Shaping(around.inits(layout.site_packages), dates, compiler)
    plans += layer_distributions(there, parts, shaping, kept, workshop)
    plans += _loose_plans(project, layout, mtime, compiler)
    check_path_files(plans, layout)
    launch = project.launch_name
    if launch is not None:
        folders = partial(_site_folders, around.layers[1:], layout)
        site, python = layout.site_packages, layer.cpython
        check_launch_module(launch, plans, site, lambda: python.python, folders)
    relies_on = reliance(layer, below, around.linking.used)
    described = describe_layer(layer, project.version, plans, launch, relies_on)
    wiring = wiring_plan(layer.stack, layout, described, _ties(around, plans, layout))
    plans.append(compiler.plan(wiring, checked=False) if compiler else wiring)
    check_names(plans, layer.platform, layout, workshop.reporter)
    # What is executable on Windows says its name, and a machine with Windows knows nothing else.
    return [_plain(plan) for plan in plans] if layout.is_windows else plans, described


def _plain(plan: Plan) -> Plan:
    return replace(
        plan, members=tuple(replace(member, executable=False) for member in plan.members)
    )


def _loose_plans(
    project: LayerProject, layout: Layout, mtime: int, compiler: Compiler | None
) -> list[Plan]:
    """The plan of the files of ``project`` that no wheel holds, if there are some."""
    loose = [member_of(path, file) for path, file in project.loose_files(layout.site_packages)]
    if not loose:
        return []
    members = tuple(sorted(loose, key=lambda member: member.path))
    plan = Plan(PlanKind.PROJECT, project.spec.project_name, project.version, members, mtime)
    return [compiler.plan(plan, checked=True) if compiler else plan]


def _surroundings(
    layer: LockedLayer,
    parts: Sequence[Inventory],
    below: Sequence[LowerLayer],
    libraries: RuntimeLibraries,
    reporter: Reporter,
) -> _Surroundings:
    """Look at the layer, which holds ``parts``, and at those below together; report findings."""
    spec, site = layer.spec, layer.layout.site_packages
    names = frozenset(lower.spec.name for lower in below)
    top = LayerContents(spec.name, tuple(parts), names, spec.dynlib_exclude)
    layers = (top, *(lower.contents for lower in below))
    imports = check_imports(layers, site)
    packages = package_files(layers, site, links=not layer.layout.is_windows)
    linking = link_libraries(layers, site, layer.platform, libraries, packages.beside)
    loaded = _preloaded((spec, *(lower.spec for lower in below)), layers, libraries)
    findings = (
        *imports.findings,
        *check_files(layers, site),
        *check_cases(layers, site, layer.platform),
        *packages.findings,
        *linking.findings,
    )
    report(findings, spec.checks, spec.name, reporter)
    return _Surroundings(layers, imports.extended, packages, linking, loaded)


def _preloaded(
    specs: Sequence[LayerSpec], layers: Sequence[LayerContents], libraries: RuntimeLibraries
) -> tuple[tuple[str, str], ...]:
    """What the layer asks to be loaded, and what those below do: their code runs here, too."""
    found: dict[tuple[str, str], None] = {}
    for spec, contents in zip(specs, layers, strict=True):
        if spec.dynlib_preload:
            own = [lower for lower in layers if lower is contents or lower.name in contents.below]
            found.update(dict.fromkeys(preloaded(spec.dynlib_preload, own, libraries)))
    return tuple(found)


def _ties(around: _Surroundings, plans: Sequence[Plan], layout: Layout) -> LayerTies:
    """What the wiring must have for the layers below, besides what every layer has."""
    held = {member.path for plan in plans for member in plan.members}
    inits = around.inits(layout.site_packages)
    libraries = around.linking.links
    found = (*link_data(around.layers, layout, around.packages, libraries), *libraries)
    links = {link.path: link.layer for link in found}
    return LayerTies(links, tuple(sorted(inits - held)), _start(around, held, layout))


def _start(around: _Surroundings, held: set[str], layout: Layout) -> StartUp:
    site = layout.site_packages
    start_files = (path for path in held if path.endswith((".pth", ".start")))
    own = {posixpath.basename(path) for path in start_files if posixpath.dirname(path) == site}
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
    for layer in layers:
        yield {path.removeprefix(site) for part in layer.parts for path in part.files}.__contains__
