"""Wheels and projects with odd files, built by the front end: what lies in the archive."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from deployed import run
from disks import without_rights
from monorepo import RUNTIME, Monorepo, write
from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from front_end import FrontEnds

APP = "apps/app"


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    made = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    made.runtime()
    made.build(RUNTIME, "lock")
    return made


def built(repo: Monorepo, folder: str) -> tarfile.TarFile:
    """The archive of that layer, as Python's ``tarfile`` has it."""
    repo.build(folder)
    (archive,) = (repo.root / folder).glob("dist/venvlayer/*.tar.zst")
    with archive.open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    return tarfile.open(fileobj=io.BytesIO(content))


def site_members(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The members in the site directory, by their names there."""
    return {
        info.name.partition("/site-packages/")[2]: info
        for info in tar.getmembers()
        if "/site-packages/" in info.name
    }


def remake(wheel: Path, attributes: Mapping[str, int]) -> None:
    """Give members of ``wheel`` other external attributes, and another system that made them."""
    with zipfile.ZipFile(wheel) as source:
        contents = {info: source.read(info) for info in source.infolist()}
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as target:
        for info, content in contents.items():
            if info.filename in attributes:
                info.external_attr = attributes[info.filename] << 16
                info.create_system = 3 if attributes[info.filename] else 0
            target.writestr(info, content)


def test_wheel_with_wrong_permissions(repo: Monorepo) -> None:
    """As some build tools leave them: nobody's, everybody's, with set-user-id, from Windows."""
    modes = {"none.py": 0o100000, "all.py": 0o104777, "own.py": 0o100600, "windows.py": 0}
    files = {f"vl_modes/{name}": "x = 1\n" for name in ("__init__.py", *modes)}
    wheel = make_wheel(repo.wheels, "vl-modes", "1.0", files)
    remake(wheel, {f"vl_modes/{name}": mode for name, mode in modes.items()})
    repo.layer(APP, dependencies=["vl-modes"], base=[RUNTIME])
    with built(repo, APP) as tar:
        members = site_members(tar)
        found = {name: members[f"vl_modes/{name}"].mode for name in modes}
        everything = {info.mode for info in tar.getmembers() if not info.issym()}
    assert {name: mode for name, mode in found.items() if name != "all.py"} == {
        "none.py": 0o644,
        "own.py": 0o644,
        "windows.py": 0o644,
    }
    # Its own bits say that it can be executed: it can, and is no more than that.
    assert found["all.py"] == 0o755
    assert everything == {0o644, 0o755}


def test_wheel_with_a_symbolic_link(repo: Monorepo, tmp_path: Path) -> None:
    """The format knows none: nothing in the archive leads out of it, or to the machine's files."""
    secret = tmp_path / "secret"
    secret.write_text("not for others\n")
    files = {"vl_link/__init__.py": "", "vl_link/link": str(secret), "vl_link/near": "__init__.py"}
    wheel = make_wheel(repo.wheels, "vl-link", "1.0", files)
    link = stat.S_IFLNK | 0o777
    remake(wheel, {"vl_link/link": link, "vl_link/near": link})
    repo.layer(APP, dependencies=["vl-link"], base=[RUNTIME])
    with built(repo, APP) as tar:
        members = site_members(tar)
        for name in ("vl_link/link", "vl_link/near"):
            file = tar.extractfile(members[name])
            assert members[name].isreg()
            assert file is not None
            assert file.read() == files[name].encode()


def test_no_member_is_a_hard_link(repo: Monorepo) -> None:
    """Though files are links to each other in uv's cache, and in the project."""
    text = "the same text in all of them\n" * 100
    same = {f"vl_same/f{number}.txt": text for number in range(5)}
    make_wheel(repo.wheels, "vl-same", "1.0", {"vl_same/__init__.py": "", **same})
    folder = repo.layer(APP, dependencies=["vl-same"], base=[RUNTIME])
    write(folder, {"src/app/__init__.py": "", "src/app/one.txt": text})
    os.link(folder / "src/app/one.txt", folder / "src/app/two.txt")
    with built(repo, APP) as tar:
        assert not [info.name for info in tar.getmembers() if info.islnk()]
        members = site_members(tar)
        assert members["app/one.txt"].size == members["app/two.txt"].size == len(text)


def test_generated_scripts_end_lines_with_lf(repo: Monorepo) -> None:
    """Those of a dependency, whose file of entry points has other ends, and the project's own."""
    entries = "[console_scripts]\r\nvl-tool = vl_tool:main\r\n"
    make_wheel(repo.wheels, "vl-tool", "1.0", entry_points=entries)
    scripts = {"scripts": {"app": "app:main"}}
    folder = repo.layer(APP, dependencies=["vl-tool"], base=[RUNTIME], project=scripts)
    write(folder, {"src/app/__init__.py": "def main(): ...\n"})
    with built(repo, APP) as tar:
        for name in ("app/bin/vl-tool", "app/bin/app"):
            file = tar.extractfile(name)
            assert file is not None
            script = file.read()
            assert b"\r" not in script
            assert script.endswith(b"\n")


def test_tarfile_with_the_data_filter_unpacks_a_whole_stack(repo: Monorepo, tmp_path: Path) -> None:
    """Links lead to other layers, and still not out of the deployment root."""
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python has no extraction filters")
    make_wheel(repo.wheels, "vl-one", "1.0")
    repo.layer("frameworks/fw", dependencies=["vl-one"], base=[RUNTIME])
    folder = repo.layer(APP, base=["frameworks/fw"], project={"scripts": {"app": "app:main"}})
    write(folder, {"src/app/__init__.py": "import vl_one\ndef main(): print(vl_one.__version__)\n"})
    root = tmp_path / "root"
    for layer in (RUNTIME, "frameworks/fw", APP):
        with built(repo, layer) as tar:
            tar.extractall(root, filter="data")
    assert run([root / "app/bin/app"], tmp_path).stdout == "1.0\n"
    # Read-only, which a superuser would not notice.
    before = sorted(root.rglob("*"))
    subprocess.run(["chmod", "-R", "a-w", str(root)], check=True)
    try:
        assert run([*without_rights(), root / "app/bin/app"], tmp_path).stdout == "1.0\n"
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(root)], check=True)
    assert sorted(root.rglob("*")) == before
