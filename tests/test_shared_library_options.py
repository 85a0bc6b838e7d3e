"""What a layer may say of its shared libraries, and what a build says of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from deployed import facts, run, unpack_all
from monorepo import RUNTIME, Monorepo
from native_wheels import Library, native_wheel

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds")

CORE, MIDDLE, APP = "frameworks/core", "frameworks/middle", "apps/app"
SAY = """
import importlib, json, sys
said = {{}}
for name in {names}:
    try:
        said[name] = importlib.import_module(name).say()
    except OSError as error:
        said[name] = str(error).partition(":")[0]
print(json.dumps(said))
"""
LOST = Library("vl_lost/libvllost.so", ("libvlnowhere.so.7",))


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    wheel_index.mkdir()
    return Monorepo(tmp_path / "repo", wheel_index, front_ends)


def one_layer(repo: Monorepo, *names: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Build an application with the distributions ``names`` on a bare runtime."""
    repo.runtime(compression_level=1)
    repo.layer(APP, dependencies=names, base=[RUNTIME], **options)
    for layer in (RUNTIME, APP):
        done = repo.build(layer, check=layer == RUNTIME)
    assert "Traceback" not in done.stderr
    return done


def two_layers(
    repo: Monorepo, core: list[str], app: list[str], *, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Build ``app`` on a framework with ``core`` and ``options``, both on a bare runtime."""
    repo.runtime(compression_level=1)
    repo.layer(CORE, dependencies=core, base=[RUNTIME], **options)
    repo.layer(APP, dependencies=app, base=[CORE])
    for layer in (RUNTIME, CORE, APP):
        repo.build(layer, "lock")
        done = repo.build(layer, check=check or layer != APP)
    assert "Traceback" not in done.stderr
    return done


def say(root: Path, *packages: str) -> dict[str, str]:
    """What the libraries of ``packages`` say, or which file a loader did not find."""
    return dict(facts(root / "app/bin/python", root, SAY.format(names=[*packages])))


def dangling(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_symlink() and not path.exists()]


@pytest.mark.parametrize(
    "pattern", ["libvlshut.*", "lib/python*/site-packages/vl_shelf/lib/libvlshut.so.1"]
)
def test_excluded_libraries_are_not_linked(repo: Monorepo, pattern: str, tmp_path: Path) -> None:
    native_wheel(
        repo.wheels,
        "vl-shelf",
        Library("vl_shelf/lib/libvlshut.so.1"),
        Library("vl_shelf/lib/libvlopen.so.1"),
    )
    for name in ("open", "shut"):
        user = Library(
            f"vl_use{name}/libvluse{name}.so",
            (f"libvl{name}.so.1",),
            run_path="$ORIGIN/../vl_shelf/lib",
        )
        native_wheel(repo.wheels, f"vl-use{name}", user)
    two_layers(repo, ["vl-shelf"], ["vl-useopen", "vl-useshut"], dynlib_exclude=[pattern])
    root = unpack_all(repo.archives(), tmp_path / "root")
    assert say(root, "vl_useopen", "vl_useshut", "vl_shelf") == {
        "vl_useopen": "vluseopen(vlopen)",
        "vl_useshut": "libvlshut.so.1",
        "vl_shelf": "vlshut",
    }
    (linked,) = (root / "app").glob("lib/python*/site-packages/vl_shelf/lib")
    assert {path.name for path in linked.iterdir()} == {"libvlopen.so.1"}


def test_preloaded_for_all_that_stands_on_the_layer(repo: Monorepo, tmp_path: Path) -> None:
    """Whose code opens it by its bare soname does not ask which interpreter runs it."""
    inner = Library("vl_inner/libvlinner.so.1")
    outer = Library(
        "vl_outer/libvlouter.so.1", ("libvlinner.so.1",), run_path="$ORIGIN/../vl_inner"
    )
    for library in (inner, outer):
        native_wheel(repo.wheels, library.path.partition("/")[0].replace("_", "-"), library)
    repo.runtime(compression_level=1)
    repo.layer(CORE, dependencies=["vl-inner"], base=[RUNTIME])
    # A library of the layer itself; what it needs lies below.
    preload = ["libvlouter.so.1"]
    repo.layer(MIDDLE, dependencies=["vl-outer"], base=[CORE], dynlib_preload=preload)
    repo.layer(APP, base=[MIDDLE])
    for layer in (RUNTIME, CORE, MIDDLE, APP):
        repo.build(layer)
    root = unpack_all(repo.archives(), tmp_path / "root")
    source = """
import ctypes
library = ctypes.CDLL("libvlouter.so.1")
library.libvlouter_so_1.restype = ctypes.c_char_p
print(library.libvlouter_so_1().decode())
"""
    for layer in ("middle", "app"):
        done = run([root / layer / "bin/python", "-c", source], tmp_path)
        assert (done.stdout, done.stderr) == ("vlouter(vlinner)\n", ""), layer


def test_a_preloaded_pattern_that_matches_nothing(repo: Monorepo) -> None:
    native_wheel(repo.wheels, "vl-one", Library("vl_one/libvlone.so.1"))
    done = one_layer(repo, "vl-one", dynlib_preload=["libvlone.*", "libvlother.so*"])
    assert done.returncode != 0
    assert "libvlother.so*" in done.stderr
    assert "libvlone" not in done.stderr
    assert not list((repo.root / APP).glob("dist/venvlayer/*.tar.*"))


def test_a_missing_library_is_warned_of_once(repo: Monorepo) -> None:
    # What manylinux guarantees is there, also what this machine may lack.
    guaranteed = ("libm.so.6", "libpthread.so.0", "libX11.so.6", "libglib-2.0.so.0")
    needed = (*LOST.needed, *guaranteed)
    native_wheel(repo.wheels, "vl-lost", Library(LOST.path, needed))
    said = one_layer(repo, "vl-lost").stderr
    # Nothing is computed again the second time, but it is as true.
    for text in (said, repo.build(APP).stderr):
        (line,) = (line for line in text.splitlines() if "libvlnowhere.so.7" in line)
        assert "vl-lost" in line
        assert "vl_lost/libvllost.so" in line
        assert not any(name in text for name in (*guaranteed, "libc.so.6"))


def test_every_missing_library_of_every_file(repo: Monorepo) -> None:
    native_wheel(
        repo.wheels,
        "vl-lost",
        Library("vl_lost/liba.so", ("libvlfirst.so", "libvlsecond.so")),
        Library("vl_lost/libb.so", ("libvlfirst.so",)),
        Library("scripts/vl-program", ("libvlthird.so",)),
    )
    said = one_layer(repo, "vl-lost").stderr
    for text in ("liba.so", "libb.so", "libvlfirst.so", "libvlsecond.so", "libvlthird.so"):
        assert text in said
    assert "bin/vl-program" in said


@pytest.mark.parametrize("pattern", ["libvlnowhere.so.*", "vl-lost", "*/vl_lost/libvllost.so"])
def test_a_missing_library_is_ignored_by_name(repo: Monorepo, pattern: str) -> None:
    native_wheel(repo.wheels, "vl-lost", LOST)
    native_wheel(repo.wheels, "vl-gone", Library("vl_gone/libvlgone.so", ("libvlother.so.8",)))
    checks = {"missing-library": {pattern: "ignore"}}
    said = one_layer(repo, "vl-lost", "vl-gone", checks=checks).stderr
    assert "libvlnowhere" not in said
    assert "libvlother.so.8" in said


@pytest.mark.parametrize("level", ["error", {"libvlnowhere*": "error"}])
def test_a_missing_library_is_an_error_where_it_is_asked_for(repo: Monorepo, level: Any) -> None:
    native_wheel(repo.wheels, "vl-lost", LOST)
    done = one_layer(repo, "vl-lost", checks={"missing-library": level})
    assert done.returncode != 0
    for text in ("vl-lost", "vl_lost/libvllost.so", "libvlnowhere.so.7"):
        assert text in done.stderr
    assert not list((repo.root / APP).glob("dist/venvlayer/*.tar.*"))


def test_a_layer_below_is_not_warned_of_again_and_what_it_has_is_not_missing(
    repo: Monorepo,
) -> None:
    """An import may load it before: by then it is found by its soname."""
    native_wheel(repo.wheels, "vl-lost", LOST, Library("vl_lost/libvlthere.so.1"))
    user = Library("vl_bare/libvlbare.so", ("libvlthere.so.1",))
    native_wheel(repo.wheels, "vl-bare", user)
    said = two_layers(repo, ["vl-lost"], ["vl-bare"]).stderr
    assert "libvlnowhere" not in said
    assert "libvlthere" not in said


def clash(repo: Monorepo, *, same: bool) -> subprocess.CompletedProcess[str]:
    """Two libraries are linked file by file; where theirs need others, the upper layer has some."""
    for name in ("first", "second"):
        inner = f"libvl{name}in.so"
        folder = f"vl_{name}.libs"
        native_wheel(
            repo.wheels,
            f"vl-{name}",
            Library(f"vl_{name}/libvl{name}.so", (inner,), run_path=f"$ORIGIN/../{folder}"),
            Library(f"{folder}/{inner}", says="in"),
        )
        user = Library(
            f"vl_use{name}/libvluse{name}.so",
            (f"libvl{name}.so",),
            run_path=f"$ORIGIN/../vl_{name}",
        )
        native_wheel(repo.wheels, f"vl-use{name}", user)
        other = Library(f"{folder}/{inner}", says="in" if same else "other")
        native_wheel(repo.wheels, f"vl-other-{name}", other)
    app = ["vl-usefirst", "vl-usesecond", "vl-other-first", "vl-other-second"]
    return two_layers(repo, ["vl-first", "vl-second"], app, check=False)


def test_conflicts_are_one_error(repo: Monorepo) -> None:
    done = clash(repo, same=False)
    assert done.returncode != 0
    for name in ("first", "second"):
        for text in (f"vl_{name}.libs/libvl{name}in.so", f"vl-{name}", f"vl-other-{name}"):
            assert text in done.stderr
    assert not list((repo.root / APP).glob("dist/venvlayer/*.tar.*"))


def test_the_same_bytes_are_no_conflict(repo: Monorepo, tmp_path: Path) -> None:
    done = clash(repo, same=True)
    assert done.returncode == 0, done.stderr
    root = unpack_all(repo.archives(), tmp_path / "root")
    assert say(root, "vl_usefirst", "vl_usesecond") == {
        f"vl_use{name}": f"vluse{name}(vl{name}(in))" for name in ("first", "second")
    }


def test_rebuilding_leaves_no_stale_link(repo: Monorepo, tmp_path: Path) -> None:
    """A library moves to another folder, and then away."""
    native_wheel(repo.wheels, "vl-one", Library("vl_one/lib/libvlone.so.1"), version="1")
    native_wheel(repo.wheels, "vl-one", Library("vl_one/libvlone.so.1"), version="2")
    native_wheel(repo.wheels, "vl-one", Library("vl_one/libvlnew.so.2"), version="3")
    user = Library(
        "vl_user/libvluser.so",
        ("libvlone.so.1",),
        run_path="$ORIGIN/../vl_one/lib:$ORIGIN/../vl_one",
    )
    native_wheel(repo.wheels, "vl-user", user)
    expected = {"1": "vluser(vlone)", "2": "vluser(vlone)", "3": "libvlone.so.1"}
    for version, says in expected.items():
        done = two_layers(repo, [f"vl-one=={version}"], ["vl-user"])
        assert ("libvlone.so.1" in done.stderr) == (version == "3")
        root = unpack_all(repo.archives(), tmp_path / version)
        assert dangling(root) == []
        assert say(root, "vl_user") == {"vl_user": says}
        (site,) = (root / "app").glob("lib/python*/site-packages")
        linked = (site / "vl_one/lib").is_symlink(), (site / "vl_one/libvlone.so.1").is_symlink()
        assert linked == (version == "1", version == "2")


@pytest.mark.parametrize("option", ["dynlib-exclude", "dynlib-preload"])
def test_patterns_are_an_array_of_text(repo: Monorepo, option: str) -> None:
    done = one_layer(repo, **{option: "libvlone.so"})
    assert done.returncode != 0
    assert f"`tool.hatch.build.targets.venvlayer.{option}` must be an array" in done.stderr


def test_a_runtime_preloads_nothing(repo: Monorepo) -> None:
    repo.runtime(dynlib_preload=["libvlone.so"])
    done = repo.build(RUNTIME, check=False)
    assert done.returncode != 0
    assert "dynlib-preload" in done.stderr
    assert "Traceback" not in done.stderr
