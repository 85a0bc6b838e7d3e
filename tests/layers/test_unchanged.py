"""Builds that find everything as it was, and builds that must not."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from monorepo import Monorepo, pypi, write
from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from front_end import FrontEnds

SAME = "Nothing has changed since app-1.0-"
HOOK = """\
import pathlib
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        made = pathlib.Path(self.root, pathlib.Path(__file__).stem + ".out")
        made.write_text(TEXT)
        build_data["force_include"][str(made)] = PLACE
"""
# With this, every uv fails that is started.
NO_UV = {"UV_CONFIG_FILE": "/nowhere/uv.toml"}


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, front_ends: FrontEnds
) -> tuple[Monorepo, dict[str, str]]:
    """A stack that is locked and built, and the environment with its store."""
    root = tmp_path_factory.mktemp("unchanged")
    make_wheel(root / "repo/wheels", "vl-one", "1.0", {"vl_one.py": "X = 1"})
    make_wheel(root / "repo/wheels", "vl-two", "1.0", {"vl_two.py": "X = 2"}, requires=["vl-one"])
    repo = Monorepo(root / "repo", root / "repo/wheels", front_ends)
    repo.runtime(dependencies=["vl-one"], bytecode=False)
    low = repo.layer("frameworks/low", base=["runtimes/rt"], include_project=True, bytecode=False)
    write(low, {"low/__init__.py": "LOW = 1\n"})
    app = repo.layer(
        "apps/app",
        base=["frameworks/low"],
        dependencies=["vl-two", "vl-lib"],
        launch_module="launch.py",
        include=["/share"],
        project={"readme": "README.md", "scripts": {"app": "app:main"}},
        tool={"uv": {"sources": {"vl-lib": {"path": "../../libs/lib"}}}},
        hooks={"custom": {"path": "own_hook.py"}},
    )
    table = '[tool.hatch.build.targets.wheel.hooks.custom]\npath = "wheel_hook.py"\n'
    with (app / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(table)
    write(
        app,
        {
            "app/__init__.py": "def main(): pass\n",
            "launch.py": "print(1)\n",
            "share/data.txt": "data\n",
            "README.md": "read me\n",
            "own_hook.py": HOOK.replace("TEXT", '"own = 1\\n"').replace("PLACE", '"share/own.py"'),
            "wheel_hook.py": HOOK.replace("TEXT", '"made = 1\\n"').replace("PLACE", '"made.py"'),
        },
    )
    write(
        repo.root / "libs/lib",
        {
            "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\n'
            'build-backend = "hatchling.build"\n[project]\nname = "vl-lib"\nversion = "1.0"\n',
            "vl_lib/__init__.py": "LIB = 1\n",
        },
    )
    env = {
        "HATCH_VENVLAYER_CACHE": str(root / "store"),
        **pypi(),
    }
    for folder in ("runtimes/rt", "frameworks/low", "apps/app"):
        repo.build(folder, env=env)
    return repo, env


@pytest.fixture
def stack(
    built: tuple[Monorepo, dict[str, str]], tmp_path: Path
) -> tuple[Monorepo, dict[str, str]]:
    """A copy of that, which a test may change."""
    repo, env = built
    shutil.copytree(repo.root, tmp_path / "repo")
    shutil.copytree(env["HATCH_VENVLAYER_CACHE"], tmp_path / "store")
    copy = Monorepo(tmp_path / "repo", tmp_path / "repo/wheels", repo.front_ends)
    env = {**env, "HATCH_VENVLAYER_CACHE": str(tmp_path / "store")}
    copy.build("apps/app", env=env)
    return copy, env


def files(repo: Monorepo) -> dict[str, bytes]:
    folder = repo.root / "apps/app/dist/venvlayer"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_nothing_has_changed(stack: tuple[Monorepo, dict[str, str]]) -> None:
    repo, env = stack
    before = files(repo)
    again = repo.build("apps/app", env={**env, **NO_UV})
    assert SAME in again.stderr
    assert "Packing" not in again.stderr
    assert files(repo) == before
    # That uv would have failed shows where it is needed.
    shutil.rmtree(env["HATCH_VENVLAYER_CACHE"])
    assert repo.build("apps/app", env={**env, **NO_UV}, check=False).returncode == 1
    assert SAME not in repo.build("apps/app", env=env).stderr
    assert files(repo) == before


def keep_state(path: Path, text: str) -> None:
    """Write ``text``, which is as long as what is there, and leave the time as it is."""
    state = path.stat()
    assert len(text.encode()) == state.st_size
    path.write_text(text, "utf-8")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


APP = "apps/app"
EDITS: dict[str, Callable[[Path], None]] = {
    "launch module": lambda root: keep_state(root / APP / "launch.py", "print(2)\n"),
    "package": lambda root: replaced(root / APP / "app/__init__.py", "pass", "return 1"),
    "new module": lambda root: write(root / APP, {"app/new.py": ""}),
    "data": lambda root: keep_state(root / APP / "share/data.txt", "atad\n"),
    "executable bit": lambda root: (root / APP / "share/data.txt").chmod(0o755),
    "hook of the layer": lambda root: replaced(root / APP / "own_hook.py", "own = 1", "own = 2"),
    "hook of the wheel": lambda root: replaced(
        root / APP / "wheel_hook.py", "made = 1", "made = 2"
    ),
    "readme": lambda root: keep_state(root / APP / "README.md", "me read\n"),
    "script": lambda root: replaced(root / APP / "pyproject.toml", "app:main", "app.new:main"),
    "level": lambda root: replaced(
        root / APP / "pyproject.toml", "launch-module", "compression-level = 3\nlaunch-module"
    ),
    "bytecode": lambda root: replaced(
        root / APP / "pyproject.toml", "launch-module", "bytecode = false\nlaunch-module"
    ),
    "description": lambda root: replaced(
        root / APP / "pyproject.toml", "readme =", 'description = "new"\nreadme ='
    ),
    "sibling": lambda root: keep_state(root / "libs/lib/vl_lib/__init__.py", "LIB = 2\n"),
    "archive gone": lambda root: next((root / APP / "dist/venvlayer").glob("*.zst")).unlink(),
    "metadata gone": lambda root: next((root / APP / "dist/venvlayer").glob("*.json")).unlink(),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_has_changed_is_noticed(stack: tuple[Monorepo, dict[str, str]], edit: str) -> None:
    repo, env = stack
    before = files(repo)
    EDITS[edit](repo.root)
    again = repo.build("apps/app", env=env)
    assert SAME not in again.stderr
    warm = files(repo)
    assert (warm == before) == ("gone" in edit)
    assert SAME in repo.build("apps/app", env=env).stderr
    shutil.rmtree(repo.root / "apps/app/dist")
    repo.build("apps/app", env={**env, "HATCH_VENVLAYER_CACHE": f"{repo.root}/../empty"})
    assert files(repo) == warm


EDITING = """\
import pathlib
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        path = pathlib.Path(self.root, "../../apps/app/share/data.txt")
        path.write_text("atad\\n", "utf-8")
"""


def test_an_edit_during_a_build_that_is_undone(stack: tuple[Monorepo, dict[str, str]]) -> None:
    repo, env = stack
    before, data = files(repo), repo.root / APP / "share/data.txt"
    # The sibling is built after everything has been looked at, and before it is packed.
    with (repo.root / "libs/lib/pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("[tool.hatch.build.hooks.custom]\n")
    write(repo.root / "libs/lib", {"hatch_build.py": EDITING})
    assert "Files were changed while app-1.0-" in repo.build(APP, env=env).stderr
    assert data.read_text("utf-8") == "atad\n"
    assert files(repo) != before
    data.write_text("data\n", "utf-8")
    assert SAME not in repo.build(APP, env=env).stderr
    assert files(repo) == before
    assert SAME in repo.build(APP, env=env).stderr


def test_the_date_counts_for_the_own_files_only(stack: tuple[Monorepo, dict[str, str]]) -> None:
    repo, env = stack
    before = files(repo)
    dated = {**env, "SOURCE_DATE_EPOCH": "1700000000"}
    assert SAME not in repo.build("apps/app", env=dated).stderr
    assert files(repo) != before
    assert SAME in repo.build("apps/app", env=dated).stderr
    # Back again: it is the archive that counts, too.
    assert SAME not in repo.build("apps/app", env=env).stderr
    assert files(repo) == before


def test_files_that_somebody_has_written_to(stack: tuple[Monorepo, dict[str, str]]) -> None:
    repo, env = stack
    before = files(repo)
    for path in sorted((repo.root / "apps/app/dist/venvlayer").iterdir()):
        content = path.read_bytes()
        keep_bytes = bytes([content[0] ^ 1]) + content[1:]
        state = path.stat()
        path.write_bytes(keep_bytes)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert SAME not in repo.build("apps/app", env=env).stderr
        assert files(repo) == before


def test_a_layer_below_counts_as_far_as_it_matters(
    stack: tuple[Monorepo, dict[str, str]],
) -> None:
    repo, env = stack
    before = files(repo)
    # Its own package may hide modules of the layer above, or be split with them.
    replaced(repo.root / "frameworks/low/low/__init__.py", "LOW = 1", "LOW = 2")
    assert SAME not in repo.build("apps/app", env=env).stderr
    assert files(repo) == before


def test_warnings_are_said_again(front_ends: FrontEnds, tmp_path: Path) -> None:
    repo = Monorepo(tmp_path / "repo", tmp_path, front_ends)
    repo.runtime()
    app = repo.layer("apps/a", base=["runtimes/rt"], project={"scripts": {"a": "a:main"}})
    write(app, {"x.py": ""})
    env = {"HATCH_VENVLAYER_CACHE": str(tmp_path / "store")}
    repo.build("runtimes/rt", "lock", env=env)
    first = repo.build("apps/a", env=env).stderr
    second = repo.build("apps/a", env=env).stderr
    assert "has scripts, but its package is not in the layer" in first
    assert "has scripts, but its package is not in the layer" in second
    assert "Nothing has changed since a-1.0-" in second
