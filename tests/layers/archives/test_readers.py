"""Archives of all formats, unpacked by what people have."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from members import ODD_NAMES, kept_in, plan

from hatch_venvstacks.archives.archive import Archive, pack
from hatch_venvstacks.archives.compression import Compression
from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, member_of
from hatch_venvstacks.archives.tar_format import END_OF_ARCHIVE, compress
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME, ArchiveFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TAR_FORMATS = [one for one in ArchiveFormat if one is not ArchiveFormat.ZIP]
PROGRAMS = {
    ArchiveFormat.TAR_ZST: "zstd",
    ArchiveFormat.TAR_XZ: "xz",
    ArchiveFormat.TAR_GZ: "gzip",
}
SIZE = 2 * 2**20
tar_formats = pytest.mark.parametrize("archive_format", TAR_FORMATS, ids=str)
compressed_formats = pytest.mark.parametrize("archive_format", PROGRAMS, ids=str)
all_formats = pytest.mark.parametrize("archive_format", ArchiveFormat, ids=str)


def plans() -> list[Plan]:
    large = b"".join(b"%d\n" % number for number in range(SIZE // 7))
    return [
        plan(*(Member(name, name.encode()) for name in ODD_NAMES), name="one"),
        plan(Member("empty", b""), Member("bin/run", b"#!", executable=True), name="two"),
        plan(Member("bin/link", link="run"), Member("bin/out", link="../../low/bin"), name="three"),
        plan(Member("ünï/large", large), name="four"),
        Plan(PlanKind.PROJECT, "own", "1", (Member("own", b"1"),), MEMBER_TIME + 2 * 10**8),
    ]


def packed(archive_format: ArchiveFormat, folder: Path, level: int = 3) -> Archive:
    work = folder / "work"
    work.mkdir(parents=True)
    path = folder / f"a{archive_format.suffix}"
    kept = kept_in(folder / "cache", "layer", archive_format, level)
    return pack(plans(), kept, path, work)


def plain(archive: Archive) -> Any:
    """The tar file in ``archive``, as a file."""
    if archive.format is ArchiveFormat.TAR_ZST:
        reader = zstandard.ZstdDecompressor()
        return reader.stream_reader(archive.path.open("rb"), read_across_frames=True)
    if archive.format is ArchiveFormat.TAR:
        return archive.path.open("rb")
    opened = {ArchiveFormat.TAR_XZ: lzma.open, ArchiveFormat.TAR_GZ: gzip.open}
    return opened[archive.format](archive.path)  # type: ignore[operator]


def content_of(archive: Archive) -> bytes:
    with plain(archive) as file:
        return bytes(file.read())


def check_tree(root: Path) -> None:
    layer = root / "layer"
    contents = {m.path: m.content for one in plans() for m in one.members if not m.link}
    found = {path.relative_to(layer).as_posix(): path for path in layer.rglob("*")}
    assert {name for name, path in found.items() if path.is_symlink()} == {"bin/link", "bin/out"}
    assert {name for name, path in found.items() if path.is_file()} == {*contents, "bin/link"}
    for name, content in contents.items():
        assert found[name].read_bytes() == content
        mode = 0o755 if name == "bin/run" else 0o644
        assert found[name].stat().st_mode & 0o777 == mode
    assert found["bin"].stat().st_mode & 0o777 == 0o755
    assert found["bin/link"].readlink() == Path("run")
    assert found["bin/out"].readlink() == Path("../../low/bin")


def check_times(root: Path) -> None:
    assert (root / "layer/bin/run").stat().st_mtime == MEMBER_TIME
    assert (root / "layer/own").stat().st_mtime == MEMBER_TIME + 2 * 10**8


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "some where"
    folder.mkdir()
    before = os.umask(0o022)
    yield folder
    os.umask(before)


def run(command: Sequence[str | Path], cwd: Path) -> None:
    """Run ``command``, which must say nothing; without its program the test is skipped."""
    if not shutil.which(str(command[0])):
        pytest.skip(f"needs {command[0]}")
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    said = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=True)
    assert said.stdout == said.stderr == b""


@compressed_formats
@pytest.mark.parametrize("way", ["by name", "by content", "by program"])
def test_gnu_tar(root: Path, archive_format: ArchiveFormat, way: str) -> None:
    program = PROGRAMS[archive_format]
    if not shutil.which(program):
        pytest.skip(f"tar needs {program}")
    archive = packed(archive_format, root.parent / "out")
    path = archive.path.rename(archive.path.parent / "plain") if way != "by name" else archive.path
    options = {"by name": ["-a"], "by content": [], "by program": [f"-I{program} -d"]}[way]
    run(["tar", *options, "-xf", path], root)
    check_tree(root)
    check_times(root)


@pytest.mark.parametrize("way", ["by name", "by content"])
def test_gnu_tar_without_a_program(root: Path, way: str) -> None:
    path = packed(ArchiveFormat.TAR, root.parent / "out").path
    path = path.rename(path.parent / "plain") if way != "by name" else path
    run(["tar", *(["-a"] if way == "by name" else []), "-xf", path], root)
    check_tree(root)
    check_times(root)


@all_formats
def test_bsdtar(root: Path, archive_format: ArchiveFormat) -> None:
    run(["bsdtar", "-xf", packed(archive_format, root.parent / "out").path], root)
    check_tree(root)
    check_times(root)


@compressed_formats
def test_programs_that_decompress(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    program, archive = PROGRAMS[archive_format], packed(archive_format, tmp_path / "out")
    content = content_of(archive)
    run([program, "-q", "-t", archive.path], tmp_path)
    run([program, "-q", "-d", archive.path], tmp_path)
    assert archive.path.with_suffix("").read_bytes() == content


@tar_formats
def test_tarfile_on_the_decompressed_stream(root: Path, archive_format: ArchiveFormat) -> None:
    with (
        plain(packed(archive_format, root.parent / "out")) as file,
        tarfile.open(fileobj=file, mode="r|") as tar,
    ):
        extract(tar, root)
    check_tree(root)
    check_times(root)


def zstd_tarfile() -> Any:
    """The module ``tarfile`` of CPython 3.14, or its backport; skips without either."""
    if sys.version_info >= (3, 14):
        return tarfile
    backport = pytest.importorskip("backports.zstd", reason="tarfile has zstd from 3.14 on")
    return importlib.import_module(f"{backport.__name__}.tarfile")


def module_for(archive_format: ArchiveFormat) -> Any:
    return zstd_tarfile() if archive_format is ArchiveFormat.TAR_ZST else tarfile


def extract(tar: tarfile.TarFile, root: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        tar.extractall(root, filter="data")
    else:
        tar.extractall(root)  # noqa: S202 - we have just made it


@tar_formats
@pytest.mark.parametrize("by_name", [True, False])
def test_tarfile(root: Path, archive_format: ArchiveFormat, by_name: bool) -> None:
    module = module_for(archive_format)
    mode = f"r:{archive_format.value.partition('.')[2]}" if by_name else "r:*"
    with module.open(packed(archive_format, root.parent / "out").path, mode) as tar:
        extract(tar, root)
    check_tree(root)
    check_times(root)


@compressed_formats
@pytest.mark.parametrize("by_name", [True, False])
def test_tarfile_as_a_stream_stops_early(
    tmp_path: Path, archive_format: ArchiveFormat, by_name: bool
) -> None:
    """Its modes ``r|…`` know one unit only: docs/how-to/deploy.md says what to do instead."""
    module, archive = module_for(archive_format), packed(archive_format, tmp_path / "out")
    mode = f"r|{archive_format.value.partition('.')[2]}" if by_name else "r|*"
    names = []
    try:
        with module.open(archive.path, mode) as tar:
            names += [info.name for info in tar]
    except EOFError:
        pass
    assert "layer/own" not in names


@pytest.mark.parametrize("mode", ["r|", "r|*"])
def test_tarfile_as_a_stream_that_is_not_compressed(root: Path, mode: Any) -> None:
    with tarfile.open(packed(ArchiveFormat.TAR, root.parent / "out").path, mode) as tar:
        extract(tar, root)
    check_tree(root)
    check_times(root)


@all_formats
def test_shutil(root: Path, archive_format: ArchiveFormat) -> None:
    if archive_format is ArchiveFormat.TAR_ZST and sys.version_info < (3, 14):
        pytest.skip("shutil unpacks zstd from 3.14 on")
    archive = packed(archive_format, root.parent / "out")
    # CPython 3.12 and 3.13 warn where a tar file is unpacked without a filter.
    if archive_format in TAR_FORMATS and hasattr(tarfile, "data_filter"):
        shutil.unpack_archive(archive.path, root, filter="data")
    else:
        shutil.unpack_archive(archive.path, root)
    assert (root / "layer/own").read_bytes() == b"1"


def test_unzip(root: Path) -> None:
    # With `-^` it takes control characters in names as they are.
    run(["unzip", "-^", "-q", packed(ArchiveFormat.ZIP, root.parent / "out").path], root)
    check_tree(root)
    check_times(root)


def test_zipfile_writes_links_as_files(root: Path) -> None:
    """Neither links nor modes: docs/how-to/deploy.md says so."""
    with zipfile.ZipFile(packed(ArchiveFormat.ZIP, root.parent / "out").path) as archive:
        archive.extractall(root)  # noqa: S202 - we have just made it
    assert not (root / "layer/bin/link").is_symlink()
    assert (root / "layer/bin/link").read_bytes() == b"run"
    assert (root / "layer/own").read_bytes() == b"1"


def test_tar_is_the_same_in_all_formats(tmp_path: Path) -> None:
    archives = [
        packed(one, tmp_path / f"{one}{level}", level) for one in TAR_FORMATS for level in (1, 19)
    ]
    (content,) = {content_of(archive) for archive in archives}
    assert content.endswith(END_OF_ARCHIVE)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames()[-1] == "layer/own"


@all_formats
def test_same_bytes_whatever_the_machine_is_like(
    tmp_path: Path, archive_format: ArchiveFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for cores, mask, zone in ((1, 0o022, "UTC"), (2, 0o077, "Asia/Kolkata"), (1, 0, "X9")):
        monkeypatch.setattr("hatch_venvstacks.archives.parallel.cores", lambda cores=cores: cores)
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        before = os.umask(mask)
        archive = packed(archive_format, tmp_path / f"{cores}{mask}")
        os.umask(before)
        found.add((archive.sha256, archive.path.read_bytes(), archive.segments))
    monkeypatch.undo()
    time.tzset()
    assert len(found) == 1


@compressed_formats
def test_each_segment_is_a_unit(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    archive = packed(archive_format, tmp_path / "out")
    readers: dict[ArchiveFormat, Callable[[], Any]] = {
        ArchiveFormat.TAR_ZST: lambda: zstandard.ZstdDecompressor().decompressobj(),
        ArchiveFormat.TAR_XZ: lzma.LZMADecompressor,
        ArchiveFormat.TAR_GZ: lambda: zlib.decompressobj(31),
    }
    parts = []
    with archive.path.open("rb") as file:
        for segment in archive.segments:
            reader = readers[archive_format]()
            parts.append(reader.decompress(file.read(segment.size)))
            assert reader.eof
            assert reader.unused_data == b""
        assert file.read() == b""
    assert len(parts) == len(plans()) + 1
    assert b"".join(parts) == content_of(archive)


def test_each_segment_is_a_run_of_members(tmp_path: Path) -> None:
    archive = packed(ArchiveFormat.TAR, tmp_path / "out")
    names = []
    with archive.path.open("rb") as file:
        for segment in archive.segments:
            part = file.read(segment.size)
            assert hashlib.sha256(part).hexdigest() == segment.sha256
            with tarfile.open(fileobj=io.BytesIO(part), mode="r:") as tar:
                names.append([info.name for info in tar])
        assert file.read() == b""
    planned = [[f"layer/{m.path}" for m in one.members] for one in plans()]
    assert names[1:] == planned
    assert part.endswith(END_OF_ARCHIVE)


# Not xz: it would take longer than the others together, and has no sizes in 32 bits.
@pytest.mark.slow
@pytest.mark.parametrize("archive_format", [ArchiveFormat.TAR_ZST, ArchiveFormat.TAR_GZ], ids=str)
def test_file_of_more_than_4_gb(tmp_path: Path, archive_format: ArchiveFormat) -> None:
    size = 2**32 + 5
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(size)
    large = plan(member_of("large", tmp_path / "sparse"), Member("small", b"1"))
    compression = Compression(archive_format.algorithm, 1, "1")
    path = tmp_path / f"a{archive_format.suffix}"
    compress(large, "layer", compression, path, last=True)
    (tmp_path / "sparse").unlink()
    # Programs check what they read: a gzip member's size modulo 2**32, for one.
    listed = subprocess.run(["tar", "-tvf", path], check=True, capture_output=True, text=True)
    assert [line.split()[2] for line in listed.stdout.splitlines()] == [str(size), "1"]
