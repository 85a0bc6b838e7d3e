"""Layers that require projects of their monorepo, built by hatchling, unpacked and run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from deployed import facts, run, unpack_all
from monorepo import RUNTIME, Monorepo, write
from packaging.pylock import Pylock
from wheels import make_wheel

from hatch_venvstacks.model.formats.toml import read_toml
from hatch_venvstacks.sources.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds")

HATCHLING = {"requires": ["hatchling"], "build-backend": "hatchling.build"}
SETUPTOOLS = {"requires": ["setuptools"], "build-backend": "setuptools.build_meta"}
# Build backends come from PyPI.
ONLINE = {"UV_DEFAULT_INDEX": "https://pypi.org/simple"}


@pytest.fixture
def monorepo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    wheel_index.mkdir()
    return Monorepo(tmp_path / "repo", wheel_index, front_ends)


def lib(
    repo: Monorepo,
    name: str,
    *,
    backend: Mapping[str, Any] = HATCHLING,
    folder: str = "",
    uv: Mapping[str, Any] | None = None,
    text: str = "",
    **project: Any,
) -> Path:
    """A project of the monorepo that is no layer, with one module in ``src``."""
    root = repo.root / (folder or f"libs/{name}")
    module = name.replace("-", "_")
    table = {key.replace("_", "-"): value for key, value in project.items()}
    version = {} if "dynamic" in table else {"version": "1.0"}
    document = {
        "build-system": backend,
        "project": {"name": name, **version, **table},
        "tool": {
            "uv": uv or {},
            "hatch": {"build": {"targets": {"wheel": {"packages": [f"src/{module}"]}}}},
        },
    }
    write(
        root,
        {
            "pyproject.toml": tomlkit.dumps(document),
            f"src/{module}/__init__.py": text or f"NAME = '{name}'\n",
        },
    )
    return root


def sources(**paths: str) -> dict[str, Any]:
    return {
        "uv": {"sources": {name.replace("_", "-"): {"path": path} for name, path in paths.items()}}
    }


# A layer that requires one sibling.
ONE: dict[str, Any] = {"dependencies": ["vl-one"], "tool": sources(vl_one="../../libs/vl-one")}


def lock_of(folder: Path) -> Pylock:
    return Pylock.from_dict(read_toml(folder / "pylock.venvlayer.toml"))


def tool_table(folder: Path) -> dict[str, Any]:
    document = read_toml(folder / "pylock.venvlayer.toml")
    table: dict[str, Any] = document["tool"]["hatch-venvstacks"]
    return table


def test_siblings_in_two_layers(monorepo: Monorepo, tmp_path: Path) -> None:
    make_wheel(monorepo.wheels, "vl-third", "1.0")
    # What an index has under the name of a sibling is never taken.
    make_wheel(monorepo.wheels, "vl-one", "9.0", {"stranger.py": ""})
    make_wheel(monorepo.wheels, "vl-two", "1.0", {"stranger.py": ""})
    lib(
        monorepo,
        "vl-one",
        dependencies=["vl-two", "vl-third"],
        uv={"sources": {"vl-two": {"path": "../vl-two", "editable": True}}},
        scripts={"one": "vl_one:main"},
        text="import vl_two, vl_third\ndef main():\n    print('one', vl_two.NAME)\n",
    )
    lib(monorepo, "vl-two", backend=SETUPTOOLS)
    lib(
        monorepo,
        "vl-three",
        dependencies=["vl-two"],
        uv={"sources": {"vl-two": {"path": "../vl-two"}}},
    )
    monorepo.runtime()
    framework = monorepo.layer(
        "frameworks/f",
        base=[RUNTIME],
        dependencies=["vl-one"],
        tool=sources(vl_one="../../libs/vl-one"),
    )
    app = monorepo.layer(
        "apps/a",
        base=["frameworks/f"],
        dependencies=["vl-three", "vl-two"],
        tool=sources(vl_three="../../libs/vl-three", vl_two="../../libs/vl-two"),
    )
    for folder in (RUNTIME, "frameworks/f", "apps/a"):
        monorepo.build(folder, "lock")
    packages = {str(one.name): one for one in lock_of(framework).packages}
    assert sorted(packages) == ["vl-one", "vl-third", "vl-two"]
    assert packages["vl-one"].version is None
    assert packages["vl-one"].wheels is None
    assert packages["vl-one"].directory is not None
    assert packages["vl-one"].directory.path == "../../libs/vl-one"
    assert tool_table(framework)["projects"]["vl-two"]["version"] == "1.0"
    assert [str(one.name) for one in lock_of(app).packages] == ["vl-three"]
    assert tool_table(app)["below"]["all"]["vl-two"].startswith("1.0 requires ")
    assert str(tmp_path) not in (framework / "pylock.venvlayer.toml").read_text("utf-8")
    for folder in (RUNTIME, "frameworks/f", "apps/a"):
        assert "is up to date" in monorepo.build(folder, "lock").stderr
        done = monorepo.build(folder, env=ONLINE)
    assert "Building the wheel of `vl-three` for `a`" in done.stderr
    assert not [
        *(monorepo.root / "libs").rglob("*.egg-info"),
        *(monorepo.root / "libs").rglob("build"),
    ]
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    assert run([root / "f/bin/one"], tmp_path).stdout == "one vl-two\n"
    names = "import json, vl_one, vl_two, vl_three; print(json.dumps([vl_two.__file__]))"
    (place,) = facts(root / "a/bin/python", tmp_path, names)
    assert place.startswith(str(root / "f/lib"))
    assert not [*root.rglob("stranger.py"), *root.rglob("direct_url.json")]


def test_plain_uv_installs_the_lock(monorepo: Monorepo, tmp_path: Path) -> None:
    lib(monorepo, "vl-one")
    folder = monorepo.runtime(**ONE)
    monorepo.build(RUNTIME, "lock")
    lock = folder / "pylock.venvlayer.toml"
    prefix = tmp_path / "prefix"
    arguments = [
        "--preview-features",
        "pylock",
        "--python",
        sys.executable,
        "--prefix",
        str(prefix),
    ]
    run_uv(["pip", "sync", *arguments, str(lock)], folder=folder, failure="Installing")
    assert [*prefix.rglob("vl_one/__init__.py")]


def test_what_makes_a_lock_stale(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "vl-third", "1.0")
    one = lib(monorepo, "vl-one")
    monorepo.runtime()
    framework = monorepo.layer(
        "frameworks/f",
        base=[RUNTIME],
        dependencies=["vl-one"],
        tool=sources(vl_one="../../libs/vl-one"),
    )
    monorepo.layer("apps/a", base=["frameworks/f"], dependencies=["vl-one"])
    for folder in (RUNTIME, "frameworks/f", "apps/a"):
        monorepo.build(folder, "lock")
    lock = framework / "pylock.venvlayer.toml"
    first = lock.read_text("utf-8")

    def stale(folder: str) -> str:
        done = monorepo.build(folder, check=False)
        assert done.returncode == 1
        return done.stderr

    # Sources are a matter of the archive.
    (one / "src/vl_one/__init__.py").write_text("NAME = 'changed'\n", "utf-8")
    assert "is up to date" in monorepo.build("frameworks/f", "lock").stderr
    monorepo.build("frameworks/f", "export", env=ONLINE)
    (module,) = (framework / "dist/venvlayer/export").rglob("vl_one/__init__.py")
    assert module.read_text("utf-8") == "NAME = 'changed'\n"

    lib(monorepo, "vl-one", version="1.1")
    said = stale("frameworks/f")
    assert "the version of `vl-one` (../../libs/vl-one) is now 1.1, it was 1.0" in said
    assert "The lock of layer `f` is stale" in stale("apps/a")
    assert "updated: vl-one 1.0 -> 1.1" in monorepo.build("frameworks/f", "lock").stderr
    assert "the layer below now holds vl-one 1.1" in stale("apps/a")

    lib(monorepo, "vl-one", dependencies=["vl-third"])
    said = stale("frameworks/f")
    assert "the requirements of `vl-one` (../../libs/vl-one) have changed" in said
    monorepo.build("frameworks/f", "lock")
    assert [str(each.name) for each in lock_of(framework).packages] == ["vl-one", "vl-third"]

    lib(monorepo, "vl-one")
    monorepo.build("frameworks/f", "lock")
    assert lock.read_text("utf-8") == first
    lib(monorepo, "vl-one", folder="elsewhere")
    elsewhere = {**ONE, "tool": sources(vl_one="../../elsewhere")}
    monorepo.layer("frameworks/f", base=[RUNTIME], **elsewhere)
    said = stale("frameworks/f")
    assert "`vl-one` is now the project in ../../elsewhere, was that in ../../libs/vl-one" in said
    make_wheel(monorepo.wheels, "vl-one", "1.0")
    monorepo.layer("frameworks/f", base=[RUNTIME], dependencies=["vl-one"])
    assert "`vl-one` is no longer the project in ../../libs/vl-one" in stale("frameworks/f")
    monorepo.build("frameworks/f", "lock")
    monorepo.layer("frameworks/f", base=[RUNTIME], **elsewhere)
    assert "`vl-one` is now the project in ../../elsewhere" in stale("frameworks/f")


def test_a_version_that_is_computed(monorepo: Monorepo, tmp_path: Path) -> None:
    def released(version: str) -> None:
        root = lib(monorepo, "vl-one", backend=SETUPTOOLS, dynamic=["version"])
        with (root / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write("[tool.setuptools.dynamic]\nversion = { attr = 'vl_one.VERSION' }\n")
        (root / "src/vl_one/__init__.py").write_text(f"VERSION = '{version}'\n", "utf-8")

    released("1.0.dev1")
    monorepo.runtime(**ONE)
    monorepo.layer("apps/a", base=[RUNTIME], dependencies=["vl-one"])
    monorepo.build(RUNTIME, "lock", env=ONLINE)
    monorepo.build("apps/a", "lock", env=ONLINE)
    released("1.0.dev2")
    for folder in (RUNTIME, "apps/a"):
        assert "is up to date" in monorepo.build(folder, "lock", env=ONLINE).stderr
        monorepo.build(folder, env=ONLINE)
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    version = "import json, importlib.metadata as m; print(json.dumps(m.version('vl-one')))"
    assert facts(root / "a/bin/python", tmp_path, version) == "1.0.dev2"
    monorepo.layer("apps/a", base=[RUNTIME], dependencies=["vl-one==1.0.dev1"])
    done = monorepo.build("apps/a", "lock", env=ONLINE, check=False)
    assert "layer `rt` holds vl-one 1.0.dev2" in done.stderr
    monorepo.layer("apps/a", base=[RUNTIME], dependencies=["vl-one>=1.0.dev2"])
    monorepo.build("apps/a", "lock", env=ONLINE)
    released("1.0.dev1")
    done = monorepo.build("apps/a", env=ONLINE, check=False)
    assert "is now 1.0.dev1, which `vl-one>=1.0.dev2` of `a` does not allow" in done.stderr


def test_the_same_bytes_from_two_folders(
    tmp_path: Path, wheel_index: Path, front_ends: FrontEnds
) -> None:
    wheel_index.mkdir()
    made = []
    for number in (1, 2):
        repo = Monorepo(tmp_path / f"repo {number}", wheel_index, front_ends)
        for name, backend in (("vl-one", HATCHLING), ("vl-two", SETUPTOOLS)):
            root = lib(repo, name, backend=backend)
            if number == 2:
                module = name.replace("-", "_")
                write(
                    root,
                    {f"build/lib/{module}/stale.py": "", f"src/{module}/__pycache__/x.pyc": ""},
                )
                (root / f"src/{module}/__init__.py").chmod(0o600)
        repo.runtime()
        paths = sources(vl_one="../../libs/vl-one", vl_two="../../libs/vl-two")
        app = repo.layer("apps/a", base=[RUNTIME], dependencies=["vl-one", "vl-two"], tool=paths)
        repo.build(RUNTIME, "lock")
        repo.build("apps/a", env=ONLINE)
        (archive,) = (app / "dist/venvlayer").glob("*.tar.zst")
        made.append((archive.read_bytes(), (app / "pylock.venvlayer.toml").read_bytes()))
    assert made[0] == made[1]


def test_members_of_a_workspace_and_markers(monorepo: Monorepo) -> None:
    write(
        monorepo.root, {"pyproject.toml": "[tool.uv.workspace]\nmembers = ['libs/*', 'apps/*']\n"}
    )
    make_wheel(monorepo.wheels, "vl-one", "9.0")
    lib(monorepo, "vl-one")
    monorepo.runtime()
    marker = "sys_platform == 'linux'"
    tool = {"uv": {"sources": {"vl-one": [{"workspace": True, "marker": marker}]}}}
    app = monorepo.layer("apps/a", base=[RUNTIME], dependencies=["vl-one"], tool=tool)
    monorepo.build(RUNTIME, "lock")
    monorepo.build("apps/a", "lock")
    (package,) = lock_of(app).packages
    assert package.directory is not None


def test_a_layer_below_that_holds_another(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "vl-one", "1.0")
    lib(monorepo, "vl-one")
    monorepo.runtime(dependencies=["vl-one"])
    paths = sources(vl_one="../../libs/vl-one")
    monorepo.layer("apps/a", base=[RUNTIME], dependencies=["vl-one"], tool=paths)
    monorepo.build(RUNTIME, "lock")
    done = monorepo.build("apps/a", "lock", check=False)
    words = "takes `vl-one` from `../../libs/vl-one`, but layer `rt` below holds vl-one 1.0 from"
    assert words in done.stderr


def test_the_project_of_a_layer_below(monorepo: Monorepo) -> None:
    monorepo.runtime()
    framework = monorepo.layer("frameworks/vl-f", base=[RUNTIME], include_project=True)
    write(framework, {"vl_f/__init__.py": ""})
    paths = sources(vl_f="../../frameworks/vl-f")
    app = monorepo.layer("apps/a", base=["frameworks/vl-f"], dependencies=["vl-f"], tool=paths)
    for folder in (RUNTIME, "frameworks/vl-f", "apps/a"):
        monorepo.build(folder, "lock")
    assert lock_of(app).packages == []


def test_another_python(monorepo: Monorepo) -> None:
    lib(monorepo, "vl-one", requires_python=">=3.99")
    monorepo.runtime(**ONE)
    done = monorepo.build(RUNTIME, "lock", check=False)
    assert "`requires-python` of `vl-one` is `>=3.99`, but the runtime is CPython 3." in done.stderr


def test_faults_are_lines(monorepo: Monorepo) -> None:
    root = lib(monorepo, "vl-one", backend={"requires": ["vl-not-there"], "build-backend": "x"})
    monorepo.runtime(**ONE)
    done = monorepo.build(RUNTIME, check=False)
    assert f"The wheel of the project in `{root}` cannot be built" in done.stderr
    assert "vl-not-there" in done.stderr
    (root / "pyproject.toml").unlink()
    done = monorepo.build(RUNTIME, check=False)
    assert "has no file `pyproject.toml`" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_that_could_be_taken_for_one_another(monorepo: Monorepo) -> None:
    """A layer called as another one with a distribution of it, and a sibling called `own`."""
    for name in ("vl-a", "vl-b"):
        files = {"vl_ns/__init__.py": "", f"vl_ns/{name[-1]}.py": ""}
        make_wheel(monorepo.wheels, name, "1.0", files)
    lib(monorepo, "own")
    monorepo.runtime()
    monorepo.layer("frameworks/fw", dependencies=["vl-a", "vl-b"], base=[RUNTIME])
    monorepo.layer("frameworks/fw-vl-a", base=["frameworks/fw"])
    app = monorepo.layer(
        "apps/a",
        dependencies=["own"],
        base=["frameworks/fw-vl-a"],
        tool=sources(own="../../libs/own"),
    )
    write(app, {"a.py": "import own\n"})
    # Nothing is known yet of the wheels below, and then all is.
    environment = {**ONLINE, "HATCH_VENVLAYER_CACHE": str(monorepo.root / "empty cache")}
    for folder in (RUNTIME, "frameworks/fw", "frameworks/fw-vl-a"):
        monorepo.build(folder, "lock", env=environment)
    for _ in range(2):
        monorepo.build("apps/a", env=environment)
