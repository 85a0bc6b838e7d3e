"""Files that programs look for below ``sys.prefix``, or beside the modules of a package.

A wheel may put files into ``share``, ``etc`` or ``lib``, and programs look for them below
``sys.prefix``. That is the folder of the top layer, so it has links to what the layers below bring:
to a whole folder where only one of them has it, else to single files. Real programs that a package
starts itself are linked, too. In the same way a package of the top layer gets links to the files
that others put into its folder (:mod:`hatch_venvstacks.composition.file_checks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.common.paths import parents
from hatch_venvstacks.composition.inventory import is_excluded, visible
from hatch_venvstacks.composition.library_links import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_venvstacks.composition.file_checks import PackageFiles
    from hatch_venvstacks.composition.inventory import LayerContents
    from hatch_venvstacks.model.layout import Layout

# Every layer has its own description there.
_OWN = "share"


def link_data(
    layers: Sequence[LayerContents],
    layout: Layout,
    package_files: PackageFiles,
    library_links: Iterable[Link] = (),
) -> list[Link]:
    """The links of the top one of ``layers``, which are in import order, to data files below it.

    Modules, headers and what starts Python are not among them: those of a layer below are used from
    there. Of two layers that have a file, the first one counts. ``package_files`` are the files
    that packages of the top layer have below it, and ``library_links`` links that it has anyway. On
    Windows there are no links.
    """
    if layout.is_windows:
        return []
    top = layers[0].name
    taken = [link.path for link in library_links]
    # What is not to be linked belongs to the top layer.
    owners = {**package_files.beside, **dict.fromkeys(taken, top)}
    headers = f"{layout.headers.partition('/')[0]}/"
    for layer in visible(layers):
        for part in layer.parts:
            for path in part.outside(layout.site_packages):
                # What is found below `sys.prefix`, and not by other means.
                if "/" in path and not path.startswith(headers):
                    linked = _is_linked(path, layer, layout, is_native=path in part.natives)
                    owners.setdefault(path, layer.name if linked else top)
    own = parents([layout.program("python"), f"{layout.site_packages}/_", f"{_OWN}/_"])
    holders = {folder: {top} for folder in own}
    for path, owner in owners.items():
        for folder in parents([path]):
            holders.setdefault(folder, set()).add(owner)
    links = {
        _highest(path, owner, holders): owner for path, owner in owners.items() if owner != top
    }
    return [Link(path, owner) for path, owner in sorted(links.items()) if path not in taken]


def _is_linked(path: str, layer: LayerContents, layout: Layout, *, is_native: bool) -> bool:
    """Whether layers above ``layer`` get links to its file ``path``."""
    if not is_native:
        return not path.startswith(f"{layout.scripts}/")
    return not is_excluded(layer, path)


def _highest(path: str, layer: str, holders: Mapping[str, set[str]]) -> str:
    """The folder nearest to the root, around ``path``, that ``layer`` alone has; else the file."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        folder = "/".join(parts[:end])
        if holders[folder] == {layer}:
            return folder
    return path
