from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard
from members import kept_in
from packaging.pylock import Pylock
from packaging.version import Version

from hatch_venvstacks.archives.archive import Archive, pack
from hatch_venvstacks.archives.compression import library_version
from hatch_venvstacks.archives.metadata import describe_archive
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.deployment.published import to_json
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
from hatch_venvstacks.model.lock import Lock, LockInputs

if TYPE_CHECKING:
    from pathlib import Path

formats = pytest.mark.parametrize("archive_format", ArchiveFormat)
SITE = "lib/python3.11/site-packages"
PLANS = [
    Plan(
        *(PlanKind.DISTRIBUTION, "b-dist", "2.0"),
        (
            *(Member("bin/zeta", b""), Member("bin/alpha", b""), Member("bin/sub/deep", b"")),
            *(Member(f"{SITE}/b.py", b""), Member("share/bin/no", b"")),
        ),
    ),
    Plan(PlanKind.DISTRIBUTION, "app", "1.0", (Member("bin/app", b""),)),
    Plan(PlanKind.PROJECT, "app", "1.0", (Member(f"{SITE}/launch.py", b""),)),
]


def lock_at(path: Path) -> Lock:
    pylock = Pylock(lock_version=Version("1.0"), created_by="x", packages=[])
    return Lock(path, pylock, LockInputs(("linux_x86_64",), ()))


def archived(folder: Path, archive_format: ArchiveFormat, level: int = 3) -> Archive:
    work = folder / "work"
    work.mkdir(parents=True)
    path = folder / f"app-1{archive_format.suffix}"
    return pack(PLANS, kept_in(folder / "cache", "app", archive_format, level), path, work)


@formats
def test_metadata_of_an_archive(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    archive, lock = archived(tmp_path, archive_format), lock_at(tmp_path / "lock")
    lock.path.write_bytes(b"the lock")
    found = describe_archive(archive, lock, {"name": "app"})
    content = archive.path.read_bytes()
    assert found["archive"]["file"] == f"app-1.{archive_format}"
    assert found["archive"]["format"] == str(archive_format)
    assert found["archive"]["size"] == len(content)
    assert found["archive"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["layer"] == {"name": "app"}
    assert found["lock"] == {"sha256": hashlib.sha256(b"the lock").hexdigest()}
    assert [(one["kind"], one.get("name")) for one in found["segments"]] == [
        *(("head", None), ("distribution", "b-dist"), ("distribution", "app"), ("project", "app"))
    ]
    end = 0
    for one in found["segments"]:
        assert one["offset"] == end
        end += one["size"]
        assert hashlib.sha256(content[one["offset"] : end]).hexdigest() == one["sha256"]
    assert end == len(content)


def test_compression_in_the_metadata(tmp_path: Path) -> None:
    lock = lock_at(tmp_path / "lock")
    lock.path.write_bytes(b"the lock")
    found = []
    for number, (one, level) in enumerate(
        [
            (ArchiveFormat.TAR_ZST, 19),
            (ArchiveFormat.TAR_XZ, 6),
            (ArchiveFormat.TAR_XZ, 19),
            (ArchiveFormat.TAR_GZ, 19),
            (ArchiveFormat.TAR, 19),
            (ArchiveFormat.ZIP, 4),
            (ArchiveFormat.ZIP, 19),
        ]
    ):
        described = describe_archive(archived(tmp_path / str(number), one, level), lock, {})
        found.append(described["archive"]["compression"])
    zstd = ".".join(map(str, zstandard.ZSTD_VERSION))
    assert found == [
        {"algorithm": "zstd", "level": 19, "library": zstd},
        {"algorithm": "xz", "level": 6, "library": library_version("xz")},
        {"algorithm": "xz", "level": 9, "library": library_version("xz")},
        {"algorithm": "gzip", "level": 9, "library": zlib.ZLIB_RUNTIME_VERSION},
        None,
        {"algorithm": "deflate", "level": 4, "library": zlib.ZLIB_RUNTIME_VERSION},
        {"algorithm": "deflate", "level": 9, "library": zlib.ZLIB_RUNTIME_VERSION},
    ]


@formats
def test_metadata_is_the_same_twice(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        archive, lock = archived(folder, archive_format), lock_at(folder / "lock")
        lock.path.write_bytes(b"the lock")
        found.append(to_json(describe_archive(archive, lock, {})))
    assert found[0] == found[1]
    assert str(tmp_path).encode() not in found[0]
