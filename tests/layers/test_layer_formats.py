"""Layers in each format, built by Hatch, unpacked by ordinary programs, and run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from deployed import run
from monorepo import RUNTIME, Monorepo, write
from wheels import make_wheel

from hatch_venvstacks.model.platforms import host_platform

if TYPE_CHECKING:
    from pathlib import Path

    from front_end import FrontEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs what Linux builds")

FRAMEWORK, APPLICATION = "frameworks/fw", "apps/app"


@pytest.fixture
def monorepo(tmp_path: Path, wheel_index: Path, front_ends: FrontEnds) -> Monorepo:
    wheel_index.mkdir()
    return Monorepo(tmp_path / "repo", wheel_index, front_ends)


def unpack(archive: Path, root: Path) -> None:
    is_zip = archive.suffix == ".zip"
    command = ["unzip", "-q"] if is_zip else ["tar", "-xf"]
    subprocess.run([*command, archive], cwd=root, check=True)


def built(monorepo: Monorepo, folder: Path, archive_format: str) -> Path:
    """The archive of the project in ``folder``, built in another format; its metadata fits."""
    monorepo.build(folder.relative_to(monorepo.root).as_posix(), tool="hatch")
    name = f"{folder.name}-1.0-{host_platform().name}.{archive_format}"
    path = folder / "dist/venvlayer" / name
    metadata = json.loads(path.with_name(f"{name}.json").read_text("utf-8"))
    assert (metadata["archive"]["file"], metadata["archive"]["format"]) == (name, archive_format)
    assert metadata["archive"]["size"] == path.stat().st_size
    return path


def test_each_format(monorepo: Monorepo, tmp_path: Path) -> None:
    for program in ("tar", "gzip", "xz", "zstd", "unzip"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    make_wheel(monorepo.wheels, "vl-low", "1.0")
    runtime = monorepo.runtime(archive_format="tar.gz", compression_level=1)
    framework = monorepo.layer(
        FRAMEWORK, base=[RUNTIME], dependencies=["vl-low"], archive_format="tar.xz"
    )
    archives = [built(monorepo, runtime, "tar.gz"), built(monorepo, framework, "tar.xz")]
    scripts = {"scripts": {"app": "app:main"}}
    for archive_format in ("zip", "tar.xz", "tar.gz", "tar", "tar.zst"):
        application = monorepo.layer(
            APPLICATION, base=[FRAMEWORK], project=scripts, archive_format=archive_format
        )
        source = "import os, sys, vl_low\n\ndef main():\n    print(os.path.basename(sys.prefix))\n"
        write(application, {"app/__init__.py": source})
        root = tmp_path / f"in {archive_format}"
        root.mkdir()
        for archive in [*archives, built(monorepo, application, archive_format)]:
            unpack(archive, root)
        assert (root / "app/bin/python").is_symlink()
        assert run([root / "app/bin/app"], root).stdout == "app\n"
    monorepo.build(APPLICATION, env={"HATCH_BUILD_CLEAN": "true"}, tool="hatch")
    # Of the other formats nothing is left.
    assert len(list((application / "dist/venvlayer").iterdir())) == 2
