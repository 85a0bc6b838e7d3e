"""Data files of wheels, outside the site directory: what is found below ``sys.prefix``.

A wheel may put files into ``share`` or ``etc``, and programs look for them below ``sys.prefix``.
That is the folder of the top layer, so it has links to what the layers below bring: to a whole
folder where only one of them has it, else to single files.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from hatch_venvstacks.dynlib import Link
from hatch_venvstacks.inventory import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_venvstacks.inventory import LayerContents
    from hatch_venvstacks.layout import Layout

# Every layer has its own description there.
_OWN = "share"


def link_data(layers: Sequence[LayerContents], layout: Layout) -> list[Link]:
    """The links of the top one of ``layers``, which are in import order, to data files below it.

    Programs, packages and headers are not among them: those of a layer below are used from there.
    Of two layers that have a file, the first one counts. On Windows there are no links.
    """
    if layout.is_windows:
        return []
    others = (layout.scripts, layout.site_packages, layout.headers)
    passed_over = {path.partition("/")[0] for path in others}
    owners: dict[str, int] = {}
    for number, layer in enumerate(visible(layers)):
        for part in layer.parts:
            for path in part.files:
                if "/" in path and path.partition("/")[0] not in passed_over:
                    owners.setdefault(path, number)
    holders: dict[str, set[int]] = {_OWN: {0}}
    for path, number in owners.items():
        folder = posixpath.dirname(path)
        while folder:
            holders.setdefault(folder, set()).add(number)
            folder = posixpath.dirname(folder)
    links = {_highest(path, number, holders): number for path, number in owners.items() if number}
    return [Link(path, layers[number].name) for path, number in sorted(links.items())]


def _highest(path: str, number: int, holders: dict[str, set[int]]) -> str:
    """The folder nearest to the top, around ``path``, that no other layer has; else the file."""
    parts = path.split("/")
    for end in range(1, len(parts)):
        folder = "/".join(parts[:end])
        if holders[folder] == {number}:
            return folder
    return path
