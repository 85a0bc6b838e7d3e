"""What the layers below hold, as far as the layer on top of them must know it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.composition.imports import check_imports
from hatch_venvstacks.composition.inventory import Inventory, LayerContents, loose_inventory
from hatch_venvstacks.contents.installation import install, inventories
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.lock import select_wheels
from hatch_venvstacks.model.lock_file import read_lock

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.model.context import Context, LayerProject
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.model.stack import Stack
    from hatch_venvstacks.pipeline.lock import LockedLayer


def contents_below(layer: LockedLayer, work: Path, context: Context) -> list[LayerContents]:
    """What the layers below ``layer`` hold for its platform, in import order.

    Wheels that the store knows are not looked at again; others are fetched and unpacked into
    ``work``, a new folder.

    :raises VenvLayerError: where a wheel cannot be had.
    """
    work.mkdir()
    site = layout_of(context.platform, layer.runtime.minor).site_packages
    known: dict[str, LayerContents] = {}
    for spec in reversed(layer.stack.below):
        order = stack_names(spec, layer.stack)
        project = context.open_project(spec.root)
        parts = [
            *_distributions(project, layer, work / spec.name / "wheels", context),
            *_packages(project, site, context),
            *loose_parts(project, layer, context),
        ]
        one = LayerContents(spec.name, tuple(parts), frozenset(order), spec.dynlib_exclude)
        imports = check_imports([one, *(known[name] for name in order)], site)
        known[spec.name] = replace(one, extended=imports.extended)
    return [known[spec.name] for spec in layer.stack.below]


def stack_names(spec: LayerSpec, stack: Stack) -> list[str]:
    """The names of the layers below ``spec``, which is in ``stack``, in its own import order.

    C3 keeps the order of each layer's own stack, so that is the order in ``stack``.
    """
    layers = {os.path.realpath(one.root): one for one in stack.below}
    found: set[str] = set()
    pending = list(spec.base_layers)
    while pending:
        base = layers[os.path.realpath(pending.pop())]
        if base.name not in found:
            found.add(base.name)
            pending += base.base_layers
    return [one.name for one in stack.below if one.name in found]


def loose_parts(project: LayerProject, layer: LockedLayer, context: Context) -> list[Inventory]:
    """The inventory of the loose files of ``project``, if there are some."""
    site = layout_of(context.platform, layer.runtime.minor).site_packages
    files = project.loose_files(site)
    name = project.spec.project_name
    return [loose_inventory(name, files, context.platform)] if files else []


def _packages(project: LayerProject, site: str, context: Context) -> list[Inventory]:
    """What is known of the project's own wheel: nothing is built for the layer above.

    What building it needs may not be there in the environment of another project.
    """
    name = str(canonicalize_name(project.spec.project_name))
    try:
        files = [(f"{site}/{path}", file) for path, file in project.package_files()]
    except ConfigError as error:
        context.reporter.warning(
            f"What the project `{name}` below brings is not known here, and not compared with this"
            f" layer: {' '.join(str(error).split())}"
        )
        return []
    return [loose_inventory(name, files, context.platform)] if files else []


def _distributions(
    project: LayerProject, layer: LockedLayer, prefix: Path, context: Context
) -> list[Inventory]:
    lock = read_lock(project.spec.lock_file)
    wheels = select_wheels(lock, layer.platform, layer.runtime.version)
    there = install(project.spec, lock, wheels, layer, prefix, context)
    return inventories(there, layer, context)
