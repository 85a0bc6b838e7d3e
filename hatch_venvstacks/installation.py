"""The distributions of a layer, unpacked into a prefix: from wheels, siblings, its own project."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_venvstacks.distribution import Target
from hatch_venvstacks.indexes import resolution_indexes
from hatch_venvstacks.install import Installer
from hatch_venvstacks.installed import read_prefix, unowned_files
from hatch_venvstacks.inventory import FORMAT, Inventory, from_document, take_inventory, to_document
from hatch_venvstacks.layout import layout_of
from hatch_venvstacks.sibling_lock import locked_siblings
from hatch_venvstacks.sibling_wheel import WheelBuilder, check_wheel
from hatch_venvstacks.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.context import Context, LayerProject
    from hatch_venvstacks.lock import Lock, LockedWheel
    from hatch_venvstacks.locking import LockedLayer
    from hatch_venvstacks.spec import LayerSpec


@dataclass(frozen=True)
class Installation:
    """What lies in the folder ``prefix``: locked ``wheels``, and wheels that were ``built``.

    The latter are by the normalized names of their projects.
    """

    prefix: Path
    wheels: tuple[LockedWheel, ...]
    built: Mapping[str, Path]


def install(
    spec: LayerSpec,
    lock: Lock,
    wheels: Sequence[LockedWheel],
    layer: LockedLayer,
    prefix: Path,
    context: Context,
    own: LayerProject | None = None,
) -> Installation:
    """Unpack what ``spec``, a layer in the stack of ``layer``, adds, into the folder ``prefix``.

    Of the wheels in its ``lock``, those are ``wheels``. Siblings are built for it, and the wheel of
    ``own``, where that project has one.

    :raises VenvLayerError: where a wheel cannot be had, or not be built.
    """
    installer = installer_of(layer)
    installer.wheels(wheels, prefix)
    built = _siblings(spec, lock, layer, prefix, context)
    if own is not None and own.includes_project():
        name = own.spec.project_name
        context.reporter.info(f"Building the wheel of `{name}`")
        # Siblings have folders of their own names after the prefix's.
        folder = prefix.with_name(f"own-{prefix.name}")
        folder.mkdir()
        built[str(canonicalize_name(name))] = own.build_wheel(folder)
    for wheel in built.values():
        installer.project(wheel, prefix)
    return Installation(prefix, tuple(wheels), built)


def isolated(installation: Installation, name: str, layer: LockedLayer) -> Path:
    """A prefix with nothing but the distribution ``name`` of ``installation``, made once."""
    prefix = installation.prefix
    alone = prefix.with_name(f"{prefix.name}-{name}")
    if alone.exists():
        return alone
    installer = installer_of(layer)
    installer.wheels([wheel for wheel in installation.wheels if wheel.name == name], alone)
    if name in installation.built:
        installer.project(installation.built[name], alone)
    return alone


def inventories(
    installation: Installation, layer: LockedLayer, context: Context
) -> list[Inventory]:
    """The inventories of all that is installed; those of locked wheels are kept in the store."""
    target = target_of(layer, context)
    locked = {wheel.name: wheel.sha256 for wheel in installation.wheels}
    found = read_prefix(installation.prefix, target.host)
    known = {name: kept_inventory(digest, layer, context) for name, digest in locked.items()}
    unowned = unowned_files(installation.prefix, found, found)
    owners = Counter(path for one in found for path in one.files)
    result = []
    for one in found:
        inventory = known.get(one.name)
        if inventory is None:
            own, more = one, unowned.get(one.name, ())
            if any(owners[path] > 1 for path in one.files):
                # The bytes of a file with two owners are those of either.
                alone = read_prefix(isolated(installation, one.name, layer), target.host)
                own = next(each for each in alone if each.name == one.name)
            inventory = take_inventory(own, more if own is one else (), target)
            if one.name in locked:
                key = _inventory_key(locked[one.name], layer, context)
                context.store.keep_document(key, to_document(inventory))
        result.append(inventory)
    return result


def kept_inventory(wheel: str, layer: LockedLayer, context: Context) -> Inventory | None:
    """The inventory of the wheel with that SHA-256 (hex), where the store has it."""
    document = context.store.document(_inventory_key(wheel, layer, context))
    return None if document is None else from_document(document)


def installer_of(layer: LockedLayer) -> Installer:
    """What installs for the platform and the Python of ``layer``."""
    indexes = resolution_indexes(layer.spec, layer.stack.below).indexes
    return Installer(layer.spec.name, layer.python, layer.platform, indexes)


def target_of(layer: LockedLayer, context: Context) -> Target:
    """What distributions of ``layer`` are packed for."""
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


def _inventory_key(wheel: str, layer: LockedLayer, context: Context) -> str:
    return f"inventory {FORMAT} {wheel} {context.platform.name} {layer.runtime.minor}"


def _siblings(
    spec: LayerSpec, lock: Lock, layer: LockedLayer, prefix: Path, context: Context
) -> dict[str, Path]:
    """Build the siblings that the ``lock`` adds; their wheels."""
    builder = WheelBuilder(layer.python, context.mtime)
    wheels = {}
    for one in locked_siblings(lock, layer.platform.name):
        context.reporter.info(f"Building the wheel of `{one.name}` for `{spec.name}`")
        wheel = builder.build(one.root, prefix.with_name(f"{prefix.name}.{one.name}"))
        check_wheel(wheel, one.name, one.version, layer.platform, layer.runtime.minor)
        wheels[one.name] = wheel
    return wheels
