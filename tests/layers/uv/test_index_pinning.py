"""Packages from indexes of their own, resolved by the real uv in generated projects."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from wheels import make_wheel

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.locking.index_pinning import registry_of, resolve_steered, with_indexes
from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.index import Index, index_table
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.sources.indexes import ResolutionIndexes
from hatch_venvstacks.sources.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TWO = [PLATFORMS["linux_x86_64"], PLATFORMS["macosx_arm64"]]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LINUX = "sys_platform == 'linux'"


@pytest.fixture
def folders(tmp_path: Path, wheel_index: Path) -> Mapping[str, Path]:
    """An index of everything, in which there is a false `vl-torch`, and indexes of a true one."""
    found = {name: wheel_index / name for name in ("main", "cpu", "cu")}
    make_wheel(found["main"], "vl-accel", "1.0", requires=["vl-torch>=2"])
    make_wheel(found["main"], "vl-lone", "1.0", requires=["vl-only>=2"])
    make_wheel(found["main"], "vl-other", "1.0", requires=["vl-sympy"])
    make_wheel(found["main"], "vl-torch", "9.0")
    for version in ("1.0", "2.0"):
        make_wheel(found["main"], "vl-sympy", version)
    for name, local in (("cpu", "cpu"), ("cu", "cu126")):
        make_wheel(found[name], "vl-torch", f"2.0+{local}", requires=["vl-sympy<2"])
    make_wheel(found["cpu"], "vl-only", "2.0")
    return found


def indexes(folders: Mapping[str, Path], **sources: Sequence[tuple[str, str]]) -> ResolutionIndexes:
    return ResolutionIndexes(
        tuple(
            Index(name, folder.as_uri(), explicit=name != "main", default=name == "main", flat=True)
            for name, folder in folders.items()
        ),
        {key.replace("_", "-"): tuple(value) for key, value in sources.items()},
    )


class Runs:
    """Resolves projects, and keeps them."""

    def __init__(self, work: Path) -> None:
        self._folders = (work / str(number) for number in itertools.count())
        self.projects: list[Mapping[str, Any]] = []

    def __call__(self, project: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
        self.projects.append(project)
        folder = next(self._folders)
        folder.mkdir()
        (folder / "pyproject.toml").write_text(tomlkit.dumps(project), "utf-8")
        for arguments in (
            ["lock"],
            ["export", "--frozen", "--no-header", "--format", "pylock.toml"],
        ):
            text = run_uv(
                [*arguments, "--python", sys.executable],
                folder=folder,
                failure="It cannot be tried",
            )
        return folder, parse_toml(text)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def project(*requirements: str, **uv: Any) -> dict[str, Any]:
    markers = [platform.marker for platform in TWO]
    return {
        "project": {
            "name": "venvlayer-resolution",
            "version": "0",
            "requires-python": f"=={PYTHON}.*",
            "dependencies": list(requirements),
        },
        "tool": {
            "uv": {
                "package": False,
                "no-build": True,
                "environments": markers,
                "required-environments": markers,
                "workspace": {},
                **uv,
            }
        },
    }


def versions(export: Mapping[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in export["packages"]:
        found.setdefault(package["name"], set()).add(package["version"])
    return found


def resolved(runs: Runs, given: Mapping[str, Any], known: ResolutionIndexes) -> dict[str, set[str]]:
    return versions(resolve_steered(given, known, TWO, PYTHON, runs)[1])


def test_no_source(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders)
    assert resolved(runs, project("vl-accel"), known)["vl-torch"] == {"9.0"}
    assert len(runs.projects) == 1


@pytest.mark.parametrize(("index", "version"), [("cpu", "2.0+cpu"), ("cu", "2.0+cu126")])
def test_through_another_package(
    folders: Mapping[str, Path], runs: Runs, index: str, version: str
) -> None:
    known = indexes(folders, vl_torch=[(index, "")])
    found = resolved(runs, project("vl-accel", "vl-other"), known)
    # What it requires itself counts too.
    assert found == {
        "vl-accel": {"1.0"},
        "vl-other": {"1.0"},
        "vl-torch": {version},
        "vl-sympy": {"1.0"},
    }
    assert len(runs.projects) == 1


def test_without_need_it_restricts_nothing(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders, vl_torch=[("cpu", "")])
    assert resolved(runs, project("vl-other"), known) == {"vl-other": {"1.0"}, "vl-sympy": {"2.0"}}
    assert len(runs.projects) == 2


def test_found_in_its_index_only(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders, vl_only=[("cpu", "")], vl_torch=[("cpu", "")])
    found = resolved(runs, project("vl-lone"), known)
    assert found == {"vl-lone": {"1.0"}, "vl-only": {"2.0"}}


def test_no_other_version_is_taken_instead(folders: Mapping[str, Path], runs: Runs) -> None:
    make_wheel(folders["main"], "vl-lone", "0.9")
    known = indexes(folders, vl_only=[("cpu", "")])
    assert resolved(runs, project("vl-lone"), known) == {"vl-lone": {"1.0"}, "vl-only": {"2.0"}}


def test_held_below(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders, vl_torch=[("cu", "")])
    given = project("vl-accel", **{"constraint-dependencies": ["vl-torch==2.0+cu126"]})
    assert resolved(runs, given, known)["vl-torch"] == {"2.0+cu126"}


def test_on_one_platform(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders, vl_torch=[("cpu", LINUX)])
    _, export = resolve_steered(project("vl-accel"), known, TWO, PYTHON, runs)
    assert versions(export)["vl-torch"] == {"2.0+cpu", "9.0"}
    markers = {
        package["version"]: package["marker"]
        for package in export["packages"]
        if package["name"] == "vl-torch"
    }
    assert "linux" in markers["2.0+cpu"]
    assert "darwin" in markers["9.0"]


def test_needed_on_one_platform(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders, vl_torch=[("cpu", "")])
    given = project(f"vl-accel ; {LINUX}", "vl-other")
    assert resolved(runs, given, known)["vl-torch"] == {"2.0+cpu"}
    assert runs.projects[-1]["project"]["optional-dependencies"] == {
        "steered": [f"vl-torch ; {LINUX}"]
    }


def test_found_in_its_index_only_on_one_platform(
    folders: Mapping[str, Path], runs: Runs, wheel_index: Path
) -> None:
    tag = f"cp{PYTHON.replace('.', '')}-none-manylinux_2_28_x86_64"
    make_wheel(folders["cpu"], "vl-native", "1.0", tag=tag)
    make_wheel(folders["main"], "vl-wants-it", "1.0", requires=["vl-native"])
    known = indexes(folders, vl_native=[("cpu", "")], vl_only=[("cpu", LINUX)])
    given = project(f"vl-wants-it ; {LINUX}", "vl-sympy", f"vl-lone ; {LINUX}")
    found = resolved(runs, given, known)
    assert found["vl-native"] == {"1.0"}
    assert found["vl-only"] == {"2.0"}
    assert runs.projects[-1]["project"]["optional-dependencies"] == {
        "steered": [f"vl-native ; {LINUX}", f"vl-only ; {LINUX}"]
    }


def test_no_resolution(folders: Mapping[str, Path], runs: Runs) -> None:
    known = indexes(folders, vl_torch=[("cpu", "")])
    with pytest.raises(ToolError, match="vl-nowhere"):
        resolved(runs, project("vl-nowhere"), known)
    with pytest.raises(ToolError, match=r"vl-torch>=3"):
        resolved(runs, project("vl-torch>=3"), known)


def test_tables_are_joined() -> None:
    known = ResolutionIndexes(
        indexes=(Index("a", "https://a", options={"authenticate": "always"}), Index("", "/b")),
        sources={"x": (("a", LINUX),)},
        exclude_newer="1 week",
        find_links=("https://links",),
        options={"constraint-dependencies": ["a<2"], "no-index": False, "prerelease": "allow"},
    )
    given = project("x", **{"constraint-dependencies": ["b==1"], "find-links": ["/stubs"]})
    uv = with_indexes(given, known)["tool"]["uv"]
    assert {key: value for key, value in uv.items() if value != given["tool"]["uv"].get(key)} == {
        "constraint-dependencies": ["b==1", "a<2"],
        "find-links": ["/stubs", "https://links"],
        "index": [{"name": "a", "url": "https://a", "authenticate": "always"}, {"url": "/b"}],
        "sources": {"x": [{"index": "a", "marker": LINUX}]},
        "exclude-newer": "1 week",
        "prerelease": "allow",
    }
    assert "index" not in given["tool"]["uv"]


def test_index_table() -> None:
    assert index_table(Index("a", "file:///a", default=True, flat=True)) == {
        "name": "a",
        "url": "file:///a",
        "default": True,
        "format": "flat",
    }


def test_registry() -> None:
    known = ResolutionIndexes((Index("a", "https://a/"),), {"x": (("a", LINUX),)})
    assert registry_of("x", known, TWO[0], PYTHON) == "https://a/"
    assert registry_of("x", known, TWO[1], PYTHON) == ""
    assert registry_of("y", known, TWO[0], PYTHON) == ""
