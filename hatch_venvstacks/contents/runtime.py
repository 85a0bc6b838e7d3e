"""The CPython of a runtime layer as a plan."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of, recipe_key
from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.composition.native_files import read_native
from hatch_venvstacks.sources.runtimes.tree import runtime_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.kept_segments import SegmentStore
    from hatch_venvstacks.composition.native_files import Native
    from hatch_venvstacks.contents.compiler import Compiler
    from hatch_venvstacks.model.stack import LockedLayer

_FOLDER = "lib"


def plan_runtime(
    layer: LockedLayer, work: Path, segments: SegmentStore | None, compiler: Compiler | None = None
) -> Plan:
    """The plan of the CPython that the lock of ``layer`` names; without content from ``segments``.

    ``work`` is a folder that does not exist yet, for a copy of the host's. ``compiler`` compiles
    the standard library.

    :raises RuntimeSourceError: where it cannot be had, or the platform cannot hold it.
    """
    made_by = compiler.identity if compiler else ""
    platform = layer.platform.name
    key = recipe_key("runtime", layer.cpython.key(platform), platform, made_by)
    packed = segments.find(key) if segments else None
    if packed is not None:
        return packed.plan
    tree = layer.cpython.tree(platform, work)
    windows = layer.layout.is_windows
    members: list[Member] = []
    for path, file in runtime_files(tree):
        link = str(file.readlink()) if file.is_symlink() else ""
        if link and windows:
            raise RuntimeSourceError(
                f"The runtime for {platform} holds the symbolic link `{path}`",
                hint="On Windows it could not be unpacked by everyone; use another archive",
            )
        members.append(member_of(path, file, link=link))
    if not windows:
        members += runtime_links([member.path for member in members], layer.runtime.minor)
    if compiler is not None:
        members += compiler.compile_runtime(members)
    members.sort(key=lambda member: member.path)
    plan = Plan(PlanKind.RUNTIME, "cpython", tree.version, tuple(members))
    return replace(plan, key=key)


def runtime_links(paths: Sequence[str], minor: str) -> Iterator[Member]:
    """The usual names of the interpreter in ``bin/`` that a runtime with ``paths`` lacks."""
    for name in ("bin/python", "bin/python3"):
        if name not in paths:
            yield Member(name, link=f"python{minor}")


class RuntimeLibraries:
    """The libraries in the folder ``lib`` of the CPython below ``layer``, by path in its layer.

    They are looked for at the first call, in the CPython of the platform that is built for.
    ``work`` is a folder that does not exist yet.
    """

    def __init__(self, layer: LockedLayer, work: Path) -> None:
        self._layer, self._work = layer, work

    def __call__(self) -> Mapping[str, Native]:
        return self._found

    @cached_property
    def _found(self) -> dict[str, Native]:
        platform = self._layer.platform
        found = {}
        for path in self._layer.cpython.libraries(platform.name, self._work):
            native = read_native(path, platform) if path.is_file() else None
            if native is not None:
                found[f"{_FOLDER}/{path.name}"] = native
        return found
