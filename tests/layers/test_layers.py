"""Layers of made-up wheels, built by hatchling, unpacked and run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deployed import facts, run, unpack_all
from interpreters import some_interpreter
from monorepo import RUNTIME, Monorepo, write
from packaging.pylock import Pylock
from standalone import make_standalone, sha256_of
from wheels import make_wheel

from hatch_venvstacks.model.formats.toml import read_toml
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.sources.runtimes.tree import read_header_version

if TYPE_CHECKING:
    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds")

# Counts how often it runs, in the process: `PATHFILES` is a list of names in `sys`.
COUNTING = (
    "import sys; sys.__dict__.setdefault('PATHFILES', []).append({name!r} + ' ' + "
    "__import__('os').path.basename(__import__('os').path.normpath(sitedir + '/../../..')))\n"
)


@pytest.fixture
def monorepo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    wheel_index.mkdir()
    return repo


def lock_of(folder: Path) -> Pylock:
    return Pylock.from_dict(read_toml(folder / "pylock.venvlayer.toml"))


def test_a_diamond(monorepo: Monorepo, tmp_path: Path) -> None:
    for name in ("base", "left", "right", "top"):
        counting = COUNTING.format(name=name)
        files = {f"{name}.py": f"NAME = {name!r}\n", f"{name}.pth": counting}
        make_wheel(monorepo.wheels, f"vl-{name}", "1.0", {**files, f"{name}.txt": name})
    for name in ("l", "r"):
        make_wheel(monorepo.wheels, f"vl-shared-{name}", "1.0", {"shared.py": f"WHO = {name!r}\n"})
    monorepo.runtime(dependencies=["vl-base"])
    monorepo.layer("frameworks/l", dependencies=["vl-left", "vl-shared-l"], base=[RUNTIME])
    monorepo.layer("frameworks/r", dependencies=["vl-right", "vl-shared-r"], base=[RUNTIME])
    monorepo.layer(
        "apps/t",
        dependencies=["vl-top", "vl-left", "vl-right", "vl-base"],
        base=["frameworks/l", "frameworks/r"],
    )
    for folder in (RUNTIME, "frameworks/l", "frameworks/r", "apps/t"):
        monorepo.build(folder, tool="hatch")

    root = unpack_all(monorepo.archives(), tmp_path / "root")
    source = "import json, shared, sys; print(json.dumps([sys.PATHFILES, sys.path, shared.WHO]))"
    ran, path, who = facts(root / "t" / "bin" / "python", tmp_path, source)
    # The application's own, then those of the layers below: each once, each in its own folder.
    assert ran == ["top t", "left l", "right r", "base rt"]
    layers = [Path(entry).relative_to(root).parts[0] for entry in path if "site-packages" in entry]
    assert layers == ["t", "l", "r", "rt"]
    assert who == "l"
    locked = lock_of(monorepo.root / "apps/t").packages
    assert [str(package.name) for package in locked] == ["vl-top"]


def test_a_runtime_from_an_archive(monorepo: Monorepo, tmp_path: Path) -> None:
    """On a stand-in for an archive of python-build-standalone; the way of a real one."""
    archive = make_standalone(some_interpreter(), tmp_path)
    (monorepo.root / RUNTIME).mkdir(parents=True)
    archive = archive.rename(monorepo.root / "runtimes" / "python.tar.gz")
    make_wheel(monorepo.wheels, "vl-low", "1.0")
    release = read_header_version(tmp_path / "standalone")
    assert release
    minor = release.rpartition(".")[0]
    platform = {"url": "file:../python.tar.gz", "sha256": sha256_of(archive)}
    folder = monorepo.runtime(
        dependencies=["vl-low"],
        python=f"cpython@{minor}",
        python_source={host_platform().name: platform},
    )
    monorepo.layer("apps/a", base=[RUNTIME], dependencies=["vl-low"], launch_module="vl_low")
    for layer in (RUNTIME, "apps/a"):
        monorepo.build(layer)
    locked = read_toml(folder / "pylock.venvlayer.toml")
    assert locked["tool"]["hatch-venvstacks"]["runtime"] == {
        "origin": "archive",
        "version": release,
        "archives": {host_platform().name: platform},
    }
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    source = (
        "import json, sys, vl_low; print(json.dumps([sys.version.split()[0], vl_low.__file__]))"
    )
    version, module = facts(root / "a/bin/python", tmp_path, source)
    assert version == release
    assert Path(module) == root / f"rt/lib/python{minor}/site-packages/vl_low.py"
    assert not list((root / "rt" / "bin").glob("pip*"))
    assert not list((root / "rt").glob("lib/*/site-packages/pip*"))

    archive.write_bytes(archive.read_bytes() + b"more")
    done = monorepo.build("apps/a", env={"HATCH_VENVLAYER_CACHE": str(tmp_path / "x")}, check=False)
    assert "is not what was locked: its SHA-256 is" in done.stderr


def test_own_package_loose_modules_and_data(monorepo: Monorepo, tmp_path: Path) -> None:
    monorepo.runtime()
    app = monorepo.layer(
        "apps/tool",
        base=[RUNTIME],
        project={"scripts": {"tool": "tool.cli:main"}},
        launch_module="launch/start.py",
        support_modules=["extras/helpers", "single.py"],
        exclude=["*.tmp", "secret.txt"],
        force_include={"assets/logo.txt": "share/tool/logo.txt"},
    )
    write(
        app,
        {
            ".gitignore": "*.log\n/extras/helpers/generated/\n",
            "tool/__init__.py": "",
            "tool/cli.py": (
                "import sys\ndef main():\n    print('tool', sys.argv[0])\n    return 3\n"
            ),
            "launch/start.py": "import helpers.deep, single\nprint(helpers.deep.X, single.Y)\n",
            "extras/helpers/__init__.py": "",
            "extras/helpers/deep.py": "X = 'deep'\n",
            "extras/helpers/noise.log": "ignored by git",
            "extras/helpers/x.tmp": "excluded",
            "extras/helpers/secret.txt": "excluded",
            "extras/helpers/data.json": "{}",
            "extras/helpers/generated/x.py": "ignored by git",
            "extras/helpers/__pycache__/deep.cpython-311.pyc": "stale",
            "single.py": "Y = 'single'\n",
            "assets/logo.txt": "logo",
        },
    )
    monorepo.build(RUNTIME)
    monorepo.build("apps/tool")

    root = unpack_all(monorepo.archives(), tmp_path / "root")
    layer = root / "tool"
    (site,) = layer.glob("lib/python*/site-packages")
    assert run([layer / "bin" / "python", "-m", "start"], tmp_path).stdout == "deep single\n"
    assert sorted(p.relative_to(site).as_posix() for p in site.glob("helpers/*")) == [
        "helpers/__init__.py",
        "helpers/__pycache__",  # written by the run above
        "helpers/data.json",
        "helpers/deep.py",
    ]
    assert (layer / "share/tool/logo.txt").read_text() == "logo"
    described = json.loads((layer / "share/venvlayer/layer.json").read_text())
    assert described["launch"] == {"module": "start"}
    assert described["scripts"] == ["tool"]
    assert (site / "tool" / "cli.py").exists()
    done = run(
        ["sh", "-c", 'tool; echo "exit $?"'], tmp_path, {"PATH": f"{layer / 'bin'}:/bin:/usr/bin"}
    )
    assert done.stdout == f"tool {layer / 'bin' / 'tool'}\nexit 3\n"


def test_a_project_without_a_package(monorepo: Monorepo, tmp_path: Path) -> None:
    make_wheel(monorepo.wheels, "server", "1.0", {"server/__main__.py": "print('serving')\n"})
    monorepo.runtime()
    monorepo.layer("apps/svc", dependencies=["server"], base=[RUNTIME], launch_module="server")
    # The same as a hatch.toml, which has no `tool.hatch` before its tables.
    app = monorepo.root / "apps/svc"
    document = read_toml(app / "pyproject.toml")
    table = document["tool"]["hatch"]["build"]["targets"]["venvlayer"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    (app / "hatch.toml").write_text("\n".join(["[build.targets.venvlayer]", *lines, ""]))
    text = (app / "pyproject.toml").read_text().partition("[tool")[0]
    (app / "pyproject.toml").write_text(text)
    monorepo.build(RUNTIME)
    monorepo.build("apps/svc")
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    assert run([root / "svc/bin/python", "-m", "server"], tmp_path).stdout == "serving\n"


def test_launching_a_module_of_a_layer_below(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "server", "1.0", {"server/__main__.py": "", "lib/__init__.py": ""})
    monorepo.runtime(dependencies=["server"])
    monorepo.build(RUNTIME)
    for module, error in (("server", ""), ("http.server", ""), ("lib", "no module `__main__`")):
        monorepo.layer("apps/svc", base=[RUNTIME], launch_module=module)
        done = monorepo.build("apps/svc", check=not error)
        assert error in done.stderr
        assert bool(done.returncode) is bool(error)


def test_the_own_project_of_a_layer_below(monorepo: Monorepo, tmp_path: Path) -> None:
    make_wheel(monorepo.wheels, "dep", "1.0")
    make_wheel(monorepo.wheels, "fast", "1.0")
    make_wheel(monorepo.wheels, "mylib", "9.0", {"mylib/__init__.py": "not this one"})
    make_wheel(monorepo.wheels, "plugin", "1.0", requires=["mylib<3"])
    monorepo.runtime()
    framework = monorepo.layer(
        "frameworks/mylib",
        base=[RUNTIME],
        dependencies=["dep"],
        project={"version": "2.0", "optional-dependencies": {"speed": ["fast"]}},
        include_project=True,
    )
    write(framework, {"mylib/__init__.py": "", "mylib/__main__.py": "print('mine')\n"})
    app = monorepo.layer(
        "apps/a",
        base=["frameworks/mylib"],
        dependencies=["mylib[speed]>=2", "plugin"],
        launch_module="mylib",
    )
    for folder in (RUNTIME, "frameworks/mylib", "apps/a"):
        monorepo.build(folder)
    assert [str(package.name) for package in lock_of(app).packages] == ["fast", "plugin"]
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    assert run([root / "a/bin/python", "-m", "mylib"], tmp_path).stdout == "mine\n"

    text = (framework / "pyproject.toml").read_text("utf-8")
    (framework / "pyproject.toml").write_text(text.replace('"2.0"', '"2.1"'), "utf-8")
    done = monorepo.build("apps/a", check=False)
    assert "the layer below now holds mylib 2.1, it was 2.0\n" in done.stderr
    more = text.replace('["fast"]', '["fast", "dep"]')
    assert more != text
    (framework / "pyproject.toml").write_text(more, "utf-8")
    monorepo.build("frameworks/mylib", "lock")
    done = monorepo.build("apps/a", check=False)
    changed = "the requirements of mylib 2.0, which a layer below holds, have changed"
    assert changed in done.stderr
    (framework / "pyproject.toml").write_text(text.replace('"2.0"', '"1.0"'), "utf-8")
    done = monorepo.build("apps/a", "lock", check=False)
    assert "it requires `mylib[speed]>=2`, but layer `mylib` holds mylib 1.0" in done.stderr


def test_a_computed_version_below_that_is_required_by_another(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "vl-mylib", "9.0")
    make_wheel(monorepo.wheels, "vl-plugin", "1.0", requires=["vl-mylib"])
    monorepo.runtime()
    framework = monorepo.layer(
        "frameworks/vl-mylib",
        base=[RUNTIME],
        tool={
            "hatch": {
                "version": {"path": "vl_mylib/__init__.py"},
                "build": {
                    "targets": {
                        "venvlayer": {
                            "kind": "framework",
                            "base-layers": [f"../../{RUNTIME}"],
                            "include-project": True,
                        }
                    }
                },
            }
        },
    )
    write(framework, {"vl_mylib/__init__.py": "__version__ = '2.0'\n"})
    text = (framework / "pyproject.toml").read_text("utf-8")
    dynamic = text.replace('version = "1.0"\n', 'dynamic = ["version"]\n')
    (framework / "pyproject.toml").write_text(dynamic, "utf-8")
    app = monorepo.layer("apps/a", base=["frameworks/vl-mylib"], dependencies=["vl-plugin"])
    for folder in (RUNTIME, "frameworks/vl-mylib", "apps/a"):
        monorepo.build(folder, "lock")
    assert [str(package.name) for package in lock_of(app).packages] == ["vl-plugin"]
    monorepo.build("apps/a")


def test_settings_of_uv_that_install_elsewhere(monorepo: Monorepo, tmp_path: Path) -> None:
    make_wheel(monorepo.wheels, "vl-one", "1.0")
    monorepo.runtime(dependencies=["vl-one"])
    monorepo.build(RUNTIME, "lock")
    settings = tmp_path / "uv.toml"
    settings.write_text(f"[pip]\ntarget = '{tmp_path / 'elsewhere'}'\n", "utf-8")
    done = monorepo.build(RUNTIME, env={"UV_CONFIG_FILE": str(settings)}, check=False)
    assert "vl-one" in done.stderr
    assert "`[pip]` in your uv.toml" in done.stderr
    # Above the cache folder, a project's settings do not count.
    (tmp_path / "pyproject.toml").write_text("[tool.uv]\nrequired-version = '<0.1'\n", "utf-8")
    monorepo.build(RUNTIME, env={"HATCH_VENVLAYER_CACHE": str(tmp_path / "cache")})


def test_scripts_without_a_package(monorepo: Monorepo) -> None:
    monorepo.runtime()
    monorepo.build(RUNTIME, "lock")
    monorepo.layer("apps/a", base=[RUNTIME], project={"scripts": {"a": "b:c"}})
    assert "`a` has scripts, but its package is not in the layer" in monorepo.build("apps/a").stderr
    app = monorepo.layer("apps/a", base=[RUNTIME])
    with (app / "pyproject.toml").open("a") as file:
        file.write("[tool.hatch.build.targets.wheel]\npackages = 'src/a'\n")
    done = monorepo.build("apps/a", check=False)
    assert "tool.hatch.build.targets.wheel.packages` must be an array" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_below_whose_metadata_hook_is_not_here(monorepo: Monorepo) -> None:
    monorepo.runtime()
    framework = monorepo.layer("frameworks/f", base=[RUNTIME], include_project=True)
    monorepo.build(RUNTIME, "lock")
    monorepo.build("frameworks/f", "lock")
    path = framework / "pyproject.toml"
    text = path.read_text("utf-8").replace("[project]\n", '[project]\ndynamic = ["readme"]\n')
    path.write_text(f"{text}\n[tool.hatch.metadata.hooks.not-here]\n", "utf-8")
    # Nobody requires it, so nobody needs to know more of it.
    monorepo.layer("apps/a", base=["frameworks/f"])
    monorepo.build("apps/a")
    monorepo.layer("apps/a", base=["frameworks/f"], dependencies=["f"])
    done = monorepo.build("apps/a", "lock", check=False)
    assert done.returncode == 1
    assert "not-here" in done.stderr
    assert "Traceback" not in done.stderr


def test_hooks_for_all_targets_and_for_this_one(monorepo: Monorepo) -> None:
    hook = (
        "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
        "class Hook(BuildHookInterface):\n"
        "    def initialize(self, version, data):\n"
        "        data['force_include']['generated.py'] = 'share/generated.py'\n"
    )
    files = {"hatch_build.py": hook, "generated.py": "", "a/__init__.py": ""}
    monorepo.runtime()
    monorepo.build(RUNTIME, "lock")
    for where, there in (("hooks", False), ("targets", True)):
        app = monorepo.layer("apps/a", base=[RUNTIME])
        write(app, files)
        table = (
            "[tool.hatch.build.hooks.custom]"
            if where == "hooks"
            else ("[tool.hatch.build.targets.venvlayer.hooks.custom]")
        )
        with (app / "pyproject.toml").open("a") as file:
            file.write(f"{table}\n")
        monorepo.build("apps/a", "export")
        export = app / "dist/venvlayer/export/a"
        assert (export / "share/generated.py").exists() is there


def test_a_namespace_with_a_dependency(monorepo: Monorepo, tmp_path: Path) -> None:
    make_wheel(monorepo.wheels, "first", "1.0", {"ns/__init__.py": "", "ns/first.py": ""})
    monorepo.runtime()
    app = monorepo.layer("apps/a", base=[RUNTIME], dependencies=["first"], include_project=True)
    write(app, {"ns/__init__.py": "# nothing\n", "ns/second.py": ""})
    with (app / "pyproject.toml").open("a") as file:
        file.write("[tool.hatch.build.targets.wheel]\npackages = ['ns']\n")
    monorepo.build(RUNTIME)
    monorepo.build("apps/a")
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    run([root / "a/bin/python", "-c", "import ns.first, ns.second"], tmp_path)


def test_export_runs_the_hooks_of_layers_below(monorepo: Monorepo, tmp_path: Path) -> None:
    monorepo.runtime()
    framework = monorepo.layer("frameworks/f", base=[RUNTIME])
    hook = (
        "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
        "class Hook(BuildHookInterface):\n"
        "    def initialize(self, version, data):\n"
        "        data['force_include']['pyproject.toml'] = 'share/from-hook.toml'\n"
    )
    write(framework, {"hatch_build.py": hook})
    with (framework / "pyproject.toml").open("a") as file:
        file.write("[tool.hatch.build.targets.venvlayer.hooks.custom]\n")
    app = monorepo.layer("apps/a", base=["frameworks/f"])
    for folder in (RUNTIME, "frameworks/f", "apps/a"):
        monorepo.build(folder)
    monorepo.build("apps/a", "export")
    root = unpack_all(monorepo.archives(), tmp_path / "root")
    export = app / "dist/venvlayer/export"
    assert (export / "f/share/from-hook.toml").exists()
    names = sorted(path.relative_to(export).as_posix() for path in export.rglob("*"))
    assert names == sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_layers_below_that_start_to_differ(monorepo: Monorepo) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(monorepo.wheels, "vl-click", version)
    monorepo.runtime()
    monorepo.layer("frameworks/l", base=[RUNTIME], dependencies=["vl-click==2.0"])
    monorepo.layer("frameworks/r", base=[RUNTIME], dependencies=["vl-click>=2"])
    monorepo.layer("apps/a", base=["frameworks/l", "frameworks/r"])
    for folder in (RUNTIME, "frameworks/l", "frameworks/r", "apps/a"):
        monorepo.build(folder, "lock")
    monorepo.layer("frameworks/l", base=[RUNTIME], dependencies=["vl-click==1.0"])
    monorepo.build("frameworks/l", "lock")
    done = monorepo.build("apps/a", check=False)
    assert "a layer below now holds vl-click 1.0 over 2.0" in done.stderr
    done = monorepo.build("apps/a", "lock", check=False)
    assert "hold different versions of `vl-click`: `l` holds 1.0, `r` holds 2.0" in done.stderr
    monorepo.layer("frameworks/r", base=[RUNTIME], dependencies=["vl-click"])
    monorepo.build("frameworks/r", "lock")
    monorepo.build("apps/a", "lock")
    monorepo.build("apps/a")


def test_a_local_wheel_that_is_built_again(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "vl-local", "1.0", {"local.py": "X = 1\n"})
    folder = monorepo.runtime(dependencies=["vl-local"])
    monorepo.build(RUNTIME)
    wheel = make_wheel(monorepo.wheels, "vl-local", "1.0", {"local.py": "X = 2\n"})
    done = monorepo.build(RUNTIME, check=False)
    assert "the local wheel has changed: " in done.stderr
    monorepo.build(RUNTIME, "lock")
    monorepo.build(RUNTIME, "export")
    (module,) = (folder / "dist/venvlayer/export").rglob("local.py")
    assert module.read_text() == "X = 2\n"
    wheel.unlink()
    done = monorepo.build(RUNTIME, check=False)
    assert "the local wheel is gone: " in done.stderr


def test_a_damaged_lock(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "vl-one", "1.0")
    folder = monorepo.runtime(dependencies=["vl-one"])
    monorepo.build(RUNTIME, "lock")
    lock = folder / "pylock.venvlayer.toml"
    text = lock.read_text("utf-8")
    packages = text[text.index("[[packages]]") : text.index("[tool.")]
    for damaged, words in (
        (text.replace(packages, "packages = []\n"), "lacks `vl-one`, which it says is needed"),
        (text.replace('version = "1.0"\nwheels', "wheels"), "no version of `vl-one`"),
        (text.replace("sha256 =", "sha512 ="), "no SHA-256 of a wheel of `vl-one`"),
    ):
        assert damaged != text
        lock.write_text(damaged, "utf-8")
        done = monorepo.build(RUNTIME, check=False)
        assert f"The lock is damaged: {lock}: it " in done.stderr
        assert words in done.stderr


def test_an_extra_of_a_package_below(monorepo: Monorepo) -> None:
    make_wheel(
        monorepo.wheels, "req", "1.0", requires=["socks ; extra == 'socks'"], extras=["socks"]
    )
    make_wheel(monorepo.wheels, "socks", "1.0")
    monorepo.runtime(dependencies=["req"])
    app = monorepo.layer("apps/a", dependencies=["req[socks]"], base=[RUNTIME])
    monorepo.build(RUNTIME, "lock")
    monorepo.build("apps/a", "lock")
    assert [str(package.name) for package in lock_of(app).packages] == ["socks"]


def test_locks_are_stable_and_local_wheels_relative(monorepo: Monorepo) -> None:
    make_wheel(monorepo.wheels, "one", "1.0")
    folder = monorepo.runtime(dependencies=["one"])
    lock = folder / "pylock.venvlayer.toml"
    done = monorepo.build(RUNTIME, "lock")
    assert "Wrote pylock.venvlayer.toml" in done.stderr
    first = lock.read_text("utf-8")
    written = lock.stat().st_mtime_ns
    assert str(monorepo.wheels) not in first
    (package,) = lock_of(folder).packages
    assert package.wheels is not None
    assert (folder / str(package.wheels[0].path)).resolve().is_file()

    assert "is up to date" in monorepo.build(RUNTIME, "lock").stderr
    assert lock.stat().st_mtime_ns == written
    # A newer release is no reason to move; a new requirement moves nothing else.
    make_wheel(monorepo.wheels, "one", "2.0")
    make_wheel(monorepo.wheels, "two", "1.0", requires=["one"])
    assert "is up to date" in monorepo.build(RUNTIME, "lock").stderr
    monorepo.runtime(dependencies=["one", "two"])
    monorepo.build(RUNTIME, "lock")
    versions = {str(p.name): str(p.version) for p in lock_of(folder).packages}
    assert versions == {"one": "1.0", "two": "1.0"}


def test_a_scripts_folder_of_all_sorts(monorepo: Monorepo, tmp_path: Path) -> None:
    make_wheel(
        monorepo.wheels,
        "sorts",
        "1.0",
        {"sorts.py": "def main():\n    print('main')\n"},
        entry_points="[console_scripts]\nsorts = sorts:main\n",
        scripts={
            "python-script": "#!python\nfrom __future__ import annotations\nprint('python')\n",
            "shell-script": "#!/bin/sh\necho shell\n",
            "binary": Path("/bin/true").read_bytes(),
        },
        data={"data/share/sorts/x.txt": "x", "headers/sorts.h": "int x;"},
    )
    monorepo.runtime()
    monorepo.layer("apps/a", dependencies=["sorts"], base=[RUNTIME])
    monorepo.build(RUNTIME)
    monorepo.build("apps/a")
    root = unpack_all(monorepo.archives(), tmp_path / "ro ot")
    folder = root / "a" / "bin"
    printed = {
        name: run([folder / name], tmp_path).stdout
        for name in ("sorts", "python-script", "shell-script", "binary")
    }
    assert printed == {
        "sorts": "main\n",
        "python-script": "python\n",
        "shell-script": "shell\n",
        "binary": "",
    }
    assert (folder / "binary").read_bytes() == Path("/bin/true").read_bytes()
    assert (root / "a/share/sorts/x.txt").read_text() == "x"
    check = (
        "import json, base64, hashlib\n"
        "from importlib.metadata import files\n"
        "bad = [str(f) for f in files('sorts') if f.hash and base64.urlsafe_b64encode("
        "hashlib.sha256(f.locate().read_bytes()).digest()).rstrip(b'=').decode() != f.hash.value]\n"
        "print(json.dumps([bad, all(f.locate().exists() for f in files('sorts'))]))"
    )
    assert facts(folder / "python", tmp_path, check) == [[], True]
