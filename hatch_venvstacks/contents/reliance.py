"""What a layer relies on of the layers below: what they must still have when they are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from hatch_venvstacks.model.lock import OVER
from hatch_venvstacks.model.lock_file import read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_venvstacks.composition.library_links import UsedLibrary
    from hatch_venvstacks.pipeline.lock import LockedLayer


def reliance(layer: LockedLayer, used: Iterable[UsedLibrary]) -> list[dict[str, Any]]:
    """``relies_on`` of the ``layer.json``: for each layer below, in import order.

    Those are the distributions that are part of the layer's resolution, at the versions that it was
    resolved with, and the libraries that its files are linked to.
    """
    needed = {
        name: version.partition(OVER)[0]
        for name, version in layer.lock.inputs.below.get(layer.platform.name, {}).items()
        if version
    }
    libraries = list(used)
    result = []
    for spec in layer.stack.below:
        names = {*read_lock(spec.lock_file).versions(layer.platform.name)}
        # A project that a layer below includes may be required, too.
        names.add(str(canonicalize_name(spec.project_name)))
        held = {name: needed[name] for name in sorted(names & needed.keys())}
        for name in held:
            # Those further down are hidden by this one.
            del needed[name]
        result.append(
            {
                "name": spec.name,
                "distributions": [
                    {"name": name, "version": version} for name, version in held.items()
                ],
                "libraries": [
                    {"soname": one.soname, "path": one.path}
                    for one in libraries
                    if one.layer == spec.name
                ],
            }
        )
    return result
