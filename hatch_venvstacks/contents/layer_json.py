"""What a layer says about itself: ``layer.json`` inside it, and the metadata beside its archive.

Both are described in ``docs/reference/layer-json.md`` and by JSON Schemas in ``docs/schemas/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from hatch_venvstacks.archives.plan import Plan, PlanKind
from hatch_venvstacks.deployment.published import FORMAT
from hatch_venvstacks.model.lock import OVER
from hatch_venvstacks.model.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_venvstacks.composition.inventory import LowerLayer
    from hatch_venvstacks.composition.library_links import UsedLibrary
    from hatch_venvstacks.model.stack import LockedLayer


def describe_layer(
    layer: LockedLayer,
    version: str,
    plans: Sequence[Plan],
    launch_module: str | None,
    relies_on: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The content of ``layer.json`` of a ``layer`` that is made of ``plans``.

    ``version`` is the project's, ``relies_on`` what :func:`reliance` gives.
    """
    stack, layout = layer.stack, layer.layout
    folder = f"{layout.scripts}/"
    is_runtime = stack.top.kind is LayerKind.RUNTIME
    return {
        "format": FORMAT,
        "name": stack.top.name,
        "version": version,
        "kind": str(stack.top.kind),
        "platform": layer.platform.name,
        "python": {
            "implementation": "cpython",
            "version": _python_version(layer, plans),
            "abi": f"cp{layer.runtime.minor.replace('.', '')}",
        },
        "executable": layout.runtime_python if is_runtime else layout.layer_python,
        "site_packages": layout.site_packages,
        "base_layers": [
            {"name": base.name, "kind": str(base.kind), "path": f"../{base.name}"}
            for base in stack.below
        ],
        "relies_on": list(relies_on),
        "distributions": [
            {"name": plan.name, "version": plan.version}
            for plan in plans
            if plan.kind is PlanKind.DISTRIBUTION
        ],
        "scripts": sorted(
            {
                member.path[len(folder) :].removesuffix(layout.suffix)
                for plan in plans
                if plan.kind is PlanKind.DISTRIBUTION
                for member in plan.members
                if member.path.startswith(folder)
            }
        ),
        "launch": {"module": launch_module} if launch_module else None,
        "postinstall": None if is_runtime else layout.postinstall or None,
    }


def _python_version(layer: LockedLayer, plans: Sequence[Plan]) -> str:
    """The release that is packed; above a copied host, only its minor release is known."""
    packed = (plan.version for plan in plans if plan.kind is PlanKind.RUNTIME)
    return next(packed, layer.runtime.version)


def reliance(
    layer: LockedLayer, below: Sequence[LowerLayer], used: Iterable[UsedLibrary]
) -> list[dict[str, Any]]:
    """``relies_on`` of the ``layer.json``: for each of the layers ``below``, in import order.

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
    for lower in below:
        names = {*lower.lock.versions(layer.platform.name)}
        # A project that a layer below includes may be required, too.
        names.add(str(canonicalize_name(lower.spec.project_name)))
        held = {name: needed[name] for name in sorted(names & needed.keys())}
        for name in held:
            # Those further down are hidden by this one.
            del needed[name]
        result.append(
            {
                "name": lower.spec.name,
                "distributions": [
                    {"name": name, "version": version} for name, version in held.items()
                ],
                "libraries": [
                    {"soname": library.soname, "path": library.path}
                    for library in libraries
                    if library.layer == lower.spec.name
                ],
            }
        )
    return result
