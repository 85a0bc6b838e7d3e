"""Installed distributions as plans of segments.

uv has unpacked the wheels into a prefix of their own. What an installer writes for the machine at
hand (scripts, notes on where a wheel came from) is made anew or left out. The prefix has the layout
of this machine, the plans have that of the target platform.
"""

from __future__ import annotations

import csv
import io
import posixpath
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.parallel import run_on_all_cores
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of, read
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.composition.namespaces import extending, init_kind
from hatch_venvstacks.contents.launchers import entry_points, launcher, relocated
from hatch_venvstacks.contents.prefix import (
    find_unowned_files,
    read_alone,
    read_prefix,
    shared_files,
)
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.sources.dist_info import record_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.contents.launchers import EntryPoint
    from hatch_venvstacks.contents.prefix import Installed
    from hatch_venvstacks.model.layout import Layout
    from hatch_venvstacks.model.platforms import TargetPlatform

    # Installs one distribution into a prefix of its own, and gives that.
    Isolate = Callable[[str], Path]
    # Compiles what can be compiled of a distribution's members.
    Compiling = Callable[[str, Sequence[Member]], Sequence[Member]]


@dataclass(frozen=True)
class Destination:
    """What distributions are packed for, and how they lie in the prefix.

    ``host`` and ``layout`` are the layouts of this machine and of ``platform``; ``interpreter`` is
    the path that the installer was given; ``python`` is the interpreter of the layer, in it.
    ``extended_inits`` are the ``__init__.py`` files of namespaces, by their paths in the layer,
    that are to find parts in other layers.
    """

    platform: TargetPlatform
    layout: Layout
    host: Layout
    interpreter: str
    python: str
    extended_inits: frozenset[str] = frozenset()

    def path(self, path: str, *, executable: bool) -> str:
        """Where the file ``path`` of the prefix lies in the layer."""
        return self.layout.mapped(path, self.host, executable=executable)


def plan_distributions(
    prefix: Path,
    destination: Destination,
    isolate: Isolate,
    dates: Mapping[str, int] | None = None,
    wanted: Collection[str] | None = None,
    compiling: Compiling | None = None,
) -> list[Plan]:
    """A plan for each distribution in ``prefix``, or for those of the ``wanted`` names; sorted.

    ``isolate`` installs one distribution again on its own: in a shared prefix, the bytes of a file
    with two owners are those of either. ``dates`` gives the modification times of distributions
    that have one of their own. ``compiling`` gives what is compiled of a distribution, which is
    packed with it.

    :raises BuildError: where two distributions have a file with different content.
    """
    found = read_prefix(prefix, destination.host)
    shared = shared_files(found)
    owners = sorted({name for names in shared.values() for name in names})
    alone = {name: read_alone(name, destination.host, isolate) for name in owners}
    found = [alone.get(installed.name, installed) for installed in found]
    unowned = find_unowned_files(
        prefix, [installed for installed in found if installed.name not in alone], found, isolate
    )
    for installed in alone.values():
        unowned.update(find_unowned_files(installed.prefix, [installed], [installed], isolate))
    packed = {
        path: (name, _packed(alone[name], path, destination))
        for path, name in _packers(shared, alone, destination)
    }
    plans = run_on_all_cores(
        partial(
            _plan,
            installed,
            {path: member for path, (name, member) in packed.items() if name != installed.name},
            unowned.get(installed.name, ()),
            destination,
            (dates or {}).get(installed.name, MEMBER_TIME),
            compiling,
        )
        for installed in found
        if wanted is None or installed.name in wanted
    )
    return list(plans)


def _packers(
    shared: Mapping[str, Sequence[str]], alone: Mapping[str, Installed], destination: Destination
) -> Iterator[tuple[str, str]]:
    """Which distribution packs each file that several RECORDs name, as ``(path, name)``."""
    for path, claimants in sorted(shared.items()):
        names = sorted(name for name in claimants if path in alone[name].files)
        members = {name: _member(alone[name], path, destination) for name in names}
        contents = {name: b"".join(read(member)) for name, member in members.items()}
        if len(set(contents.values())) <= 1:
            yield from ((path, name) for name in names[:1])
        elif path.endswith("/__init__.py") and all(map(_is_namespace, contents.values())):
            # An empty one would end a namespace that the other keeps open.
            yield path, max(names, key=lambda name: (_reach(contents[name]), name))
        else:
            listed = " and ".join(f"`{name}`" for name in names)
            raise BuildError(
                f"{listed} both have the file `{members[names[0]].path}`, with different content",
                hint="Only one of them can be in this layer",
            )


def _reach(content: bytes) -> tuple[int, int]:
    return init_kind(content).reach, len(content)


def _is_namespace(content: bytes) -> bool:
    return init_kind(content).is_namespace


def _packed(installed: Installed, path: str, destination: Destination) -> Member:
    return dict(_launchers(installed, destination)).get(path) or _member(
        installed, path, destination
    )


def _plan(
    installed: Installed,
    elsewhere: Mapping[str, Member],
    unowned: Sequence[str],
    destination: Destination,
    mtime: int,
    compiling: Compiling | None,
) -> Plan:
    """The plan of ``installed``; files that are packed ``elsewhere`` stand in its RECORD, too."""
    record = f"{installed.dist_info}/RECORD"
    launchers = dict(_launchers(installed, destination))
    paths = {*installed.files, *unowned, *launchers} - {record}
    members = [
        launchers[path] if path in launchers else _member(installed, path, destination)
        for path in sorted(paths - elsewhere.keys())
    ]
    if compiling is not None:
        members += compiling(installed.name, members)
    record = destination.path(record, executable=False)
    recorded = [*members, *(elsewhere[path] for path in sorted(paths & elsewhere.keys()))]
    members.append(Member(record, _record(recorded, record)))
    members.sort(key=lambda member: member.path)
    return Plan(PlanKind.DISTRIBUTION, installed.name, installed.version, tuple(members), mtime)


def _launchers(installed: Installed, destination: Destination) -> Iterator[tuple[str, Member]]:
    """The programs of the entry points, by the paths of those that the installer has made."""
    path = installed.prefix / installed.dist_info / "entry_points.txt"
    if path.is_file():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BuildError(
                f"The entry points of `{installed.name}` cannot be read: {error}"
            ) from error
        for entry in entry_points(text, installed.name):
            content = _launcher(entry, destination)
            program = Member(destination.layout.program(entry.name), content, executable=True)
            yield destination.host.program(entry.name), program


def _launcher(entry: EntryPoint, destination: Destination) -> bytes:
    if not destination.layout.is_windows:
        return launcher(entry)
    from hatch_venvstacks.contents.launchers import windows_launcher

    python = posixpath.relpath(destination.python, destination.layout.scripts)
    return windows_launcher(entry, destination.platform, python)


def _member(installed: Installed, path: str, destination: Destination) -> Member:
    member = member_of(path, installed.prefix / path)
    member = replace(member, path=destination.path(path, executable=member.executable))
    if member.path in destination.extended_inits:
        return replace(member, content=extending(b"".join(read(member))))
    if posixpath.dirname(path) != destination.host.scripts:
        return member
    content = b"".join(read(member))
    changed = relocated(content, destination.interpreter, windows=destination.layout.is_windows)
    return member if changed == content else Member(member.path, changed, executable=True)


def _record(members: Sequence[Member], record: str) -> bytes:
    from installer.records import RecordEntry

    site = posixpath.dirname(posixpath.dirname(record))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    entries = [RecordEntry(record, None, None)]
    entries += (RecordEntry(member.path, *record_hash(read(member))) for member in members)
    for entry in sorted(entries, key=lambda entry: entry.path):
        writer.writerow(replace(entry, path=posixpath.relpath(entry.path, site)).to_row())
    return text.getvalue().encode()
