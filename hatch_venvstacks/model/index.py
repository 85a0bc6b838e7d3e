"""Addresses of indexes: made absolute, without a secret, and as a lock holds them.

An address of ``pyproject.toml`` ends up in locks, in messages and in uv's cache. What may be a
secret in it is refused, and no message here repeats the address.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from hatch_venvstacks.common.paths import shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
# What a path that does not begin with `.` or `/` has no need of, and a mistyped address may have.
_NO_PATH = re.compile(r"^(?![./]).*[@?:;\"'=]|^\s|://|[^\x20-\x7e]*[\u200b-\u200f\ufeff]")
_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+")


class AddressError(ValueError):
    """Why an address cannot be used, as the end of a sentence that does not hold it."""


class CredentialsError(AddressError):
    """An address that holds, or may hold, a secret."""


def absolute_url(text: str, folder: Path) -> str:
    """The address of an index: ``http:`` or ``https:``, or ``file:`` with an absolute path.

    ``text`` may be a path, which is relative to ``folder`` (as uv has it); so is ``file:`` with a
    path that does not begin with a ``/``.

    :raises CredentialsError: for a user name, a password or a query.
    :raises AddressError: for anything else that is no such address.
    """
    scheme = _SCHEME.match(text)
    kind = scheme[1].lower() if scheme else ""
    rest = re.sub(r"^[\\/]*", "", text[scheme.end() :]) if scheme else text
    authority = re.split(r"[/\\?#]", rest, maxsplit=1)[0]
    if "@" in authority and kind != "file" and (kind or ":" in authority):
        raise CredentialsError("holds credentials")
    if kind in ("http", "https"):
        _check_remote(text)
        return text
    if kind == "file":
        path = text[scheme.end() :] if scheme else text
        if path.startswith("//") and not path.startswith("///"):
            raise AddressError("must be `file:///` with an absolute path")
        return _local(_path_of(re.sub(r"^//(?=/)", "", path)), folder)
    if kind or text.startswith("//"):
        raise AddressError("must be a path, or an address with `https:`, `http:` or `file:`")
    if _NO_PATH.search(text):
        # A mistyped address would be written down as a path, with all that is in it.
        raise AddressError(
            "is neither an address nor a plain path: begin a path with `./`, `../` or `/`"
        )
    return _local(text, folder)


def recorded_url(url: str, folder: Path) -> str:
    """``url`` as a lock in ``folder`` holds it: a local one is a relative path."""
    path = local_path(url)
    if path is None:
        return url
    recorded = shown_path(path, folder)
    # One on another drive of Windows would be refused when it is read: it is no plain path.
    return url if Path(recorded).is_absolute() else recorded


def local_path(url: str) -> Path | None:
    """The path that a ``file:`` address means; ``None`` for any other."""
    if not url.startswith("file:"):
        return None
    return Path(_path_of(urlsplit(url).path))


def _path_of(path: str) -> str:
    if os.name != "nt":
        # All that `url2pathname` does elsewhere, whose module is slow to import.
        return unquote(path)
    from urllib.request import url2pathname  # pragma: no cover (windows)

    return url2pathname(path)  # pragma: no cover (windows)


def same_url(first: str, other: str) -> bool:
    """Whether two addresses are the same index; a slash at the end makes no difference."""
    return first.rstrip("/") == other.rstrip("/")


def _check_remote(text: str) -> None:
    if re.search(r"[\s\\\x00-\x1f\x7f]", text):
        raise AddressError("must not hold spaces, control characters or `\\`")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # A password with a `/` in it looks like a port.
        raise AddressError("is not a valid address") from None
    if parts.query or "?" in text:
        raise CredentialsError("holds a query, which may be a secret")
    if port is not None and "@" in parts.path:
        raise CredentialsError("holds both a port and an `@`, and may thus hold credentials")
    if not _is_host(parts):
        raise AddressError("is not a valid address")
    if parts.fragment:
        raise AddressError("must not hold a `#`")


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return bool(_HOST.fullmatch(host)) and "%" not in parts.netloc


def _local(path: str, folder: Path) -> str:
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise AddressError("must not hold control characters")
    return Path(os.path.normpath(folder / path)).as_uri()


@dataclass(frozen=True)
class Index:
    """One index of a ``[[tool.uv.index]]`` table; without a ``name`` nothing can refer to it.

    ``url`` holds neither user name nor password; that of a local folder is ``file:`` with an
    absolute path. ``flat`` tells a folder or page of wheels from a Simple API (:pep:`503`).
    ``options`` are further keys of the table that only uv looks into (``authenticate`` …).

    Source: https://docs.astral.sh/uv/concepts/indexes/.
    """

    name: str
    url: str
    explicit: bool = False
    default: bool = False
    flat: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def index_table(index: Index) -> dict[str, Any]:
    """``index`` as a table ``[[tool.uv.index]]``."""
    table: dict[str, Any] = {"name": index.name} if index.name else {}
    table["url"] = index.url
    table |= {key: True for key in ("explicit", "default") if getattr(index, key)}
    return {**table, **({"format": "flat"} if index.flat else {}), **index.options}
