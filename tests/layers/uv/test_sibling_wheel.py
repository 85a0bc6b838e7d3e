"""Wheels of siblings, built through uv: by backends from PyPI, and by one in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from monorepo import write
from wheels import make_wheel

from hatch_venvstacks.common.errors import BuildError, ToolError
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.platforms import PLATFORMS, TargetPlatform, host_platform
from hatch_venvstacks.model.workshop import Workshop
from hatch_venvstacks.sources.sibling_wheel import (
    SiblingWheels,
    WheelBuilder,
    check_c_library,
    check_wheel,
)
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

MINOR = f"3.{sys.version_info[1]}"
SETUPTOOLS = 'requires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"'
HATCHLING = 'requires = ["hatchling"]\nbuild-backend = "hatchling.build"'
BACKEND = """\
import os, shutil

def build_wheel(folder, config_settings=None, metadata_directory=None):
    {code}
    return os.path.basename(shutil.copy({wheel!r}, folder))
"""


@pytest.fixture
def builder(tmp_path: Path) -> WheelBuilder:
    return WheelBuilder(MINOR, lambda: Path(sys.executable), MEMBER_TIME, Store(tmp_path / "store"))


class Silent:
    def info(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def debug(self, message: str) -> None: ...


# The interpreter that runs the tests, in the place of a locked one.
HERE: Any = SimpleNamespace(locked=SimpleNamespace(minor=MINOR), python=Path(sys.executable))


def sources(root: Path, backend: str, more: Mapping[str, str] | None = None) -> Path:
    text = f'[build-system]\n{backend}\n[project]\nname = "vl-lib"\nversion = "1.0"\n'
    write(root, {"pyproject.toml": text, "src/vl_lib/__init__.py": "X = 1\n", **(more or {})})
    return root


def in_a_file(root: Path, wheel: Path, code: str = "pass") -> Path:
    """A project whose backend runs ``code``, gives ``wheel``, and needs nothing from an index."""
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    backend = BACKEND.format(code=code, wheel=str(wheel))
    write(root, {"pyproject.toml": system, "backend.py": backend})
    return root


def everything(root: Path) -> dict[str, bytes]:
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("backend", [SETUPTOOLS, HATCHLING])
def test_nothing_leaks_in_or_out(tmp_path: Path, builder: WheelBuilder, backend: str) -> None:
    clean = sources(tmp_path / "clean", backend)
    stale = sources(
        tmp_path / "st%ale",
        backend,
        {
            "build/lib/vl_lib/stale.py": "",
            "src/vl_lib.egg-info/SOURCES.txt": "src/vl_lib/stale.txt\n",
            "src/vl_lib.egg-info/PKG-INFO": "Name: stale\nVersion: 9\n",
            "src/vl_lib/__pycache__/old.cpython-311.pyc": "",
            "dist/vl_lib-9.0-py3-none-any.whl": "",
        },
    )
    for path in [stale, *stale.rglob("*")]:
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (stale / "src/vl_lib/__init__.py").chmod(0o600)
    before = [everything(root) for root in (clean, stale)]
    built = [builder.build(root, tmp_path / f"work of {root.name}") for root in (clean, stale)]
    assert [everything(root) for root in (clean, stale)] == before
    contents = []
    for wheel in built:
        assert wheel.name.startswith("vl_lib-1.0-py")
        with zipfile.ZipFile(wheel) as archive:
            contents.append({name: archive.read(name) for name in archive.namelist()})
    assert contents[0] == contents[1]
    assert "vl_lib/__init__.py" in contents[0]
    assert not any("stale" in name or "__pycache__" in name for name in contents[0])


def test_what_a_build_is_told(
    tmp_path: Path, builder: WheelBuilder, wheel_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(wheel_index, "vl-lib", "1.0")
    code = f"open({str(tmp_path / 'told')!r}, 'w').write(repr(dict(os.environ)))"
    root = in_a_file(tmp_path / "lib", wheel, code)
    monkeypatch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_VL_LIB", "7")
    monkeypatch.setenv("CFLAGS", "-O1")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("UNRELATED", "1")
    monkeypatch.setenv("UV_PYTHON", "nowhere")
    assert builder.build(root, tmp_path / "work").read_bytes() == wheel.read_bytes()
    told = eval((tmp_path / "told").read_text())  # noqa: S307 (written above)
    assert told["SETUPTOOLS_SCM_PRETEND_VERSION_FOR_VL_LIB"] == "7"
    assert told["CFLAGS"] == "-O1"
    assert told["SOURCE_DATE_EPOCH"] == str(MEMBER_TIME)
    assert not {"UNRELATED", "UV_PYTHON"} & told.keys()


def test_a_build_that_fails(tmp_path: Path, builder: WheelBuilder) -> None:
    root = in_a_file(tmp_path / "lib", tmp_path / "none", "raise SystemExit('no compiler here')")
    with pytest.raises(ToolError) as caught:
        builder.build(root, tmp_path / "work")
    assert caught.value.message == f"The wheel of the project in `{root}` cannot be built"
    assert "no compiler here" in caught.value.detail


def test_a_build_that_makes_nothing(tmp_path: Path, builder: WheelBuilder) -> None:
    root = in_a_file(tmp_path / "lib", tmp_path / "none", "return 'vl_lib-1.0-py3-none-any.whl'")
    with pytest.raises(ToolError, match=f"The (wheel|build) of the project in `{root}` "):
        builder.build(root, tmp_path / "work")


def test_metadata_is_built_once(tmp_path: Path, builder: WheelBuilder, wheel_index: Path) -> None:
    wheel = make_wheel(wheel_index, "vl-lib", "1.0", requires=["a"])
    code = f"open({str(tmp_path / 'builds')!r}, 'a').write('.')"
    root = in_a_file(tmp_path / "lib", wheel, code)
    wheels = SiblingWheels(Workshop(builder.store, Silent(), host_platform()), 0)
    texts = [wheels.build_metadata(root, HERE) for _ in range(2)]
    assert texts[0] == texts[1]
    assert "Requires-Dist: a\n" in texts[0]
    assert (tmp_path / "builds").read_text() == "."
    assert list((tmp_path / "store/work").iterdir()) == []


def test_sources_that_are_edited_meanwhile(
    tmp_path: Path, builder: WheelBuilder, wheel_index: Path
) -> None:
    wheel = make_wheel(wheel_index, "vl-lib", "1.0")
    code = f"open({str(tmp_path / 'builds')!r}, 'a').write('.'); open('new', 'w').write('made')"
    root = in_a_file(tmp_path / "lib", wheel, f"{code}; open('a.txt', 'w').write('edited')")
    (root / "a.txt").write_text("as it was", "utf-8")
    builder.build(root, tmp_path / "1")
    # Undone: what was built has the edit in it.
    (root / "a.txt").write_text("as it was", "utf-8")
    (root / "new").unlink()
    builder.build(root, tmp_path / "2")
    assert (tmp_path / "builds").read_text() == ".."
    # What a build itself adds makes no difference to a clean checkout.
    in_a_file(root, wheel, code)
    for folder in "34":
        (root / "new").unlink(missing_ok=True)
        builder.build(root, tmp_path / folder)
    assert (tmp_path / "builds").read_text() == "..."


def test_wheels_without_metadata(tmp_path: Path, builder: WheelBuilder) -> None:
    empty = tmp_path / "vl_lib-1.0-py3-none-any.whl"
    with zipfile.ZipFile(empty, "w"):
        pass
    root = in_a_file(tmp_path / "lib", empty)
    with pytest.raises(BuildError, match="has no METADATA that could be read"):
        SiblingWheels(Workshop(builder.store, Silent(), host_platform()), 0).build_metadata(
            root, HERE
        )


@pytest.mark.parametrize(
    ("wheel", "words"),
    [
        ("vl_lib-1.0-py3-none-any.whl", ""),
        ("vl_lib-1.0-cp311-cp311-linux_x86_64.whl", ""),
        ("vl_lib-1.0-cp311-cp311-linux_aarch64.whl", "does not fit linux_x86_64 and CPython 3.11"),
        ("vl_lib-1.0-cp312-cp312-linux_x86_64.whl", "does not fit linux_x86_64 and CPython 3.11"),
        ("vl_lib-1.1-py3-none-any.whl", "`vl-lib` 1.0 was built as vl-lib 1.1"),
        ("vl_other-1.0-py3-none-any.whl", "`vl-lib` 1.0 was built as vl-other 1.0"),
        ("vl_lib.whl", "has a name that is not valid"),
    ],
)
def test_wheels_that_fit(wheel: str, words: str) -> None:
    arguments = (Path(wheel), "vl-lib", "1.0", PLATFORMS["linux_x86_64"], "3.11")
    if not words:
        check_wheel(*arguments)
        return
    with pytest.raises(BuildError, match=words):
        check_wheel(*arguments)


@pytest.mark.parametrize(
    ("tag", "platform", "host", "fits"),
    [
        ("cp311-cp311-linux_x86_64", "musllinux_x86_64", "linux_x86_64", False),
        ("cp311-cp311-linux_x86_64", "linux_x86_64", "musllinux_x86_64", False),
        ("cp311-cp311-linux_x86_64", "linux_x86_64", "linux_x86_64", True),
        ("cp311-cp311-linux_x86_64", "musllinux_x86_64", "musllinux_x86_64", True),
        ("cp311-cp311-musllinux_1_2_x86_64", "musllinux_x86_64", "linux_x86_64", True),
        ("py3-none-any", "musllinux_x86_64", "linux_x86_64", True),
    ],
)
def test_c_library_of_a_wheel(tag: str, platform: str, host: str, *, fits: bool) -> None:
    wheel = Path(f"vl_lib-1.0-{tag}.whl")
    arguments = (wheel, "vl-lib", PLATFORMS[platform], "3.11", PLATFORMS[host])
    if fits:
        check_c_library(*arguments)
        return
    with pytest.raises(BuildError, match=f"does not fit {platform} and CPython 3.11"):
        check_c_library(*arguments)


@pytest.mark.skipif(shutil.which("git") is None, reason="takes a version from Git")
def test_a_version_from_git(tmp_path: Path, builder: WheelBuilder) -> None:
    root = sources(tmp_path / "repo/libs/lib", 'requires = ["setuptools", "setuptools-scm"]')
    path = root / "pyproject.toml"
    dynamic = path.read_text("utf-8").replace('version = "1.0"', 'dynamic = ["version"]')
    path.write_text(f'{dynamic}[tool.setuptools_scm]\nroot = "../.."\n', "utf-8")

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        command = ["git", *identity, *arguments]
        subprocess.run(command, cwd=tmp_path / "repo", check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "x", "--no-gpg-sign")
    git("tag", "v1.2")
    assert builder.build(root, tmp_path / "work").name == "vl_lib-1.2-py3-none-any.whl"
    # What is not committed has a version with a date: the one that everything here has.
    (root / "src/vl_lib/__init__.py").write_text("X = 2\n", "utf-8")
    assert ".d19800101-py3" in builder.build(root, tmp_path / "again").name
    everywhere = {path.name for path in root.rglob("*")}
    assert everywhere == {"pyproject.toml", "src", "vl_lib", "__init__.py"}


@pytest.mark.skipif(shutil.which("cc") is None, reason="compiles")
def test_compiled_modules(tmp_path: Path, builder: WheelBuilder) -> None:
    root = sources(
        tmp_path / "lib",
        SETUPTOOLS,
        {
            "setup.py": "from setuptools import Extension, setup\n"
            "setup(ext_modules=[Extension('vl_lib.fast', ['fast.c'])])\n",
            "fast.c": "#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT,"
            ' "fast"};\nPyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&m); }\n',
        },
    )
    wheel = builder.build(root, tmp_path / "work")
    host, minor = host_platform(), f"{sys.version_info.major}.{sys.version_info.minor}"

    def check(platform: TargetPlatform) -> None:
        check_wheel(wheel, "vl-lib", "1.0", platform, minor)
        check_c_library(wheel, "vl-lib", platform, minor, host)

    check(host)
    for name in PLATFORMS.keys() - {host.name}:
        with pytest.raises(BuildError, match=f"does not fit {name}") as caught:
            check(PLATFORMS[name])
        assert "is built on each platform only" in caught.value.hint
    assert {path.name for path in root.iterdir()} == {"fast.c", "pyproject.toml", "setup.py", "src"}
