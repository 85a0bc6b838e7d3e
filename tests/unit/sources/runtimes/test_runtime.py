from __future__ import annotations

import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from interpreters import some_interpreter
from standalone import make_archive, make_standalone, sha256_of

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.deployment.unpack import unpack
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.model.runtime import (
    LockedRuntime,
    RuntimeArchive,
    RuntimeOrigin,
    RuntimeRequest,
    RuntimeTree,
)
from hatch_venvstacks.model.workshop import Workshop
from hatch_venvstacks.sources.runtimes.host import describe
from hatch_venvstacks.sources.runtimes.releases import find_release
from hatch_venvstacks.sources.runtimes.runtime import locked_cpython, runtime_source
from hatch_venvstacks.sources.runtimes.tree import runtime_files
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_venvstacks.sources.runtimes.host import HostPython

# pbs-installer reads its table by a function that CPython 3.11 and 3.12 call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")

HERE = host_platform().name
RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download"
STANDALONE, HOST, ARCHIVE = RuntimeOrigin.STANDALONE, RuntimeOrigin.HOST, RuntimeOrigin.ARCHIVE
HEADER = b'#define PY_VERSION  "3.12.4"\n'
WINDOWS = {
    "python/python.exe": b"MZ",
    "python/include/patchlevel.h": HEADER,
    "python/Lib/os.py": b"",
    "python/Lib/test/test_os.py": b"",
    "python/Lib/site-packages/pip-1.dist-info/RECORD": b"../../Scripts/pip.exe,,\n",
    "python/Scripts/pip.exe": b"MZ",
    "python/DLLs/_ssl.pyd": b"MZ",
}
LINUX = {
    "python/bin/python3.12": b"\x7fELF",
    "python/include/python3.12/patchlevel.h": HEADER,
    "python/lib/python3.12/os.py": b"",
}


@dataclass
class Lines:
    lines: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = debug = info


@pytest.fixture
def tools(tmp_path: Path) -> Workshop:
    return Workshop(Store(tmp_path / "cache"), Lines(), host_platform())


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of this machine's kind, as python-build-standalone has them."""
    return make_standalone(some_interpreter(), tmp_path_factory.mktemp("standalone"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> HostPython:
    """The installation that stands in for the one that runs the build."""
    host = describe(some_interpreter())
    monkeypatch.setattr(sys, "executable", str(host.executable))
    return host


def archive_request(path: Path, version: str = "", platform: str = HERE) -> RuntimeRequest:
    found = RuntimeArchive(path.as_uri(), sha256_of(path))
    return RuntimeRequest(ARCHIVE, version, {platform: found})


def lock(
    request: RuntimeRequest,
    platforms: list[str],
    root: Path,
    tools: Workshop,
    previous: LockedRuntime | None = None,
) -> LockedRuntime:
    return runtime_source(request.origin, root, tools).lock(request, platforms, previous)


# Python-build-standalone.


def test_an_exact_release_for_all_platforms(
    tools: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PBS_INSTALLER_BASE_URL", "https://mirror.invalid/x")
    platforms = ["linux_x86_64", "linux_aarch64", "macosx_arm64", "macosx_x86_64", "win_amd64"]
    locked = lock(RuntimeRequest(STANDALONE, "3.11.13"), platforms, tmp_path, tools)
    assert (locked.origin, locked.version, locked.minor) == (STANDALONE, "3.11.13", "3.11")
    assert list(locked.archives) == platforms
    for archive in locked.archives.values():
        assert archive.url.startswith(f"{RELEASES}/20")
        assert "/cpython-3.11.13%2B" in archive.url
        assert "install_only" in archive.url
        assert len(archive.sha256) == 64
    assert "aarch64-apple-darwin" in locked.archives["macosx_arm64"].url
    assert "freethreaded" not in str(locked)


def test_a_minor_release_is_the_newest_that_all_have() -> None:
    linux = find_release("3.11", ["linux_x86_64"])
    both = find_release("3.11", ["linux_x86_64", "win_arm64"])
    assert int(linux.version.split(".")[2]) >= 13
    assert tuple(map(int, both.version.split("."))) <= tuple(map(int, linux.version.split(".")))
    # The last releases of 3.8 have no builds for all of the platforms on which the first ones ran.
    assert find_release("3.9", ["linux_x86_64", "macosx_x86_64"]).minor == "3.9"


@pytest.mark.parametrize(
    ("version", "platforms", "message", "detail"),
    [
        ("3.11.99", ["linux_x86_64"], "no CPython 3.11.99 for `linux_x86_64`", "3.11.12, 3.11.13"),
        ("3.99", ["linux_x86_64"], "no CPython 3.99 for `linux_x86_64`", "It has: 3.10, 3.11"),
        ("3.11.7", ["linux_x86_64", "win_arm64"], "for `win_arm64`", "`win_arm64` has 3.11.1"),
        ("3.10", ["win_arm64"], "no CPython 3.10 for `win_arm64`", "It has: 3.11, 3.12"),
    ],
)
def test_releases_that_there_are_not(
    version: str, platforms: list[str], message: str, detail: str
) -> None:
    with pytest.raises(RuntimeSourceError) as caught:
        find_release(version, platforms)
    assert message in caught.value.message
    assert detail in caught.value.detail
    assert "pbs-installer" in caught.value.hint


def test_a_release_without_a_hash_is_refused() -> None:
    with pytest.raises(RuntimeSourceError, match=r"No SHA-256 is known .* 3\.10\.0 for `linux_x86"):
        find_release("3.10.0", ["linux_x86_64"])


def test_a_lock_that_fits_is_kept(tools: Workshop, tmp_path: Path) -> None:
    old = LockedRuntime(
        STANDALONE,
        "3.11.9",
        {"linux_x86_64": RuntimeArchive("u", "1"), "win_amd64": RuntimeArchive("v", "2")},
    )

    def again(version: str, platforms: list[str]) -> LockedRuntime:
        return lock(RuntimeRequest(STANDALONE, version), platforms, tmp_path, tools, old)

    assert again("3.11", ["linux_x86_64", "win_amd64"]) == old
    assert again("3.11.9", ["win_amd64"]).archives == {"win_amd64": RuntimeArchive("v", "2")}
    assert again("3.11", ["linux_x86_64", "macosx_arm64"]).version != "3.11.9"
    assert again("3.12", ["linux_x86_64"]).minor == "3.12"
    assert again("3.11.13", ["linux_x86_64"]).version == "3.11.13"


def test_a_mirror_stands_for_the_releases(
    tools: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror" / "20240107"
    mirror.mkdir(parents=True)
    packed = make_archive(mirror / "cpython-3.12.4+20240107-x.tar.gz", LINUX)
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", f"{mirror.parent.as_uri()}/")
    url = f"{RELEASES}/20240107/cpython-3.12.4%2B20240107-x.tar.gz"
    locked = LockedRuntime(
        STANDALONE, "3.12.4", {HERE: RuntimeArchive(url, sha256_of(packed).upper())}
    )
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    assert (tree.version, tree.minor) == ("3.12.4", "3.12")
    assert tree.executable.read_bytes() == b"\x7fELF"


# Archives that the project names.


def test_an_archive_from_lock_to_a_running_interpreter(
    tools: Workshop, tmp_path: Path, packed: Path
) -> None:
    host = describe(some_interpreter())
    locked = lock(archive_request(packed, host.minor), [HERE], tmp_path, tools)
    assert locked.version == host.version
    assert locked.archives[HERE].url == packed.as_uri()
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    assert (tree.version, tree.minor) == (host.version, host.minor)
    program = locked_cpython(locked, tmp_path, tools).python
    assert program == tree.root / "bin" / f"python{host.minor}"
    command = [str(program), "-I", "-B", "-c", "import sys, pip; print(sys.prefix)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
    assert done.stdout.strip() == str(tree.root)


def test_files_of_a_layer(tools: Workshop, tmp_path: Path, packed: Path) -> None:
    locked = lock(archive_request(packed), [HERE], tmp_path, tools)
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    library = f"lib/python{tree.minor}"
    names = [name for name, _ in runtime_files(tree)]
    assert names == sorted(names)
    assert {"bin/python", "bin/python3", f"bin/python{tree.minor}", f"{library}/os.py"} <= {*names}
    assert f"{library}/_sysconfigdata__linux_x86_64-linux-gnu.py" in names or HERE != "linux_x86_64"
    assert f"include/python{tree.minor}/Python.h" in names
    there = {path.relative_to(tree.root).as_posix() for path in tree.root.rglob("*")}
    left_out = {"bin/pip3", f"{library}/test/test_os.py", f"{library}/config-x/libpython.a"}
    assert left_out <= there
    assert left_out.isdisjoint(names)
    assert not [name for name in names if "site-packages" in name or "idle_test" in name]
    assert any(name.startswith(f"{library}/ensurepip/_bundled/pip") for name in names)


def test_relative_addresses_are_kept_as_written(tools: Workshop, tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    path = make_archive(tmp_path / "archives" / "py.tar.gz", LINUX)
    archive = RuntimeArchive("file:archives/py.tar.gz", sha256_of(path))
    request = RuntimeRequest(ARCHIVE, "3.12", {HERE: archive})
    locked = lock(request, [HERE], tmp_path, tools)
    assert locked == LockedRuntime(ARCHIVE, "3.12.4", {HERE: archive})
    path.unlink()
    # Locked again and provided, it comes from the store.
    again = lock(request, [HERE], tmp_path, tools, locked)
    assert again == locked
    assert lock(request, [HERE], tmp_path, tools) == locked
    changed = replace(request, archives={HERE: replace(archive, sha256="0" * 64)})
    with pytest.raises(RuntimeSourceError, match=r"`file:archives/py\.tar\.gz` cannot be read"):
        lock(changed, [HERE], tmp_path, tools, locked)


def test_an_archive_of_another_release(tools: Workshop, tmp_path: Path) -> None:
    path = make_archive(tmp_path / "py.tar.gz", LINUX)
    with pytest.raises(RuntimeSourceError, match=r"cpython@3\.11\"` asks .* holds, 3\.12\.4"):
        lock(archive_request(path, "3.11"), [HERE], tmp_path, tools)
    locked = LockedRuntime(ARCHIVE, "3.12.5", archive_request(path).archives)
    with pytest.raises(RuntimeSourceError, match=r"holds CPython 3\.12\.4, but CPython 3\.12\.5"):
        locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")


def test_a_platform_without_an_archive(tools: Workshop, tmp_path: Path) -> None:
    path = make_archive(tmp_path / "py.tar.gz", LINUX)
    request = archive_request(path, platform="macosx_arm64")
    with pytest.raises(RuntimeSourceError, match=r"no CPython for `win_amd64`; .* `macosx_arm64`"):
        lock(request, ["win_amd64"], tmp_path, tools)
    assert lock(request, ["macosx_arm64"], tmp_path, tools).version == "3.12.4"


def test_a_windows_tree(tools: Workshop, tmp_path: Path) -> None:
    path = make_archive(tmp_path / "py.tar.gz", WINDOWS)
    request = archive_request(path, "3.12.4", "win_amd64")
    locked = lock(request, ["win_amd64"], tmp_path, tools)
    tree = locked_cpython(locked, tmp_path, tools).tree("win_amd64", tmp_path / "work")
    assert tree.executable == tree.root / "python.exe"
    assert [name for name, _ in runtime_files(tree)] == [
        "DLLs/_ssl.pyd",
        "Lib/os.py",
        "include/patchlevel.h",
        "python.exe",
    ]


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("include/python3.12/patchlevel.h", "no C header"), ("bin/python3.12", "no `bin/python3.12`")],
)
def test_an_archive_of_something_else(
    tools: Workshop, tmp_path: Path, missing: str, reason: str
) -> None:
    files = {name: data for name, data in LINUX.items() if name != f"python/{missing}"}
    path = make_archive(tmp_path / "py.tar.gz", files)
    with pytest.raises(RuntimeSourceError, match=f"holds no CPython: there is {reason}"):
        lock(archive_request(path), [HERE], tmp_path, tools)


def test_a_wrong_hash_leaves_nothing(tools: Workshop, tmp_path: Path) -> None:
    path = make_archive(tmp_path / "py.tar.gz", LINUX)
    archives = {HERE: RuntimeArchive(path.as_uri(), "0" * 64)}
    with pytest.raises(RuntimeSourceError, match="is not what was locked"):
        lock(RuntimeRequest(ARCHIVE, "", archives), [HERE], tmp_path, tools)
    files = [entry for entry in (tmp_path / "cache").rglob("*") if not entry.name.endswith(".lock")]
    assert [entry.name for entry in files] == ["runtimes"]


def test_a_full_archive_comes_without_its_objects(tools: Workshop, tmp_path: Path) -> None:
    files = {f"python/install{name.removeprefix('python')}": data for name, data in LINUX.items()}
    files |= {"python/build/a.o": b"object", "python/PYTHON.json": b"{}"}
    path = make_archive(tmp_path / "py.tar.gz", files)
    locked = lock(archive_request(path), [HERE], tmp_path, tools)
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    assert sorted(entry.name for entry in tree.root.iterdir()) == ["bin", "include", "lib"]


# The Python that runs the build.


def test_the_host_is_locked_by_its_minor_release(
    tools: Workshop, tmp_path: Path, here: HostPython
) -> None:
    for version in ("", here.minor, here.version):
        locked = lock(RuntimeRequest(HOST, version), [HERE], tmp_path, tools)
        assert locked == LockedRuntime(HOST, here.minor)
    assert locked_cpython(locked, tmp_path, tools).python == here.executable


def test_the_host_becomes_a_tree(tools: Workshop, tmp_path: Path, here: HostPython) -> None:
    locked = LockedRuntime(HOST, here.minor)
    tree = locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work")
    assert tree == RuntimeTree(tmp_path / "work", here.version, here.minor)
    assert {"bin/python", "bin/python3"} <= {name for name, _ in runtime_files(tree)}
    command = [str(tree.executable), "-I", "-B", "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
    assert done.stdout.strip() == str(tree.root)


@pytest.mark.parametrize("version", ["3.9", "3.9.1", "{minor}.999", "3.1"])
def test_another_python_than_the_one_that_runs_the_build(
    tools: Workshop, tmp_path: Path, here: HostPython, version: str
) -> None:
    request = RuntimeRequest(HOST, version.format(minor=here.minor))
    with pytest.raises(RuntimeSourceError, match=f"but CPython {here.version} runs it") as caught:
        lock(request, [HERE], tmp_path, tools)
    assert "Let another Python" in caught.value.hint


def test_a_lock_of_another_minor_release(tools: Workshop, tmp_path: Path, here: HostPython) -> None:
    locked = LockedRuntime(HOST, "3.9")
    for call in (
        lambda: locked_cpython(locked, tmp_path, tools).tree(HERE, tmp_path / "work"),
        lambda: locked_cpython(locked, tmp_path, tools).python,
    ):
        with pytest.raises(RuntimeSourceError, match=r"locked for CPython 3\.9, but") as caught:
            call()
        assert "Build with CPython 3.9, or lock the layer again" in caught.value.hint
    assert not (tmp_path / "work").exists()


def test_a_host_is_for_this_machine_only(tools: Workshop, tmp_path: Path, here: HostPython) -> None:
    with pytest.raises(RuntimeSourceError, match=f"for this machine, `{HERE}`, and none for `win"):
        lock(RuntimeRequest(HOST, ""), [HERE, "win_arm64"], tmp_path, tools)


# Unpacking.


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
    unpack(tmp_path / "archive", folder, "the name", RuntimeSourceError, skipped=skipped)
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
    with pytest.raises(RuntimeSourceError, match=f"The archive `the name` is refused: .*{reason}"):
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
    with pytest.raises(RuntimeSourceError, match="The archive `the name` cannot be unpacked: "):
        unpacked(tmp_path, content)


# What belongs into a layer.


def tree_of(root: Path, *names: str, links: dict[str, str] | None = None) -> RuntimeTree:
    for name in ("bin/python3.12", *names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    for name, target in (links or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    return RuntimeTree(root, "3.12.4", "3.12")


def names_of(tree: RuntimeTree) -> list[str]:
    return [name for name, _ in runtime_files(tree)]


def test_what_is_left_out(tmp_path: Path) -> None:
    library = "lib/python3.12"
    tree = tree_of(
        tmp_path,
        f"{library}/os.py",
        f"{library}/test/test_os.py",
        f"{library}/tkinter/test/x.py",
        f"{library}/tests.py",
        f"{library}/unittest/test.py",
        f"{library}/xml/etree/test/kept.py",
        f"{library}/__pycache__/os.cpython-312.pyc",
        f"{library}/config-3.12-x/python.o",
        f"{library}/config-3.12-x/Makefile",
        f"{library}/site-packages/x.py",
        "lib/libpython3.12.a",
        links={f"{library}/config-3.12-x/libpython3.12.a": "../../libpython3.12.a"},
    )
    assert names_of(tree) == [
        "bin/python3.12",
        f"{library}/config-3.12-x/Makefile",
        f"{library}/os.py",
        f"{library}/tests.py",
        f"{library}/unittest/test.py",
        f"{library}/xml/etree/test/kept.py",
    ]


def test_scripts_of_what_is_installed_are_left_out(tmp_path: Path) -> None:
    info = "lib/python3.12/site-packages/tool-1.dist-info"
    tree = tree_of(tmp_path, "bin/tool3", "bin/tool", "bin/idle3", f"{info}/RECORD")
    (tmp_path / info / "RECORD").write_text("tool.py,,\n../../../bin/tool3,,\n\n")
    (tmp_path / info / "entry_points.txt").write_text("[console_scripts]\ntool = tool:main\n")
    assert names_of(tree) == ["bin/idle3", "bin/python3.12"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("RECORD", b"caf\xe9.py,,\n"),
        ("RECORD", b"tool.py\n"),
        ("entry_points.txt", b"caf\xe9"),
        ("entry_points.txt", b"tool"),
    ],
)
def test_broken_files_of_what_is_installed(tmp_path: Path, file: str, content: bytes) -> None:
    info = "lib/python3.12/site-packages/tool-1.dist-info"
    tree = tree_of(tmp_path, f"{info}/{file}")
    (tmp_path / info / file).write_bytes(content)
    found = re.escape(f"`tool-1.dist-info/{file}` in the runtime cannot be read: ")
    with pytest.raises(RuntimeSourceError, match=found):
        names_of(tree)


def test_links_stay_if_what_they_lead_to_does(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        "lib/libpython3.12.so.1.0",
        "lib/libpython3.12.a",
        links={
            "bin/python": "python3.12",
            "lib/libpython3.12.so": "libpython3.12.so.1.0",
            "lib/static.a": "libpython3.12.a",
            "lib64": "lib",
            "bin/gone": "missing",
        },
    )
    assert names_of(tree) == [
        "bin/python",
        "bin/python3.12",
        "lib/libpython3.12.so",
        "lib/libpython3.12.so.1.0",
        "lib64",
    ]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", ".."])
def test_links_that_lead_out_are_errors(tmp_path: Path, target: str) -> None:
    tree = tree_of(tmp_path / "tree", links={"bad": target})
    with pytest.raises(RuntimeSourceError, match="The link `bad` of the runtime leads out of it"):
        list(runtime_files(tree))


def test_names_that_differ_only_in_case_are_errors(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "lib/python3.12/A.py", "share/terminfo/h/X", "share/terminfo/h/x")
    assert "share/terminfo/h/X" in names_of(tree)
    (tmp_path / "lib" / "python3.12" / "a.py").write_bytes(b"")
    if len(list((tmp_path / "lib" / "python3.12").iterdir())) == 1:
        pytest.skip("the file system does not tell them apart")
    with pytest.raises(RuntimeSourceError, match=r"`lib/python3\.12/A\.py` and .* only in case"):
        list(runtime_files(tree))


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
