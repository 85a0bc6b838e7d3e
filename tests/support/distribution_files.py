"""What plans of distributions hold, and whether their RECORD says the same."""

from __future__ import annotations

import base64
import csv
import hashlib
import posixpath
import sys
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.plan import Member, Plan, read
from hatch_venvstacks.contents.distribution import Destination
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
HOST = layout_of(host_platform(), MINOR)
SITE = HOST.site_packages


def destination_for(
    platform: str = "", python: str = sys.executable, layer: str = ""
) -> Destination:
    """What is built here for ``platform``, where ``layer`` is the layer's interpreter."""
    target = PLATFORMS[platform] if platform else host_platform()
    layout = layout_of(target, MINOR)
    return Destination(target, layout, HOST, python, layer or layout.layer_python)


def bytes_of(member: Member) -> bytes:
    return b"".join(read(member))


def files(plan: Plan) -> dict[str, bytes]:
    return {member.path: bytes_of(member) for member in plan.members}


def check_record(plan: Plan, name: str, site: str = SITE, others: Iterable[Plan] = ()) -> None:
    """RECORD names what is there, nothing else, with the right hashes.

    It also names files that are packed with one of the ``others``, as they have them, too.
    """
    contents = files(plan)
    record = f"{site}/{name}-1.0.dist-info/RECORD"
    rows = list(csv.reader(contents[record].decode().splitlines()))
    found = {posixpath.normpath(posixpath.join(site, path)): rest for path, *rest in rows}
    assert len(found) == len(rows)
    elsewhere = {path: content for other in others for path, content in files(other).items()}
    assert set(contents) <= set(found) <= {*contents, *elsewhere}
    contents = {**elsewhere, **contents}
    assert found.pop(record) == ["", ""]
    for path, (digest, size) in found.items():
        expected = hashlib.sha256(contents[path]).digest()
        assert digest == "sha256=" + base64.urlsafe_b64encode(expected).decode().rstrip("=")
        assert size == str(len(contents[path]))


def rewrite_record(info: Path, text: str) -> None:
    (info / "RECORD").write_text(text, "utf-8")


def handmade(prefix: Path, name: str, record: str, **paths: str) -> Path:
    """An installed distribution that no installer would leave behind."""
    info = prefix / SITE / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    rewrite_record(info, record)
    for path, content in paths.items():
        (prefix / SITE / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / SITE / path).write_text(content)
    return info
