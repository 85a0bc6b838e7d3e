"""What a layer's interpreter does when it starts: the layers below come on ``sys.path``.

Path files of the layer say so (https://docs.python.org/3/library/site.html). ``site`` runs the path
files of a folder in the order of their names. The first one has the layers' site directories as
plain lines: all are on ``sys.path`` before anything else happens. Then the layer's own path files
run, by ``site`` itself. The last one runs those of the layers below, in import order; where the
layer has no path files of its own, the first one does that.

From CPython 3.15 on, ``.start`` files take the place of lines that are executed (:pep:`829`).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.errors import BuildError
from hatch_venvstacks.segment import Member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_venvstacks.layout import Layout
    from hatch_venvstacks.segment import Plan

# Hardly a name sorts before the first, or after the second.
PATH_FILE = "!venvlayer.pth"
LAST_FILE = "~venvlayer.pth"
START_FILE = "~venvlayer.start"
START_MODULE = "_venvlayer"
_START_FILES = (3, 15)

# Runs inside `site.addpackage`, which knows the folder of the path file as `sitedir`. Every start
# compiles it anew, so it is short. The path files of the layers below run once each; those that
# belong to wiring must not: this layer names all layers below it itself. `site` then handles the
# site directory of a virtual environment a second time (CPython 3.10 to 3.13: `site.venv` does it
# before it sets `PREFIXES`, `site.main` after), which would run the layer's own path files twice:
# so that second time is passed over.
_RUN_PATH_FILES = """\
import os, site, sys
if getattr(site, "_venvlayer", "") != sitedir:
    site._venvlayer = sitedir
    for _layer in {names!r}.split():
        _folder = site.makepath(sitedir, {up!r}, _layer, {site!r})[0]
        for _file in sorted(os.listdir(_folder)) if os.path.isdir(_folder) else ():
            if _file.endswith(".pth") and _file[0] != "." and {counts}:
                site.addpackage(_folder, _file, None)
    if sys.prefix not in site.PREFIXES:
        def _once(known_paths, prefixes=None, _site=site, _all=site.addsitepackages):
            _site.addsitepackages = _all
            return known_paths
        site.addsitepackages = _once
"""
# Path files of setuptools (`…-nspkg.pth`) make namespace packages of the one folder that each of
# them lies in: these look at `sys.path` again.
_FIND_NAMESPACES = """\
import sys
for _finder in sys.meta_path:
    if hasattr(_finder, "invalidate_caches"):
        _finder.invalidate_caches()
"""
_PRELOAD = """\
import ctypes, os
for _path in {paths}:
    ctypes.CDLL(os.path.abspath(os.path.join(sitedir, _path)))
"""
# The same with what CPython 3.15 has. `site` comes here again for each layer below, whose own file
# names the module that is imported already.
_MODULE = """\
import os
import site

_ran = []


def run():
    if _ran:
        return
    _ran.append(True)
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in {folders}:
        folder = os.path.abspath(os.path.join(here, folder))
        if os.path.isdir(folder):
            site.addsitedir(folder)
    libraries = {paths}
    if libraries:
        import ctypes
    for path in libraries:
        ctypes.CDLL(os.path.abspath(os.path.join(here, path)))
"""


@dataclass(frozen=True)
class StartUp:
    """What is special about the start of one layer.

    ``preloaded`` are libraries that are loaded, as layer and path: what opens them by their names
    then finds them. ``skipped`` are path files of layers below that do not run, as layer and name;
    CPython 3.15 has no way to leave one out. ``has_path_files`` says whether the layer has some
    itself, and ``has_namespaces`` whether some in the stack make namespace packages.
    """

    preloaded: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    has_path_files: bool = True
    has_namespaces: bool = True


def startup_members(
    below: Sequence[str], top: str, layout: Layout, start: StartUp
) -> Iterator[Member]:
    """The files in the site directory of the layer ``top`` above the layers ``below``."""
    site = layout.site_packages
    up = posixpath.relpath(".", f"layer/{site}")
    folders = [f"{up}/{name}/{site}" for name in below]
    first = "".join(f"{folder}\n" for folder in folders)
    preloaded = start.preloaded
    paths = [posixpath.relpath(f"{layer}/{path}", f"{top}/{site}") for layer, path in preloaded]
    if tuple(int(part) for part in layout.minor.split(".")) >= _START_FILES:
        yield Member(f"{site}/{PATH_FILE}", first.encode())
        source = _MODULE.format(folders=folders, paths=paths)
        yield Member(f"{site}/{START_MODULE}.py", source.encode())
        yield Member(f"{site}/{START_FILE}", f"{START_MODULE}:run\n".encode())
        return
    counts = f"_file not in {(PATH_FILE, LAST_FILE)}"
    if start.skipped:
        counts += f" and (_layer, _file) not in {start.skipped}"
    programs = [_RUN_PATH_FILES.format(names=" ".join(below), up=up, site=site, counts=counts)]
    if start.has_namespaces:
        programs.append(_FIND_NAMESPACES)
    if paths:
        # On a line of its own: what follows a line that fails is not run.
        programs.append(_PRELOAD.format(paths=paths))
    # `site` executes single lines that begin with `import`; `exec` gives the program its own.
    last = "".join(f"import sys; exec({program!r})\n" for program in programs)
    if start.has_path_files:
        yield Member(f"{site}/{PATH_FILE}", first.encode())
        yield Member(f"{site}/{LAST_FILE}", last.encode())
    else:
        yield Member(f"{site}/{PATH_FILE}", f"{first}{last}".encode())


def check_path_files(plans: Sequence[Plan], layout: Layout) -> None:
    """Refuse a path file that would run before the layer's first one, or after its last.

    :raises BuildError: naming the distribution.
    """
    for plan in plans:
        for member in plan.members:
            folder, name = posixpath.split(member.path)
            if folder != layout.site_packages or not name.endswith(".pth"):
                continue
            if name < PATH_FILE:
                fault = "before the layers below are on `sys.path`"
            elif name > LAST_FILE:
                fault = "after those of the layers below"
            else:
                continue
            raise BuildError(
                f"`{plan.name}` has the path file `{name}`, which would run {fault}",
                hint=f"Its name must sort between `{PATH_FILE}` and `{LAST_FILE}`",
            )
