from __future__ import annotations

import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import UnpackError
from hatch_venvstacks.deployment.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable


def tar_bytes(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


def unpacked(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "archive").write_bytes(content)
    folder = tmp_path / "folder"
    folder.mkdir()
    skipped = ("python/build/",)
    unpack(tmp_path / "archive", folder, "the name", skipped=skipped)
    return folder


def gzipped(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content, 1, mtime=0)


def zstandard(content: bytes) -> bytes:
    from zstandard import ZstdCompressor

    compressor = ZstdCompressor()
    # Of two frames, since some readers stop after the first.
    return compressor.compress(content[:700]) + compressor.compress(content[700:])


@pytest.mark.parametrize("pack", [bytes, gzipped, zstandard, lzma.compress])
def test_kinds_of_tar_files(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    program = member("./bin/python3")
    program.mode = 0o700
    content = tar_bytes(
        member("bin", tarfile.DIRTYPE),
        program,
        member("bin/python", tarfile.SYMTYPE, "python3"),
        member("lib/x"),
        member("lib/hard", tarfile.LNKTYPE, "lib/x"),
    )
    folder = unpacked(tmp_path, pack(content))
    assert (folder / "bin" / "python").readlink() == Path("python3")
    assert (folder / "bin" / "python3").stat().st_mode & 0o777 == 0o755
    assert (folder / "lib" / "x").stat().st_mode & 0o777 == 0o644
    assert (folder / "lib" / "hard").read_bytes() == b"x"
    assert (folder / "lib" / "hard").stat().st_nlink == 1


@pytest.mark.parametrize("name", ["PK", "PK34/x", "PKI/x"])
def test_tar_file_that_begins_like_a_zip_file(tmp_path: Path, name: str) -> None:
    assert (unpacked(tmp_path, tar_bytes(member(name))) / name).read_bytes() == b"x"


def test_zip_file_without_entries(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    assert list(unpacked(tmp_path, buffer.getvalue()).iterdir()) == []


def test_zip_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/", b"")
        archive.writestr("python/Lib/os.py", b"source")
        program = zipfile.ZipInfo("python/bin/python3")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, b"program")
        link = zipfile.ZipInfo("python/bin/python")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, b"python3")
    folder = unpacked(tmp_path, buffer.getvalue())
    assert (folder / "python" / "bin" / "python").read_bytes() == b"program"
    assert os.access(folder / "python" / "bin" / "python3", os.X_OK)
    assert (folder / "python" / "Lib" / "os.py").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("../x")], r"`\.\./x` would lie outside"),
        ([member("a/../../x")], "would lie outside"),
        ([member("/etc/x")], "`/etc/x` would lie outside"),
        ([member("C:/x")], "would lie outside"),
        ([member("a\\x")], "would lie outside"),
        ([member("l", tarfile.SYMTYPE, "/etc")], "the link `l` leads to `/etc`"),
        ([member("l", tarfile.SYMTYPE, "../..")], "the link `l` leads out"),
        ([member("d/l", tarfile.SYMTYPE, "..")], "the link `d/l` leads out"),
        ([member("l", tarfile.SYMTYPE, "d"), member("l/x")], "`l/x` lies behind a link"),
        (
            [
                member("a/b", tarfile.DIRTYPE),
                member("a/b/up", tarfile.SYMTYPE, "../../a"),
                member("a/b/out", tarfile.SYMTYPE, "up/../.."),
            ],
            "the link `a/b/out` leads out",
        ),
        ([member("h", tarfile.LNKTYPE, "../x")], "would lie outside"),
        ([member("h", tarfile.LNKTYPE, "x")], "leads to `x`, which is no file"),
        ([member("x"), member("x")], "it holds `x` twice"),
        ([member("l", tarfile.SYMTYPE, "d"), member("l", tarfile.DIRTYPE)], "it holds `l` twice"),
        ([member("p", tarfile.FIFOTYPE)], "`p` is a special file"),
        ([member("p", tarfile.CHRTYPE)], "`p` is a special file"),
    ],
)
def test_members_that_are_refused(
    tmp_path: Path, members: list[tarfile.TarInfo], reason: str
) -> None:
    with pytest.raises(UnpackError, match=f"The archive `the name` is refused: .*{reason}"):
        unpacked(tmp_path, tar_bytes(*members))


@pytest.mark.parametrize(
    "content",
    [
        b"<html>not found</html>",
        gzipped(tar_bytes(member("x" * 90)))[:60],
        gzipped(b"no tar"),
        b"\x28\xb5\x2f\xfd broken",
        b"\xfd7zXZ\0broken",
        b"PK\3\4broken",
        b"",
    ],
    ids=["html", "cut", "gzip", "zstd", "xz", "zip", "empty"],
)
def test_archives_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnpackError, match="The archive `the name` cannot be unpacked: "):
        unpacked(tmp_path, content)


def test_times_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "zip").mkdir()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.date_time = (1980, 0, 0, 0, 0, 0)
        archive.writestr(info, "text")
    assert (unpacked(tmp_path / "zip", content.getvalue()) / "x").read_text() == "text"
    (tmp_path / "tar").mkdir()
    endless = member("x")
    endless.pax_headers = {"mtime": "nan"}
    assert (unpacked(tmp_path / "tar", tar_bytes(endless)) / "x").is_file()
