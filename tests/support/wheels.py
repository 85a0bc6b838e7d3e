"""Tiny wheels, made up on the spot: a local index for tests that need no network.

The format is that of the binary distribution format
(https://packaging.python.org/en/latest/specifications/binary-distribution-format/). The same
arguments give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import zipfile
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    Content = str | bytes


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, Content] | None = None,
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    requires_python: str = "",
    entry_points: str = "",
    scripts: Mapping[str, Content] | None = None,
    data: Mapping[str, Content] | None = None,
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel into ``folder`` and return its path.

    ``files`` maps paths in the site directory to their content; without it the wheel holds one
    module of the distribution's name. ``entry_points`` is the text of ``entry_points.txt``.
    ``scripts`` and ``data`` go to the wheel's data folder: the first to its ``scripts``,
    executable, the second by a path that begins with the key of the scheme (``"data/share/x"``,
    ``"headers/x.h"``).
    """
    distribution = canonicalize_name(name).replace("-", "_")
    stem = f"{distribution}-{version}"
    info = f"{stem}.dist-info"
    if files is None:
        files = {f"{distribution}.py": f'__version__ = "{version}"\n'}
    members = {
        **files,
        **{f"{stem}.data/scripts/{path}": content for path, content in (scripts or {}).items()},
        **{f"{stem}.data/{path}": content for path, content in (data or {}).items()},
        f"{info}/METADATA": _metadata(name, version, requires, extras, requires_python),
        f"{info}/WHEEL": _wheel(tag),
    }
    if entry_points:
        members[f"{info}/entry_points.txt"] = entry_points
    contents = {path: _bytes(members[path]) for path in sorted(members)}
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD")

    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            archive.writestr(_member(path, executable=f"{stem}.data/scripts/" in path), content)
    return wheel


def _metadata(
    name: str, version: str, requires: Iterable[str], extras: Iterable[str], requires_python: str
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join([*lines, ""])


def _wheel(tag: str) -> str:
    pure = str(tag.endswith("-none-any")).lower()
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = [f"Tag: {p}-{a}-{s}" for p in pythons for a in abis for s in platforms]
    return "\n".join(["Wheel-Version: 1.0", f"Root-Is-Purelib: {pure}", *tags, ""])


def _record(contents: Mapping[str, bytes], record: str) -> bytes:
    rows = []
    for path, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}")
    return "\n".join([*rows, f"{record},,", ""]).encode()


def _member(path: str, *, executable: bool) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
    member.create_system = 3
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    return member


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content
