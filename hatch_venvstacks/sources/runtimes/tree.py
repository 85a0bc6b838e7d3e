"""An unpacked CPython: what it is, and which of its files belong into a runtime layer."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING, TypeVar

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.sources.dist_info import parse_record, parse_scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hatch_venvstacks.model.runtime import RuntimeTree

_Parsed = TypeVar("_Parsed")

_TESTS = frozenset({"test", "tests", "idle_test"})
_STATIC = re.compile(r"(^|/)(libpython[^/]*\.a|config-[^/]*/python\.o)$")
_PY_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)


def runtime_files(tree: RuntimeTree) -> Iterator[tuple[str, Path]]:
    """The files and symbolic links of ``tree`` that belong into a runtime layer, sorted.

    Each comes as its path relative to the root (with ``/``) and its path on this machine. Left out
    are compiled modules, static libraries, the tests of the standard library, and what is
    installed in site-packages with its scripts: a layer holds what its lock says. A link to
    something that is left out is left out as well. Files are in the order of their relative paths.

    :raises RuntimeSourceError: where a link leads out of the tree, or where two names differ only
        in case.
    """
    library = "Lib" if (tree.root / "python.exe").is_file() else f"lib/python{tree.minor}"
    installed = frozenset(_installed_scripts(tree, library))
    kept = {
        name: path
        for name, path in _walk(tree.root, "")
        if not is_left_out(name, library) and name not in installed
    }
    _check_case(kept)
    folders = {parent for name in kept for parent in _parents(name)}
    for name, path in sorted(kept.items()):
        if path.is_symlink():
            target = _link_target(name, path)
            if target not in kept and target not in folders:
                continue
        yield name, path


def is_left_out(name: str, library: str) -> bool:
    """Whether the file ``name`` of a CPython tree has no place in a runtime layer.

    ``library`` is the folder of the standard library; both are relative to the tree, with ``/``.
    """
    parts = name.split("/")
    if "__pycache__" in parts or _STATIC.search(name):
        return True
    if not name.startswith(f"{library}/"):
        return False
    inner = parts[library.count("/") + 1 :]
    if inner[0] in ("site-packages", "dist-packages"):
        return True
    return not _TESTS.isdisjoint(inner[:2][: len(inner) - 1])


def read_header_version(root: Path) -> str | None:
    """The release of the CPython in ``root`` by its C header, which needs no running.

    ``None`` where there is no such header, or where the headers of several releases lie there.
    """
    found = set()
    folders = [root / "include", *sorted((root / "include").glob("python3*"))]
    for header in (folder / "patchlevel.h" for folder in folders):
        if header.is_file():
            found.update(_PY_VERSION.findall(header.read_text("utf-8", "replace")))
    # A "+" marks a build from a checkout past the release.
    return found.pop().rstrip("+") if len(found) == 1 else None


def _walk(folder: Path, at: str) -> Iterator[tuple[str, Path]]:
    for entry in os.scandir(folder):
        name = f"{at}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, f"{name}/")
        else:
            yield name, folder / entry.name


def _parents(name: str) -> Iterator[str]:
    parent = posixpath.dirname(name)
    while parent:
        yield parent
        parent = posixpath.dirname(parent)


def _link_target(name: str, path: Path) -> str:
    link = str(path.readlink()).replace("\\", "/")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    if posixpath.isabs(target) or target == ".." or target.startswith("../"):
        raise RuntimeSourceError(
            f"The link `{name}` of the runtime leads out of it, to `{link}`",
            hint="Use an archive whose links are relative and stay inside",
        )
    return target


def _check_case(names: dict[str, Path]) -> None:
    seen: dict[str, str] = {}
    for name in sorted(names):
        # Terminal names differ in case on purpose (`2621A`, `2621a`), and only Linux has them so.
        if name.startswith("share/terminfo/"):
            continue
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise RuntimeSourceError(
                f"The runtime holds `{other}` and `{name}`, which differ only in case",
                hint="On macOS and Windows one of them would be lost; use another archive",
            )


def _installed_scripts(tree: RuntimeTree, library: str) -> Iterator[str]:
    """The files outside site-packages that the distributions in it brought, and their scripts."""
    site = f"{library}/site-packages"
    scripts = "Scripts" if library == "Lib" else "bin"
    for info in sorted((tree.root / site).glob("*.dist-info")):
        record = info / "RECORD"
        if record.is_file():
            for relative, _ in _parsed(record, parse_record):
                name = posixpath.normpath(posixpath.join(site, relative))
                if name.startswith(f"{scripts}/"):
                    yield name
        points = info / "entry_points.txt"
        if points.is_file():
            for script in _parsed(points, parse_scripts):
                yield f"{scripts}/{script}"
                yield f"{scripts}/{script}.exe"


def _parsed(file: Path, parse: Callable[[str], _Parsed]) -> _Parsed:
    try:
        return parse(file.read_text("utf-8"))
    except ValueError as error:
        raise RuntimeSourceError(
            f"`{file.parent.name}/{file.name}` in the runtime cannot be read: {error}"
        ) from error
