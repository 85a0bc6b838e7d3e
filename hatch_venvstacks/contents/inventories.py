"""What the layers below hold, as far as the layer on top of them must know it."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_venvstacks.archives.plan import Member, read
from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.composition.imports import check_imports
from hatch_venvstacks.composition.inventory import (
    FORMAT,
    Inventory,
    LayerContents,
    LowerLayer,
    from_document,
    to_document,
)
from hatch_venvstacks.composition.namespaces import init_kind
from hatch_venvstacks.composition.native_files import read_native
from hatch_venvstacks.contents.installation import destination_of, prepare_installation
from hatch_venvstacks.contents.launchers import entry_points, relocated
from hatch_venvstacks.contents.prefix import (
    find_unowned_files,
    read_alone,
    read_prefix,
    shared_files,
)
from hatch_venvstacks.sources.dist_info import record_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.contents.distribution import Destination
    from hatch_venvstacks.contents.installation import Installation
    from hatch_venvstacks.contents.prefix import Installed
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.model.workshop import LayerProject, Projects, Workshop
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
    from hatch_venvstacks.store.store import Store


def examine_layers_below(
    layer: LockedLayer,
    work: Path,
    *,
    projects: Projects,
    sibling_wheels: SiblingWheels,
    workshop: Workshop,
) -> list[LowerLayer]:
    """What is known of the layers below ``layer``, for its platform, in import order.

    Wheels that the store knows are not looked at again; others are fetched and unpacked into
    ``work``, a new folder.

    :raises VenvLayerError: where a wheel cannot be had.
    """
    work.mkdir()
    site = layer.layout.site_packages
    known: dict[str, LowerLayer] = {}
    for spec in reversed(layer.stack.below):
        lower, project = layer.of(spec), projects.open(spec.root)
        prefix = work / spec.name / "wheels"
        installation = prepare_installation(lower, prefix, sibling_wheels, workshop.reporter)
        parts = [
            *take_inventories(installation, workshop),
            *_take_packages(project, lower, workshop.reporter),
            *take_loose_inventories(project, lower),
        ]
        order = [base.name for base in lower.stack.below]
        contents = LayerContents(spec.name, tuple(parts), frozenset(order), spec.dynlib_exclude)
        imports = check_imports([contents, *(known[name].contents for name in order)], site)
        contents = replace(contents, extended=imports.extended)
        known[spec.name] = LowerLayer(spec, lower.lock, contents)
    return [known[spec.name] for spec in layer.stack.below]


def _take_packages(
    project: LayerProject, layer: LockedLayer, reporter: Reporter
) -> list[Inventory]:
    """What is known of the project's own wheel: nothing is built for the layer above.

    What building it needs may not be there in the environment of another project.
    """
    name, site = str(canonicalize_name(layer.spec.project_name)), layer.layout.site_packages
    try:
        files = [(f"{site}/{path}", file) for path, file in project.package_files()]
    except ConfigError as error:
        reporter.warning(
            f"What the project `{name}` below brings is not known here, and not compared with this"
            f" layer: {' '.join(str(error).split())}"
        )
        return []
    return [take_file_inventory(name, files, layer.platform)] if files else []


def take_loose_inventories(project: LayerProject, layer: LockedLayer) -> list[Inventory]:
    """The inventory of the loose files of ``project``, which is that of ``layer``, if any."""
    files = project.loose_files(layer.layout.site_packages)
    return [take_file_inventory(layer.spec.project_name, files, layer.platform)] if files else []


def take_file_inventory(
    name: str, files: Iterable[tuple[str, Path]], platform: TargetPlatform
) -> Inventory:
    """The inventory of a project's own ``files``, as ``(path in the layer, file)``.

    :raises BuildError: where a file cannot be read.
    """
    digests, inits, natives = {}, {}, {}
    for path, file in files:
        member = Member(path, file)
        digests[path] = _sha256(read(member))
        if posixpath.basename(path) == "__init__.py":
            inits[path] = str(init_kind(b"".join(read(member))))
        native = read_native(file, platform)
        if native is not None:
            natives[path] = native
    return Inventory(name, "", digests, inits, natives)


def take_inventories(installation: Installation, workshop: Workshop) -> list[Inventory]:
    """The inventories of all that is to be installed, sorted by name.

    Those that the store does not know are unpacked; they are kept there.
    """
    layer, digests, store = installation.layer, installation.digests, workshop.store
    known = {name: _find_inventory(digest, layer, store) for name, digest in digests.items()}
    unknown = {name for name, inventory in known.items() if inventory is None}
    result = [inventory for inventory in known.values() if inventory is not None]
    for inventory in _take_unknown(installation, unknown, workshop.host):
        key = _inventory_key(digests[inventory.name], layer)
        store.keep_document(key, to_document(inventory))
        result.append(inventory)
    return sorted(result, key=lambda inventory: inventory.name)


def _find_inventory(sha256: str, layer: LockedLayer, store: Store) -> Inventory | None:
    """The inventory of the wheel with that SHA-256 (hex), where the store has it."""
    document = store.read_document(_inventory_key(sha256, layer))
    return None if document is None else from_document(document)


def _inventory_key(sha256: str, layer: LockedLayer) -> str:
    return f"inventory {FORMAT} {sha256} {layer.platform.name} {layer.runtime.minor}"


def _take_unknown(
    installation: Installation, names: Collection[str], host: TargetPlatform
) -> Iterator[Inventory]:
    """Unpack the distributions of those ``names``, and take their inventories."""
    if not names:
        return
    destination = destination_of(installation.layer, host)
    found = read_prefix(installation.unpack(names), destination.host)
    unowned = find_unowned_files(installation.prefix, found, found, installation.isolate)
    shared = shared_files(found).keys()
    for installed in found:
        if installed.name not in names:
            continue
        if shared.isdisjoint(installed.files):
            yield take_inventory(installed, unowned.get(installed.name, ()), destination)
        else:
            alone = read_alone(installed.name, destination.host, installation.isolate)
            left = find_unowned_files(alone.prefix, [alone], [alone], installation.isolate)
            yield take_inventory(alone, left.get(alone.name, ()), destination)


def take_inventory(
    installed: Installed, unowned: Sequence[str], destination: Destination
) -> Inventory:
    """The inventory of ``installed``; ``unowned`` are files of it that its RECORD does not name.

    :raises BuildError: where its entry points cannot be read.
    """
    files, inits, natives = {}, {}, {}
    launchers = dict(_launchers(installed, destination))
    for path in sorted({*installed.files, *unowned}):
        if path.startswith(f"{installed.dist_info}/"):
            continue
        file = installed.prefix / path
        place = destination.path(path, executable=bool(file.stat().st_mode & 0o100))
        if path in launchers:
            name, called = launchers[path]
            files[destination.layout.program(name)] = called
            continue
        files[place] = _digest(installed, path, destination)
        if posixpath.basename(place) == "__init__.py":
            inits[place] = str(init_kind(file.read_bytes()))
        native = read_native(file, destination.platform)
        if native is not None:
            natives[place] = native
    return Inventory(installed.name, installed.version, files, inits, natives)


def _launchers(
    installed: Installed, destination: Destination
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The programs that an installer has made, by their paths: their names and what they call."""
    points = installed.prefix / installed.dist_info / "entry_points.txt"
    if points.is_file():
        for entry in entry_points(points.read_text("utf-8", "replace"), installed.name):
            called = f"{entry.module}:{entry.attr}"
            yield destination.host.program(entry.name), (entry.name, called)


def _digest(installed: Installed, path: str, destination: Destination) -> str:
    recorded = installed.files.get(path, "")
    if recorded and posixpath.dirname(path) != destination.host.scripts:
        return recorded
    # Installers change scripts, and RECORD with them.
    content = (installed.prefix / path).read_bytes()
    return _sha256(
        [relocated(content, destination.interpreter, windows=destination.layout.is_windows)]
    )


def _sha256(chunks: Iterable[bytes]) -> str:
    recorded, _ = record_hash(chunks)
    return str(recorded)
