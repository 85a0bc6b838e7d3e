from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from interpreters import some_interpreter
from standalone import make_archive, sha256_of

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform
from hatch_venvstacks.model.runtime import (
    LockedRuntime,
    RuntimeArchive,
    RuntimeOrigin,
    RuntimeRequest,
)
from hatch_venvstacks.model.workshop import Workshop
from hatch_venvstacks.sources.runtimes.host import HostPython, describe
from hatch_venvstacks.sources.runtimes.runtime import locked_cpython, runtime_source
from hatch_venvstacks.sources.runtimes.tree import runtime_files
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


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


# What belongs into a layer.


MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


def locked(version: str, *platforms: str) -> LockedRuntime:
    names = platforms or ("win_amd64", "macosx_arm64")
    archives = {name: RuntimeArchive("https://x.invalid/a.tar.gz", "0" * 64) for name in names}
    return LockedRuntime(RuntimeOrigin.ARCHIVE, version, archives)


class Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def debug(self, message: str) -> None: ...


def test_a_python_for_a_foreign_runtime(tmp_path: Path) -> None:
    here = host_platform().name
    foreign = locked(f"{MINOR}.0", *(name for name in PLATFORMS if name != here))
    tools = Workshop(Store(tmp_path), Silent(), host_platform())
    found = locked_cpython(foreign, tmp_path, tools).python
    assert found == describe().executable
    assert found.is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_python_that_cannot_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", (tmp_path / "mirror").as_uri())
    here = host_platform().name
    other = "3.12.4" if MINOR != "3.12" else "3.11.9"
    foreign = locked(other, *(name for name in PLATFORMS if name != here))
    tools = Workshop(Store(tmp_path / "s"), Silent(), host_platform())
    with pytest.raises(RuntimeSourceError) as caught:
        _ = locked_cpython(foreign, tmp_path, tools).python
    assert f"for this machine ({here}) is needed" in caught.value.message
    assert str(tmp_path / "mirror") in caught.value.detail
