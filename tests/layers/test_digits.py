"""The main job: the stack of ``test-projects/digits``, built by ``hatch build``, run elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import demo
import pytest
from deployed import facts, foreign, hidden, opened_files, run, unpack_all
from filelock import FileLock
from interpreters import interpreters

from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from front_end import FrontEnds

MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LAYERS = ("digits", "digits-plotting", "digits-runtime", "digits-sklearn")
WHERE = """
import json, os, site, sys
print(json.dumps({
    "prefix": sys.prefix, "base": sys.base_prefix, "executable": sys.executable,
    "path": sys.path, "user": site.ENABLE_USER_SITE,
}))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds")


@dataclass(frozen=True)
class Built:
    """The stack, built with the interpreter ``python`` in the folder ``projects``."""

    minor: str
    python: Path
    projects: Path
    home: Path

    @property
    def by_this_python(self) -> bool:
        """Whether the interpreter that runs the tests would give the same runtime."""
        return self.python == describe(Path(sys.executable)).executable

    @property
    def archives(self) -> list[Path]:
        return sorted(self.projects.glob("*/*/dist/venvlayer/*.tar.zst"))

    @property
    def files(self) -> dict[str, str]:
        """Name -> SHA-256 of everything that was published."""
        # Other tests export the same projects at the same time, into folders that begin with a dot.
        published = self.projects.glob("*/*/dist/venvlayer/[!.]*.*")
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in published}


def build(projects: Path, front_ends: FrontEnds, python: Path, home: Path, tool: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    caches = {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv"),
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip"),
    }
    env = {**caches, "HOME": str(home), "HATCH_PYTHON": str(python)}
    for project in demo.PROJECTS:
        front_ends.run(tool, "build", "-t", "venvlayer", cwd=projects / project, env=env)


def sources(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("dist", "pylock.*", "__pycache__")
    return Path(shutil.copytree(demo.CHECKOUT / "test-projects" / "digits", folder, ignore=ignored))


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(minor, marks=pytest.mark.xdist_group(f"digits-{minor}")) for minor in MINORS
    ],
)
def built(request: pytest.FixtureRequest, front_ends: FrontEnds, shared_folder: Path) -> Built:
    """The stack, built once a session with each interpreter that is found."""
    found = interpreters()
    minor: str = request.param
    if minor not in found:
        pytest.skip(f"no CPython {minor} that a runtime can be copied from was found")
    folder = shared_folder / f"digits-{minor}"
    stack = Built(minor, found[minor], folder / "projects", folder / "home")
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            sources(stack.projects)
            build(stack.projects, front_ends, stack.python, stack.home, "hatch")
            (folder / "done").touch()
    return stack


@pytest.fixture(scope="session")
def deployed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Unpacked, moved to a path that is hard to quote, and made read-only."""
    folder = tmp_path_factory.mktemp("elsewhere")
    unpacked = unpack_all(built.archives, folder / "unpacked")
    root = folder / "some where" / "ünïcode"
    root.parent.mkdir()
    unpacked.rename(root)
    subprocess.run(["chmod", "-R", "a-w", str(root)], check=True)
    yield root
    subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)
    shutil.rmtree(folder)


def test_runs_wherever_it_lies(built: Built, deployed: Path, tmp_path: Path) -> None:
    app = deployed / "digits"
    link = tmp_path / "link-to-digits"
    link.symlink_to(app / "bin" / "digits")
    commands: list[list[str | Path]] = [
        [app / "bin" / "digits"],
        [app / "bin" / "python", "-m", "digits"],
        [link],
    ]
    for number, command in enumerate(commands):
        picture = tmp_path / f"{number}.png"
        answer = json.loads(run([*command, "--output", picture], tmp_path).stdout)
        assert answer["accuracy"] > 0.95
        assert answer["picture"] == str(picture)
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_needs_nothing_of_the_host(built: Built, deployed: Path, tmp_path: Path) -> None:
    prefix = facts(built.python, tmp_path, "import json, sys; print(json.dumps(sys.base_prefix))")
    script = deployed / "digits" / "bin" / "digits"
    run([*hidden(Path(prefix)), script, "--output", tmp_path / "x.png"], tmp_path)
    assert (tmp_path / "x.png").exists()


def test_opens_nothing_of_the_host(built: Built, deployed: Path, tmp_path: Path) -> None:
    script = deployed / "digits" / "bin" / "digits"
    command: list[str | Path] = [script, "--output", tmp_path / "x.png"]
    # matplotlib asks the system for all its fonts, once, and keeps what it found there.
    settings = {"MPLCONFIGDIR": str(tmp_path / "matplotlib"), "TMPDIR": str(tmp_path)}
    run(command, tmp_path, settings)
    opened = opened_files(command, tmp_path, tmp_path / "strace.log", settings)
    assert any(path.is_relative_to(deployed.resolve()) for path in opened)
    assert foreign(opened, deployed, tmp_path) == []


def test_interpreter_and_paths(built: Built, deployed: Path, tmp_path: Path) -> None:
    app, runtime = deployed / "digits", deployed / "digits-runtime"
    site = f"lib/python{built.minor}/site-packages"
    found = facts(app / "bin" / "python", tmp_path, WHERE)
    assert found["prefix"] == str(app)
    # CPython 3.10 leaves the `..` of the link in these.
    assert os.path.normpath(found["base"]) == str(runtime)
    assert found["executable"] == str(app / "bin" / "python")
    assert not found["user"]
    assert found["path"][0] == ""
    assert [Path(os.path.normpath(path)) for path in found["path"][1:]] == [
        runtime / "lib" / f"python{built.minor.replace('.', '')}.zip",
        runtime / "lib" / f"python{built.minor}",
        runtime / "lib" / f"python{built.minor}" / "lib-dynload",
        app / site,
        deployed / "digits-sklearn" / site,
        deployed / "digits-plotting" / site,
        runtime / site,
    ]


def test_child_processes_are_the_layers(built: Built, deployed: Path, tmp_path: Path) -> None:
    python = deployed / "digits" / "bin" / "python"
    picture = tmp_path / "x.png"
    answer = json.loads(
        run([python, "-m", "digits", "--workers", "2", "--output", picture], tmp_path).stdout
    )
    assert answer["accuracy"] > 0.95
    child = (
        "import subprocess, sys; "
        "print(subprocess.check_output([sys.executable, '-c', sys.argv[1]], text=True))"
    )
    found = json.loads(run([python, "-c", child, WHERE], tmp_path).stdout)
    assert found["prefix"] == str(deployed / "digits")


def test_every_distribution_once(built: Built, deployed: Path, tmp_path: Path) -> None:
    source = (
        "import json; from importlib.metadata import distributions; "
        "print(json.dumps([d.metadata['Name'].lower() for d in distributions()]))"
    )
    names = Counter(facts(deployed / "digits" / "bin" / "python", tmp_path, source))
    assert {name for name, count in names.items() if count > 1} == set()
    assert {"digits", "matplotlib", "numpy", "scikit-learn"} <= set(names)
    assert "pip" not in names
    numpy = f"lib/python{built.minor}/site-packages/numpy/__init__.py"
    holders = [layer for layer in LAYERS if (deployed / layer / numpy).exists()]
    assert holders == ["digits-runtime"]
    (application,) = (path for path in built.archives if path.name.startswith("digits-1.0-"))
    assert json.loads(Path(f"{application}.json").read_text())["layer"]["distributions"] == [
        {"name": "digits", "version": "1.0"}
    ]


def test_no_path_of_the_build_in_any_file(
    built: Built, deployed: Path, front_ends: FrontEnds
) -> None:
    cache = front_ends.environment["HATCH_VENVLAYER_CACHE"]
    prefix = run([built.python, "-c", "import sys; print(sys.base_prefix)"], deployed).stdout
    needles = {
        "the build folder": str(built.projects),
        "the cache folder": str(cache),
        "the home folder": str(built.home),
        "the host interpreter": prefix.strip(),
    }
    for path in deployed.rglob("*"):
        if path.is_symlink():
            assert not path.readlink().is_absolute(), path
        elif path.is_file():
            content = path.read_bytes()
            found = [what for what, needle in needles.items() if needle.encode() in content]
            assert not found, f"{path} holds {found}"


def test_archives_are_normalized(built: Built) -> None:
    from zstandard import ZstdDecompressor

    tag = f"cpython-{built.minor.replace('.', '')}"
    for archive in built.archives:
        with (
            archive.open("rb") as packed,
            ZstdDecompressor().stream_reader(packed, read_across_frames=True) as plain,
            tarfile.open(fileobj=plain, mode="r|") as members,
        ):
            names = set()
            for member in members:
                names.add(member.name)
                assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
                assert member.mtime == 315_532_800
                assert member.isreg() or member.isdir() or member.issym()
                assert stat.S_IMODE(member.mode) in (0o644, 0o755, 0o777)
                assert not member.name.startswith("/")
        for name in names:
            folder, _, file = name.rpartition("/__pycache__/")
            if folder:
                # Nothing is compiled of what is not there, or by another CPython.
                assert f"{folder}/{file.removesuffix(f'.{tag}.pyc')}.py" in names


@pytest.mark.parametrize("umask", [0o077])
def test_the_same_bytes_in_another_folder(
    built: Built, front_ends: FrontEnds, tmp_path: Path, umask: int
) -> None:
    if not built.by_this_python:
        pytest.skip("once is enough, with the interpreter that runs the tests")
    again = Built(built.minor, built.python, sources(tmp_path / "an other"), tmp_path / "home")
    for lock in built.projects.glob("*/*/pylock.venvlayer.toml"):
        shutil.copy(lock, again.projects / lock.relative_to(built.projects))
    before = os.umask(umask)
    try:
        build(again.projects, front_ends, again.python, again.home, "hatchling")
    finally:
        os.umask(before)
    assert again.files == built.files
    assert len(again.files) == 2 * len(LAYERS)


def test_export_is_what_the_archives_hold(
    built: Built, front_ends: FrontEnds, deployed: Path, tmp_path: Path
) -> None:
    if not built.by_this_python:
        pytest.skip("once is enough, with the interpreter that runs the tests")
    app = built.projects / "apps" / "digits"
    front_ends.run("hatchling", "build", "-t", "venvlayer:export", cwd=app)
    export = app / "dist" / "venvlayer" / "export"
    picture = tmp_path / "x.png"
    run([export / "digits" / "bin" / "digits", "--output", picture], tmp_path)
    assert picture.exists()
    assert _tree(export) == _tree(deployed)
    assert all(path.stat().st_nlink == 1 for path in export.rglob("*") if path.is_file())


def _tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Path -> kind and content of everything that lies below ``root``, but for new bytecode."""
    tree: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if "__pycache__" in name:
            continue
        if path.is_symlink():
            tree[name] = ("link", str(path.readlink()))
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            tree[name] = (digest, bool(path.stat().st_mode & 0o100), path.stat().st_mtime)
        else:
            tree[name] = ("folder",)
    return tree
