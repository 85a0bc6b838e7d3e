"""Shared libraries that are found across layers as in one site directory, on every CPython."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deployed import facts, run, unpack_all
from filelock import FileLock
from interpreters import MINORS
from monorepo import RUNTIME, Monorepo
from native_cases import APP, BASES, CORE, LAYERS, LEFT, RIGHT, SAID, WHEELS
from native_stack import Place, build_stack, builder, make_wheels, plain_environment

if TYPE_CHECKING:
    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds")

PLAIN = "plain"
# The reference last: pytest puts tests in order by the number of a parameter.
EVERYWHERE = [
    pytest.param(one, marks=pytest.mark.xdist_group(f"native-{one}")) for one in (*MINORS, PLAIN)
]
layered = pytest.mark.parametrize("place", EVERYWHERE[:-1], indirect=True, scope="session")
# Two of one soname: a process gets only the first, with and without place.
TWINS = {"vl_twina", "vl_twinb", "vl_twinlow"}
SAY = "import json, {0}; print(json.dumps({0}.say()))"
SAY_ALL = """
import importlib, json, sys
print(json.dumps({{name: importlib.import_module(name).say() for name in {names}}}))
"""


@pytest.fixture(scope="session")
def native_wheels(shared_folder: Path) -> Path:
    """All wheels, compiled once a session."""
    folder = shared_folder / "native" / "wheels"
    with FileLock(shared_folder / "native.lock"):
        if not folder.exists():
            make_wheels(folder.with_name("compiling"))
            folder.with_name("compiling").rename(folder)
    return folder


@pytest.fixture(scope="session", params=EVERYWHERE)
def place(
    request: pytest.FixtureRequest,
    native_wheels: Path,
    front_ends: FrontEnds,
    shared_folder: Path,
) -> Place:
    """The stack of each minor release, and the reference; each is made once a session.

    They lie at a path that is hard to quote.
    """
    name: str = request.param
    folder = shared_folder / f"native-{name}"
    root, done = folder / "some where" / "ünïcode", folder / "done.json"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            root.parent.mkdir(parents=True)
            if name == PLAIN:
                made = plain_environment(root, native_wheels)
            else:
                runs = builder(front_ends, name, folder / "builder")
                repo = Monorepo(folder / "repo", native_wheels, runs)
                said = build_stack(repo)
                made = Place(name, unpack_all(repo.archives(), root), said)
            done.write_text(json.dumps([made.minor, made.said]), "utf-8")
    minor, said = json.loads(done.read_text("utf-8"))
    return Place(minor, root, said)


def packages(place: Place, but: set[str] = TWINS) -> list[str]:
    """What has something to say there."""
    none = set() if list(place.site().glob("vl_extension*")) else {"vl_extension"}
    return sorted(SAID.keys() - none - but)


def links(root: Path) -> dict[str, str]:
    """Path -> target of all links below ``root``."""
    return {
        path.relative_to(root).as_posix(): path.readlink().as_posix()
        for path in root.rglob("*")
        if path.is_symlink()
    }


@pytest.mark.parametrize("package", SAID)
def test_a_library_is_found(place: Place, package: str, tmp_path: Path) -> None:
    if package not in packages(place, set()):
        pytest.skip("an extension module needs Python.h")
    assert facts(place.python(), tmp_path, SAY.format(package)) == SAID[package]


def test_all_in_one_process(place: Place, tmp_path: Path) -> None:
    """Whatever is loaded first: a library is known by then under another path."""
    names = packages(place)
    expected = {name: SAID[name] for name in names}
    for order in (names, names[::-1]):
        assert facts(place.python(), tmp_path, SAY_ALL.format(names=order)) == expected


def test_a_library_is_loaded_once(place: Place, tmp_path: Path) -> None:
    """By a package of its own layer and by two frameworks: it has one state."""
    source = """
import ctypes, json, os
import vl_one, vl_useone, vl_rightone, vl_appboth
print(json.dumps([module.count() for module in (vl_useone, vl_one, vl_rightone, vl_appboth)]))
"""
    assert facts(place.python(), tmp_path, source) == [1, 2, 3, 4]


def test_a_run_path_is_not_handed_down(place: Place, tmp_path: Path) -> None:
    """`DT_RUNPATH` counts for the library itself, `DT_RPATH` (``vl_rpath``) for what it loads."""
    source = """
import json, vl_runpath
try:
    print(json.dumps(vl_runpath.say()))
except OSError as error:
    print(json.dumps(str(error)))
"""
    said = facts(place.python(), tmp_path, source)
    assert said.startswith("libvlleaf.so: cannot open shared object file")


def test_a_program_of_a_framework(place: Place, tmp_path: Path) -> None:
    program = place.folder(LEFT) / "bin" / "vl-program"
    assert run([program], tmp_path).stdout == "program(vldata)\n"
    assert program.read_bytes().startswith(b"\x7fELF")


@layered
def test_opened_by_bare_soname_only_where_the_layer_asks(place: Place, tmp_path: Path) -> None:
    source = """
import ctypes, json
def say(name):
    library = ctypes.CDLL(name)
    library.libvlpreloaded_so_1.restype = ctypes.c_char_p
    return library.libvlpreloaded_so_1().decode()
try:
    print(json.dumps(say("libvlpreloaded.so.1")))
except OSError as error:
    print(json.dumps(str(error)))
"""
    assert facts(place.python(), tmp_path, source) == "vlpreloaded(vlzero)"
    assert "cannot open shared object" in facts(place.python(LEFT), tmp_path, source)


@layered
def test_preloading_imports_and_says_nothing(place: Place, tmp_path: Path) -> None:
    """Not even the package of the library."""
    source = "import json, sys; print(json.dumps([n for n in sys.modules if n.startswith('vl')]))"
    done = run([place.python(), "-c", source], tmp_path)
    assert (json.loads(done.stdout), done.stderr) == ([], "")


@layered
def test_modules_are_imported_from_their_own_layers(place: Place, tmp_path: Path) -> None:
    """Not through a link, and a linked library hides no package."""
    owners = {
        name.replace("-", "_"): layer
        for layer, wheels in WHEELS.items()
        for name, (first, *_) in wheels.items()
        if first.path.startswith(name.replace("-", "_") + "/")
    }
    owners |= {"vl_family.one.module": CORE, "vl_family.two.module": LEFT, "vl_own": APP}
    source = f"""
import importlib, json
print(json.dumps({{name: importlib.import_module(name).__file__ for name in {[*owners]}}}))
"""
    found = facts(place.python(), tmp_path, source)
    outside = {
        name: path
        for name, path in found.items()
        if not Path(os.path.normpath(path)).is_relative_to(place.site(owners[name]))
    }
    assert outside == {}


@layered
def test_links_are_relative_and_lead_into_the_layers_below(place: Place) -> None:
    known = {layer.rpartition("/")[2]: layer for layer in LAYERS}
    below = {
        RUNTIME: set[str](),
        CORE: {RUNTIME},
        LEFT: {CORE, RUNTIME},
        RIGHT: {CORE, RUNTIME},
        APP: {LEFT, RIGHT, CORE, RUNTIME},
    }
    assert {known[path.name] for path in place.root.iterdir()} == set(LAYERS)
    for layer in LAYERS:
        for name, target in links(place.folder(layer)).items():
            path = place.folder(layer) / name
            assert path.exists(), f"{path} -> {target}"
            # As it is written, without the links that it leads through.
            lies = Path(os.path.normpath(path.parent / target)).relative_to(place.root)
            assert not target.startswith("/"), path
            assert known[lies.parts[0]] in below[layer] | {layer}, path


@layered
def test_folders_are_linked_where_nothing_else_is_in_them(place: Place) -> None:
    left, core = place.site(LEFT), place.site(CORE)
    for name in ("vl_one/lib", "vl_native.libs", "vl_hub/lib", "vl_family/one/lib"):
        assert (left / name).is_symlink(), name
        assert (left / name).resolve() == (core / name).resolve()
    # A package is not, nor what two layers have a part of: their libraries are.
    for name in ("vl_beside", "vl_desk", "vl_parts/lib", "vl_family/shared"):
        assert (left / name).is_dir(), name
        assert not (left / name).is_symlink(), name
        assert not list((left / name).glob("*.py"))
    assert not (left / "vl_family/shared/libvlsharedtwo.so.1").is_symlink()
    assert (place.folder(LEFT) / "lib/libvldata.so.1").is_symlink()


@layered
def test_only_what_is_needed_is_linked(place: Place) -> None:
    found = {name for name in links(place.folder(RIGHT)) if not name.startswith("bin/")}
    # Beside it, what programs look for below `sys.prefix`, needed or not.
    data = "lib/libvldata.so.1"
    assert found == {f"lib/python{place.minor}/site-packages/vl_one/lib", data}


@layered
def test_records_do_not_list_links(place: Place, tmp_path: Path) -> None:
    source = """
import json
from importlib.metadata import distributions
print(json.dumps([
    str(file.locate()) for one in distributions() for file in one.files or []
    if file.locate().is_symlink() or not file.locate().exists()
]))
"""
    assert facts(place.python(), tmp_path, source) == []


@layered
def test_a_warning_for_what_no_layer_below_has(place: Place) -> None:
    """A library of ``core`` needs one of ``left``: it is missing for ``core``, and there alone."""
    lines = [line for said in place.said.values() for line in said.splitlines()]
    (line,) = (line for line in lines if "libvlcycle_high.so" in line)
    assert line in place.said[CORE]
    assert "vl-cycle-low" in line
    assert "vl_cycle_low/lib/libvlcyclelow.so" in line
    for name in ("libc.so.6", "libvlleaf.so", "libvlone.so.1"):
        assert not any(name in line for line in lines)


@layered
def test_moved(place: Place, shared_folder: Path, tmp_path: Path) -> None:
    archives = (shared_folder / f"native-{place.minor}" / "repo").glob("*/*/dist/venvlayer/*.zst")
    first = replace(place, root=unpack_all(archives, tmp_path / "first"))
    second = replace(place, root=tmp_path / "then élsewhere")
    expected = {name: SAID[name] for name in packages(first)}
    program = SAY_ALL.format(names=[*expected])
    assert facts(first.python(), tmp_path, program) == expected
    first.root.rename(second.root)
    assert facts(second.python(), tmp_path, program) == expected
    shutil.rmtree(second.root)


@layered
def test_an_export_has_the_same_links(
    place: Place, front_ends: FrontEnds, shared_folder: Path, tmp_path: Path
) -> None:
    if place.minor != f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("once is enough, with the interpreter that runs the tests")
    folder = shared_folder / f"native-{place.minor}" / "repo"
    repo = Monorepo(folder, shared_folder / "native" / "wheels", front_ends)
    repo.build(APP, "export")
    export = replace(place, root=folder / APP / "dist/venvlayer/export")
    assert links(export.root) == links(place.root)
    names = packages(export)
    said = facts(export.python(), tmp_path, SAY_ALL.format(names=names))
    assert said == {name: SAID[name] for name in names}


def test_the_same_bytes_without_a_store(
    native_wheels: Path, front_ends: FrontEnds, tmp_path: Path
) -> None:
    """Links too: in another folder, and with nothing known from an earlier build."""
    archives = []
    for name in ("one", "an other"):
        repo = Monorepo(tmp_path / name, native_wheels, front_ends)
        for layer in (RUNTIME, CORE, LEFT):
            repo.layer(layer, dependencies=[*WHEELS[layer]], base=BASES.get(layer, ()))
            env = {"HATCH_VENVLAYER_CACHE": str(tmp_path / f"cache of {name}")}
            repo.build(layer, "" if layer == LEFT else "lock", env=env)
        (archive,) = repo.archives()
        archives.append(archive.read_bytes())
    assert archives[0] == archives[1]
