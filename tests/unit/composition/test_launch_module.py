from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.composition.launch_module import check_launch_module
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import host_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = layout_of(host_platform(), MINOR).site_packages


def check(module: str, own: Iterable[str] = (), below: Iterable[str] = ()) -> bool:
    """Whether what lies below was asked for."""
    asked = []

    def others() -> list[Callable[[str], bool]]:
        asked.append(True)
        return [set(below).__contains__]

    members = tuple(Member(f"{SITE}/{path}", b"") for path in own)
    plans = [Plan(PlanKind.DISTRIBUTION, "d", "1", members), Plan(PlanKind.PROJECT, "p", "1", ())]
    check_launch_module(module, plans, SITE, lambda: Path(sys.executable), others)
    return bool(asked)


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("app", "app.py"),
        ("app", "app/__main__.py"),
        ("app.cli", "app/cli.py"),
        ("app.cli", "app/cli/__main__.py"),
        ("a.b.c", "a/b/c.py"),
        ("json_tools", "json_tools.py"),
    ],
)
def test_modules_that_are_found(module: str, file: str) -> None:
    assert check(module, own=["other.py", file]) is False
    assert check(module, own=["other.py"], below=["x.py", file]) is True


@pytest.mark.parametrize("module", ["json.tool", "http.server", "venv", "timeit", "asyncio"])
def test_modules_of_the_standard_library(module: str) -> None:
    assert check(module) is False


@pytest.mark.parametrize(
    "module", ["json.nothing", "json.tool.more", "html", "email", "__main__", "no_such", "pip"]
)
def test_modules_that_are_nowhere(module: str) -> None:
    with pytest.raises(BuildError) as caught:
        check(module, own=["other.py", "bin/app"], below=["more.py"])
    assert f"`{module}`" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("own", "below"),
    [(["app/__init__.py"], []), ([], ["app/__init__.py"]), (["app/x.py"], []), (["app/d/y"], [])],
)
def test_package_without_main(own: list[str], below: list[str]) -> None:
    with pytest.raises(BuildError) as caught:
        check("app", own, below)
    assert "package `app`, which has no module `__main__`" in caught.value.message
    assert "`app.<name>`" in caught.value.hint


@pytest.mark.parametrize(
    "file", ["app.so", "apple.py", "app.pyi", "App.py", "app/main.py", "x/app.py"]
)
def test_names_that_only_look_alike(file: str) -> None:
    with pytest.raises(BuildError):
        check("app", own=[file])
    with pytest.raises(BuildError):
        check("app", below=[file])


def test_files_outside_the_site_directory_do_not_count() -> None:
    plan = Plan(
        PlanKind.DISTRIBUTION, "d", "1", (Member("lib/python2.7/site-packages/app.py", b""),)
    )
    with pytest.raises(BuildError):
        check_launch_module("app", [plan], SITE, lambda: Path(sys.executable), list)
