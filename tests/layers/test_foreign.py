"""Layers for other platforms, built on this machine; the runtimes are stand-ins."""

from __future__ import annotations

import hashlib
import json
import posixpath
import subprocess
import sys
import tarfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from monorepo import RUNTIME, Monorepo, write
from said import Said
from standalone import make_archive, sha256_of
from wheels import make_wheel

from hatch_venvstacks.archives.plan import Member, Plan, read
from hatch_venvstacks.common.errors import BuildError, RuntimeSourceError, VenvLayerError
from hatch_venvstacks.common.wording import PLAIN
from hatch_venvstacks.contents.installation import build_own_wheel
from hatch_venvstacks.contents.layer_plans import plan_layer
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform
from hatch_venvstacks.model.workshop import LockingOptions, Projects, Workshop
from hatch_venvstacks.pipeline.export import write_layer
from hatch_venvstacks.pipeline.lock import ensure_lock
from hatch_venvstacks.pipeline.session import Session
from hatch_venvstacks.plugin.builder import VenvLayerBuilder
from hatch_venvstacks.plugin.layer_project import HatchProject
from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

    from hatch_venvstacks.model.stack import LockedLayer

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
CP = f"cp{MINOR.replace('.', '')}"
FOREIGN = [name for name in PLATFORMS if name != host_platform().name]
HEADER = f'#define PY_VERSION "{MINOR}.0"\n'.encode()
TAGS = {
    "linux_x86_64": "manylinux_2_28_x86_64",
    "linux_aarch64": "manylinux_2_17_aarch64",
    "musllinux_x86_64": "musllinux_1_2_x86_64",
    "musllinux_aarch64": "musllinux_1_1_aarch64",
    "macosx_arm64": "macosx_11_0_arm64",
    "macosx_x86_64": "macosx_10_9_x86_64",
    "win_amd64": "win_amd64",
    "win_arm64": "win_arm64",
}
# Of CPython up to 3.12, and since.
VENV_PROGRAMS = [
    f"Lib/venv/scripts/nt/{name}.exe"
    for name in ("python", "pythonw", "venvlauncher", "venvwlauncher")
]
PIP = "pip-1.dist-info"
WINDOWS_TREE = {
    **dict.fromkeys(("python.exe", "pythonw.exe", f"python{MINOR.replace('.', '')}.dll"), b"MZ"),
    **dict.fromkeys(("DLLs/_ssl.pyd", "DLLs/libssl-3.dll", "libs/python3.lib"), b"MZ"),
    **dict.fromkeys(("Lib/os.py", "Lib/venv/__init__.py", "Lib/test/test_os.py"), b""),
    **{path: path.encode() for path in VENV_PROGRAMS},
    "include/patchlevel.h": HEADER,
    "Lib/site-packages/pip/__init__.py": b"",
    f"Lib/site-packages/{PIP}/RECORD": b"../../Scripts/pip.exe,,\n../../Scripts/odd.exe,,\n",
    f"Lib/site-packages/{PIP}/entry_points.txt": b"[console_scripts]\npip3 = pip:main\n",
    **dict.fromkeys(("Scripts/pip.exe", "Scripts/pip3.exe", "Scripts/odd.exe"), b"MZ"),
}
WINDOWS_RUNTIME = {
    *("python.exe", "pythonw.exe", f"python{MINOR.replace('.', '')}.dll"),
    *("DLLs/_ssl.pyd", "DLLs/libssl-3.dll", "libs/python3.lib", "Lib/os.py"),
    *("Lib/venv/__init__.py", "include/patchlevel.h", *VENV_PROGRAMS),
}
POSIX_TREE = {
    f"bin/python{MINOR}": b"\xcf\xfa\xed\xfe",
    f"lib/python{MINOR}/os.py": b"",
    f"include/python{MINOR}/patchlevel.h": HEADER,
}


class Stack:
    """A runtime of a stand-in for ``platform``, a framework and an application."""

    def __init__(self, root: Path, index: Path, platform: str) -> None:
        self.root, self.index, self.platform, self.said = root, index, platform, Said()
        tree = WINDOWS_TREE if platform.startswith("win") else POSIX_TREE
        root.mkdir()
        packed = {f"python/{path}": content for path, content in tree.items()}
        self.packed = make_archive(root / "cpython.tar.gz", packed)
        self.project("rt", "runtime", ["vl-base"])
        self.project("fw", "framework", ["vl-native"], base="../rt")
        self.project("app", "application", ["vl-tool", "vl-native"], base="../fw")

    def project(self, name: str, kind: str, requirements: list[str], base: str = "") -> None:
        layer: dict[str, Any] = {"kind": kind}
        if kind == "runtime":
            source = {"url": self.packed.as_uri(), "sha256": sha256_of(self.packed)}
            layer |= {"python": f"cpython@{MINOR}", "python-source": {self.platform: source}}
            layer["platforms"] = [self.platform]
        else:
            layer["base-layers"] = [base]
        project: dict[str, Any] = {"name": name, "version": "1.0", "dependencies": requirements}
        if kind == "application":
            layer["launch-module"] = "start.py"
            project["scripts"] = {"app": "app.cli:main"}
            project["gui-scripts"] = {"appw": "app.cli:main"}
        document = {
            "build-system": {"requires": ["hatchling"], "build-backend": "hatchling.build"},
            "project": project,
            "tool": {"hatch": {"build": {"targets": {"venvlayer": layer}}}},
        }
        folder = self.root / name
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text(tomlkit.dumps(document), "utf-8")
        for path in (f"{name}/__init__.py", f"{name}/cli.py", "start.py"):
            (folder / path).write_text("def main(): pass\n")

    def wheel(self, name: str, tag: str = "py3-none-any", **more: Any) -> None:
        make_wheel(self.index, name, "1.0", tag=tag, **more)

    def session(self) -> Session:
        workshop = Workshop(Store(self.root / "cache"), self.said, host_platform())
        wheels = SiblingWheels(workshop, MEMBER_TIME)
        return Session(
            workshop, Projects(open_project), wheels, LockingOptions(), MEMBER_TIME, PLAIN
        )

    def lock(self, name: str) -> LockedLayer:
        project = open_project(self.root / name)
        return ensure_lock(project.spec, self.platform, self.session())

    def plans(self, name: str, work: str = "work") -> tuple[list[Plan], dict[str, Any]]:
        project, session = open_project(self.root / name), self.session()
        folder = self.root / work / name
        folder.mkdir(parents=True)
        own = build_own_wheel(project, folder / "own", self.said)
        return plan_layer(
            self.lock(name),
            own,
            folder / "layer",
            projects=session.projects,
            sibling_wheels=session.sibling_wheels,
            mtime=session.mtime,
            workshop=session.workshop,
        )


def open_project(root: Path) -> HatchProject:
    builder = VenvLayerBuilder(str(root))
    return HatchProject(builder.config.spec, lambda: builder)


def files(plans: list[Plan]) -> dict[str, Member]:
    return {member.path: member for plan in plans for member in plan.members}


def bytes_of(member: Member) -> bytes:
    return b"".join(read(member))


@pytest.fixture(params=FOREIGN)
def stack(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    wheel_index: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Stack:
    monkeypatch.setenv("UV_FIND_LINKS", str(wheel_index))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    stack = Stack(tmp_path / "stack", wheel_index, request.param)
    for name in PLATFORMS:
        files = {"vl_native.bin": name}
        stack.wheel("vl-native", f"{CP}-{CP}-{TAGS[name]}", files=files)
    stack.wheel("vl-base", entry_points="[console_scripts]\nbase = vl_base:main\n")
    stack.wheel("vl-tool", scripts={"script": "#!python\nprint(1)\n"})
    return stack


only_windows = pytest.mark.parametrize("stack", ["win_amd64"], indirect=True)


def test_whole_stack(stack: Stack) -> None:
    windows = stack.platform.startswith("win")
    layout = layout_of(PLATFORMS[stack.platform], MINOR)
    site = layout.site_packages
    found, described = {}, {}
    for name in ("rt", "fw", "app"):
        plans, described[name] = stack.plans(name)
        found[name] = files(plans)
        again, _ = stack.plans(name, "again")
        assert [(path, bytes_of(one)) for path, one in files(again).items()] == [
            (path, bytes_of(one)) for path, one in found[name].items()
        ]
        assert json.loads(bytes_of(found[name]["share/venvlayer/layer.json"])) == described[name]
        for member in found[name].values():
            content = bytes_of(member)
            assert str(stack.root).encode() not in content
            assert sys.executable.encode() not in content
            assert not windows or not (member.link or member.executable), member

    base = {f"{site}/vl_base.py", layout.program("base"), "share/venvlayer/layer.json"}
    own = {path for path in found["rt"] if "dist-info" not in path and "__pycache__" not in path}
    tag = f"cpython-{layout.minor.replace('.', '')}"
    assert f"{site}/__pycache__/vl_base.{tag}.pyc" in found["rt"]
    stdlib = posixpath.dirname(site)
    assert f"{stdlib}/__pycache__/os.{tag}.pyc" in found["rt"]
    if windows:
        assert own == WINDOWS_RUNTIME | base
    else:
        assert own == {*POSIX_TREE, "bin/python", "bin/python3"} | base
    assert bytes_of(found["fw"][f"{site}/vl_native.bin"]).decode() == stack.platform

    expected = {f"{site}/app/cli.py", f"{site}/start.py", f"{site}/vl_tool.py"}
    expected |= {layout.program(name) for name in ("app", "appw")} | {f"{layout.scripts}/script"}
    expected |= {"postinstall.py"} if windows else {"pyvenv.cfg", "bin/python"}
    assert expected <= set(found["app"])
    assert described["app"]["scripts"] == ["app", "appw", "script"]
    assert described["app"]["platform"] == stack.platform
    assert described["app"]["postinstall"] == ("postinstall.py" if windows else None)
    assert ("pyvenv.cfg" in found["app"]) is not windows


def test_record_of_each_distribution(stack: Stack) -> None:
    plans, _ = stack.plans("rt")
    (plan,) = (one for one in plans if one.name == "vl-base")
    contents = {member.path: bytes_of(member) for member in plan.members}
    (record,) = (path for path in contents if path.endswith("/RECORD"))
    rows = contents[record].decode().splitlines()
    assert len(rows) == len(contents)
    up = "../../" if stack.platform.startswith("win") else "../../../"
    program = layout_of(PLATFORMS[stack.platform], MINOR).program("base")
    assert any(row.startswith(f"{up}{program},sha256=") for row in rows)
    assert hashlib.sha256(contents[program]).digest()


def test_archives_through_the_front_end(
    tmp_path: Path, wheel_index: Path, front_ends: FrontEnds
) -> None:
    """All platforms but this machine's in one call; a second build gives the same bytes."""
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    for name in FOREIGN:
        tag = f"{CP}-{CP}-{TAGS[name]}"
        make_wheel(wheel_index, "vl-native", "1.0", {"vl_native.bin": name}, tag=tag)
    sources = {}
    for name in FOREIGN:
        tree = WINDOWS_TREE if name.startswith("win") else POSIX_TREE
        files = {f"python/{path}": content for path, content in tree.items()}
        packed = make_archive(tmp_path / f"{name}.tar.gz", {**files, "python/of": name.encode()})
        sources[name] = {"url": packed.as_uri(), "sha256": sha256_of(packed)}
    repo.layer(RUNTIME, python=f"cpython@{MINOR}", python_source=sources, platforms=FOREIGN)
    script = {"scripts": {"app": "app:main"}}
    repo.layer("apps/app", dependencies=["vl-native"], base=[RUNTIME], project=script)
    write(repo.root / "apps/app", {"app.py": "def main(): pass\n"})
    built = []
    for _ in range(2):
        for folder in (RUNTIME, "apps/app"):
            repo.build(folder, env={"HATCH_VENVLAYER_PLATFORM": "all"})
        found = sorted(repo.root.glob("*/*/dist/venvlayer/*"))
        built.append({path.name: path.read_bytes() for path in found})
    assert built[0] == built[1]
    described = [json.loads(text) for name, text in built[0].items() if name.endswith(".json")]
    assert len(described) == 2 * len(FOREIGN)
    assert len(built[0]) == 2 * len(described)
    for metadata in described:
        layer = metadata["layer"]
        windows, above = layer["platform"].startswith("win"), layer["name"] == "app"
        assert layer["platform"] in metadata["archive"]["file"]
        assert layer["postinstall"] == ("postinstall.py" if windows and above else None)
        assert layer["scripts"] == (["app"] if above else [])
    assert {metadata["layer"]["platform"] for metadata in described} == set(FOREIGN)


@only_windows
def test_unpacked_layers_become_ready(stack: Stack, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("rt", "fw", "app"):
        write_layer(stack.plans(name)[0], name, root)
    for name in ("fw", "app"):
        command = [sys.executable, "-B", str(root / name / "postinstall.py")]
        subprocess.run(command, check=True)
        settings = (root / name / "pyvenv.cfg").read_text("utf-8")
        assert settings.startswith(f"home = {root / 'rt'}\n")
        program = (root / name / "Scripts/python.exe").read_text("ascii")
        assert program == VENV_PROGRAMS[0 if sys.version_info < (3, 13) else 2]


@only_windows
def test_launch_module_below(stack: Stack) -> None:
    stack.project("app", "application", [], base="../fw")
    project = stack.root / "app/pyproject.toml"
    stack.wheel("vl-run", files={"vl_run/__main__.py": ""})
    stack.project("fw", "framework", ["vl-run"], base="../rt")
    stack.plans("rt")
    stack.plans("fw")
    text = project.read_text("utf-8")
    project.write_text(text.replace("start.py", "vl_run"), "utf-8")
    assert stack.plans("app")[1]["launch"] == {"module": "vl_run"}
    project.write_text(text.replace("start.py", "vl_walk"), "utf-8")
    with pytest.raises(BuildError, match="`vl_walk`"):
        stack.plans("app", "again")


@only_windows
def test_names_that_windows_takes_for_one(stack: Stack) -> None:
    stack.wheel("vl-base", data={"data/share/one.txt": ""})
    stack.wheel("vl-other", data={"data/Share/One.txt": ""})
    stack.project("rt", "runtime", ["vl-base", "vl-other"])
    with pytest.raises(BuildError) as caught:
        stack.plans("rt")
    for words in ("`vl-base`", "`vl-other`", "`share/one.txt`", "`Share/One.txt`"):
        assert words in caught.value.message


@only_windows
def test_long_path_is_said(stack: Stack) -> None:
    stack.wheel("vl-base", files={f"{'x' * 90}/{'y' * 100}.py": ""})
    stack.plans("rt")
    (said,) = (line for line in stack.said.lines if "260" in line)
    assert said.startswith("`vl-base`")


@only_windows
def test_link_in_a_runtime(stack: Stack) -> None:
    tree = stack.root / "unpacked/python"
    for name, content in WINDOWS_TREE.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "python3.exe").symlink_to("python.exe")
    with tarfile.open(stack.packed, "w:gz") as tar:
        tar.add(tree, "python")
    stack.project("rt", "runtime", ["vl-base"])
    with pytest.raises(RuntimeSourceError, match=r"symbolic link `python3\.exe`"):
        stack.plans("rt")


def test_nothing_for_posix_is_built_on_windows(tmp_path: Path) -> None:
    here, there = PLATFORMS["win_amd64"], PLATFORMS["macosx_arm64"]

    layer: Any = SimpleNamespace(platform=there)
    unused: Any = None
    with pytest.raises(VenvLayerError, match="macosx_arm64 cannot be built on Windows"):
        plan_layer(
            layer,
            None,
            tmp_path,
            projects=unused,
            sibling_wheels=unused,
            mtime=0,
            workshop=Workshop(Store(tmp_path), Said(), here),
        )


def require_a_sibling(stack: Stack, tag: str) -> None:
    """Let the framework require a project whose build gives a wheel with ``tag``."""
    root = stack.root / "lib"
    wheel = make_wheel(root / "built", "vl-lib", "1.0", {"vl_lib.py": "X = 1\n"}, tag=tag)
    root.joinpath("backend.py").write_text(
        "import os, shutil\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    return os.path.basename(shutil.copy({str(wheel)!r}, folder))\n"
    )
    backend = {"requires": [], "build-backend": "backend", "backend-path": ["."]}
    document = {"build-system": backend, "project": {"name": "vl-lib", "version": "1.0"}}
    root.joinpath("pyproject.toml").write_text(tomlkit.dumps(document), "utf-8")
    stack.project("fw", "framework", ["vl-lib", "vl-native"], base="../rt")
    with (stack.root / "fw/pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tool.uv.sources]\nvl-lib = { path = "../lib" }\n')


def test_sibling(stack: Stack) -> None:
    require_a_sibling(stack, "py3-none-any")
    stack.lock("rt")
    plans, described = stack.plans("fw")
    assert {"name": "vl-lib", "version": "1.0"} in described["distributions"]
    site = layout_of(PLATFORMS[stack.platform], MINOR).site_packages
    assert bytes_of(files(plans)[f"{site}/vl_lib.py"]) == b"X = 1\n"
    assert f"{site}/vl_lib-1.0.dist-info/RECORD" in files(plans)


def test_sibling_with_compiled_modules(stack: Stack) -> None:
    require_a_sibling(stack, f"{CP}-{CP}-{TAGS[host_platform().name]}")
    stack.lock("rt")
    with pytest.raises(BuildError, match=f"does not fit {stack.platform} and CPython {MINOR}"):
        stack.plans("fw")
