"""Where packages come from, against what goes wrong unnoticed: through a front end, on wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from monorepo import RUNTIME, Monorepo, write
from universe_check import make_machine
from wheels import make_wheel

from hatch_venvstacks.model.lock_file import read_lock
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

    from hatch_venvstacks.model.lock import Lock

HERE = host_platform().name
BASE, TOP = "frameworks/base", "frameworks/top"


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    """A runtime on two platforms, whose archives are stand-ins."""
    make_wheel(wheel_index, "vl-x", "2.0")
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    machine = make_machine(tmp_path / "machine")
    chosen = [HERE, next(name for name in PLATFORMS if name != HERE)]
    source = {
        name: {"url": one.url, "sha256": one.sha256}
        for name, one in machine.runtime.archives.items()
        if name in chosen
    }
    repo.runtime(python=f"cpython@{machine.python}", python_source=source, platforms=chosen)
    repo.build(RUNTIME, "lock")
    return repo


def layer(repo: Monorepo, folder: str, *requires: str, base: str = RUNTIME, **more: Any) -> None:
    repo.layer(folder, dependencies=requires, base=[base], **more)


def lock(repo: Monorepo, folder: str) -> Lock:
    repo.build(folder, "lock")
    return read_lock(repo.root / folder / "pylock.venvlayer.toml")


def said(repo: Monorepo, folder: str, version: str = "lock") -> str:
    done = repo.build(folder, version, check=False)
    assert "Traceback" not in done.stderr
    return done.stderr


def refused(repo: Monorepo, folder: str, version: str = "lock") -> str:
    done = repo.build(folder, version, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def uv(**tables: Any) -> dict[str, Any]:
    return {"tool": {"uv": {key.replace("_", "-"): value for key, value in tables.items()}}}


def test_single_wheel(repo: Monorepo) -> None:
    """It is taken and not the newer one of an index, by a layer above as well."""
    own = make_wheel(repo.root / "own", "vl-x", "1.0", requires=["vl-y"])
    make_wheel(repo.wheels, "vl-y", "1.0")
    make_wheel(repo.wheels, "vl-z", "1.0", requires=["vl-x"])
    source = uv(sources={"vl-x": {"path": f"../../own/{own.name}"}})
    layer(repo, BASE, "vl-x", **source)
    found = lock(repo, BASE)
    assert found.versions(HERE) == {"vl-x": "1.0", "vl-y": "1.0"}
    assert f'path = "../../own/{own.name}"' in found.path.read_text("utf-8")
    layer(repo, TOP, "vl-z", base=BASE)
    assert lock(repo, TOP).versions(HERE) == {"vl-z": "1.0"}
    repo.build(TOP)
    assert "is up to date" in said(repo, BASE)
    # Without the source the lock is another one.
    layer(repo, BASE, "vl-x")
    assert "`vl-x` is now taken from an index" in refused(repo, BASE, "")
    assert lock(repo, BASE).versions(HERE) == {"vl-x": "2.0"}
    own.unlink()
    layer(repo, BASE, "vl-x", **source)
    assert "does not exist" in refused(repo, BASE)


def test_single_wheel_on_one_platform(repo: Monorepo) -> None:
    own = make_wheel(repo.root / "own", "vl-x", "3.0")
    marker = PLATFORMS[HERE].marker
    layer(repo, BASE, "vl-x", **uv(sources={"vl-x": {"path": str(own), "marker": marker}}))
    found = lock(repo, BASE)
    versions = [found.versions(name)["vl-x"] for name in found.inputs.platforms]
    assert versions == (["3.0", "2.0"] if found.inputs.platforms[0] == HERE else ["2.0", "3.0"])


def test_single_wheel_of_what_lies_below_on_one_platform(repo: Monorepo) -> None:
    other = next(name for name in PLATFORMS if name != HERE)
    layer(repo, BASE, f"vl-x ; {PLATFORMS[other].marker}")
    lock(repo, BASE)
    own = make_wheel(repo.root / "own", "vl-x", "1.0")
    layer(repo, TOP, "vl-x", base=BASE, **uv(sources={"vl-x": {"path": str(own)}}))
    found = lock(repo, TOP)
    assert (found.versions(HERE), found.versions(other)) == ({"vl-x": "1.0"}, {})


def test_wheel_below_that_requires_something_else_now(repo: Monorepo) -> None:
    for name in ("vl-old", "vl-new"):
        make_wheel(repo.wheels, name, "1.0")
    more: dict[str, Any] = {"extras": ["x"]}
    make_wheel(repo.wheels, "vl-low", "1.0", requires=["vl-old ; extra == 'x'"], **more)
    layer(repo, BASE, "vl-low")
    layer(repo, TOP, "vl-low[x]", base=BASE)
    lock(repo, BASE)
    assert lock(repo, TOP).versions(HERE) == {"vl-old": "1.0"}
    make_wheel(repo.wheels, "vl-low", "1.0", requires=["vl-new ; extra == 'x'"], **more)
    lock(repo, BASE)
    changed = "the requirements of vl-low 1.0, which a layer below holds, have changed"
    assert changed in refused(repo, TOP, "")
    assert lock(repo, TOP).versions(HERE) == {"vl-new": "1.0"}


@pytest.mark.parametrize(
    "setting",
    [
        {"exclude_newer": "2020-13-01"},
        {"prerelease": "x"},
        {"resolution": "lowst"},
        {"index_strategy": "none"},
        {"dependency_metadata": 3},
    ],
)
def test_setting_that_uv_cannot_read(repo: Monorepo, setting: dict[str, Any]) -> None:
    layer(repo, BASE, "vl-x", **uv(**setting))
    assert "settings discovery" in refused(repo, BASE)
    assert not (repo.root / BASE / "pylock.venvlayer.toml").exists()


def test_folder_of_an_index_that_is_missing(repo: Monorepo) -> None:
    layer(repo, BASE, "vl-x", **uv(index=[{"name": "mine", "url": "../../gone"}]))
    assert "is a folder that does not exist" in refused(repo, BASE)


@pytest.mark.parametrize(
    "url", ["z=https://u:hunter2@h/s", " https://u:hunter2@h", "h/s?token=hunter2", "hunter2@h/s"]
)
def test_mistyped_address(repo: Monorepo, url: str) -> None:
    layer(repo, BASE, "vl-x", **uv(index=[{"name": "mine", "url": url}]))
    assert "hunter2" not in refused(repo, BASE)


@pytest.mark.parametrize("option", ["package_indexes", "index_overrides", "priority_indexes"])
def test_address_in_the_place_of_a_name(repo: Monorepo, option: str) -> None:
    value: Any = "https://someone:hunter2@example.invalid/simple"
    value = [value] if option == "priority_indexes" else {"vl-x": value}
    layer(repo, BASE, "vl-x", **{option: value})
    shown = refused(repo, BASE)
    assert "hunter2" not in shown
    assert "https://****@example.invalid/simple" in shown


def test_source_of_a_sibling_that_is_no_project(repo: Monorepo) -> None:
    for source in ({"git": "https://example.invalid/x.git"}, {"index": "mine"}):
        table = "{ " + ", ".join(f'{key} = "{value}"' for key, value in source.items()) + " }"
        text = (
            '[project]\nname = "lib"\nversion = "1.0"\ndependencies = ["vl-x"]\n'
            f"[tool.uv.sources]\nvl-x = {table}\n"
        )
        write(repo.root / "lib", {"pyproject.toml": text})
        layer(repo, BASE, "lib", **uv(sources={"lib": {"path": "../../lib"}}))
        shown = refused(repo, BASE)
        fault = ": it is a Git repository" if "git" in source else ""
        assert f"takes `vl-x` from a place of its own (`[tool.uv.sources]`{fault})" in shown
    own = {"lib": {"path": "../../lib"}, "vl-x": {"index": "flat"}}
    index = [{"name": "flat", "url": str(repo.wheels), "format": "flat"}]
    layer(repo, BASE, "lib", **uv(sources=own, index=index))
    assert lock(repo, BASE).versions(HERE)["vl-x"] == "2.0"


@pytest.mark.parametrize(
    "source",
    [{"path": "a\0b"}, {"path": "../lib", "package": False}, {"path": "x", "subdirectory": "y"}],
)
def test_source_that_cannot_be(repo: Monorepo, source: dict[str, Any]) -> None:
    layer(repo, BASE, "vl-x", **uv(sources={"vl-x": source}))
    assert "tool.uv.sources.vl-x" in refused(repo, BASE)


def test_exclusion_below_of_what_another_layer_holds(repo: Monorepo) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(repo.wheels, "vl-y", version)
    make_wheel(repo.wheels, "vl-k", "1.0", requires=["vl-y<2"])
    layer(repo, "frameworks/f", "vl-x", exclude_packages=["vl-y"])
    layer(repo, "frameworks/f2", "vl-y")
    repo.layer(TOP, dependencies=["vl-k"], base=["frameworks/f", "frameworks/f2"])
    for folder in ("frameworks/f", "frameworks/f2"):
        lock(repo, folder)
    assert "which layer `f2` holds" in refused(repo, TOP)
