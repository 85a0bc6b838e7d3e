"""A stack as one environment: what is seen of it from the application, by the real front end."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import posixpath
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deployed import facts, run, unpack_all
from interpreters import some_interpreter
from monorepo import RUNTIME, Monorepo, write
from wheels import make_wheel

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.composition.namespaces import EXTENDING
from hatch_venvstacks.deployment.verify import check_deployment

if TYPE_CHECKING:
    from front_end import FrontEnds

PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
PKG_RESOURCES = "__import__('pkg_resources').declare_namespace(__name__)\n"
FRAMEWORK, APP = "frameworks/fw", "apps/app"
NAMESPACES = ("vl_pep420", "vl_empty", "vl_pkgutil", "vl_mixed", "vl_doc")


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    wheel_index.mkdir()
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    repo.runtime()
    return repo


def inits(part: str) -> dict[str, str]:
    """Halves of namespace packages, of all kinds."""
    mixed = {"low": "", "mid": PKGUTIL}
    found = {
        "vl_empty/__init__.py": "",
        "vl_doc/__init__.py": f'"""A namespace, {part}."""\n',
        "vl_pkgutil/__init__.py": PKGUTIL,
    }
    if part in mixed:
        found["vl_mixed/__init__.py"] = mixed[part]
    modules = {f"{name}/{part}.py": f"WHO = {part!r}\n" for name in NAMESPACES}
    return {**found, **modules, f"vl_pep420/deep/er/{part}.py": ""}


def record_faults(layer: Path) -> list[str]:
    """What RECORDs below ``layer`` say that is not so."""
    faults = []
    for record in layer.rglob("*.dist-info/RECORD"):
        site = record.parents[1]
        for path, digest, size in csv.reader(record.read_text("utf-8").splitlines()):
            file = Path(posixpath.normpath(site / path))
            if not file.is_file():
                faults.append(f"{path} is not there")
            elif digest:
                content = file.read_bytes()
                found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
                if digest != f"sha256={found.decode()}" or int(size) != len(content):
                    faults.append(f"{path} is another file")
    return faults


def test_namespace_packages_of_all_kinds_over_three_layers(repo: Monorepo, tmp_path: Path) -> None:
    for part in ("low", "mid", "top"):
        make_wheel(repo.wheels, f"vl-{part}", "1.0", inits(part))
    repo.layer("frameworks/low", dependencies=["vl-low"], base=[RUNTIME])
    repo.layer("frameworks/mid", dependencies=["vl-mid"], base=["frameworks/low"])
    repo.layer(APP, dependencies=["vl-top"], base=["frameworks/mid"])
    for folder in (RUNTIME, "frameworks/low", "frameworks/mid", APP):
        repo.build(folder)
    root = unpack_all(repo.archives(), tmp_path / "root")
    source = f"""
import importlib, json
names = [f"{{n}}.{{part}}" for n in {NAMESPACES} for part in ("low", "mid", "top")]
names += [f"vl_pep420.deep.er.{{part}}" for part in ("low", "mid", "top")]
print(json.dumps([importlib.import_module(name).__name__ == name for name in names]))
"""
    for layer, seen in (("app", 18), ("mid", None)):
        if seen:
            assert facts(root / layer / "bin/python", tmp_path, source) == [True] * seen
    site = next((root / "app").glob("lib/*/site-packages"))
    # Where the layer has an `__init__.py` that finds no other part, it gets a line more.
    assert (site / "vl_empty/__init__.py").read_bytes() == EXTENDING
    assert (site / "vl_doc/__init__.py").read_text("utf-8").startswith('"""A namespace, top."""\n')
    assert (site / "vl_pkgutil/__init__.py").read_text("utf-8") == PKGUTIL
    assert not (site / "vl_mixed/__init__.py").exists()
    # Where it has none and needs one, the wiring has it.
    middle = next((root / "mid").glob("lib/*/site-packages"))
    assert (middle / "vl_mixed/__init__.py").read_text("utf-8") == PKGUTIL
    assert [record_faults(root / name) for name in ("rt", "low", "mid", "app")] == [[]] * 4


def test_two_frameworks_are_joined_by_an_application_without_parts(
    repo: Monorepo, tmp_path: Path
) -> None:
    for part in ("left", "right"):
        files = {"vl_ns/__init__.py": "", f"vl_ns/{part}.py": ""}
        make_wheel(repo.wheels, f"vl-{part}", "1.0", files)
        repo.layer(f"frameworks/{part}", dependencies=[f"vl-{part}"], base=[RUNTIME])
    repo.layer(APP, base=["frameworks/left", "frameworks/right"])
    for folder in (RUNTIME, "frameworks/left", "frameworks/right", APP):
        repo.build(folder)
    root = unpack_all(repo.archives(), tmp_path / "root")
    source = "import json, vl_ns.left, vl_ns.right; print(json.dumps(vl_ns.__name__))"
    assert facts(root / "app/bin/python", tmp_path, source) == "vl_ns"


def test_namespace_of_pkg_resources(repo: Monorepo, tmp_path: Path) -> None:
    """With `pkg_resources` in the stack: a small stand-in that does what the real one does."""
    resources = """
import sys, os
def declare_namespace(name):
    module = sys.modules[name]
    for folder in sys.path:
        path = os.path.join(folder, name)
        if os.path.isfile(os.path.join(path, "__init__.py")) and path not in module.__path__:
            module.__path__.append(path)
"""
    make_wheel(repo.wheels, "vl-resources", "1.0", {"pkg_resources.py": resources})
    for part, init in (("low", PKG_RESOURCES), ("top", PKG_RESOURCES), ("bare", None)):
        files = {f"vl_old/{part}.py": ""} | ({"vl_old/__init__.py": init} if init else {})
        make_wheel(repo.wheels, f"vl-{part}", "1.0", files)
    repo.layer(FRAMEWORK, dependencies=["vl-low", "vl-resources"], base=[RUNTIME])
    repo.layer("frameworks/bare", dependencies=["vl-bare"], base=[FRAMEWORK])
    repo.layer(APP, dependencies=["vl-top"], base=["frameworks/bare"])
    for folder in (RUNTIME, FRAMEWORK, "frameworks/bare", APP):
        repo.build(folder)
    root = unpack_all(repo.archives(), tmp_path / "root")
    source = "import json, vl_old.low, vl_old.top, vl_old.bare; print(json.dumps(1))"
    assert facts(root / "app/bin/python", tmp_path, source) == 1


def split(repo: Monorepo) -> None:
    make_wheel(repo.wheels, "vl-pkg", "1.0", {"vl_pkg/__init__.py": "X = 1\n", "vl_pkg/a.py": ""})
    make_wheel(repo.wheels, "vl-plug", "1.0", {"vl_pkg/b.py": ""})
    repo.layer(FRAMEWORK, dependencies=["vl-pkg"], base=[RUNTIME])
    for folder in (RUNTIME, FRAMEWORK):
        repo.build(folder)


def test_split_package_is_refused(repo: Monorepo) -> None:
    split(repo)
    repo.layer(APP, dependencies=["vl-plug"], base=[FRAMEWORK])
    failed = repo.build(APP, check=False)
    assert failed.returncode == 1
    assert (
        "The package `vl_pkg` is split over layers: because of that of `vl-pkg` in layer `fw`,"
        " `vl_pkg.b` of `vl-plug` in layer `app` cannot be imported" in failed.stderr
    )
    assert 'checks.split-package = { vl_pkg = "ignore" }' in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not list((repo.root / APP).glob("dist/venvlayer/*"))


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ({"split-package": {"vl_pkg": "warning"}}, True),
        ({"split-package": {"vl-pl*": "ignore"}}, False),
        ({"split-package": "ignore"}, False),
    ],
)
def test_split_package_that_is_meant(repo: Monorepo, checks: dict[str, Any], said: bool) -> None:
    split(repo)
    repo.layer(APP, dependencies=["vl-plug"], base=[FRAMEWORK], checks=checks)
    assert ("(split-package)" in repo.build(APP).stderr) == said


def test_shadowed_modules_and_files_are_warned_of(repo: Monorepo) -> None:
    for name in ("vl-one", "vl-two"):
        files = {"vl_same.py": f"WHO = {name!r}\n"}
        data = {"data/share/vl/info": name}
        make_wheel(repo.wheels, name, "1.0", files, data=data)
    repo.layer(FRAMEWORK, dependencies=["vl-one"], base=[RUNTIME])
    repo.layer(APP, dependencies=["vl-two"], base=[FRAMEWORK])
    for folder in (RUNTIME, FRAMEWORK):
        repo.build(folder)
    said = repo.build(APP).stderr
    assert (
        "`vl_same` of `vl-two` in layer `app` hides that of `vl-one` in layer `fw`"
        " (shadowed-module)"
    ) in said
    assert (
        "`vl-two` in layer `app` and `vl-one` in layer `fw` both have the file `share/vl/info`,"
        " with different content (file-conflict)"
    ) in said
    # What the framework holds is nobody's business above it.
    repo.layer("apps/other", base=[FRAMEWORK])
    assert "(file-conflict)" not in repo.build("apps/other").stderr


def test_metadata_of_the_whole_stack(repo: Monorepo, tmp_path: Path) -> None:
    plugin = "[vl.plugins]\n{0} = vl_{0}:plug\n"
    for name in ("low", "top"):
        requires = ["vl-low"] if name == "top" else []
        points = plugin.format(name)
        make_wheel(repo.wheels, f"vl-{name}", "1.5", requires=requires, entry_points=points)
    repo.layer(FRAMEWORK, dependencies=["vl-low"], base=[RUNTIME])
    repo.layer(APP, dependencies=["vl-top"], base=[FRAMEWORK])
    for folder in (RUNTIME, FRAMEWORK, APP):
        repo.build(folder)
    root = unpack_all(repo.archives(), tmp_path / "root")
    source = """
import json
from importlib.metadata import distributions, entry_points, files, requires, version
print(json.dumps([
    sorted(one.metadata["Name"] for one in distributions()),
    sorted(point.name for point in entry_points(group="vl.plugins")),
    version("vl-low"), requires("vl-top"),
    [file.locate().is_file() for file in files("vl-low")],
]))
"""
    found = facts(root / "app/bin/python", tmp_path, source)
    assert found == [["vl-low", "vl-top"], ["low", "top"], "1.5", ["vl-low"], [True] * 6]


def test_data_files_are_found_below_the_prefix(repo: Monorepo, tmp_path: Path) -> None:
    """One layer has a folder alone, two share one, and the first counts for a file of both."""
    holds = {
        "low": {"etc/vl.conf": "low", "share/vl/alone/a": "low", "share/vl/both/low": "low"},
        "mid": {"share/vl/both/mid": "mid", "share/vl/same": "mid"},
        "top": {"share/vl/top": "top", "share/vl/same": "top"},
    }
    for name, held in holds.items():
        data = {f"data/{path}": text for path, text in held.items()}
        make_wheel(repo.wheels, f"vl-{name}", "1.0", data=data)
    repo.layer("frameworks/low", dependencies=["vl-low"], base=[RUNTIME])
    repo.layer("frameworks/mid", dependencies=["vl-mid"], base=["frameworks/low"])
    repo.layer(APP, dependencies=["vl-top"], base=["frameworks/mid"])
    for folder in (RUNTIME, "frameworks/low", "frameworks/mid", APP):
        repo.build(folder)
    unpack_all(repo.archives(), tmp_path / "first").rename(tmp_path / "moved here")
    app = tmp_path / "moved here/app"
    source = """
import json, pathlib, sys
files = [pathlib.Path(sys.prefix, name) for name in sys.argv[1:]]
print(json.dumps([file.read_text() for file in files]))
"""
    wanted = {path: text for held in holds.values() for path, text in held.items()}
    said = run([app / "bin/python", "-c", source, *wanted], tmp_path).stdout
    assert json.loads(said) == list(wanted.values())
    links = {
        path.relative_to(app).as_posix(): path.readlink().as_posix()
        for folder in ("etc", "share")
        for path in [app / folder, *(app / folder).rglob("*")]
        if path.is_symlink()
    }
    assert links == {
        "etc": "../low/etc",
        "share/vl/alone": "../../../low/share/vl/alone",
        "share/vl/both/low": "../../../../low/share/vl/both/low",
        "share/vl/both/mid": "../../../../mid/share/vl/both/mid",
    }


def test_files_that_packages_look_for_themselves(repo: Monorepo, tmp_path: Path) -> None:
    """Below `sys.prefix`, among the programs, and beside the modules of a package above."""
    program = Path(shutil.which("true") or "").read_bytes()
    make_wheel(
        folder=repo.wheels,
        name="vl-low",
        version="1.0",
        files={
            "vl_pkg/data/deep/low": "low",
            "vl_pkg/both/low": "low",
            "vl_host/__init__.py": "HOST = True\n",
        },
        scripts={"vl-program": program, "vl-script": "#!/bin/sh\nexit 3\n"},
        data={"data/lib/vl/library": "low", "data/lib/vl-library": "low"},
    )
    # In one site directory `vl_pkg/__init__.py` finds what the other one brings.
    package = "import os\nHERE = os.path.dirname(__file__)\n"
    files = {"vl_pkg/__init__.py": package, "vl_pkg/both/top": "top", "vl_host/late": ""}
    make_wheel(repo.wheels, "vl-top", "1.0", files)
    repo.layer(FRAMEWORK, dependencies=["vl-low"], base=[RUNTIME])
    repo.layer(APP, dependencies=["vl-top"], base=[FRAMEWORK])
    said = "".join(repo.build(folder).stderr for folder in (RUNTIME, FRAMEWORK, APP))
    # What lies below cannot have links to what lies above.
    assert said.count("(hidden-file)") == 1
    assert "The package `vl_host` of `vl-low` in layer `fw` does not find `lib/python" in said
    assert "/vl_host/late`, which `vl-top` in layer `app` puts into its folder" in said
    unpack_all(repo.archives(), tmp_path / "first").rename(tmp_path / "moved here")
    app = tmp_path / "moved here/app"
    source = """
import json, os, subprocess, sys, sysconfig, vl_pkg
names = ["lib/vl/library", "lib/vl-library"]
files = [os.path.join(sys.prefix, name) for name in names]
files += [os.path.join(vl_pkg.HERE, name) for name in ("data/deep/low", "both/low", "both/top")]
program = os.path.join(sysconfig.get_path("scripts"), "vl-program")
print(json.dumps([[open(file).read() for file in files], subprocess.call([program])]))
"""
    assert facts(app / "bin/python", tmp_path, source) == [["low"] * 4 + ["top"], 0]
    assert not (app / "bin/vl-script").exists()
    (linked,) = app.glob("lib/*/site-packages/vl_pkg/data")
    assert linked.is_symlink()
    assert [record_faults(tmp_path / "moved here" / name) for name in ("fw", "app")] == [[], []]


def test_sitecustomize(repo: Monorepo, tmp_path: Path) -> None:
    nested = {"vl_nested/__init__.py": "", "vl_nested/sitecustomize.py": "WHO = 'nested'\n"}
    make_wheel(repo.wheels, "vl-nested", "1.0", nested)
    repo.layer(FRAMEWORK, dependencies=["vl-nested"], base=[RUNTIME])
    repo.layer(APP, base=[FRAMEWORK], support_modules=["sitecustomize.py"])
    write(repo.root / APP, {"sitecustomize.py": "import sys\nsys.vl_customized = True\n"})
    for folder in (RUNTIME, FRAMEWORK, APP):
        repo.build(folder)
    root = unpack_all(repo.archives(), tmp_path / "root")
    user = tmp_path / "user"
    source = """
import json, site, sys, vl_nested.sitecustomize as nested
print(json.dumps([getattr(sys, "vl_customized", None), nested.WHO, site.ENABLE_USER_SITE]))
"""
    minor = next((root / "app/lib").iterdir()).name
    write(user / "lib" / minor / "site-packages", {"usercustomize.py": "raise SystemExit(9)\n"})
    environment = {"PYTHONUSERBASE": str(user)}
    said = run([root / "app/bin/python", "-c", source], tmp_path, environment).stdout
    assert json.loads(said) == [True, "nested", False]
    # The framework's own interpreter has nothing of it.
    alone = run([root / "fw/bin/python", "-c", source], tmp_path, environment).stdout
    assert json.loads(alone) == [None, "nested", False]


def test_what_moved_below_leaves_nothing_above(repo: Monorepo, tmp_path: Path) -> None:
    make_wheel(repo.wheels, "vl-low", "1.0", data={"data/share/vl/low": "low"})
    repo.layer(FRAMEWORK, base=[RUNTIME])
    repo.layer(APP, dependencies=["vl-low"], base=[FRAMEWORK])
    for folder in (RUNTIME, FRAMEWORK, APP):
        repo.build(folder, "lock")
    repo.build(APP, "export")
    export = repo.root / APP / "dist/venvlayer/export"
    infos = {path.relative_to(export).parts[0] for path in export.rglob("vl_low*")}
    assert infos == {"app"}
    repo.layer(FRAMEWORK, dependencies=["vl-low"], base=[RUNTIME])
    for folder in (FRAMEWORK, APP):
        repo.build(folder, "lock")
    repo.build(APP, "export")
    assert {path.relative_to(export).parts[0] for path in export.rglob("vl_low*")} == {"fw"}
    assert all((info / "METADATA").is_file() for info in export.rglob("*.dist-info"))
    source = (
        "import json; from importlib.metadata import version; print(json.dumps(version('vl-low')))"
    )
    assert facts(export / "app/bin/python", tmp_path, source) == "1.0"
    assert (export / "app/share/vl").is_symlink()
    # Nor does what is nowhere any more leave a link.
    repo.layer(FRAMEWORK, base=[RUNTIME])
    repo.layer(APP, base=[FRAMEWORK])
    for folder in (FRAMEWORK, APP):
        repo.build(folder, "lock")
    repo.build(APP, "export")
    assert [path.name for path in (export / "app/share").iterdir()] == ["venvlayer"]


def test_libraries_of_the_system_are_found_as_everywhere(repo: Monorepo, tmp_path: Path) -> None:
    """`find_library` asks the system's tools, in layers as in every environment."""
    repo.layer(APP, base=[RUNTIME])
    for folder in (RUNTIME, APP):
        repo.build(folder)
    root = unpack_all(repo.archives(), tmp_path / "root")
    source = """
import json
from ctypes.util import find_library
print(json.dumps([find_library(name) for name in ("c", "m", "no-such-library")]))
"""
    found = facts(root / "app/bin/python", tmp_path, source)
    assert found == facts(some_interpreter(), tmp_path, source)
    assert found[2] is None


def deployed(repo: Monorepo, tmp_path: Path) -> Path:
    make_wheel(repo.wheels, "vl-used", "1.0")
    make_wheel(repo.wheels, "vl-unused", "1.0")
    make_wheel(repo.wheels, "vl-own", "1.0", requires=["vl-used"])
    repo.layer(FRAMEWORK, dependencies=["vl-used", "vl-unused"], base=[RUNTIME])
    repo.layer(APP, dependencies=["vl-own"], base=[FRAMEWORK])
    for folder in (RUNTIME, FRAMEWORK, APP):
        repo.build(folder)
    return unpack_all(repo.archives(), tmp_path / "root")


def replace(repo: Monorepo, root: Path, tmp_path: Path, *requirements: str) -> None:
    """Build the framework again with other requirements, and put it in the place of the old one."""
    repo.layer(FRAMEWORK, dependencies=requirements, base=[RUNTIME])
    repo.build(FRAMEWORK, "lock")
    repo.build(FRAMEWORK)
    shutil.rmtree(root / "fw")
    (archive,) = (repo.root / FRAMEWORK).glob("dist/venvlayer/*.tar.zst")
    again = unpack_all([archive], tmp_path / f"again-{len(list(tmp_path.iterdir()))}")
    (again / "fw").rename(root / "fw")


def test_layers_that_still_fit_and_those_that_do_not(repo: Monorepo, tmp_path: Path) -> None:
    root = deployed(repo, tmp_path)
    described = json.loads((root / "app/share/venvlayer/layer.json").read_text("utf-8"))
    assert described["relies_on"] == [
        {
            "name": "fw",
            "distributions": [{"name": "vl-used", "version": "1.0"}],
            "libraries": [],
        },
        {"name": "rt", "distributions": [], "libraries": []},
    ]
    assert check_deployment(root) == []
    # What the application does not use may change.
    make_wheel(repo.wheels, "vl-unused", "2.0")
    replace(repo, root, tmp_path, "vl-used", "vl-unused==2.0")
    assert check_deployment(root) == []
    make_wheel(repo.wheels, "vl-used", "2.0")
    make_wheel(repo.wheels, "vl-own", "3.0")
    replace(repo, root, tmp_path, "vl-used==2.0", "vl-own==3.0")
    assert [str(one) for one in check_deployment(root)] == [
        "`app` does not fit on `fw`: it was built with vl-used 1.0, which now is 2.0 there",
        "`app` does not fit on `fw`: vl-own is at 1.0 in the one, at 3.0 in the other",
    ]
    replace(repo, root, tmp_path, "vl-unused")
    (one,) = check_deployment(root)
    assert one.reason == "it was built with vl-used 1.0, which now is missing there"
    shutil.rmtree(root / "fw")
    assert [(one.layer, one.below, one.reason) for one in check_deployment(root)] == [
        ("app", "fw", "it is not there")
    ]


def layer_json(root: Path, name: str, **changes: Any) -> None:
    described: dict[str, Any] = {
        "format": 7,
        "name": name,
        "platform": "linux_x86_64",
        "python": {"abi": "cp311"},
        "base_layers": [],
        "relies_on": [],
        "distributions": [],
    }
    write(root / name / "share/venvlayer", {"layer.json": json.dumps({**described, **changes})})


def test_other_reasons_not_to_fit(tmp_path: Path) -> None:
    layer_json(tmp_path, "rt", platform="macosx_arm64", python={"abi": "cp312"})
    library = {"soname": "liba.so.1", "path": "lib/liba.so.1"}
    relies_on = [{"name": "rt", "distributions": [], "libraries": [library]}]
    layer_json(tmp_path, "app", base_layers=[{"name": "rt"}], relies_on=relies_on)
    assert [one.reason for one in check_deployment(tmp_path)] == [
        "it is for linux_x86_64, the other one for macosx_arm64",
        "it is for cp311, the other one for cp312",
        "it links `lib/liba.so.1`, which is there no more",
    ]
    write(tmp_path / "rt/lib", {"liba.so.1": ""})
    assert len(check_deployment(tmp_path)) == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', '{"format": 7}', "\ud800"])
def test_descriptions_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "app/share/venvlayer/layer.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BuildError, match=r"app/share/venvlayer/layer\.json"):
        check_deployment(tmp_path)


def test_folder_without_layers(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="There is no layer in this folder"):
        check_deployment(tmp_path)
