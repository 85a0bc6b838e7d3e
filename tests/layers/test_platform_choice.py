"""For which platforms a call builds: the machine's, some by name, or all that are locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from monorepo import RUNTIME, Monorepo
from universe_check import make_machine
from wheels import make_wheel

from hatch_venvstacks.config.environment_variables import PLATFORM, UPGRADE
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

HERE = host_platform().name
OTHER = next(name for name in PLATFORMS if name != HERE)


@pytest.fixture
def repo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    """A framework on a runtime for all platforms, whose archives are stand-ins."""
    make_wheel(wheel_index, "vl-one", "1.0")
    repo = Monorepo(tmp_path / "repo", wheel_index, front_ends)
    runtime = make_machine(tmp_path / "machine").runtime
    source = {
        platform: {"url": archive.url, "sha256": archive.sha256}
        for platform, archive in runtime.archives.items()
    }
    repo.runtime(
        python=f"cpython@{runtime.version}", python_source=source, platforms=list(PLATFORMS)
    )
    repo.layer("frameworks/fw", dependencies=["vl-one"], base=[RUNTIME])
    repo.build(RUNTIME, "lock")
    return repo


def built(repo: Monorepo) -> list[str]:
    return sorted(path.name.partition("-1.0-")[2].partition(".")[0] for path in repo.archives())


def test_this_machine(repo: Monorepo) -> None:
    said = repo.build("frameworks/fw")
    assert f"Locking `fw` for {', '.join(PLATFORMS)}" in said.stderr
    assert built(repo) == [HERE]


def test_all_and_some(repo: Monorepo) -> None:
    done = repo.build("frameworks/fw", env={PLATFORM: "all"})
    assert built(repo) == sorted(PLATFORMS)
    assert done.stderr.count("dist/venvlayer/fw-1.0-") == len(PLATFORMS)
    before = {path.name: path.read_bytes() for path in repo.archives()}
    # What is cleaned away is what was there before, and not what this call has built.
    some = {PLATFORM: f"{HERE},{OTHER}", "HATCH_BUILD_CLEAN": "true"}
    repo.build("frameworks/fw", env=some)
    assert built(repo) == sorted([HERE, OTHER])
    assert all(path.read_bytes() == before[path.name] for path in repo.archives())


def test_layer_that_is_for_fewer(repo: Monorepo) -> None:
    repo.layer("frameworks/fw", dependencies=["vl-one"], base=[RUNTIME], platforms=[OTHER])
    failed = repo.build("frameworks/fw", check=False)
    assert failed.returncode == 1
    assert f"The lock is not for {HERE}" in failed.stdout + failed.stderr
    assert f"build for one that it has: {PLATFORM}" in failed.stdout + failed.stderr
    assert built(repo) == []
    repo.build("frameworks/fw", env={PLATFORM: "all"})
    assert built(repo) == [OTHER]
    exported = repo.build("frameworks/fw", "export", env={PLATFORM: "all"}, check=False)
    assert "An export is for one platform" in exported.stdout + exported.stderr


@pytest.mark.parametrize("value", ["plan9", "linux", f"{HERE},ALL"])
def test_no_platform(repo: Monorepo, value: str) -> None:
    failed = repo.build("frameworks/fw", env={PLATFORM: value}, check=False)
    assert failed.returncode == 1
    assert f"`{PLATFORM}` names no target platform" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr


def test_upgrade_through_the_environment(repo: Monorepo) -> None:
    lock = repo.root / "frameworks/fw/pylock.venvlayer.toml"
    repo.build("frameworks/fw", "lock")
    make_wheel(repo.wheels, "vl-one", "2.0")
    repo.build("frameworks/fw", "lock")
    assert 'version = "1.0"' in lock.read_text("utf-8")
    warned = repo.build("frameworks/fw", env={UPGRADE: "vl-one"})
    assert f"{UPGRADE} counts only where a lock is made" in warned.stdout + warned.stderr
    done = repo.build("frameworks/fw", "lock", env={UPGRADE: "vl-one"})
    assert "updated: vl-one 1.0 -> 2.0" in done.stderr
    assert 'version = "2.0"' in lock.read_text("utf-8")
