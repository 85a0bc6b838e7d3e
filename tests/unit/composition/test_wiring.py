from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from interpreters import MINORS, interpreter_or_skip
from layer_specs import stack_of

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind
from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.composition.startup import (
    LAST_FILE,
    PATH_FILE,
    START_MODULE,
    StartUp,
    check_path_files,
)
from hatch_venvstacks.composition.wiring import Ties, wiring_plan
from hatch_venvstacks.contents.runtime import runtime_links
from hatch_venvstacks.deployment import postinstall
from hatch_venvstacks.deployment.published import LAYER_JSON, to_json
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.pipeline.export import write_layer

LINUX = layout_of(PLATFORMS["linux_x86_64"], "3.12")
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
        for member in wiring_plan(stack, layout, {}, Ties(start=start)).members:
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


DIAMOND: dict[str, tuple[str, ...]] = {
    "runtime": (),
    "left": ("runtime",),
    "right": ("runtime",),
    "app": ("left", "right"),
}


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


def test_members(tmp_path: Path) -> None:
    plan = wiring_plan(stack_of(tmp_path, "app", DIAMOND), LINUX, {"é": ["ü"], "a": 1})
    members = {member.path: member for member in plan.members}
    assert list(members) == sorted(members)
    assert (plan.kind, plan.name, plan.version) == (PlanKind.WIRING, "app", "")
    assert members["bin/python"].link == members["bin/python3"].link == "python3.12"
    assert members["bin/python3.12"].link == "../../runtime/bin/python3.12"
    assert members["pyvenv.cfg"].content == (
        b"include-system-site-packages = false\nversion = 3.12\n"
    )
    assert members[LAYER_JSON].content == '{\n  "é": [\n    "ü"\n  ],\n  "a": 1\n}\n'.encode()
    text = members[f"{LINUX.site_packages}/{PATH_FILE}"].content
    assert isinstance(text, bytes)
    lines = text.decode("ascii").splitlines()
    assert lines == [
        f"../../../../{name}/lib/python3.12/site-packages" for name in ("left", "right", "runtime")
    ]
    last = members[f"{LINUX.site_packages}/{LAST_FILE}"].content
    assert last == b"import _venvlayer; _venvlayer.run()\n"
    assert not any(member.executable for member in plan.members)
    assert str(tmp_path).encode() not in b"".join(
        member.content for member in plan.members if isinstance(member.content, bytes)
    )


def test_members_for_windows(tmp_path: Path) -> None:
    layout = layout_of(PLATFORMS["win_arm64"], "3.12")
    plan = wiring_plan(stack_of(tmp_path, "app", DIAMOND), layout, {})
    members = {member.path: member for member in plan.members}
    path_file = f"Lib/site-packages/{PATH_FILE}"
    assert list(members) == [
        path_file,
        f"Lib/site-packages/{START_MODULE}.py",
        f"Lib/site-packages/{LAST_FILE}",
        "postinstall.py",
        LAYER_JSON,
    ]
    assert not any(member.link for member in plan.members)
    program = Path(postinstall.__file__).read_bytes()
    assert members["postinstall.py"].content == program
    other = wiring_plan(stack_of(tmp_path, "left", DIAMOND), layout, {})
    assert [one.content for one in other.members if one.path == "postinstall.py"] == [program]
    text = members[path_file].content
    assert isinstance(text, bytes)
    assert text.decode("ascii").splitlines()[:3] == [
        f"../../../{name}/Lib/site-packages" for name in ("left", "right", "runtime")
    ]
    runtime = wiring_plan(stack_of(tmp_path, "runtime", DIAMOND), layout, {})
    assert [member.path for member in runtime.members] == [LAYER_JSON]


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


@pytest.mark.parametrize("minor", MINORS)
def test_members_of_a_runtime(tmp_path: Path, minor: str) -> None:
    layout = layout_of(PLATFORMS["linux_x86_64"], minor)
    plan = wiring_plan(stack_of(tmp_path, "runtime", DIAMOND), layout, {})
    # So that the site directory is there.
    more = [f"{layout.site_packages}/{START_MODULE}.txt"] if is_new(minor) else []
    assert [member.path for member in plan.members] == [*more, LAYER_JSON]


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


def test_runtime_links() -> None:
    links = {member.path: member.link for member in runtime_links(["bin/python3.12"], "3.12")}
    assert links == {"bin/python": "python3.12", "bin/python3": "python3.12"}
    assert [one.path for one in runtime_links(["bin/python3"], "3.12")] == ["bin/python"]
    assert list(runtime_links(["bin/python3", "bin/python"], "3.12")) == []


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


def test_json_is_for_people() -> None:
    assert to_json({"b": None, "a": True}) == b'{\n  "b": null,\n  "a": true\n}\n'
