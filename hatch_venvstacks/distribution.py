"""Installed distributions as plans of segments.

uv has unpacked the wheels into a prefix of their own. RECORD says which file is whose
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/); what an
installer writes for the machine at hand (scripts, notes on where a wheel came from) is made anew or
left out. The prefix has the layout of this machine, the plans have that of the target platform.
"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import io
import posixpath
from dataclasses import dataclass, replace
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_venvstacks.errors import BuildError
from hatch_venvstacks.scripts import entry_points, launcher, relocated
from hatch_venvstacks.segment import MEMBER_TIME, Member, Plan, PlanKind, member_of, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.layout import Layout
    from hatch_venvstacks.platforms import TargetPlatform
    from hatch_venvstacks.scripts import EntryPoint

    # Installs one distribution into a prefix of its own, and gives that.
    Isolate = Callable[[str], Path]

# Notes of an installer on this one installation, which say nothing about the distribution.
_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")


@dataclass(frozen=True)
class Installed:
    """A distribution as it lies in the folder ``prefix``.

    ``files`` are the paths in RECORD that are there, relative to the prefix; ``dist_info`` is such
    a path, too.
    """

    prefix: Path
    name: str
    version: str
    dist_info: str
    files: frozenset[str]


@dataclass(frozen=True)
class Target:
    """What distributions are packed for, and how they lie in the prefix.

    ``host`` and ``layout`` are the layouts of this machine and of ``platform``; ``interpreter`` is
    the path that the installer was given; ``python`` is the interpreter of the layer, in it.
    """

    platform: TargetPlatform
    layout: Layout
    host: Layout
    interpreter: str
    python: str

    def path(self, path: str, *, executable: bool) -> str:
        """Where the file ``path`` of the prefix lies in the layer."""
        return self.layout.mapped(path, self.host, executable=executable)


def read_prefix(prefix: Path, host: Layout) -> list[Installed]:
    """The distributions in ``prefix``, which has the layout ``host``, sorted by name.

    :raises BuildError: where one has no name or RECORD, or RECORD leaves the prefix.
    """
    folders = sorted((prefix / host.site_packages).glob("*.dist-info"))
    return sorted((_read(prefix, folder) for folder in folders), key=lambda found: found.name)


def distribution_plans(
    prefix: Path,
    target: Target,
    isolate: Isolate,
    dates: Mapping[str, int] | None = None,
) -> list[Plan]:
    """A plan for each distribution in ``prefix``, sorted by name.

    ``isolate`` installs one distribution again on its own: in a shared prefix, the bytes of a file
    with two owners are those of either. ``dates`` gives the modification times of distributions
    that have one of their own.

    :raises BuildError: where two distributions have a file with different content.
    """
    found = read_prefix(prefix, target.host)
    claims: dict[str, list[str]] = {}
    for one in found:
        for path in one.files:
            claims.setdefault(path, []).append(one.name)
    shared = {path: names for path, names in claims.items() if len(names) > 1}
    alone = {
        name: _only(read_prefix(isolate(name), target.host), name)
        for name in sorted({name for names in shared.values() for name in names})
    }
    found = [alone.get(one.name, one) for one in found]
    unowned = _unowned(prefix, [one for one in found if one.name not in alone], found)
    for one in alone.values():
        unowned.update(_unowned(one.prefix, [one], [one]))
    packers = dict(_packers(shared, alone, target))
    return [
        _plan(
            one,
            frozenset(path for path, packer in packers.items() if packer != one.name),
            unowned.get(one.name, ()),
            target,
            (dates or {}).get(one.name, MEMBER_TIME),
        )
        for one in found
    ]


def _only(found: Sequence[Installed], name: str) -> Installed:
    return next(one for one in found if one.name == name)


def _read(prefix: Path, folder: Path) -> Installed:
    shown = folder.name
    site = folder.parent.relative_to(prefix).as_posix()
    try:
        metadata = HeaderParser().parsestr((folder / "METADATA").read_text("utf-8", "replace"))
        record = (folder / "RECORD").read_text("utf-8")
        name, version = canonicalize_name(metadata["Name"] or ""), metadata["Version"] or ""
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"`{shown}` is not complete: {error}") from error
    if not name or not version:
        raise BuildError(f"`{shown}` has no name or no version in its METADATA")
    files = set()
    for row in _rows(record, shown):
        path = posixpath.normpath(posixpath.join(site, row[0].replace("\\", "/")))
        if path.startswith(("../", "/")):
            raise BuildError(
                f"`{name}` {version} has a file outside its layer: `{row[0]}`",
                hint="Report it to the maintainers of that distribution",
            )
        if (prefix / path).is_file() and not _is_transient(path, f"{site}/{shown}"):
            files.add(path)
    return Installed(prefix, name, version, f"{site}/{shown}", frozenset(files))


def _rows(record: str, shown: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(record)) if row]
    except csv.Error as error:
        raise BuildError(f"The RECORD of `{shown}` cannot be read: {error}") from error


def _is_transient(path: str, dist_info: str) -> bool:
    parts = path.split("/")
    return "__pycache__" in parts or path in {f"{dist_info}/{note}" for note in _NOTES}


def _unowned(
    prefix: Path, candidates: Sequence[Installed], known: Sequence[Installed]
) -> dict[str, tuple[str, ...]]:
    """Files in ``prefix`` that no RECORD names, for the candidate with most of the path in common.

    Files of ``known`` distributions are passed over, by RECORD or not.
    """
    result: dict[str, tuple[str, ...]] = {}
    owned = {path for one in known for path in one.files}
    infos = {one.dist_info for one in known}
    for file in sorted(path for path in prefix.rglob("*") if path.is_file()):
        path = file.relative_to(prefix).as_posix()
        if path in owned or path == ".lock":
            continue
        if any(_is_transient(path, info) or path == f"{info}/RECORD" for info in infos):
            continue
        if any(one.prefix != prefix and (one.prefix / path).is_file() for one in known):
            continue
        if not candidates:
            raise BuildError(f"No distribution owns the installed file `{path}`")
        owner = max(candidates, key=lambda one: _nearness(path, one))
        result[owner.name] = (*result.get(owner.name, ()), path)
    return result


def _nearness(path: str, one: Installed) -> int:
    return max((len(posixpath.commonpath((path, other))) for other in one.files), default=0)


def _packers(
    shared: Mapping[str, Sequence[str]], alone: Mapping[str, Installed], target: Target
) -> Iterator[tuple[str, str]]:
    """Which distribution packs each file that several RECORDs name, as ``(path, name)``."""
    for path, claimants in sorted(shared.items()):
        names = sorted(name for name in claimants if path in alone[name].files)
        members = {name: _member(alone[name], path, target) for name in names}
        contents = {name: b"".join(read(member)) for name, member in members.items()}
        if len(set(contents.values())) <= 1:
            yield from ((path, name) for name in names[:1])
        elif path.endswith("/__init__.py") and all(map(_is_namespace, contents.values())):
            # An empty one would end a namespace that the other keeps open.
            yield path, max(names, key=lambda name: (len(contents[name]), name))
        else:
            listed = " and ".join(f"`{name}`" for name in names)
            raise BuildError(
                f"{listed} both have the file `{members[names[0]].path}`, with different content",
                hint="Only one of them can be in this layer",
            )


def _is_namespace(content: bytes) -> bool:
    """Whether an ``__init__.py`` does nothing but open a namespace, or nothing at all.

    See https://packaging.python.org/en/latest/guides/packaging-namespace-packages/.
    """
    try:
        body = ast.parse(content).body
    except (SyntaxError, ValueError):
        return False
    return all(map(_opens_namespace, body))


def _opens_namespace(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Try):
        handlers = [one for handler in statement.handlers for one in handler.body]
        return all(map(_opens_namespace, [*statement.body, *handlers, *statement.orelse]))
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "pkgutil"
    if isinstance(statement, ast.Import):
        return all(name.name in ("pkgutil", "pkg_resources") for name in statement.names)
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets] == ["__path__"]
    if isinstance(statement, ast.Expr):
        text = ast.unparse(statement.value)
        return isinstance(statement.value, ast.Constant) or "declare_namespace(" in text
    return isinstance(statement, ast.Pass)


def _plan(
    one: Installed, omitted: frozenset[str], unowned: Sequence[str], target: Target, mtime: int
) -> Plan:
    record = f"{one.dist_info}/RECORD"
    launchers = dict(_launchers(one, target))
    paths = {*one.files, *unowned, *launchers} - omitted - {record}
    members = [
        launchers[path] if path in launchers else _member(one, path, target)
        for path in sorted(paths)
    ]
    record = target.path(record, executable=False)
    members.sort(key=lambda member: member.path)
    members.append(Member(record, _record(members, record)))
    members.sort(key=lambda member: member.path)
    return Plan(PlanKind.DISTRIBUTION, one.name, one.version, tuple(members), mtime)


def _launchers(one: Installed, target: Target) -> Iterator[tuple[str, Member]]:
    """The programs of the entry points, by the paths of those that the installer has made."""
    path = one.prefix / one.dist_info / "entry_points.txt"
    if path.is_file():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BuildError(f"The entry points of `{one.name}` cannot be read: {error}") from error
        for entry in entry_points(text, one.name):
            content = _launcher(entry, target)
            program = Member(target.layout.program(entry.name), content, executable=True)
            yield target.host.program(entry.name), program


def _launcher(entry: EntryPoint, target: Target) -> bytes:
    if not target.layout.is_windows:
        return launcher(entry)
    from hatch_venvstacks.windows_launcher import windows_launcher

    python = posixpath.relpath(target.python, target.layout.scripts)
    return windows_launcher(entry, target.platform, python)


def _member(one: Installed, path: str, target: Target) -> Member:
    member = member_of(path, one.prefix / path)
    member = replace(member, path=target.path(path, executable=member.executable))
    if posixpath.dirname(path) != target.host.scripts:
        return member
    content = b"".join(read(member))
    changed = relocated(content, target.interpreter, windows=target.layout.is_windows)
    return member if changed == content else Member(member.path, changed, executable=True)


def _record(members: Sequence[Member], record: str) -> bytes:
    site = posixpath.dirname(posixpath.dirname(record))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = [(record, "", "")]
    for member in members:
        digest, size = hashlib.sha256(), 0
        for chunk in read(member):
            digest.update(chunk)
            size += len(chunk)
        encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        rows.append((member.path, f"sha256={encoded}", str(size)))
    for path, encoded, length in sorted(rows):
        writer.writerow((posixpath.relpath(path, site), encoded, length))
    return text.getvalue().encode()
