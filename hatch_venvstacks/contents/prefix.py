"""What an installer has put into a prefix: distributions and their files, by RECORD.

RECORD says which file is whose
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.sources.dist_info import parse_metadata, parse_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.model.layout import Layout

# Notes of an installer on this one installation, which say nothing about the distribution.
_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")


@dataclass(frozen=True)
class Installed:
    """A distribution as it lies in the folder ``prefix``.

    ``files`` are the paths in RECORD that are there, relative to the prefix, with their digests as
    they stand there (``sha256=…``, or nothing); ``dist_info`` is such a path, too.
    """

    prefix: Path
    name: str
    version: str
    dist_info: str
    files: Mapping[str, str]


def read_prefix(prefix: Path, host: Layout) -> list[Installed]:
    """The distributions in ``prefix``, which has the layout ``host``, sorted by name.

    :raises BuildError: where one has no name or RECORD, or RECORD leaves the prefix.
    """
    folders = sorted((prefix / host.site_packages).glob("*.dist-info"))
    return sorted((_read(prefix, folder) for folder in folders), key=lambda found: found.name)


def shared_files(distributions: Iterable[Installed]) -> dict[str, list[str]]:
    """The files that several RECORDs of ``distributions`` name, with the names of these."""
    claims: dict[str, list[str]] = {}
    for installed in distributions:
        for path in installed.files:
            claims.setdefault(path, []).append(installed.name)
    return {path: names for path, names in claims.items() if len(names) > 1}


def read_alone(name: str, host: Layout, isolate: Callable[[str], Path]) -> Installed:
    """The distribution ``name`` as ``isolate`` installs it, in a prefix of the layout ``host``.

    In a shared prefix, the bytes of a file with two owners are those of either.
    """
    found = read_prefix(isolate(name), host)
    return next(installed for installed in found if installed.name == name)


def find_unowned_files(
    prefix: Path,
    candidates: Sequence[Installed],
    known: Sequence[Installed],
    isolate: Callable[[str], Path],
) -> dict[str, tuple[str, ...]]:
    """Files in ``prefix`` that no RECORD names, by the candidate that brings them.

    Files of ``known`` distributions are passed over, by RECORD or not. ``isolate`` installs a
    distribution alone: whose a file is must not depend on what else is installed.

    :raises BuildError: where no candidate has it.
    """
    result: dict[str, tuple[str, ...]] = {}
    owned = {path for installed in known for path in installed.files}
    infos = {installed.dist_info for installed in known}
    for file in sorted(path for path in prefix.rglob("*") if path.is_file()):
        path = file.relative_to(prefix).as_posix()
        if path in owned or path == ".lock":
            continue
        if any(_is_transient(path, info) or path == f"{info}/RECORD" for info in infos):
            continue
        if any(
            installed.prefix != prefix and (installed.prefix / path).is_file()
            for installed in known
        ):
            continue
        owner = _owner(path, candidates, isolate)
        result[owner] = (*result.get(owner, ()), path)
    return result


def _owner(path: str, candidates: Sequence[Installed], isolate: Callable[[str], Path]) -> str:
    if len(candidates) == 1:
        return candidates[0].name
    for candidate in sorted(candidates, key=lambda candidate: -_nearness(path, candidate)):
        if (isolate(candidate.name) / path).is_file():
            return candidate.name
    raise BuildError(f"No distribution owns the installed file `{path}`")


def _read(prefix: Path, folder: Path) -> Installed:
    shown = folder.name
    site = folder.parent.relative_to(prefix).as_posix()
    try:
        metadata = parse_metadata((folder / "METADATA").read_text("utf-8", "replace"))
        record = (folder / "RECORD").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"`{shown}` is not complete: {error}") from error
    name, version = canonicalize_name(metadata.name), metadata.version
    if not name or not version:
        raise BuildError(f"`{shown}` has no name or no version in its METADATA")
    try:
        entries = parse_record(record)
    except ValueError as error:
        raise BuildError(f"The RECORD of `{shown}` cannot be read: {error}") from error
    files = {}
    for relative, recorded in entries:
        path = posixpath.normpath(posixpath.join(site, relative))
        if path.startswith(("../", "/")):
            raise BuildError(
                f"`{name}` {version} has a file outside its layer: `{relative}`",
                hint="Report it to the maintainers of that distribution",
            )
        if (prefix / path).is_file() and not _is_transient(path, f"{site}/{shown}"):
            files[path] = recorded
    return Installed(prefix, name, version, f"{site}/{shown}", files)


def _is_transient(path: str, dist_info: str) -> bool:
    parts = path.split("/")
    return "__pycache__" in parts or path in {f"{dist_info}/{note}" for note in _NOTES}


def _nearness(path: str, installed: Installed) -> int:
    return max((len(posixpath.commonpath((path, other))) for other in installed.files), default=0)
