"""The options ``python`` and ``python-source`` of a runtime layer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hatch_venvstacks.common.errors import did_you_mean, listing
from hatch_venvstacks.config.table import Table
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.runtime import RuntimeArchive, RuntimeOrigin, RuntimeRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

OLDEST_MINOR = 10


def read_runtime(options: Table) -> RuntimeRequest:
    """The CPython that a runtime layer asks for. Faults are noted in ``options``."""
    origin = _origin(options)
    version = _version(options)
    # Where `python-source` is faulty, nobody knows whether `python` is needed.
    if "python" not in options and origin not in {None, RuntimeOrigin.HOST}:
        options.note_fault(
            f"Missing required field {options.field('python')}: for example `cpython@3.11` (it may"
            " be left out only where `python-source` is `host`)"
        )
    archives = _archives(options) if origin is RuntimeOrigin.ARCHIVE else {}
    return RuntimeRequest(origin or RuntimeOrigin.STANDALONE, version, archives)


def _version(options: Table) -> str:
    text = options.string("python")
    if text is None:
        return ""
    place = f"Field {options.field('python')}"
    number = r"(?:0|[1-9][0-9]?)"
    version = rf"(?P<version>3\.(?P<minor>{number})(?:\.{number})?)"
    release = re.fullmatch(rf"cpython@{version}", text)
    if release is None:
        bare = re.fullmatch(rf"(?:python|cpython)?\W*{version}", text.lower())
        meant = f"; did you mean `cpython@{bare['version']}`?" if bare else ""
        options.note_fault(f"{place} must be `cpython@X.Y` or `cpython@X.Y.Z`, not `{text}`{meant}")
        return ""
    if int(release["minor"]) < OLDEST_MINOR:
        options.note_fault(f"{place} must be CPython 3.{OLDEST_MINOR} or later, not `{text}`")
    return release["version"]


def _origin(options: Table) -> RuntimeOrigin | None:
    value = options.options.get("python-source", str(RuntimeOrigin.STANDALONE))
    names = [str(RuntimeOrigin.STANDALONE), str(RuntimeOrigin.HOST)]
    place = f"Field {options.field('python-source')}"
    if isinstance(value, dict):
        if not value:
            options.note_fault(f"{place} must have the archive of one target platform at least")
        return RuntimeOrigin.ARCHIVE
    if not isinstance(value, str):
        options.note_fault(f"{place} must be a string or a table")
    elif value in names:
        return RuntimeOrigin(value)
    else:
        options.note_fault(
            f"{place} must be one of {listing(names)}, or a table of archives, not `{value}`"
            f"{did_you_mean(value, names)}"
        )
    return None


def _archives(options: Table) -> Mapping[str, RuntimeArchive]:
    archives = Table(
        options.options["python-source"], options.faults, f"{options.location}.python-source"
    )
    found = {}
    for platform in archives.options:
        if platform in PLATFORMS:
            archive = _archive(archives, platform)
            if archive is not None:
                found[platform] = archive
        else:
            archives.note_fault(
                f"Unknown target platform {archives.field(platform)}"
                f"{did_you_mean(platform, PLATFORMS) or f'; valid are {listing(PLATFORMS)}'}"
            )
    return found


def _archive(archives: Table, platform: str) -> RuntimeArchive | None:
    value = archives.options[platform]
    if not isinstance(value, dict):
        archives.note_fault(
            f"Field {archives.field(platform)} must be a table with the keys `url` and `sha256`"
        )
        return None
    table = Table(value, archives.faults, f"{archives.location}.{platform}")
    table.note_unknown(["url", "sha256"])
    for option in ("url", "sha256"):
        if option not in table:
            table.note_fault(f"Missing required field {table.field(option)}")
    url, sha256 = table.string("url"), table.string("sha256")
    if url is not None and _url_fault(url):
        table.note_fault(f"Field {table.field('url')} {_url_fault(url)}")
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        table.note_fault(f"Field {table.field('sha256')} must be 64 hexadecimal digits")
    return RuntimeArchive(url, sha256.lower()) if url and sha256 else None


def _url_fault(url: str) -> str:
    if " " in url or not url.isprintable():
        return "must not hold spaces or control characters"
    try:
        return _address_fault(urlsplit(url))
    except ValueError as error:
        return f"is not a valid URL: {error}"


def _address_fault(parts: SplitResult) -> str:
    if parts.scheme not in {"https", "http", "file"}:
        return "must begin with `https://`, `http://` or `file:`"
    # The URL is written into the lock, which is committed.
    if "@" in parts.netloc:
        return "must not hold a user name or a password: they would be written into the lock"
    if parts.scheme == "file" and (parts.netloc or not parts.path):
        return "must be `file:///` with an absolute path, or `file:` with one from the project"
    if parts.scheme != "file" and not parts.hostname:
        return "must name a host"
    return ""
