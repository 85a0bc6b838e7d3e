"""Shared libraries over layers: where an upper layer needs a link to one of a layer below.

What no layer has and no system guarantees is found here, too: the check `missing-library`.

Wheels find each other's libraries by paths that are relative to the file that needs them, as all
of them lie in one site directory. Over layers the loader looks into the upper layer's folder: there
a relative link leads to the layer that has the library. The folder itself is linked where the
upper layer has none of that name, because then whatever is opened from there is found as well. Else
the single files are, with all that they need: a linked file has the upper layer's folder as its
``$ORIGIN``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import parents
from hatch_venvstacks.composition.inventory import visible
from hatch_venvstacks.composition.native_files import (
    candidates,
    folders,
    is_guaranteed,
    other_c_library,
)
from hatch_venvstacks.composition.stack_libraries import FoundLibrary, StackLibraries
from hatch_venvstacks.model.checks import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.composition.inventory import LayerContents
    from hatch_venvstacks.composition.native_files import Native
    from hatch_venvstacks.composition.stack_libraries import FindLibraries
    from hatch_venvstacks.model.platforms import TargetPlatform


@dataclass(frozen=True)
class Link:
    """A link in the top layer at ``path``, to what has the same path in ``layer``."""

    path: str
    layer: str


@dataclass(frozen=True)
class UsedLibrary:
    """A library at ``path`` in ``layer``, called ``soname``, that files of the top layer need."""

    layer: str
    path: str
    soname: str


@dataclass(frozen=True)
class Linking:
    """The links of a layer, what they are for, and libraries that are nowhere."""

    links: tuple[Link, ...] = ()
    used: tuple[UsedLibrary, ...] = ()
    findings: tuple[Finding, ...] = ()


def link_libraries(
    layers: Sequence[LayerContents],
    site: str,
    platform: TargetPlatform,
    find_runtime: FindLibraries,
    beside: Mapping[str, str] | None = None,
) -> Linking:
    """The links that the top one of ``layers``, which are in import order, needs.

    ``site`` is the site directory of all of them; ``find_runtime`` gives the libraries of the
    CPython itself, by their paths in the last layer, and is asked only where no other layer has
    one. ``beside`` are files that packages of the top layer have in layers below, with the names
    of these: libraries among them find from here what they need.

    :raises BuildError: where a file would get another library than it has in its own layer, or a
        link has no place; with one line for each.
    """
    if platform.sys_platform == "win32":
        # Which folders are searched there is said by programs, and not by files.
        return Linking()
    linker = _Linker(StackLibraries(visible(layers), site, find_runtime), platform)
    for path, found in linker.libraries.natives(linker.libraries.top):
        linker.visit(path, found, ())
        linker.visit_run_path(path, found)
    for path, layer in (beside or {}).items():
        linker.visit_beside(path, layer)
    linker.check_places()
    if linker.conflicts:
        raise BuildError(
            "\n".join(dict.fromkeys(linker.conflicts)),
            hint="Put what needs one and the same library into one layer, or leave one of them out",
        )
    return Linking(tuple(linker.links()), tuple(sorted(linker.used, key=_place)), linker.missing())


def preloaded(
    patterns: Sequence[str], layers: Sequence[LayerContents], find_runtime: FindLibraries
) -> list[tuple[str, str]]:
    """The libraries that ``patterns`` name, as layer and path, in the order of the patterns.

    :raises BuildError: where a pattern fits none.
    """
    found: dict[tuple[str, str], None] = {}
    seen = visible(layers)
    known = [
        *((layer.name, path, native) for layer in seen for path, native in _all_natives(layer)),
        *((layers[-1].name, path, native) for path, native in find_runtime().items()),
    ]
    for pattern in patterns:
        fitting = [
            (layer, path)
            for layer, path, native in known
            if fnmatchcase(posixpath.basename(path), pattern) or fnmatchcase(native.soname, pattern)
        ]
        if not fitting:
            raise BuildError(
                f"`dynlib-preload` of `{layers[0].name}` names a library that no layer has:"
                f" `{pattern}`",
                hint="It is compared with the names of files in this layer and in those below",
            )
        found.update(dict.fromkeys(fitting))
    return list(found)


class _Linker:
    """Follows what the top layer's files need, and notes what must be linked."""

    def __init__(self, libraries: StackLibraries, platform: TargetPlatform) -> None:
        self.libraries, self._platform = libraries, platform
        self.conflicts: list[str] = []
        self.used: set[UsedLibrary] = set()
        self._folders: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._visited: set[tuple[str, tuple[str, ...]]] = set()
        self._missing: dict[tuple[str, str], str] = {}
        self._resolved: set[tuple[str, str]] = set()
        self._linkable: dict[tuple[str, str], bool] = {}

    def visit(self, path: str, found: FoundLibrary, inherited: tuple[str, ...]) -> None:
        """Follow what the file at ``path`` needs where ``inherited`` folders are searched, too."""
        if (path, inherited) in self._visited:
            return
        self._visited.add((path, inherited))
        origin = posixpath.dirname(path)
        passed = (*folders(found.native.rpath, origin), *inherited)
        within = self._is_linked_folder(path)
        for needed in found.native.needed:
            if within and self._search(found.native, origin, needed, ()):
                # It is found from the layer that the folder is in.
                continue
            hit = self._search(found.native, origin, needed, inherited)
            if hit is None:
                if found.layer == self.libraries.top:
                    self._missing[path, needed] = found.distribution
                continue
            self._resolved.add((path, needed))
            place, other = hit
            self._check_own(path, found, place, other)
            if other.layer != self.libraries.top:
                self.used.add(UsedLibrary(other.layer, place, other.native.soname))
                self._link(place, other)
            self.visit(place, other, tuple(dict.fromkeys(passed)))

    def visit_run_path(self, path: str, found: FoundLibrary) -> None:
        """Link what a file can open from the folders that it searches, by name, when it runs."""
        native = found.native
        for folder in folders((*native.runpath, *native.rpath), posixpath.dirname(path)):
            for layer in self.libraries.lower:
                for place, other in self.libraries.libraries(layer, folder):
                    if self.libraries.find(place) == other:
                        self._link(place, other)

    def visit_beside(self, path: str, layer: str) -> None:
        """Link the library ``path`` of ``layer``, unless a link to its folder does as well."""
        found = None if layer == self.libraries.top else self.libraries.find(path)
        if found is None or found.layer != layer:
            return
        alone = self.libraries.holders(posixpath.dirname(path)) == [layer]
        if not (alone and self._is_complete(path, found)):
            self._link(path, found)

    def check_places(self) -> None:
        """Note links that would have to lie below a file of the layer."""
        for place, layer in {**self._folders, **self._files}.items():
            for parent in parents([place]):
                if parent and self.libraries.has_file(parent):
                    self.conflicts.append(
                        f"A library of layer `{layer}` is needed at"
                        f" `{place}`, but `{parent}` is a file in this layer"
                    )

    def links(self) -> Iterator[Link]:
        for place, layer in sorted({**self._files, **self._folders}.items()):
            if not self._is_linked_folder(place):
                yield Link(place, layer)

    def missing(self) -> tuple[Finding, ...]:
        """Libraries that neither a layer has nor the platform, for each file that needs one."""
        absent = {
            key: missing for key, missing in self._missing.items() if key not in self._resolved
        }
        names = self.libraries.names() if absent else set()
        lost = sorted(
            (distribution, needed, path)
            for (path, needed), distribution in absent.items()
            if posixpath.basename(needed) not in names and not is_guaranteed(needed, self._platform)
        )
        known = self.libraries.runtime_names() if lost else set()
        return tuple(
            Finding(
                Check.MISSING_LIBRARY,
                (posixpath.basename(needed), distribution, path),
                f"`{distribution}` needs libraries that no layer has and that"
                f" {self._platform.name} does not guarantee",
                self._shown(needed),
                f"`{path}`",
            )
            for distribution, needed, path in lost
            if posixpath.basename(needed) not in known
        )

    def _shown(self, needed: str) -> str:
        other = other_c_library(needed, self._platform)
        instead = f" of {other} instead of {self._platform.family.name}" if other else ""
        return f"`{needed}`{instead}"

    def _search(
        self,
        native: Native,
        origin: str,
        needed: str,
        inherited: tuple[str, ...],
        seen_from: str = "",
    ) -> tuple[str, FoundLibrary] | None:
        for place in candidates(native, origin, needed, inherited):
            found = self.libraries.find(place, seen_from)
            if found is not None:
                return place, found
        return None

    def _check_own(self, path: str, found: FoundLibrary, place: str, other: FoundLibrary) -> None:
        """A file of a layer below must get the library that it has there."""
        if found.layer == self.libraries.top:
            return
        own = self.libraries.find(place, found.layer)
        if own is None or own.layer == other.layer or own.digest == other.digest:
            return
        if own.distribution != other.distribution:
            self.conflicts.append(
                f"`{path}` of `{found.distribution}` needs `{place}` of `{own.distribution}` in"
                f" layer `{own.layer}`, but would get that of `{other.distribution}` in layer"
                f" `{other.layer}`"
            )

    def _link(self, place: str, found: FoundLibrary) -> None:
        folder = posixpath.dirname(place)
        if self._is_linked_folder(place) or place in self._files:
            return
        if self._is_linkable(folder, found.layer):
            self._folders[folder] = found.layer
            return
        self._files[place] = found.layer
        # What it opens from its own folder when it runs.
        for sibling, other in self.libraries.libraries(found.layer, folder):
            if other.distribution == found.distribution and self.libraries.find(sibling) == other:
                self._files[sibling] = found.layer
                self._follow(sibling, other)
        self._follow(place, found)

    def _follow(self, place: str, found: FoundLibrary) -> None:
        """Follow a linked file: what it finds by its own place, it looks for from here now."""
        self.visit(place, found, ())
        self.visit_run_path(place, found)

    def _is_linked_folder(self, place: str) -> bool:
        return any(parent in self._folders for parent in parents([place]))

    def _is_linkable(self, folder: str, layer: str) -> bool:
        key = folder, layer
        if key not in self._linkable:
            self._linkable[key] = self._can_be_linked(folder, layer)
        return self._linkable[key]

    def _can_be_linked(self, folder: str, layer: str) -> bool:
        libraries = self.libraries
        if not folder.startswith(f"{libraries.site}/") or libraries.holders(folder) != [layer]:
            return False
        if libraries.is_package(layer, folder):
            return False
        inside = libraries.below(layer, folder)
        if any(libraries.excludes(layer, path) for path, _ in inside):
            return False
        return all(self._is_complete(path, found) for path, found in inside)

    def _is_complete(self, path: str, found: FoundLibrary) -> bool:
        """Whether a file of a layer below finds there all that it would find from here."""
        origin = posixpath.dirname(path)
        for needed in found.native.needed:
            hit = self._search(found.native, origin, needed, ())
            own = self._search(found.native, origin, needed, (), found.layer)
            if hit != own:
                return False
        return True


def _place(used: UsedLibrary) -> tuple[str, str]:
    return used.layer, used.path


def _all_natives(layer: LayerContents) -> Iterator[tuple[str, Native]]:
    for part in layer.parts:
        yield from part.natives.items()
