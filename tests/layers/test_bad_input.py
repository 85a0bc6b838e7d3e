"""What a user sees when something is wrong: one or a few lines, and nothing half-written.

Every case runs the real ``hatch build``. They share one folder in each process, where Hatch has
made its build environment already.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from disks import without_rights
from monorepo import RUNTIME, Monorepo, write
from wheels import make_wheel

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="host runtimes are Linux's so far")

APP = "apps/app"
ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
LOCK = "pylock.venvlayer.toml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("errors")


@pytest.fixture(scope="module")
def locked(folder: Path, front_ends: FrontEnds, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels, and the lock of a runtime that holds ``vl-low`` 1.0: what most cases start from."""
    wheels = tmp_path_factory.mktemp("wheels")
    make_wheel(wheels, "vl-low", "1.0")
    make_wheel(wheels, "vl-low", "2.0")
    make_wheel(wheels, "vl-needs-low2", "1.0", requires=["vl-low>=2"])
    make_wheel(wheels, "vl-needs-needs", "1.0", requires=["vl-needs-low2"])
    make_wheel(wheels, "vl-elsewhere", "1.0", tag="cp311-cp311-win_amd64")
    make_wheel(wheels, "vl-one", "1.0", {"same.py": "1"})
    make_wheel(wheels, "vl-two", "1.0", {"same.py": "2"})
    (wheels / "vl-source-only-1.0.tar.gz").write_bytes(b"not even a tar file")
    repo = Monorepo(folder, wheels, front_ends)
    repo.runtime(dependencies=["vl-low==1.0"])
    repo.build(RUNTIME, "lock")
    kept = wheels / "runtime.lock"
    shutil.copy(folder / RUNTIME / LOCK, kept)
    return kept


@pytest.fixture
def repo(folder: Path, locked: Path, front_ends: FrontEnds) -> Monorepo:
    """The runtime with its lock, and nothing else."""
    for path in folder.iterdir():
        shutil.rmtree(path)
    repo = Monorepo(folder, locked.parent, front_ends)
    repo.runtime(dependencies=["vl-low==1.0"])
    shutil.copy(locked, folder / RUNTIME / LOCK)
    return repo


@dataclass(frozen=True)
class Case:
    """What is wrong (``change``), what is built, and what the user reads of it."""

    name: str
    change: Callable[[Monorepo], object]
    words: tuple[str, ...]
    version: str = ""
    build: str = APP
    env: dict[str, str] = field(default_factory=dict)
    tool: str = "hatch"


def app(**options: Any) -> Callable[[Monorepo], object]:
    return lambda repo: repo.layer(APP, **{"base": [RUNTIME], **options})


def cycle(repo: Monorepo) -> None:
    repo.layer("frameworks/a", base=["frameworks/b"])
    repo.layer("frameworks/b", base=["frameworks/a"])
    repo.layer(APP, base=["frameworks/a"])


def no_order(repo: Monorepo) -> None:
    repo.layer("frameworks/a", base=[RUNTIME])
    repo.layer("frameworks/b", base=[RUNTIME])
    repo.layer("frameworks/ab", base=["frameworks/a", "frameworks/b"])
    repo.layer("frameworks/ba", base=["frameworks/b", "frameworks/a"])
    repo.layer(APP, base=["frameworks/ab", "frameworks/ba"])


def two_runtimes(repo: Monorepo) -> None:
    repo.layer("runtimes/other")
    repo.layer(APP, base=[RUNTIME, "runtimes/other"])


def without_table(repo: Monorepo) -> None:
    text = "[project]\nname = 'p'\nversion = '1'\n"
    write(repo.root / "frameworks/plain", {"pyproject.toml": text})
    repo.layer(APP, base=["frameworks/plain"])


def application_below(repo: Monorepo) -> None:
    repo.layer("apps/other", base=[RUNTIME])
    repo.layer(APP, base=["apps/other"])


def broken_lock(text: str) -> Callable[[Monorepo], object]:
    def change(repo: Monorepo) -> None:
        write(repo.root / RUNTIME, {LOCK: text})
        repo.layer(APP, base=[RUNTIME])

    return change


def stale(repo: Monorepo) -> None:
    repo.layer(APP, base=[RUNTIME], dependencies=["vl-low"])
    repo.build(APP, "lock")
    repo.layer(APP, base=[RUNTIME], dependencies=["vl-low", "vl-one"])


def stale_below(repo: Monorepo) -> None:
    repo.runtime(dependencies=["vl-low>=1"])
    repo.layer(APP, base=[RUNTIME])


def unlocked_below(repo: Monorepo) -> None:
    (repo.root / RUNTIME / LOCK).unlink()
    repo.layer(APP, base=[RUNTIME])


def wrong_hash(repo: Monorepo) -> None:
    repo.layer(APP, base=[RUNTIME], dependencies=["vl-one"])
    repo.build(APP, "lock")
    lock = repo.root / APP / LOCK
    before, mark, rest = lock.read_text("utf-8").partition('sha256 = "')
    # By an address and not by a path: whether a local wheel has changed is looked at before.
    before = re.sub('path = "[^"]*/', f'url = "{repo.wheels.as_uri()}/', before)
    lock.write_text(f"{before}{mark}{'0' * 64}{rest[64:]}", "utf-8")


def failing_wheel(repo: Monorepo) -> None:
    targets = {
        "venvlayer": {"kind": "application", "base-layers": [f"../../{RUNTIME}"]},
        "wheel": {"hooks": {"custom": {}}},
    }
    repo.layer(APP, base=[RUNTIME], tool={"hatch": {"build": {"targets": targets}}})
    hook = (
        "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
        "class Hook(BuildHookInterface):\n"
        "    def initialize(self, version, data):\n"
        "        raise RuntimeError('the compiler is missing')\n"
    )
    write(repo.root / APP, {"app/__init__.py": "", "hatch_build.py": hook})


def failing_hook(repo: Monorepo) -> None:
    failing_wheel(repo)
    with (repo.root / APP / "pyproject.toml").open("a") as file:
        file.write("[tool.hatch.build.hooks.custom]\n")


def dist_is_a_file(repo: Monorepo) -> None:
    repo.layer(APP, base=[RUNTIME])
    write(repo.root / APP, {"dist": ""})


def in_hatch_toml(repo: Monorepo) -> None:
    repo.layer(APP, base=[RUNTIME])
    text = "[build.targets.venvlayer]\nkind = 'applikation'\nbase-layers = []\n"
    write(repo.root / APP, {"hatch.toml": text})


CASES = [
    Case("kind", app(kind="frame"), ("`frame`", "runtime", "framework", "application")),
    Case("unknown option", app(bse_layers=[]), ("bse-layers", "did you mean `base-layers`")),
    Case("platform", app(platforms=["linux_x86"]), ("`linux_x86`", "did you mean `linux_x86_64`")),
    Case(
        "platform that is not below",
        app(platforms=["win_amd64"]),
        ("Layer `app` is for win_amd64", "layer `rt` below is for", "`platforms`"),
    ),
    Case(
        "platform to build for",
        app(),
        ("HATCH_VENVLAYER_PLATFORM", "`win_x86`", "`all`"),
        env={"HATCH_VENVLAYER_PLATFORM": "win_x86"},
    ),
    Case(
        "not locked for that platform",
        app(),
        ("not for win_amd64", "`platforms`"),
        env={"HATCH_VENVLAYER_PLATFORM": "win_amd64"},
    ),
    Case(
        "packages to upgrade",
        app(),
        ("HATCH_VENVLAYER_UPGRADE", "`vl-low, a b`"),
        version="lock",
        env={"HATCH_VENVLAYER_UPGRADE": "vl-low, a b"},
    ),
    Case("another kind's", app(python="cpython@3.11"), ("python", "application")),
    Case(
        "many at once",
        app(kind="framework", name="a/b", features=["x"], compression_level=99, launch_module="x"),
        ("name", "features", "compression-level", "launch-module"),
    ),
    Case("hatch.toml", in_hatch_toml, ("applikation", "base-layers")),
    Case("generic option", app(exclude="*.txt"), ("exclude", "array of strings")),
    Case("unknown version", app(), ("Unknown version", "archive, lock, export"), version="wheel"),
    Case(
        "missing folder",
        app(base=["frameworks/nope"]),
        ("`app` has a base layer that is none", "frameworks/nope", "does not exist"),
    ),
    Case("locale", app(), ("not as UTF-8", "PYTHONUTF8=1"), env=ASCII, tool="hatchling"),
    Case("no table", without_table, ("frameworks/plain", "is not a layer")),
    Case("application below", application_below, ("`app`", "`other`", "is an application")),
    Case("cycle", cycle, ("circle", "`app` -> `a` -> `b` -> `a`")),
    Case("no order", no_order, ("no common import order", "`ab`", "`ba`")),
    Case("two runtimes", two_runtimes, ("2 runtimes", "`rt`", "`other`")),
    Case(
        "lock missing below",
        unlocked_below,
        ("missing", "`hatch build -t venvlayer:lock` in `../../runtimes/rt`"),
    ),
    Case(
        "lock stale", stale, ("stale", "requirement added: vl-one", "hatch build -t venvlayer:lock")
    ),
    Case("lock stale below", stale_below, ("`rt` is stale", "vl-low==1.0", "vl-low>=1")),
    Case("lock not TOML", broken_lock("[["), ("not valid TOML", LOCK)),
    Case("lock not PEP 751", broken_lock("x = 1\n"), ("PEP 751", LOCK)),
    Case(
        "lock of somebody else",
        broken_lock('lock-version = "1.0"\ncreated-by = "x"\npackages = []\n'),
        ("not made by hatch-venvstacks",),
    ),
    Case(
        "locked", app(), ("missing", "HATCH_VENVLAYER_LOCKED"), env={"HATCH_VENVLAYER_LOCKED": "1"}
    ),
    Case("switch", app(), ("VENVLAYER_LOCKED", "maybe"), env={"HATCH_VENVLAYER_LOCKED": "maybe"}),
    Case("epoch", app(), ("SOURCE_DATE_EPOCH", "soon"), env={"SOURCE_DATE_EPOCH": "soon"}),
    Case(
        "conflict with a layer below",
        app(dependencies=["vl-low>=2"]),
        ("`vl-low>=2`", "layer `rt` holds vl-low 1.0"),
        version="lock",
    ),
    Case(
        "conflict through others",
        app(dependencies=["vl-needs-needs"]),
        (
            "`vl-needs-needs` -> vl-needs-needs 1.0 -> vl-needs-low2 1.0 needs another vl-low",
            "than 1.0, which layer `rt` holds",
        ),
    ),
    Case("unknown package", app(dependencies=["no-such-thing-zz"]), ("no-such-thing-zz",)),
    Case("no wheel here", app(dependencies=["vl-elsewhere"]), ("vl-elsewhere",)),
    Case("no wheel at all", app(dependencies=["vl-source-only"]), ("vl-source-only",)),
    Case("wrong hash", wrong_hash, ("Hash mismatch", "vl-one==1.0")),
    Case(
        "two owners", app(dependencies=["vl-one", "vl-two"]), ("`vl-one` and `vl-two`", "same.py")
    ),
    Case("launch module", app(launch_module="nothing.here"), ("nothing.here", "launch-module")),
    Case("launch path", app(launch_module="./nothing"), ("./nothing", "does not exist")),
    Case("wheel build", failing_wheel, ("wheel", "`app`", "the compiler is missing")),
    Case(
        "another Python",
        app(project={"requires-python": ">=3.99"}),
        ("`>=3.99`", "its runtime is CPython 3."),
    ),
    Case("hook", failing_hook, ("build hook `custom`", "the compiler is missing")),
    Case("readme", app(project={"readme": "NOPE.md"}), ("not valid", "NOPE.md")),
    Case("version", app(project={"version": "vl-one"}), ("not valid", "Invalid version")),
    Case("no package", app(include_project=True), ("wheel", "which files to ship")),
    Case("dist is a file", dist_is_a_file, ("dist", "cannot be written")),
    Case(
        "an old Python",
        lambda repo: repo.runtime(python="cpython@3.9"),
        ("3.9",),
        build=RUNTIME,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_error(repo: Monorepo, case: Case) -> None:
    case.change(repo)
    done = repo.build(case.build, case.version, tool=case.tool, env=case.env, check=False)
    check_error(done, *case.words)
    dist = repo.root / case.build / "dist"
    assert dist.is_file() or not [path for path in dist.rglob("*") if path.is_file()]
    assert [path for path in repo.root.rglob("*lock*") if path.name != LOCK] == []


def check_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    for word in words:
        assert word in said, said
    # Hatch's own lines, and those of uv, which are kept as they are.
    others = ("Creating", "Checking", "Syncing", "  uv:", "───")
    assert len([line for line in said.splitlines() if line and not line.startswith(others)]) <= 10


def test_a_folder_without_rights(repo: Monorepo) -> None:
    app()(repo)
    dist = repo.root / APP / "dist"
    dist.mkdir(mode=0o555)
    done = repo.build(APP, check=False, under=without_rights())
    check_error(done, "dist", "cannot be written")


def test_locked_writes_nothing(repo: Monorepo) -> None:
    """With every lock there, a locked build works, and leaves each as it is."""
    repo.layer(APP, base=[RUNTIME], dependencies=["vl-low"])
    repo.build(APP, "lock")
    before = {path: path.stat().st_mtime_ns for path in repo.root.glob("*/*/pylock.*")}
    repo.build(APP, env={"HATCH_VENVLAYER_LOCKED": "1"})
    assert {path: path.stat().st_mtime_ns for path in repo.root.glob("*/*/pylock.*")} == before
    assert len(before) == 2
