"""The layer's own last segment: what ties it to the layers below.

It holds no absolute path. ``bin/python3.11`` is a relative symlink to the runtime's interpreter,
and ``pyvenv.cfg`` has no ``home`` key: CPython then finds its standard library by following the
link, and takes the folder of ``pyvenv.cfg`` as ``sys.prefix``
(https://docs.python.org/3/library/sys_path_init.html#virtual-environments). The site directories of
the layers below come on ``sys.path`` through path files
(:mod:`hatch_venvstacks.composition.startup`). Relative links stand where the files of this layer
look for shared libraries of others (:mod:`hatch_venvstacks.composition.library_links`).

On Windows the interpreter and ``pyvenv.cfg`` are made by ``postinstall.py``, which lies in the
layer, once it is unpacked: there CPython needs an absolute ``home``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.composition.namespaces import EXTENDING
from hatch_venvstacks.composition.startup import StartUp, runtime_members, startup_members
from hatch_venvstacks.deployment.published import LAYER_JSON, postinstall_program, to_json
from hatch_venvstacks.model.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.stack import Stack


@dataclass(frozen=True)
class LayerTies:
    """What ties one layer to those below, besides what every layer has.

    ``links`` maps paths of links in this layer to the layers that have a file or folder of that
    path. ``inits`` are paths of ``__init__.py`` files that make a package of the parts in all
    layers, where this one has none of its own. ``start`` is what is special about its start.
    """

    links: Mapping[str, str] = field(default_factory=dict)
    inits: tuple[str, ...] = ()
    start: StartUp = field(default_factory=StartUp)


def wiring_plan(
    stack: Stack, layout: Layout, description: Mapping[str, Any], ties: LayerTies | None = None
) -> Plan:
    """The wiring of the top layer of ``stack``, in the ``layout`` of its platform.

    ``description`` is the content of ``layer.json``.
    """
    ties = ties or LayerTies()
    members = [Member(LAYER_JSON, to_json(description))]
    if stack.top.kind is LayerKind.RUNTIME:
        members += runtime_members(layout)
    else:
        if layout.postinstall:
            members.append(Member(layout.postinstall, postinstall_program()))
        else:
            members += _links(stack, layout)
            members.append(Member("pyvenv.cfg", _configuration(layout.minor)))
        names = [layer.name for layer in stack.below]
        members += startup_members(names, stack.top.name, layout, ties.start)
        members += (Member(path, EXTENDING) for path in ties.inits)
        members += (_link(stack.top.name, path, layer) for path, layer in ties.links.items())
    members.sort(key=lambda member: member.path)
    return Plan(PlanKind.WIRING, stack.top.name, "", tuple(members))


def _links(stack: Stack, layout: Layout) -> Iterator[Member]:
    python = f"python{layout.minor}"
    yield Member("bin/python", link=python)
    yield Member("bin/python3", link=python)
    yield Member(f"bin/{python}", link=f"../../{stack.runtime.name}/{layout.runtime_python}")


def _link(top: str, path: str, layer: str) -> Member:
    place = posixpath.dirname(f"{top}/{path}")
    return Member(path, link=posixpath.relpath(f"{layer}/{path}", place))


def _configuration(minor: str) -> bytes:
    return f"include-system-site-packages = false\nversion = {minor}\n".encode()
