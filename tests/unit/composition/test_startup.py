"""Start-up files for CPython 3.15 and later, by what their module does.

So that this is tested without that release, `site` of the Python at hand adds the folders. In
layers/pythons/test_wiring.py the release itself does, where it is found.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from monorepo import write

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.composition.startup import (
    LAST_FILE,
    PATH_FILE,
    START_FILE,
    START_MODULE,
    StartUp,
    check_path_files,
    startup_members,
)
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path

ORDER = ["app", "left", "right", "rt"]


def members(
    top: str,
    below: list[str],
    minor: str,
    preloaded: tuple[tuple[str, str], ...] = (),
    *,
    has_start_files: bool = False,
) -> dict[str, str]:
    layout = layout_of(PLATFORMS["linux_x86_64"], minor)
    start = StartUp(preloaded, has_start_files=has_start_files)
    found = startup_members(below, top, layout, start)
    return {one.path: one.content.decode() for one in found if isinstance(one.content, bytes)}


@pytest.mark.parametrize(("minor", "has_start_files"), [("3.15", True), ("3.18", False)])
def test_start_files(minor: str, has_start_files: bool) -> None:
    site = f"lib/python{minor}/site-packages"
    found = members("app", ["rt"], minor, has_start_files=has_start_files)
    assert set(found) == {
        f"{site}/{name}" for name in (PATH_FILE, f"{START_MODULE}.py", START_FILE)
    }
    assert found[f"{site}/{PATH_FILE}"] == f"../../../../rt/{site}\n"
    assert found[f"{site}/{START_FILE}"] == "_venvlayer:run\n"
    preloaded = (("rt", "lib/liba.so"),)
    loading = members("app", ["rt"], minor, preloaded, has_start_files=has_start_files)
    assert loading[f"{site}/{START_FILE}"] == "_venvlayer:run\n_venvlayer:load\n"


@pytest.mark.parametrize(
    ("minor", "has_start_files"), [("3.10", False), ("3.14", True), ("3.15", False)]
)
def test_lines(minor: str, has_start_files: bool) -> None:
    """To read a `.start` file takes CPython 3.15 longer than all the rest of a layer's start."""
    site = f"lib/python{minor}/site-packages"
    found = members("app", ["rt"], minor, has_start_files=has_start_files)
    assert set(found) == {f"{site}/{name}" for name in (PATH_FILE, f"{START_MODULE}.py", LAST_FILE)}
    assert found[f"{site}/{LAST_FILE}"] == "import _venvlayer; _venvlayer.run()\n"


def test_one_path_file_is_enough_without_own_ones() -> None:
    layout = layout_of(PLATFORMS["linux_x86_64"], "3.12")
    start = StartUp(has_path_files=False, has_namespaces=False)
    found = {
        one.path.rpartition("/")[2]: one.content
        for one in startup_members(["fw", "rt"], "app", layout, start)
    }
    assert set(found) == {PATH_FILE, f"{START_MODULE}.py"}
    lines = found[PATH_FILE]
    assert isinstance(lines, bytes)
    assert lines.decode().splitlines() == [
        *(f"../../../../{name}/lib/python3.12/site-packages" for name in ("fw", "rt")),
        "import _venvlayer; _venvlayer.run()",
    ]
    source = found[f"{START_MODULE}.py"]
    assert isinstance(source, bytes)
    assert b"invalidate_caches" not in source


def test_what_the_module_does(tmp_path: Path) -> None:
    """It handles each folder below once, in order, also where those have such a module."""
    site = "lib/python3.15/site-packages"
    counting = 'import sys; sys.__dict__.setdefault("ran", []).append({!r})\n'
    for number, name in enumerate(ORDER):
        found = members(name, ORDER[number + 1 :], "3.15")
        files = found if name != "rt" else {}
        write(tmp_path / name, {**files, f"{site}/own.pth": counting.format(name)})
    # As `site` of 3.15 does with `.start` files, here for the layers below, too.
    start = f"import {START_MODULE}; {START_MODULE}.run()\n"
    for name in ("left", "right"):
        write(tmp_path / name, {f"{site}/~start.pth": start})
    code = f"""
import json, site, sys
known = len(sys.path)
site.addsitedir({str(tmp_path / "app" / site)!r})
import {START_MODULE}
{START_MODULE}.run()
print(json.dumps([sys.ran, sys.path[known:]]))
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    ran, path = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert ran == ORDER
    assert path == [str(tmp_path / name / site) for name in ORDER]


def test_libraries_that_are_loaded_at_the_start(tmp_path: Path) -> None:
    found = members("app", ["rt"], "3.15", (("rt", "lib/liba.so.1"), ("app", "lib/libb.so")))
    write(tmp_path / "app", found)
    site = tmp_path / "app/lib/python3.15/site-packages"
    code = f"""
import ctypes, json, sys
sys.path.insert(0, {str(site)!r})
loaded = []
ctypes.CDLL = loaded.append
import {START_MODULE}
{START_MODULE}.load()
print(json.dumps(loaded))
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert loaded == [str(tmp_path / "rt/lib/liba.so.1"), str(tmp_path / "app/lib/libb.so")]
    assert (
        "ctypes" not in members("app", ["rt"], "3.14")[f"lib/python3.14/site-packages/{LAST_FILE}"]
    )


LINUX = layout_of(PLATFORMS["linux_x86_64"], "3.12")


@pytest.mark.parametrize("name", [" a.pth", "!a.pth", "!!.pth", "!venvlayer-.pth", "\t.pth"])
def test_path_file_before_ours(name: str) -> None:
    plan = Plan(PlanKind.DISTRIBUTION, "some-dist", "1", (Member(f"{LINUX.site_packages}/{name}"),))
    with pytest.raises(BuildError) as caught:
        check_path_files([plan], LINUX)
    assert "`some-dist`" in caught.value.message
    assert name in caught.value.message


def test_start_file_after_ours() -> None:
    layout = layout_of(PLATFORMS["linux_x86_64"], "3.15")
    files = [Member(f"{layout.site_packages}/{name}") for name in (" a.start", "~z.start")]
    with pytest.raises(BuildError, match=r"start-up file `~z\.start`"):
        check_path_files([Plan(PlanKind.DISTRIBUTION, "d", "1", tuple(files))], layout)


@pytest.mark.parametrize(
    "path",
    [
        f"{LINUX.site_packages}/~z.start",
        f"{LINUX.site_packages}/.pth",
        f"{LINUX.site_packages}/a.pth",
        f"{LINUX.site_packages}/!z.pth",
        f"{LINUX.site_packages}/ a.txt",
        f"{LINUX.site_packages}/sub/ a.pth",
        "lib/python3.11/site-packages/ a.pth",
    ],
)
def test_path_files_that_do_not_matter(path: str) -> None:
    check_path_files([Plan(PlanKind.DISTRIBUTION, "d", "1", (Member(path, b""),))], LINUX)
