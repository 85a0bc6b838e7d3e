from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from interpreters import MINORS, interpreter_or_skip
from layer_specs import DIAMOND, stack_of

from hatch_venvstacks.composition.startup import (
    LAST_FILE,
    PATH_FILE,
    StartUp,
)
from hatch_venvstacks.composition.wiring import LayerTies, wiring_plan
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.pipeline.export import write_layer

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(os.name != "posix", reason="wiring is made for POSIX systems")
LOOK = """
import json, sys
print(json.dumps([getattr(sys, "ran", []), sys.path, sys.prefix, sys.base_prefix, sys.executable]))
"""
# The layer's folder, from its site directory.
COUNT = 'import os, sys; sys.__dict__.setdefault("ran", []).append(sitedir.split(os.sep)[-4])\n'
NO = 'import sys; sys.__dict__.setdefault("ran", []).append("no")\n'


class Deployment:
    """Layers side by side, of which the runtime's interpreter is a link to a real one."""

    def __init__(self, root: Path, minor: str, bases: dict[str, tuple[str, ...]]) -> None:
        self.root, self.minor, self.bases = root, minor, bases
        layout = layout_of(PLATFORMS["linux_x86_64"], minor)
        self.site = layout.site_packages
        for name in bases:
            stack = stack_of(root, name, bases)
            plans = [wiring_plan(stack, layout, {"name": name})]
            write_layer(plans, name, root)
            (root / name / self.site).mkdir(parents=True, exist_ok=True)
            if not stack.below:
                (root / name / "bin").mkdir()
                real = interpreter_or_skip(minor)
                (root / name / f"bin/python{minor}").symlink_to(real)

    def rewire(self, layer: str, start: StartUp) -> None:
        """Put other start-up files into the layer."""
        site = self.root / layer / self.site
        for file in (PATH_FILE, LAST_FILE):
            (site / file).unlink()
        layout = layout_of(PLATFORMS["linux_x86_64"], self.minor)
        stack = stack_of(self.root, layer, self.bases)
        for member in wiring_plan(stack, layout, {}, LayerTies(start=start)).members:
            folder, _, name = member.path.rpartition("/")
            if folder == self.site and isinstance(member.content, bytes):
                self.write(layer, name, member.content.decode())

    def write(self, layer: str, name: str, text: str) -> None:
        """Write a file into the layer's site directory."""
        file = self.root / layer / self.site / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def look(self, layer: str, *options: str, said: bool = False) -> Any:
        process = subprocess.run(
            [self.root / layer / "bin/python", *options, "-c", LOOK],
            capture_output=True,
            text=True,
            check=True,
            env={},
            cwd="/",
        )
        assert said or process.stderr == ""
        return (*json.loads(process.stdout), process.stderr)


def is_new(minor: str) -> bool:
    """Whether `site` is that of CPython 3.15 and later."""
    return int(minor.partition(".")[2]) >= 15


@pytest.fixture(params=MINORS)
def minor(request: pytest.FixtureRequest) -> str:
    interpreter_or_skip(request.param)
    return str(request.param)


@posix
@pytest.mark.parametrize("options", [(), ("-I",), ("-E", "-s")])
def test_path_files_run_once_in_import_order(
    tmp_path: Path, minor: str, options: tuple[str, ...]
) -> None:
    there = Deployment(tmp_path / "some where ü", minor, DIAMOND)
    for name in DIAMOND:
        there.write(name, "counter.pth", COUNT)
    ran, path, prefix, base, executable, _ = there.look("app", *options)
    assert ran == ["app", "left", "right", "runtime"]
    sites = [str(there.root / name / there.site) for name in ("app", "left", "right", "runtime")]
    assert [entry for entry in path if entry.startswith(str(there.root))] == sites
    assert len(path) == len(set(path))
    assert prefix == str(there.root / "app")
    assert base != prefix
    assert executable == str(there.root / "app/bin/python")
    assert there.look("left", *options)[0] == ["left", "runtime"]


@posix
def test_order_of_path_files_within_layers(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, {"rt": (), "app": ("rt",)})
    for layer in ("rt", "app"):
        for name in ("b.pth", "a.pth", "~a.pth", "A.pth", "0.pth"):
            line = f'import sys; sys.__dict__.setdefault("ran", []).append("{layer}/{name}")\n'
            there.write(layer, name, line)
        for name in ("no.pth.txt", "sub/nested.pth", "pth"):
            there.write(layer, name, NO)
    # Newer releases of Python pass over hidden ones, older ones do not.
    there.write("rt", ".hidden.pth", NO)
    expected = [f"{name}.pth" for name in ("0", "A", "a", "b", "~a")]
    assert there.look("app")[0] == [f"{one}/{name}" for one in ("app", "rt") for name in expected]


@posix
def test_lines_see_their_own_folder_and_add_paths(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, DIAMOND)
    for name in ("left", "runtime", "app"):
        there.write(name, "paths.pth", "# comment\nextra\nnot there\n\nextra\n")
        there.write(name, "extra/x.py", "")
        there.write(name, "import.pth", "import sys; sys.path.append(sitedir + '/by-line')\n")
    _, path, *_, said = there.look("app", said=True)
    # From 3.15 on, CPython says so in every environment.
    missing = said.count("/not there does not exist")
    assert missing == (3 if is_new(minor) else 0)
    assert len(said.splitlines()) == missing
    mine = [entry.removeprefix(f"{tmp_path}/") for entry in path if entry.startswith(str(tmp_path))]
    assert mine == [
        *(f"{name}/{there.site}" for name in ("app", "left", "right", "runtime")),
        *(
            f"{n}/{there.site}/{e}"
            for n in ("app", "left", "runtime")
            # From 3.15 on, `site` adds the paths of its folder before it executes lines.
            for e in (
                ("extra", "by-line") if is_new(minor) and n == "app" else ("by-line", "extra")
            )
        ),
    ]


# As setuptools wrote it for namespace packages that have no `__init__.py`.
NSPKG = (
    "import sys, types, os;p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('ns',));"
    "importlib = __import__('importlib.util');__import__('importlib.machinery');"
    "m = sys.modules.setdefault('ns', importlib.util.module_from_spec("
    "importlib.machinery.PathFinder.find_spec('ns', [os.path.dirname(p)])));"
    "m = m or sys.modules.setdefault('ns', types.ModuleType('ns'));"
    "mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)\n"
)


@posix
@pytest.mark.parametrize("options", [(), ("-I",)])
@pytest.mark.parametrize("holder", ["app", "left", "runtime"])
def test_namespaces_that_path_files_make(
    tmp_path: Path, minor: str, options: tuple[str, ...], holder: str
) -> None:
    there = Deployment(tmp_path, minor, DIAMOND)
    there.write(holder, "some-nspkg.pth", NSPKG)
    for name in DIAMOND:
        there.write(name, f"ns/{name}.py", "")
    code = "import ns.app, ns.left, ns.right, ns.runtime"
    command = [str(tmp_path / "app/bin/python"), *options, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_path_files_that_are_left_out(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, {"rt": (), "fw": ("rt",), "app": ("fw",)})
    there.rewire("app", StartUp(skipped=(("fw", "counter.pth"),)))
    for name in there.bases:
        there.write(name, "counter.pth", COUNT)
    assert there.look("app")[0] == ["app", "rt"]


@posix
def test_broken_path_file_below_stops_no_other(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, DIAMOND)
    there.write("left", "broken.pth", "import no_such_module_at_all\n")
    (there.root / "left" / there.site / "folder.pth").mkdir()
    for name in DIAMOND:
        there.write(name, "counter.pth", COUNT)
    *_, said = found = there.look("app", said=True)
    assert found[0] == ["app", "left", "right", "runtime"]
    assert "no_such_module_at_all" in said
    assert said.count("Error processing line") + said.count("Error in import line") == 1


@posix
def test_layers_without_files_of_their_own(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, DIAMOND)
    # For 3.15 it has a file.
    if not is_new(minor):
        (there.root / "runtime" / there.site).rmdir()
    there.write("right", "counter.pth", COUNT)
    assert there.look("app")[0] == ["right"]


@posix
@pytest.mark.parametrize("name", ["OWNER", "FOLDERS", "a.b-c_d", "0", "_names", "folders", "own"])
def test_names_of_layers(tmp_path: Path, name: str) -> None:
    found = interpreter_or_skip(next(iter(MINORS))), MINORS[0]
    there = Deployment(tmp_path, found[1], {"rt": (), name: ("rt",), "app": (name,)})
    for layer in there.bases:
        there.write(layer, "counter.pth", COUNT)
    assert there.look("app")[0] == ["app", name, "rt"]


@posix
def test_moved_and_read_only_root(tmp_path: Path) -> None:
    there = Deployment(tmp_path / "first", MINORS[0], DIAMOND)
    for name in DIAMOND:
        there.write(name, "counter.pth", COUNT)
    (tmp_path / "first").rename(tmp_path / "second")
    (tmp_path / "link").symlink_to("second")
    for root in ("second", "link"):
        there.root = tmp_path / root
        assert there.look("app")[0] == ["app", "left", "right", "runtime"]


@posix
def test_processes_that_start_others(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, DIAMOND)
    for name in DIAMOND:
        there.write(name, "counter.pth", COUNT)
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOOK!r}], check=True)"
    command = [str(tmp_path / "app/bin/python3"), "-c", code]
    ran, *_ = json.loads(subprocess.run(command, check=True, capture_output=True, env={}).stdout)
    assert ran == ["app", "left", "right", "runtime"]


@posix
def test_processes_of_multiprocessing(tmp_path: Path, minor: str) -> None:
    """They are started with the layer's own interpreter, and see the same stack."""
    there = Deployment(tmp_path / "some where", minor, {"rt": (), "fw": ("rt",), "app": ("fw",)})
    there.write("fw", "counter.pth", COUNT)
    there.write("fw", "vl_low.py", "import sys\ndef look(_): return sys.executable, sys.ran\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import json, multiprocessing, vl_low\n"
        "if __name__ == '__main__':\n"
        "    found = []\n"
        "    for method in ('spawn', 'forkserver'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "            found += pool.map(vl_low.look, [0])\n"
        "    print(json.dumps(found))\n"
    )
    python = there.root / "app/bin/python"
    done = subprocess.run([python, program], check=True, capture_output=True, env={})
    assert json.loads(done.stdout) == [[str(python), ["fw"]]] * 2


@posix
@pytest.mark.parametrize("options", [(), ("-I",)])
def test_site_directories_of_all_layers(
    tmp_path: Path, minor: str, options: tuple[str, ...]
) -> None:
    """Programs look there for the libraries of others: cuda-pathfinder, onnxruntime, tensorflow."""
    there = Deployment(tmp_path, minor, DIAMOND)
    there.write("left", "counter.pth", COUNT)
    code = "import json, site; print(json.dumps([site.getsitepackages(), site.PREFIXES]))"
    for layer, order in (("app", ["app", "left", "right", "runtime"]), ("left", None)):
        command = [str(tmp_path / layer / "bin/python"), *options, "-c", code]
        done = subprocess.run(command, check=True, capture_output=True, env={})
        roots = [str(tmp_path / name) for name in order or ["left", "runtime"]]
        sites, prefixes = json.loads(done.stdout)
        assert sites == [f"{one}/{there.site}" for one in roots]
        # From 3.14 on, CPython itself has the first one twice.
        assert list(dict.fromkeys(prefixes)) == roots
        assert done.stderr == b""


@posix
def test_site_works_as_before_for_the_program(tmp_path: Path, minor: str) -> None:
    there = Deployment(tmp_path, minor, {"rt": (), "app": ("rt",)})
    there.write("rt", "counter.pth", COUNT)
    other = tmp_path / "other"
    other.mkdir()
    (other / "more.pth").write_text("import sys; sys.ran.append('more')\n")
    code = (
        "import json, site, sys; "
        f"site.addsitedir({str(other)!r}); site.addsitepackages(set(), [sys.prefix]); "
        "print(json.dumps([sys.ran, site.addsitepackages.__name__, site.getsitepackages()]))"
    )
    command = [str(tmp_path / "app/bin/python"), "-c", code]
    process = subprocess.run(command, check=True, capture_output=True, env={})
    ran, name, sites = json.loads(process.stdout)
    assert ran[:2] == ["rt", "more"]
    assert name == "addsitepackages"
    assert str(tmp_path / "app" / there.site) in sites


@posix
def test_start_files(tmp_path: Path, minor: str) -> None:
    """PEP 829: also those of layers below, also where a layer knew nothing of them."""
    if not is_new(minor):
        pytest.skip("from CPython 3.15 on")
    there = Deployment(tmp_path, minor, DIAMOND)
    for name in ("app", "left", "runtime"):
        there.write(name, f"vl_{name}.py", f"import sys\ndef run(): sys.ran.append('{name}')\n")
        there.write(name, "own.start", f"vl_{name}:run\n")
        there.write(name, "own.pth", NO)
        there.write(name, "counter.pth", COUNT.replace("append(", "append('line of ' + "))
    lines = [f"line of {name}" for name in ("app", "left", "runtime")]
    assert sorted(there.look("app")[0]) == sorted([*lines, "app", "left", "runtime"])
    there.rewire("app", StartUp(has_start_files=True))
    assert there.look("app")[0] == [
        *("line of app", "app", "line of left", "left", "line of runtime", "runtime")
    ]


def test_path_file_for_windows(tmp_path: Path) -> None:
    """What it does where its lines are followed; that is the same on all systems."""
    layout = layout_of(PLATFORMS["win_amd64"], MINORS[0])
    for name in DIAMOND:
        write_layer([wiring_plan(stack_of(tmp_path, name, DIAMOND), layout, {})], name, tmp_path)
        site = tmp_path / name / "Lib/site-packages"
        site.mkdir(parents=True, exist_ok=True)
        counted = COUNT.replace("[-4]", "[-3]")
        (site / "counter.pth").write_text(counted, "utf-8")
    sites = {name: str(tmp_path / name / "Lib/site-packages") for name in DIAMOND}
    code = (
        "import json, site, sys; known = len(sys.path); "
        f"site.addsitedir({sites['app']!r}); print(json.dumps([sys.ran, sys.path[known:]]))"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    ran, path = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert ran == ["app", "left", "right", "runtime"]
    assert path == [sites[name] for name in ("app", "left", "right", "runtime")]
