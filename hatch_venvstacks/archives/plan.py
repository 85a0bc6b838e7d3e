"""One distribution, or any other part of a layer, as the members of an archive.

What a member says is all that an archive is made of: nothing of it is read from the file system but
content, the executable bit and the target of links.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import parents
from hatch_venvstacks.deployment.published import FORMAT
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.store.store import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A plan is cut where its files exceed this, in bytes of content.
SEGMENT_SIZE = 32 * 2**20
_CHUNK = 2**20


class PlanKind(str, Enum):
    """What a segment holds."""

    HEAD = "head"
    RUNTIME = "runtime"
    DISTRIBUTION = "distribution"
    PROJECT = "project"
    WIRING = "wiring"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Stored:
    """A file's content of ``size`` bytes that only segments in the store have."""

    size: int


@dataclass(frozen=True)
class Member:
    """A file, symlink or folder of a layer.

    ``path`` is relative to the layer's folder, with ``/``. A file has its ``content``: bytes, or
    the path of a file to read; a symlink has ``link``, its relative target; a folder has neither.
    """

    path: str
    content: bytes | Path | Stored | None = None
    link: str = ""
    executable: bool = False


@dataclass(frozen=True)
class Plan:
    """What segments are made of: their members in order, all with the modification time ``mtime``.

    ``name`` and ``version`` are those of a distribution; ``mtime`` is in seconds since the epoch.
    ``key`` stands for all that the members depend on; empty where segments of it are not kept.
    """

    kind: PlanKind
    name: str
    version: str
    members: tuple[Member, ...]
    mtime: int = MEMBER_TIME
    key: str = ""


@dataclass(frozen=True)
class Segment:
    """A part of an archive that holds a part of a plan: its size in bytes, its SHA-256 (hex)."""

    plan: Plan
    size: int
    sha256: str


def head(plans: Iterable[Plan]) -> Plan:
    """The plan of an archive's first segment: all folders that the other ``plans`` need."""
    paths = [member.path for plan in plans for member in plan.members]
    folders = {"", *parents(paths)} if paths else ()
    return Plan(PlanKind.HEAD, "", "", tuple(Member(path) for path in sorted(folders)))


def cut(plan: Plan, size: int = SEGMENT_SIZE) -> Iterator[Plan]:
    """``plan`` in parts of at most ``size`` bytes of content, or of one file that is larger.

    :raises BuildError: where a file cannot be looked at.
    """
    part: list[Member] = []
    total = 0
    for member in plan.members:
        length = content_length(member)
        if part and total + length > size:
            yield replace(plan, members=tuple(part))
            part, total = [], 0
        part.append(member)
        total += length
    if part:
        yield replace(plan, members=tuple(part))


def read(member: Member) -> Iterator[bytes]:
    """The content of a file, in chunks.

    :raises BuildError: where it cannot be read.
    """
    if isinstance(member.content, Path):
        try:
            with member.content.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise BuildError(f"A file cannot be read: {member.content}: {error}") from error
    elif isinstance(member.content, Stored):
        raise TypeError(f"{member.path} is in the store only")
    elif member.content:
        yield member.content


def read_exactly(member: Member, length: int) -> Iterator[bytes]:
    """The content of a file, which must have the ``length`` that was written for it, in chunks.

    :raises BuildError: where it cannot be read, or has changed.
    """
    total = 0
    for chunk in read(member):
        total += len(chunk)
        if total > length:
            break
        yield chunk
    if total != length:
        raise BuildError(
            f"A file has changed while it was packed: {member.content!s}", hint="Build again"
        )


def content_length(member: Member) -> int:
    """The length of a file's content in bytes; that of a link or a folder is zero.

    :raises BuildError: where the file cannot be looked at.
    """
    if isinstance(member.content, Stored):
        return member.content.size
    if not isinstance(member.content, Path):
        return len(member.content or b"")
    try:
        return member.content.stat().st_size
    except OSError as error:
        raise BuildError(f"A file cannot be read: {member.content}: {error}") from error


def member_of(path: str, file: Path, *, link: str = "") -> Member:
    """The member for ``file``, or for a symlink where ``link`` is given.

    :raises BuildError: where the file cannot be looked at, or is a pipe, a socket or a device.
    """
    if link:
        return Member(path, link=link)
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise BuildError(f"A file cannot be read: {file}: {error}") from error
    if not stat.S_ISREG(mode):
        raise BuildError(
            f"This is neither a file nor a folder, and cannot be packed: {file}",
            hint="Exclude it with the option `exclude`, or remove it",
        )
    return Member(path, file, executable=bool(mode & 0o100))


def recipe_key(kind: str, *parts: Any) -> str:
    """A key of that ``kind`` for what is made from ``parts``, and for how bytes are made of it."""
    return key_of(kind, FORMAT, SEGMENT_SIZE, *parts)


def owner(plan: Plan) -> str:
    """Whose the files of ``plan`` are, for messages."""
    return {
        PlanKind.RUNTIME: "the runtime",
        PlanKind.WIRING: "the layer's own wiring",
        PlanKind.PROJECT: f"the project `{plan.name}`",
    }.get(plan.kind, f"`{plan.name}`")
