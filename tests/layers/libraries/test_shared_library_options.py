"""What a layer may say of its shared libraries, and what a build says of them."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from deployed import facts, run, unpack_all
from filelock import FileLock
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


@pytest.fixture(scope="session")
def bare_runtime(shared_folder: Path, front_ends: FrontEnds) -> Path:
    """The project of a runtime without distributions, built once a session."""
    repo = Monorepo(shared_folder / "bare-runtime", shared_folder / "no-wheels", front_ends)
    with FileLock(f"{repo.root}.lock"):
        if not repo.archives():
            repo.wheels.mkdir(exist_ok=True)
            repo.runtime(compression_level=1)
            repo.build(RUNTIME)
    return repo.root / RUNTIME


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds, bare_runtime: Path) -> Monorepo:
    wheel_index.mkdir()
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    shutil.copytree(bare_runtime, repo.root / RUNTIME, copy_function=os.link)
    return repo


def one_layer(repo: Monorepo, *names: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Build an application with the distributions ``names`` on the bare runtime."""
    repo.layer(APP, dependencies=names, base=[RUNTIME], **options)
    done = repo.build(APP, check=False)
    assert "Traceback" not in done.stderr
    return done


def two_layers(
    repo: Monorepo, core: list[str], app: list[str], *, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Build ``app`` on a framework with ``core`` and ``options``, on the bare runtime."""
    repo.layer(CORE, dependencies=core, base=[RUNTIME], **options)
    repo.layer(APP, dependencies=app, base=[CORE])
    for layer in (CORE, APP):
        repo.build(layer, "lock")
        done = repo.build(layer, check=check or layer != APP)
    assert "Traceback" not in done.stderr
    return done


def say(root: Path, *packages: str) -> dict[str, str]:
    """What the libraries of ``packages`` say, or which file a loader did not find."""
    return dict(facts(root / "app/bin/python", root, SAY.format(names=[*packages])))


def test_excluded_libraries_are_not_linked(repo: Monorepo, tmp_path: Path) -> None:
    """By the name of the file, or by its path in the layer; the layer itself has them."""
    for shelf in ("vl_high", "vl_low"):
        names = [f"lib{shelf.replace('_', '')}{kind}.so.1" for kind in ("shut", "open")]
        libraries = [Library(f"{shelf}/lib/{name}") for name in names]
        native_wheel(repo.wheels, shelf.replace("_", "-"), *libraries)
        for name, kind in zip(names, ("shut", "open"), strict=True):
            user = f"{shelf}_{kind}"
            library = Library(f"{user}/libvl.so", (name,), run_path=f"$ORIGIN/../{shelf}/lib")
            native_wheel(repo.wheels, user.replace("_", "-"), library)
    excluded = ["libvlhighshut.*", "lib/python*/site-packages/vl_low/lib/libvllowshut.so.1"]
    users = ["vl-high-open", "vl-high-shut", "vl-low-open", "vl-low-shut"]
    two_layers(repo, ["vl-high", "vl-low"], users, dynlib_exclude=excluded)
    root = unpack_all(repo.archives(), tmp_path / "root")
    assert say(root, "vl_high") == {"vl_high": "vlhighshut"}
    assert say(root, *(name.replace("-", "_") for name in users)) == {
        "vl_high_open": "vl(vlhighopen)",
        "vl_high_shut": "libvlhighshut.so.1",
        "vl_low_open": "vl(vllowopen)",
        "vl_low_shut": "libvllowshut.so.1",
    }
    linked = (root / "app").glob("lib/python*/site-packages/*/lib")
    assert {path.name for folder in linked for path in folder.iterdir()} == {
        "libvlhighopen.so.1",
        "libvllowopen.so.1",
    }


def test_preloaded_for_all_that_stands_on_the_layer(repo: Monorepo, tmp_path: Path) -> None:
    """Whose code opens it by its bare soname does not ask which interpreter runs it."""
    inner = Library("vl_inner/libvlinner.so.1")
    outer = Library(
        "vl_outer/libvlouter.so.1", ("libvlinner.so.1",), run_path="$ORIGIN/../vl_inner"
    )
    for library in (inner, outer):
        native_wheel(repo.wheels, library.path.partition("/")[0].replace("_", "-"), library)
    repo.layer(CORE, dependencies=["vl-inner"], base=[RUNTIME])
    # A library of the layer itself; what it needs lies below.
    preload = ["libvlouter.so.1"]
    repo.layer(MIDDLE, dependencies=["vl-outer"], base=[CORE], dynlib_preload=preload)
    repo.layer(APP, base=[MIDDLE])
    for layer in (CORE, MIDDLE, APP):
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


def test_missing_libraries_are_one_line_a_distribution_and_level(repo: Monorepo) -> None:
    needed = ("libvlfirst.so.1", "libvlsecond.so.2", "libvlthird.so.3")
    native_wheel(
        repo.wheels,
        "vl-large",
        Library("vl_large/libvla.so", needed),
        *(Library(f"vl_large/libvl{name}.so", needed[:1]) for name in "bcd"),
    )
    native_wheel(repo.wheels, "vl-lost", LOST)
    done = one_layer(repo, "vl-large", "vl-lost")
    large, lost = (line for line in done.stderr.splitlines() if "missing-library" in line)
    path = f"lib/python3.{sys.version_info.minor}/site-packages/vl_large/libvla.so"
    assert large.startswith("`vl-large` needs libraries that no layer has")
    assert large.endswith(
        f": `libvlfirst.so.1` (`{path}` and 3 more), `libvlsecond.so.2` (`{path}`),"
        f" `libvlthird.so.3` (`{path}`) (missing-library)"
    )
    assert "vl-lost" in lost
    archive, *_ = (repo.root / APP).glob("dist/venvlayer/*.tar.zst")
    before = archive.read_bytes()
    # One of them is silenced: the archive is the same.
    checks: dict[str, Any] = {"missing-library": {"libvlfirst*": "ignore", "vl-lost": "ignore"}}
    done = one_layer(repo, "vl-large", "vl-lost", checks=checks)
    (line,) = (line for line in done.stderr.splitlines() if "missing-library" in line)
    assert [name in line for name in needed] == [False, True, True]
    assert archive.read_bytes() == before
    # One of them is raised: the others are warned of.
    checks = {"missing-library": {"libvlsecond*": "error", "vl-lost": "ignore"}}
    done = one_layer(repo, "vl-large", "vl-lost", checks=checks)
    assert done.returncode != 0
    warned, refused = (line for line in done.stderr.splitlines() if line.startswith("`vl-large`"))
    assert [name in warned for name in needed] == [True, False, True]
    assert [name in refused for name in needed] == [False, True, False]


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


def test_every_missing_library_of_a_layer(repo: Monorepo) -> None:
    native_wheel(
        repo.wheels,
        "vl-lost",
        Library("vl_lost/libvllost.so", ("libvlfirst.so", "libvlsecond.so")),
        Library("scripts/vl-program", ("libvlthird.so",)),
    )
    # Is there, though not where it is looked for: an import may load it before.
    native_wheel(repo.wheels, "vl-bare", Library("vl_bare/libvlbare.so", ("libvlthere.so.1",)))
    native_wheel(repo.wheels, "vl-there", Library("vl_there/libvlthere.so.1"))
    said = one_layer(repo, "vl-lost", "vl-bare", "vl-there").stderr.splitlines()
    files = {"libvlfirst.so": "vl_lost/libvllost.so", "libvlsecond.so": "vl_lost/libvllost.so"}
    for name, file in {**files, "libvlthird.so": "bin/vl-program"}.items():
        (line,) = (line for line in said if name in line)
        assert file in line
    assert not any("libvlthere" in line for line in said)


@pytest.mark.parametrize("pattern", ["libvlnowhere.so.*", "vl-lost", "*/vl_lost/libvllost.so"])
def test_a_missing_library_is_ignored_by_name(repo: Monorepo, pattern: str) -> None:
    """What another wheel lacks is said all the same, if it is the very same library, too."""
    other = Library("vl_other/libvlother.so", ("libvlgone.so.8", *LOST.needed))
    native_wheel(repo.wheels, "vl-lost", LOST)
    native_wheel(repo.wheels, "vl-other", other)
    checks = {"missing-library": {pattern: "ignore"}}
    said = one_layer(repo, "vl-lost", "vl-other", checks=checks).stderr.splitlines()
    assert any("libvlgone.so.8" in line and "vl-other" in line for line in said)
    found = [line for line in said if "libvlnowhere.so.7" in line]
    assert ["vl-other" in line for line in found] == [True] * (pattern != "libvlnowhere.so.*")


@pytest.mark.parametrize("level", ["error", {"libvlnowhere*": "error"}, {"vl-lost": "error"}])
def test_a_missing_library_is_an_error_where_it_is_asked_for(repo: Monorepo, level: Any) -> None:
    native_wheel(repo.wheels, "vl-lost", LOST)
    # Lacks the same, and comes first.
    native_wheel(repo.wheels, "vl-before", Library("vl_before/libvlbefore.so", LOST.needed))
    done = one_layer(repo, "vl-lost", "vl-before", checks={"missing-library": level})
    assert done.returncode != 0
    assert "libvlnowhere.so.7" in done.stderr
    if level == {"vl-lost": "error"}:
        assert "vl_lost/libvllost.so" in done.stderr
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
    places = "$ORIGIN/../vl_one/lib:$ORIGIN/../vl_one"
    user = Library("vl_user/libvluser.so", ("libvlone.so.1",), run_path=places)
    native_wheel(repo.wheels, "vl-user", user)
    expected = {"1": "vluser(vlone)", "2": "vluser(vlone)", "3": "libvlone.so.1"}
    root = unpack_all(repo.archives(), tmp_path / "root")
    for version, says in expected.items():
        done = two_layers(repo, [f"vl-one=={version}"], ["vl-user"])
        assert ("libvlone.so.1" in done.stderr) == (version == "3")
        new = unpack_all((one for one in repo.archives() if RUNTIME not in str(one)), root / "new")
        for layer in new.iterdir():
            shutil.rmtree(root / layer.name, ignore_errors=True)
            layer.rename(root / layer.name)
        new.rmdir()
        links = [path for path in root.rglob("*") if path.is_symlink()]
        assert [path for path in links if not path.exists()] == []
        assert say(root, "vl_user") == {"vl_user": says}
        (site,) = (root / "app").glob("lib/python*/site-packages")
        linked = (site / "vl_one/lib").is_symlink(), (site / "vl_one/libvlone.so.1").is_symlink()
        assert linked == (version == "1", version == "2")
