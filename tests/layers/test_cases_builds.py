"""Builds that other tools got wrong: dates in zip files, no network, no git."""

from __future__ import annotations

import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from monorepo import RUNTIME, Monorepo, write
from simple_index import SimpleIndex, serving
from wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

APP = "apps/app"
JANUARY, JULY = 1705320000, 1721044800  # 2024-01-15 and 2024-07-15, 12:00 UTC
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    made = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    made.runtime()
    made.build(RUNTIME, "lock")
    return made


def output(repo: Monorepo) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repo.root / APP / "dist/venvlayer").iterdir()}


def test_zip_in_winter_and_summer_and_in_two_zones(repo: Monorepo) -> None:
    """The lock, the sources and the date of the commit are of January, then of July."""
    folder = repo.layer(APP, base=[RUNTIME], archive_format="zip")
    write(folder, {"src/app/__init__.py": ""})
    repo.build(APP, "lock")
    found = {}
    for date in (JANUARY, JULY):
        for path in (folder / "pylock.venvlayer.toml", folder / "src/app/__init__.py"):
            os.utime(path, (date, date))
        for zone in ("UTC0", BERLIN):
            shutil.rmtree(folder / "dist", ignore_errors=True)
            repo.build(APP, env={"TZ": zone, "SOURCE_DATE_EPOCH": str(date)})
            found[date, zone] = output(repo)
            (archive,) = folder.glob("dist/venvlayer/*.zip")
            with zipfile.ZipFile(archive) as opened:
                (own,) = (i for i in opened.infolist() if i.filename.endswith("app/__init__.py"))
            month = 1 if date == JANUARY else 7
            assert own.date_time == (2024, month, 15, 12, 0, 0)
    assert found[JANUARY, "UTC0"] == found[JANUARY, BERLIN]
    assert found[JULY, "UTC0"] == found[JULY, BERLIN]


@pytest.mark.parametrize("umask", ["002", "077"])
def test_umask(repo: Monorepo, umask: str) -> None:
    folder = repo.layer(APP, base=[RUNTIME])
    write(folder, {"src/app/__init__.py": "", "src/app/data.txt": "data"})
    repo.build(APP)
    usual = output(repo)
    shutil.rmtree(folder / "dist")
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~int(umask, 8))
    repo.build(APP, under=["sh", "-c", f'umask {umask}; exec "$@"', "sh"])
    assert output(repo) == usual


def test_with_git_and_without(repo: Monorepo) -> None:
    """A source archive has no ``.git``: what is ignored is ignored all the same."""
    folder = repo.layer(APP, base=[RUNTIME])
    write(folder, {"src/app/__init__.py": "", "src/app/note.tmp": "ignored"})
    write(repo.root, {".gitignore": "*.tmp\ndist/\n", ".git/HEAD": "ref: refs/heads/main\n"})
    repo.build(APP)
    with_git = output(repo)
    shutil.rmtree(folder / "dist")
    shutil.rmtree(repo.root / ".git")
    repo.build(APP)
    assert output(repo) == with_git
    (archive,) = folder.glob("dist/venvlayer/*.tar.zst")
    with archive.open("rb") as file:
        content = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert b"/app/__init__.py" in content
    assert b"note.tmp" not in content


def test_the_network_dies_in_the_middle(repo: Monorepo, tmp_path: Path) -> None:
    served = tmp_path / "served"
    noise = os.urandom(300_000)
    make_wheel(served, "vl-far", "1.0", {"vl_far/__init__.py": "", "vl_far/noise": noise})
    with serving(SimpleIndex(served)) as index:
        repo.layer(
            APP,
            dependencies=["vl-far"],
            base=[RUNTIME],
            tool={"uv": {"index": [{"name": "far", "url": index.url}]}},
        )
        environment = {"UV_HTTP_RETRIES": "0", "UV_CACHE_DIR": str(tmp_path / "uv")}
        repo.build(APP, "lock", env=environment)
        # The lock needs the metadata only, but uv may have kept the wheel.
        shutil.rmtree(tmp_path / "uv")
        index.dies = True
        done = repo.build(APP, env=environment, check=False)
        assert done.returncode == 1
        assert "vl-far" in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert not [*(repo.root / APP).glob("dist/**/*.zst*")]
        index.dies = False
        repo.build(APP, env=environment)
    assert len(output(repo)) == 2
