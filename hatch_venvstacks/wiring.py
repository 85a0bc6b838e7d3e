"""The layer's own last segment: what ties it to the layers below.

It holds no absolute path. ``bin/python3.11`` is a relative symlink to the runtime's interpreter,
and ``pyvenv.cfg`` has no ``home`` key: CPython then finds its standard library by following the
link, and takes the folder of ``pyvenv.cfg`` as ``sys.prefix``
(https://docs.python.org/3/library/sys_path_init.html#virtual-environments). The site directories
of the layers below come on ``sys.path`` through a path file
(https://docs.python.org/3/library/site.html).

On Windows the interpreter and ``pyvenv.cfg`` are made by ``postinstall.py``, which lies in the
layer, once it is unpacked: there CPython needs an absolute ``home``.
"""

from __future__ import annotations

import json
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.errors import BuildError
from hatch_venvstacks.segment import Member, Plan, PlanKind
from hatch_venvstacks.spec import LayerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.layout import Layout
    from hatch_venvstacks.stack import Stack

LAYER_JSON = "share/venvlayer/layer.json"
# `site` runs path files in the order of their names; hardly a name sorts before this one.
PATH_FILE = "!venvlayer.pth"

# Runs inside `site.addpackage`, which knows the folder of the path file as `sitedir`. All site
# directories are on `sys.path` by then. The path files of the layers below run once each, in import
# order; those that belong to wiring must not: this layer names all layers below it itself.
# `site` then handles the site directory of a virtual environment a second time (CPython 3.10 to
# 3.13: `site.venv` does it before it sets `PREFIXES`, `site.main` after), which would run the
# layer's own path files twice: so that second time is passed over.
_RUN_PATH_FILES = """\
import os, site, sys
if getattr(site, "_venvlayer", None) != sitedir:
    site._venvlayer = sitedir
    for _folder in {folders}:
        _folder = site.makepath(sitedir, _folder)[0]
        for _name in sorted(os.listdir(_folder) if os.path.isdir(_folder) else ()):
            if _name.endswith(".pth") and _name[0] != "." and _name != {own}:
                site.addpackage(_folder, _name, None)
    if sys.prefix not in site.PREFIXES:
        def _once(known_paths, prefixes=None, _all=site.addsitepackages):
            import site
            site.addsitepackages = _all
            return known_paths
        site.addsitepackages = _once
"""


def wiring_plan(stack: Stack, layout: Layout, description: Mapping[str, Any]) -> Plan:
    """The wiring of the top layer of ``stack``, in the ``layout`` of its platform.

    ``description`` is the content of ``layer.json``.
    """
    members = [Member(LAYER_JSON, to_json(description))]
    if stack.top.kind is not LayerKind.RUNTIME:
        if layout.postinstall:
            members.append(Member(layout.postinstall, _postinstall()))
        else:
            members += _links(stack, layout)
            members.append(Member("pyvenv.cfg", _configuration(layout.minor)))
        path_file = f"{layout.site_packages}/{PATH_FILE}"
        members.append(Member(path_file, _path_file(stack, layout.site_packages)))
    members.sort(key=lambda member: member.path)
    return Plan(PlanKind.WIRING, stack.top.name, "", tuple(members))


def runtime_links(paths: Sequence[str], minor: str) -> Iterator[Member]:
    """The usual names of the interpreter in ``bin/`` that a runtime with ``paths`` lacks."""
    for name in ("bin/python", "bin/python3"):
        if name not in paths:
            yield Member(name, link=f"python{minor}")


def check_path_files(plans: Sequence[Plan], layout: Layout) -> None:
    """Refuse a path file that would run before the layer's own.

    :raises BuildError: naming the distribution.
    """
    for plan in plans:
        for member in plan.members:
            folder, name = posixpath.split(member.path)
            if folder == layout.site_packages and name.endswith(".pth") and name < PATH_FILE:
                raise BuildError(
                    f"`{plan.name}` has the path file `{name}`, which would run before the layers "
                    "below are on `sys.path`",
                    hint=f"Its name must sort after `{PATH_FILE}`",
                )


def to_json(value: Mapping[str, Any]) -> bytes:
    """``value`` as UTF-8 JSON for people and programs: indented, with a final newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _links(stack: Stack, layout: Layout) -> Iterator[Member]:
    python = f"python{layout.minor}"
    yield Member("bin/python", link=python)
    yield Member("bin/python3", link=python)
    yield Member(f"bin/{python}", link=f"../../{stack.runtime.name}/{layout.runtime_python}")


def _postinstall() -> bytes:
    # As text: the same bytes where a checkout has other ends of lines.
    return Path(__file__).with_name("postinstall.py").read_text("utf-8").encode()


def _configuration(minor: str) -> bytes:
    return f"include-system-site-packages = false\nversion = {minor}\n".encode()


def _path_file(stack: Stack, site: str) -> bytes:
    up = posixpath.relpath(".", f"layer/{site}")
    folders = [f"{up}/{layer.name}/{site}" for layer in stack.below]
    source = _RUN_PATH_FILES.format(folders=folders, own=repr(PATH_FILE))
    # `site` executes single lines that begin with `import`; `exec` gives the program its own.
    return ("\n".join([*folders, f"import sys; exec({source!r})"]) + "\n").encode()
