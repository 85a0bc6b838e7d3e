"""The CPython of a runtime layer as a plan."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of, recipe_key
from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.composition.native_files import read_native
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.spec import RuntimeOrigin
from hatch_venvstacks.sources.runtimes.runtime import (
    provide_runtime,
    runtime_files,
    runtime_identity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.kept_segments import Shelf
    from hatch_venvstacks.composition.native_files import Native
    from hatch_venvstacks.contents.compiler import Compiler
    from hatch_venvstacks.model.context import Context
    from hatch_venvstacks.model.lock import LockedLayer

_FOLDER = "lib"


def runtime_plan(
    layer: LockedLayer,
    work: Path,
    context: Context,
    shelf: Shelf | None,
    compiler: Compiler | None = None,
) -> Plan:
    """The plan of the CPython that the lock of ``layer`` names; without content from ``shelf``.

    ``work`` is a folder that does not exist yet, for a copy of the host's. ``compiler`` compiles
    the standard library.

    :raises RuntimeSourceError: where it cannot be had, or the platform cannot hold it.
    """
    made_by = compiler.identity if compiler else ""
    key = recipe_key("runtime", runtime_identity(layer, context), context.platform.name, made_by)
    packed = shelf.find(key) if shelf else None
    if packed is not None:
        return packed.plan
    tree = provide_runtime(
        layer.runtime,
        context.platform.name,
        layer.stack.runtime.root,
        store=context.store,
        work=work,
        reporter=context.reporter,
    )
    windows = layout_of(context.platform, layer.runtime.minor).is_windows
    members: list[Member] = []
    for path, file in runtime_files(tree):
        link = str(file.readlink()) if file.is_symlink() else ""
        if link and windows:
            raise RuntimeSourceError(
                f"The runtime for {context.platform.name} holds the symbolic link `{path}`",
                hint="On Windows it could not be unpacked by everyone; use another archive",
            )
        members.append(member_of(path, file, link=link))
    if not windows:
        members += runtime_links([member.path for member in members], layer.runtime.minor)
    if compiler is not None:
        members += compiler.runtime(members)
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

    They are looked for at the first call, in the CPython of the platform that is built for; one of
    the ``host`` is looked at where it is installed. ``work`` is a folder that does not exist yet.
    """

    def __init__(self, layer: LockedLayer, work: Path, context: Context) -> None:
        self._layer, self._work, self._context = layer, work, context

    def __call__(self) -> Mapping[str, Native]:
        return self._found

    @cached_property
    def _found(self) -> dict[str, Native]:
        folder = self._root / _FOLDER
        found = {}
        for path in sorted(folder.glob(self._pattern)):
            if path.is_file():
                native = read_native(path, self._context.platform)
                if native is not None:
                    found[f"{_FOLDER}/{path.name}"] = native
        return found

    @property
    def _pattern(self) -> str:
        # Beside what is copied of a host, its folder may hold anything.
        return "libpython*" if self._layer.runtime.origin is RuntimeOrigin.HOST else "*"

    @property
    def _root(self) -> Path:
        layer, context = self._layer, self._context
        if layer.runtime.origin is RuntimeOrigin.HOST:
            from hatch_venvstacks.sources.runtimes.host import describe

            return describe().prefix
        return provide_runtime(
            layer.runtime,
            context.platform.name,
            layer.stack.runtime.root,
            store=context.store,
            work=self._work,
            reporter=context.reporter,
        ).root
