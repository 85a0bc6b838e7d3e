"""Which modules of a layer are shipped compiled, and by which CPython."""

from __future__ import annotations

import base64
import hashlib
import posixpath
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import Member, read, recipe_key
from hatch_venvstacks.contents.bytecode import compile_modules

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from hatch_venvstacks.archives.plan import Plan
    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.runtime import CPython
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.model.workshop import Workshop
    from hatch_venvstacks.store.store import Store


@dataclass(frozen=True)
class Compiler:
    """Compiles modules below the folder ``root`` of a layer, within the new folder ``work``.

    That is done by the interpreter of ``cpython``. What is compiled of a small plan is kept in
    ``store``. Modules of the distributions ``own_names`` notice when their source is edited.
    """

    cpython: CPython
    root: str
    store: Store
    reporter: Reporter
    work: Path
    own_names: Collection[str] = ()

    @cached_property
    def identity(self) -> str:
        """What stands for all that the result depends on besides the modules."""
        return self.cpython.python_key

    def compile_distribution(self, name: str, members: Sequence[Member]) -> list[Member]:
        """What is compiled of the ``members`` of the distribution ``name``.

        :raises VenvLayerError: where the interpreter cannot be had, or not be run.
        """
        self.reporter.debug(f"Compiling the modules of `{name}`")
        return self._compile(members, name, checked=name in self.own_names)

    def compile_runtime(self, members: Sequence[Member]) -> list[Member]:
        """What is compiled of the standard library; the errors are those above."""
        self.reporter.debug("Compiling the standard library")
        return self._compile(members, "standard library", checked=False)

    def compile_plan(self, plan: Plan, *, checked: bool) -> Plan:
        """A small ``plan`` with what is compiled of it, which is kept in the store."""
        # Each is read once: it may be edited meanwhile.
        members = [
            replace(member, content=b"".join(read(member))) if _is_module(member) else member
            for member in plan.members
        ]
        modules = [
            [member.path, hashlib.sha256(b"".join(read(member))).hexdigest()]
            for member in members
            if _is_module(member)
        ]
        if not modules:
            return plan
        key = recipe_key("compiled", self.identity, checked, modules)
        kept = self.store.read_document(key)
        if kept is None:
            found = self._compile(members, f"{plan.kind} {plan.name}", checked=checked)
            kept = _to_document(found)
            self.store.keep_document(key, kept)
        members = sorted((*members, *_from_document(kept)), key=lambda member: member.path)
        return replace(plan, members=tuple(members))

    def _compile(self, members: Sequence[Member], name: str, *, checked: bool) -> list[Member]:
        folder = self.work / name
        folder.mkdir(parents=True)
        python, minor = self.cpython.python, self.cpython.locked.minor
        return compile_modules(members, python, minor, [self.root], folder, checked=checked)


def compiler_of(
    layer: LockedLayer, work: Path, workshop: Workshop, own_names: Collection[str] = ()
) -> Compiler | None:
    """What compiles the modules of ``layer``; ``None`` where the project wants none of it.

    The other arguments are those of :class:`Compiler`.
    """
    if not layer.spec.bytecode:
        return None
    # Site directories lie in the folder of the standard library.
    root = posixpath.dirname(layer.layout.site_packages)
    return Compiler(layer.cpython, root, workshop.store, workshop.reporter, work, own_names)


def compiler_identity(layer: LockedLayer) -> str:
    """What stands for the CPython that compiles for ``layer``; empty where nothing is compiled."""
    return layer.cpython.python_key if layer.spec.bytecode else ""


def _is_module(member: Member) -> bool:
    return member.path.endswith(".py") and not member.link


def _to_document(members: Sequence[Member]) -> list[Any]:
    return [[member.path, base64.b64encode(b"".join(read(member))).decode()] for member in members]


def _from_document(document: Sequence[Sequence[str]]) -> list[Member]:
    return [Member(path, base64.b64decode(content)) for path, content in document]
