from __future__ import annotations

import hashlib
import io
import posixpath
import sys
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from distribution_files import HOST, MINOR, SITE, check_record, destination_for, files
from wheels import make_wheel

from hatch_venvstacks.archives.member_paths import check_paths
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.contents.distribution import Destination, plan_distributions
from hatch_venvstacks.contents.prefix import Installed, read_prefix
from hatch_venvstacks.contents.uv_install import Installer
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.lock import LockedWheel
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.sources.runtimes.script_header import posix_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_venvstacks.archives.plan import Plan


PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
PKG_RESOURCES = "__import__('pkg_resources').declare_namespace(__name__)\n"
BOTH = f"""
try:
    {PKG_RESOURCES.strip()}
except ImportError:
    {PKGUTIL.strip()}
"""


class Prefix:
    """What real uv makes of wheels, and what each of them gives alone."""

    def __init__(self, folder: Path, python: str | None = None) -> None:
        self.folder, self.python = folder, python or sys.executable
        self.wheels: dict[str, Path] = {}
        self.isolated: list[str] = []
        self.platform = host_platform()

    def wheel(self, name: str, files: Mapping[str, str | bytes] | None = None, **more: Any) -> None:
        self.wheels[name] = make_wheel(self.folder / "index", name, "1.0", files, **more)

    def install(self, place: str, *names: str) -> Path:
        locked = [
            LockedWheel(
                *(name, "1.0", str(self.wheels[name])),
                hashlib.sha256(self.wheels[name].read_bytes()).hexdigest(),
                self.wheels[name].name,
            )
            for name in names or self.wheels
        ]
        prefix = self.folder / place
        Installer("x", Path(self.python), self.platform).install_wheels(locked, prefix)
        return prefix

    def isolate(self, name: str) -> Path:
        self.isolated.append(name)
        return self.install(f"alone-{name}", name)

    def plans(self, mtime: int = MEMBER_TIME, target: Destination | None = None) -> dict[str, Plan]:
        dates = dict.fromkeys(self.wheels, mtime)
        target = target or destination_for(python=self.python)
        self.platform = target.platform
        plans = plan_distributions(self.install("prefix"), target, self.isolate, dates)
        check_paths(plans)
        assert [plan.name for plan in plans] == sorted(self.wheels)
        return {plan.name: plan for plan in plans}


@pytest.fixture
def prefix(wheel_index: Path) -> Prefix:
    return Prefix(wheel_index)


def test_members_of_a_distribution(prefix: Prefix) -> None:
    prefix.wheel("some-name", {"some/__init__.py": "", "some/data.txt": "d"})
    plan = prefix.plans(mtime=77)["some-name"]
    assert (plan.version, plan.mtime, str(plan.kind)) == ("1.0", 77, "distribution")
    info = f"{SITE}/some_name-1.0.dist-info"
    assert list(files(plan)) == sorted(
        [
            *(f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
            *(f"{SITE}/some/__init__.py", f"{SITE}/some/data.txt"),
        ]
    )
    check_record(plan, "some_name")
    assert prefix.isolated == []


def test_scripts_data_and_headers(prefix: Prefix) -> None:
    elf = b"\x7fELF\x02\x01\x01" + bytes(range(256))
    prefix.wheel(
        "full",
        scripts={
            "py": "#!python\nprint(1)\n",
            "pyw": "#!pythonw\nprint(1)\n",
            "args": "#!python -E\nprint(1)\n",
            "named": "#!python3\nprint(1)\n",
            "native": elf,
            "shell": "#!/bin/sh\necho 1\n",
            "system": "#!/usr/bin/env python3\n",
            "plain": "no program",
        },
        data={
            "data/share/doc/x.txt": "x",
            "data/etc/full.conf": "c",
            "data/bin/extra": elf,
            "headers/full.h": "h",
            "platlib/native.txt": "p",
            "purelib/pure.txt": "q",
        },
        entry_points="[console_scripts]\nrun = full:main\n[gui_scripts]\nshow = full:a.b [x]\n",
    )
    plan = prefix.plans()["full"]
    found, by_path = files(plan), {member.path: member for member in plan.members}
    for name in ("py", "pyw", "args", "named"):
        assert found[f"bin/{name}"] == posix_header() + b"__doc__ = None\nprint(1)\n"
    assert found["bin/native"] == found["bin/extra"] == elf
    assert found["bin/shell"] == b"#!/bin/sh\necho 1\n"
    assert found["bin/system"] == b"#!/usr/bin/env python3\n"
    for name in ("py", "native", "shell", "plain", "run", "show"):
        assert by_path[f"bin/{name}"].executable, name
    assert b"from full import main\n" in found["bin/run"]
    assert b"sys.exit(a.b())" in found["bin/show"]
    assert found["share/doc/x.txt"] == b"x"
    assert found["etc/full.conf"] == b"c"
    assert [path for path in found if path.endswith("/full.h")]
    assert {f"{SITE}/native.txt", f"{SITE}/pure.txt"} <= set(found)
    check_record(plan, "full")
    assert not any(str(prefix.folder).encode() in content for content in found.values())
    assert not any(sys.executable.encode() in content for content in found.values())


@pytest.mark.parametrize("place", ["a b", "a'b c", "ü", "long" * 40])
def test_scripts_of_an_interpreter_in_an_odd_place(
    tmp_path: Path, wheel_index: Path, place: str
) -> None:
    venv.create(tmp_path / place, symlinks=True)
    prefix = Prefix(wheel_index, str(tmp_path / place / "bin" / "python"))
    prefix.wheel("one", scripts={"tool": "#!python\nprint(1)\n"})
    assert (
        files(prefix.plans()["one"])["bin/tool"] == posix_header() + b"__doc__ = None\nprint(1)\n"
    )


EXPECTED_LAUNCHERS = {
    "Scripts/run.exe": ("full", "main", "<launcher_dir>\\python.exe", 3),
    "Scripts/show.exe": ("full", "a.b", "<launcher_dir>\\pythonw.exe", 2),
}


@pytest.mark.parametrize("platform", ["win_amd64", "win_arm64"])
def test_members_for_windows(prefix: Prefix, platform: str) -> None:
    program = b"MZ" + bytes(range(256))
    prefix.wheel(
        "full",
        {"full/__init__.py": "", "full/native.pyd": program},
        scripts={
            "py": "#!python\r\nprint(1)\n",
            "pyw": "#!pythonw\nprint(1)\n",
            "native.exe": program,
            "shell.bat": "@echo off\r\n",
        },
        data={
            "data/share/doc/x.txt": "x",
            "data/bin/extra.dll": program,
            "headers/full.h": "h",
            "platlib/native.txt": "p",
        },
        entry_points="[console_scripts]\nrun = full:main\n[gui_scripts]\nshow = full:a.b [x]\n",
        tag=f"cp{MINOR.replace('.', '')}-cp{MINOR.replace('.', '')}-{platform}",
    )
    plan = prefix.plans(target=destination_for(platform))["full"]
    found, by_path = files(plan), {member.path: member for member in plan.members}
    info, site = "Lib/site-packages/full-1.0.dist-info", "Lib/site-packages"
    assert set(found) == {
        *(f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        *(f"{site}/{name}" for name in ("full/__init__.py", "full/native.pyd", "native.txt")),
        *(f"Scripts/{name}" for name in ("py", "pyw", "native.exe", "shell.bat")),
        *("share/doc/x.txt", "bin/extra.dll", "Include/full/full.h"),
        *EXPECTED_LAUNCHERS,
    }
    assert list(by_path) == sorted(by_path)
    # On POSIX systems uv starts both with one interpreter.
    assert found["Scripts/py"] == found["Scripts/pyw"] == b"#!python\nprint(1)\n"
    assert found["Scripts/native.exe"] == found["bin/extra.dll"] == program
    for path, (module, attr, python, subsystem) in EXPECTED_LAUNCHERS.items():
        check_launcher(found[path], platform, subsystem, f"#!{python}\n")
        source = zipfile.ZipFile(io.BytesIO(found[path])).read("__main__.py").decode()
        assert f"from {module} import {attr.partition('.')[0]}\n" in source
        assert f"sys.exit({attr}())" in source
    check_record(plan, "full", site)
    assert not any(str(prefix.folder).encode() in content for content in found.values())
    assert not any(sys.executable.encode() in content for content in found.values())


def check_launcher(content: bytes, platform: str, subsystem: int, line: str) -> None:
    """A program for Windows on the ``platform``; its subsystem is 2 without a console, 3 with one.

    Source: https://learn.microsoft.com/en-us/windows/win32/debug/pe-format.
    """
    assert content.startswith(b"MZ")
    header = int.from_bytes(content[60:64], "little")
    assert content[header : header + 4] == b"PE\0\0"
    machine = int.from_bytes(content[header + 4 : header + 6], "little")
    assert machine == {"win_amd64": 0x8664, "win_arm64": 0xAA64}[platform]
    assert int.from_bytes(content[header + 24 + 68 :][:2], "little") == subsystem
    # It knows what it is to replace by its own folder.
    assert "<launcher_dir>\\".encode("utf-16-le") in content
    assert content.count(line.encode()) == 1
    assert content.partition(line.encode())[2].startswith(b"PK")


def test_launchers_of_a_runtime_for_windows(prefix: Prefix) -> None:
    prefix.wheel(
        "one", entry_points="[console_scripts]\nrun = one:main\n[gui_scripts]\nshow = one:main\n"
    )
    target = destination_for("win_amd64", layer="python.exe")
    found = files(prefix.plans(target=target)["one"])
    for name, subsystem in {"python": 3, "pythonw": 2}.items():
        path = "Scripts/run.exe" if name == "python" else "Scripts/show.exe"
        line = f"#!<launcher_dir>\\..\\{name}.exe\n"
        check_launcher(found[path], "win_amd64", subsystem, line)


def test_foreign_posix_is_as_at_home(prefix: Prefix) -> None:
    prefix.wheel(
        "one",
        scripts={"tool": "#!python\nprint(1)\n"},
        data={"headers/one.h": "h"},
        entry_points="[gui_scripts]\nrun = one:main\n",
    )
    here = prefix.plans()
    folder = prefix.folder / "prefix"
    for platform in ("linux_aarch64", "macosx_arm64"):
        (plan,) = plan_distributions(folder, destination_for(platform), prefix.isolate)
        assert plan == here["one"]


def test_notes_of_the_installer_and_caches_stay_out(prefix: Prefix) -> None:
    prefix.wheel("one", {"one/__init__.py": "", "one/__pycache__/__init__.cpython-39.pyc": b"p"})
    info = prefix.install("prefix") / SITE / "one-1.0.dist-info"
    for note in ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"):
        (info / note).write_text("x")
    with (info / "RECORD").open("a") as record:
        record.write("one-1.0.dist-info/INSTALLER,,\none-1.0.dist-info/direct_url.json,,\n")
    (info.parent / "one/__pycache__/new.pyc").write_bytes(b"p")
    (info.parent.parent / ".lock").touch()
    (prefix.folder / "prefix/.lock").touch()
    (plan,) = plan_distributions(prefix.folder / "prefix", destination_for(), prefix.isolate)
    assert {posixpath.basename(path) for path in files(plan)} >= {"__init__.py", "WHEEL"}
    check_record(plan, "one")
    for path in files(plan):
        assert "__pycache__" not in path
        assert not path.endswith(("INSTALLER", "REQUESTED", ".json"))


@pytest.mark.parametrize("content", ["", "same = 1\n", "\0binary"])
def test_file_with_two_owners_and_one_content(prefix: Prefix, content: str) -> None:
    for name in ("one", "two", "three"):
        prefix.wheel(name, {"shared/data.bin": content, f"shared/{name}.py": ""})
    plans = prefix.plans()
    owners = [name for name, plan in plans.items() if f"{SITE}/shared/data.bin" in files(plan)]
    assert owners == ["one"]
    assert sorted(prefix.isolated) == ["one", "three", "two"]
    for name, plan in plans.items():
        check_record(plan, name, others=plans.values())


def reach(text: str) -> tuple[bool, bool, int]:
    """Which one counts: what finds all parts, then what finds some, then the longest."""
    return "declare" not in text and "extend" in text, "declare" in text, len(text)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", PKGUTIL),
        (PKGUTIL, ""),
        ("# comment\n\n", PKG_RESOURCES),
        (PKGUTIL, PKG_RESOURCES),
        (PKGUTIL, f"# comment\n{PKGUTIL}"),
        ("'doc'\n", f"import pkgutil\n{PKGUTIL}"),
        ("pass\n", BOTH),
        (f"from pkgutil import extend_path\n{PKGUTIL}", BOTH),
    ],
)
def test_namespace_with_two_owners(prefix: Prefix, first: str, second: str) -> None:
    prefix.wheel("one", {"space/__init__.py": first, "space/one.py": ""})
    prefix.wheel("two", {"space/__init__.py": second, "space/two.py": ""})
    plans = prefix.plans()
    path = f"{SITE}/space/__init__.py"
    kept = [files(plan)[path] for plan in plans.values() if path in files(plan)]
    assert kept == [max(first, second, key=reach).encode()]
    for name in ("one", "two"):
        check_record(plans[name], name, others=plans.values())
        record = files(plans[name])[f"{SITE}/{name}-1.0.dist-info/RECORD"]
        assert b"space/__init__.py," in record


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        ("shared.py", "1", "2"),
        ("shared.py", "", PKGUTIL),
        ("space/__init__.py", "", "VALUE = 1\n"),
        ("space/__init__.py", "", "import pkgutil\nVALUE = 1\n"),
        ("space/__init__.py", "", "def f(): pass\n"),
        ("space/__init__.py", "", "no python"),
        ("space/__init__.py", "", "print('declare_namespace')\n"),
        ("space/__init__.py", PKGUTIL, BOTH.replace("ImportError:", "ImportError: VALUE = 1\n#")),
        ("space/__init__.py", "import pkg_resources\nA = 1\n", "import pkg_resources\nB = 1\n"),
    ],
)
def test_file_with_two_owners_and_two_contents(
    prefix: Prefix, path: str, first: str, second: str
) -> None:
    prefix.wheel("one", {path: first})
    prefix.wheel("two", {path: second})
    with pytest.raises(BuildError) as caught:
        prefix.plans()
    assert f"`one` and `two` both have the file `{SITE}/{path}`" in caught.value.message
    assert caught.value.hint


def test_script_with_two_owners(prefix: Prefix) -> None:
    prefix.wheel("one", entry_points="[console_scripts]\nrun = one:main\n")
    prefix.wheel("two", entry_points="[console_scripts]\nrun = two:main\n")
    with pytest.raises(BuildError, match=r"`one` and `two` both have the file `bin/run`"):
        prefix.plans()
    target = destination_for("win_amd64")
    alone = {name: prefix.folder / f"alone-{name}" for name in prefix.wheels}
    with pytest.raises(BuildError, match=r"both have the file `Scripts/run`"):
        plan_distributions(prefix.folder / "prefix", target, alone.__getitem__)


def test_program_with_two_owners_is_packed_once(prefix: Prefix) -> None:
    for name in ("one", "two"):
        prefix.wheel(name, entry_points="[console_scripts]\nrun = x:main\n")
    plans = prefix.plans(target=destination_for("win_amd64"))
    owners = [name for name, plan in plans.items() if "Scripts/run.exe" in files(plan)]
    assert owners == ["one"]


def test_read_prefix(prefix: Prefix) -> None:
    prefix.wheel("b-one")
    prefix.wheel("A_two")
    first, second = read_prefix(prefix.install("prefix"), HOST)
    assert (first.name, second.name) == ("a-two", "b-one")
    assert isinstance(first, Installed)
    assert first.dist_info == f"{SITE}/a_two-1.0.dist-info"
    assert f"{SITE}/a_two.py" in first.files
