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
from hatch_venvstacks.contents.installation import prepare_installation
from hatch_venvstacks.contents.inventories import (
    examine_layers_below,
    take_inventories,
    take_loose_inventories,
)
from hatch_venvstacks.contents.layer_json import describe_layer, reliance
from hatch_venvstacks.contents.plan_cache import Shaping, plan_installation
from hatch_venvstacks.contents.runtime import RuntimeLibraries, plan_runtime
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

    ``contents`` is what it holds, and ``below`` what is known of them, in import order.
    ``extended`` are its packages that have parts in them, as folders below the site directory;
    ``packages`` is what they put into its packages, ``linking`` what it needs of their libraries,
    and ``preloaded`` which of these are loaded at the start, as layer and path.
    """

    contents: LayerContents
    below: Sequence[LowerLayer]
    extended: frozenset[str]
    packages: PackageFiles
    linking: Linking
    preloaded: tuple[tuple[str, str], ...]

    @property
    def layers(self) -> tuple[LayerContents, ...]:
        """What the layer and those below hold, in import order."""
        return (self.contents, *(lower.contents for lower in self.below))

    def inits(self, site: str) -> frozenset[str]:
        """The ``__init__.py`` files, in the layer, that have to find parts in other layers."""
        return frozenset(f"{site}/{folder}/__init__.py" for folder in self.extended)


def plan_layer(
    layer: LockedLayer,
    own_wheel: Path | None,
    work: Path,
    *,
    projects: Projects,
    sibling_wheels: SiblingWheels,
    mtime: int,
    workshop: Workshop,
    segments: SegmentStore | None = None,
) -> tuple[list[Plan], dict[str, Any]]:
    """Everything that the layer is made of, in the archive's order, and its ``layer.json``.

    ``own_wheel`` is that of its project, where that is a part of the layer; ``mtime`` dates its own
    files (seconds since the epoch). The plans name files in ``work``, a new folder that must
    outlive them; plans that ``segments`` has segments of come without content.

    :raises VenvLayerError: where the layer cannot be put together, or what it and the layers below
        hold does not go together.
    """
    check_buildable(workshop.host, layer.platform)
    work.mkdir()
    project, layout, reporter = projects.open(layer.spec.root), layer.layout, workshop.reporter
    if own_wheel is None:
        _warn_of_scripts(project, reporter)
    installation = prepare_installation(layer, work / "wheels", sibling_wheels, reporter, own_wheel)
    compiler = compiler_of(layer, work / "compiled", workshop, own_names=installation.built)
    plans = []
    if layer.spec.kind is LayerKind.RUNTIME:
        plans.append(plan_runtime(layer, work / "runtime", segments, compiler))
    parts = take_inventories(installation, workshop)
    below = examine_layers_below(
        layer, work / "below", projects=projects, sibling_wheels=sibling_wheels, workshop=workshop
    )
    libraries = RuntimeLibraries(layer, work / "libraries")
    held = (*parts, *take_loose_inventories(project, layer))
    around = _examine(layer, held, below, libraries, reporter)
    own_names = (*installation.built, str(canonicalize_name(layer.spec.project_name)))
    shaping = Shaping(around.inits(layout.site_packages), dict.fromkeys(own_names, mtime), compiler)
    plans += plan_installation(installation, parts, shaping, segments, workshop)
    plans += _loose_plans(project, layout, mtime, compiler)
    check_path_files(plans, layout)
    described = _describe(project, layer, plans, around)
    wiring = wiring_plan(layer.stack, layout, described, _ties(around, plans, layout))
    plans.append(compiler.compile_plan(wiring, checked=False) if compiler else wiring)
    check_names(plans, layer.platform, layout, reporter)
    # What is executable on Windows says its name, and a machine with Windows knows nothing else.
    return [_plain(plan) for plan in plans] if layout.is_windows else plans, described


def _warn_of_scripts(project: LayerProject, reporter: Reporter) -> None:
    """Warn where ``project``, whose wheel is no part of its layer, has scripts to start."""
    if project.scripts and project.spec.kind is LayerKind.APPLICATION:
        reporter.warning(
            f"`{project.spec.project_name}` has scripts, but its package is not in the layer:"
            " hatchling finds no files for its wheel, or `include-project` is false"
        )


def _examine(
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
    return _Surroundings(top, below, imports.extended, packages, linking, loaded)


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


def _loose_plans(
    project: LayerProject, layout: Layout, mtime: int, compiler: Compiler | None
) -> list[Plan]:
    """The plan of the files of ``project`` that no wheel holds, if there are some."""
    loose = [member_of(path, file) for path, file in project.loose_files(layout.site_packages)]
    if not loose:
        return []
    members = tuple(sorted(loose, key=lambda member: member.path))
    plan = Plan(PlanKind.PROJECT, project.spec.project_name, project.version, members, mtime)
    return [compiler.compile_plan(plan, checked=True) if compiler else plan]


def _describe(
    project: LayerProject, layer: LockedLayer, plans: Sequence[Plan], around: _Surroundings
) -> dict[str, Any]:
    """The content of ``layer.json``; what the layer starts must be there."""
    launch = project.launch_name
    if launch is not None:
        check_launch_module(
            launch,
            plans,
            layer.layout.site_packages,
            lambda: layer.cpython.python,
            partial(_site_folders, around.below, layer.layout),
        )
    relies_on = reliance(layer, around.below, around.linking.used)
    return describe_layer(layer, project.version, plans, launch, relies_on)


def _site_folders(below: Sequence[LowerLayer], layout: Layout) -> Iterator[Callable[[str], bool]]:
    """For each layer below, in import order: does its site directory have this file?"""
    site = f"{layout.site_packages}/"
    for lower in below:
        paths = (path for part in lower.contents.parts for path in part.files)
        yield {path.removeprefix(site) for path in paths}.__contains__


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
    names = {*own, *(name for lower in around.below for name in lower.contents.names_in(site))}
    return StartUp(
        around.preloaded,
        tuple(hidden_path_files(around.layers, site)),
        has_path_files=any(name.endswith(".pth") for name in own),
        # The name that setuptools gave them: https://setuptools.pypa.io/en/latest/history.html.
        has_namespaces=any(name.endswith("-nspkg.pth") for name in names),
        has_start_files=any(name.endswith(".start") for name in names),
    )


def _plain(plan: Plan) -> Plan:
    return replace(
        plan, members=tuple(replace(member, executable=False) for member in plan.members)
    )
