"""What a layer's interpreter does when it starts: the layers below come on ``sys.path``.

Path files of the layer say so (https://docs.python.org/3/library/site.html). ``site`` runs the path
files of a folder in the order of their names. The first one has the layers' site directories as
plain lines: all are on ``sys.path`` before anything else happens. Then the layer's own path files
run, by ``site`` itself. The last one imports a module that runs those of the layers below, in
import order; where the layer has no path files of its own, the first one does that.

It is a module, and not a longer line, because Python keeps modules compiled. CPython 3.15 has a
second way, ``.start`` files with the names of functions (:pep:`829`), and still executes lines in
path files; 3.18 will not. To read a ``.start`` file takes CPython 3.15 several milliseconds, so a
layer for it has one only where some package of the stack has one, too.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.plan import Member
from hatch_venvstacks.common.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_venvstacks.archives.plan import Plan
    from hatch_venvstacks.model.layout import Layout

# Hardly a name sorts before the first, or after the second.
PATH_FILE = "!venvlayer.pth"
LAST_FILE = "~venvlayer.pth"
START_FILE = "~venvlayer.start"
START_MODULE = "_venvlayer"
# What CPython does with `.start` files, and without lines that are executed.
_START_FILES = (3, 15)
_NO_LINES = (3, 18)

_HEAD = """\
\"\"\"Runs the path files of the layers below this one. Made by hatch-venvstacks.\"\"\"
import os
import site
import sys

_ROOT = os.path.abspath(__file__ + "{up}")
_ran = []


def run():
    if _ran:
        return
    _ran.append(True)
"""
# The path files of the layers below run once each. Those that belong to wiring must not: this layer
# names all layers below it itself. `site` then handles the site directory of a virtual environment
# a second time (CPython 3.10 to 3.14: `site.venv` does it before it decides on the user's site
# directory, `site.main` after), which would run the layer's own path files twice: so that second
# time is passed over. Then it is time, too, to let `site.getsitepackages` give the folders that are
# on `sys.path`: there are programs that look for libraries and plugins of other distributions in
# these.
_RUN = """\
    for folder, skipped in {folders}:
        folder = os.path.join(_ROOT, folder)
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        names = sorted(name for name in names if name[0] != "." and name not in skipped)
{start_files}\
        for name in names:
            if name.endswith(".pth"):
                site.addpackage(os.path.abspath(folder), name, None)
{more}\
"""
_ONCE = """\
    if site.ENABLE_USER_SITE is None:
        site.addsitepackages = _once


def _once(known_paths, prefixes=None, _all=site.addsitepackages):
    site.addsitepackages = _all
    site.PREFIXES += [os.path.join(_ROOT, name) for name in {names}]
    return known_paths
"""
# CPython 3.15 handles no folder twice. It has no function for a single `.start` file: where a layer
# below has some, `site` handles the whole folder, with files that it has already read for this
# layer; these name this module.
_START_FILES_BELOW = """\
        if any(name.endswith(".start") for name in names):
            site.addsitedir(folder)
            continue
"""
_PREFIXES = """\
    site.PREFIXES += [os.path.join(_ROOT, name) for name in {names}]
"""
# Path files of setuptools (`…-nspkg.pth`) make namespace packages of the one folder that each of
# them lies in: these look at `sys.path` again.
_FIND_NAMESPACES = """\
    for finder in sys.meta_path:
        if hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
"""
# After all else: it may fail.
_PRELOAD = """\


def load():
    import ctypes

    for path in {paths}:
        ctypes.CDLL(os.path.abspath(os.path.join(os.path.dirname(__file__), path)))
"""


@dataclass(frozen=True)
class StartUp:
    """What is special about the start of one layer.

    ``preloaded`` are libraries that are loaded, as layer and path: what opens them by their names
    then finds them. ``skipped`` are path files of layers below that do not run, as layer and name.
    ``has_path_files`` says whether the layer has some itself, ``has_namespaces`` whether some in
    the stack make namespace packages, and ``has_start_files`` whether there are ``.start`` files in
    the stack.
    """

    preloaded: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    has_path_files: bool = True
    has_namespaces: bool = True
    has_start_files: bool = False


def startup_members(
    below: Sequence[str], top: str, layout: Layout, start: StartUp
) -> Iterator[Member]:
    """The files in the site directory of the layer ``top`` above the layers ``below``."""
    site = layout.site_packages
    up = posixpath.relpath(".", f"layer/{site}")
    names = ["run"] if not start.preloaded else ["run", "load"]
    first = "".join(f"{up}/{name}/{site}\n" for name in below)
    yield Member(f"{site}/{START_MODULE}.py", _module(below, top, layout, start).encode())
    if _version(layout) >= (_START_FILES if start.has_start_files else _NO_LINES):
        yield Member(f"{site}/{PATH_FILE}", first.encode())
        lines = "".join(f"{START_MODULE}:{name}\n" for name in names)
        yield Member(f"{site}/{START_FILE}", lines.encode())
        return
    # `site` executes lines that begin with `import`. What follows one that fails is not run.
    last = "".join(f"import {START_MODULE}; {START_MODULE}.{name}()\n" for name in names)
    if start.has_path_files:
        yield Member(f"{site}/{PATH_FILE}", first.encode())
        yield Member(f"{site}/{LAST_FILE}", last.encode())
    else:
        yield Member(f"{site}/{PATH_FILE}", f"{first}{last}".encode())


def runtime_members(layout: Layout) -> Iterator[Member]:
    """The files in the site directory of a runtime.

    CPython 3.15 complains at every start of folders in path files that are not there, so there is
    always one.
    """
    if _version(layout) >= _START_FILES:
        text = b"The packages of this layer have their modules here.\n"
        yield Member(f"{layout.site_packages}/{START_MODULE}.txt", text)


def _module(below: Sequence[str], top: str, layout: Layout, start: StartUp) -> str:
    site = layout.site_packages
    up = posixpath.relpath(".", f"layer/{site}")
    is_new = _version(layout) >= _START_FILES
    own = (PATH_FILE, LAST_FILE, START_FILE) if is_new else (PATH_FILE, LAST_FILE)
    folders = [
        (f"{name}/{site}", (*own, *(file for layer, file in start.skipped if layer == name)))
        for name in below
    ]
    source = _HEAD.format(up=f"/../{up}")
    source += _RUN.format(
        folders=folders,
        start_files=_START_FILES_BELOW if is_new else "",
        more=_FIND_NAMESPACES if start.has_namespaces else "",
    )
    source += (_PREFIXES if is_new else _ONCE).format(names=[*below])
    # Files of a layer below may name it, too.
    if start.preloaded or is_new:
        paths = [
            posixpath.relpath(f"{layer}/{path}", f"{top}/{site}") for layer, path in start.preloaded
        ]
        source += _PRELOAD.format(paths=paths)
    return source


def _version(layout: Layout) -> tuple[int, ...]:
    return tuple(int(part) for part in layout.minor.split("."))


def check_path_files(plans: Sequence[Plan], layout: Layout) -> None:
    """Refuse a start-up file that would run before the layer's first one, or after its last.

    :raises BuildError: naming the distribution.
    """
    last = {".pth": LAST_FILE}
    if _version(layout) >= _START_FILES:
        last[".start"] = START_FILE
    for plan in plans:
        for member in plan.members:
            if not member.path.endswith((*last,)):
                continue
            folder, _, name = member.path.rpartition("/")
            suffix = f".{name.rpartition('.')[2]}"
            if folder != layout.site_packages:
                continue
            if name < PATH_FILE and suffix == ".pth":
                fault = "before the layers below are on `sys.path`"
            elif name > last[suffix]:
                fault = "after those of the layers below"
            else:
                continue
            raise BuildError(
                f"`{plan.name}` has the start-up file `{name}`, which would run {fault}",
                hint=f"Its name must sort between `{PATH_FILE}` and `{last[suffix]}`",
            )
