"""The CPython of a runtime layer as a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.kept_segments import key_of
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of
from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.composition.wiring import runtime_links
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.spec import RuntimeOrigin
from hatch_venvstacks.sources.runtimes.runtime import provide_runtime, runtime_files

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_venvstacks.archives.kept_segments import Shelf
    from hatch_venvstacks.contents.compiler import Compiler
    from hatch_venvstacks.model.context import Context
    from hatch_venvstacks.pipeline.lock import LockedLayer


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
    key = key_of("runtime", runtime_identity(layer, context), context.platform.name, made_by)
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


def runtime_identity(layer: LockedLayer, context: Context) -> str:
    """What stands for the CPython below ``layer`` on the platform that is built for.

    :raises RuntimeSourceError: where the host's would be copied, and cannot be looked at.
    """
    if layer.runtime.origin is RuntimeOrigin.HOST:
        from hatch_venvstacks.sources.runtimes.host import describe
        from hatch_venvstacks.sources.runtimes.host_copy import fingerprint

        return fingerprint(describe(), context.store)
    archive = layer.runtime.archives.get(context.platform.name)
    return archive.sha256.lower() if archive else ""
