"""The two rooms for the machine where layers run, without anything else of the package.

They are zipped and run by a Python that has its standard library only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from members import kept_in, plan
from packaging.pylock import Pylock
from packaging.version import Version

import hatch_venvstacks
from hatch_venvstacks.archives.archive import pack
from hatch_venvstacks.archives.metadata import describe_archive
from hatch_venvstacks.archives.plan import Member
from hatch_venvstacks.deployment.published import FORMAT, LAYER_JSON, to_json
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
from hatch_venvstacks.model.lock import Lock, LockInputs

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = Path(hatch_venvstacks.__file__).parent
# What somebody would write there; the paths of the zip file, the root and the archives follow.
PROGRAM = """\
import json, sys
from pathlib import Path

program, root, *archives = sys.argv[1:]
sys.path.insert(0, program)
from hatch_venvstacks.common.errors import VenvLayerError
from hatch_venvstacks.deployment.deploy import deploy_archive
from hatch_venvstacks.deployment.verify import check_deployment

said = {"deployed": [], "refused": ""}
try:
    for archive in archives:
        said["deployed"].append(str(deploy_archive(Path(archive), Path(root))))
except VenvLayerError as error:
    said["refused"] = str(error)
said["breakages"] = [str(breakage) for breakage in check_deployment(Path(root))]
# Whatever lies beside the standard library, by the place that it was taken from.
modules = [(name, getattr(module, "__file__", None)) for name, module in sys.modules.items()]
said["foreign"] = sorted(
    name
    for name, file in modules
    if name.partition(".")[0] not in sys.stdlib_module_names and not str(file).startswith(program)
)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip file of the package's root and of the rooms ``common`` and ``deployment``."""
    path = tmp_path_factory.mktemp("alone") / "rooms.zip"
    found = [
        PACKAGE / "__init__.py",
        *PACKAGE.glob("common/*.py"),
        *PACKAGE.glob("deployment/*.py"),
    ]
    with zipfile.ZipFile(path, "w") as packed:
        for file in found:
            packed.write(file, file.relative_to(PACKAGE.parent))
    return path


def describe(name: str, **changes: Any) -> dict[str, Any]:
    """The ``layer.json`` of a made-up layer."""
    return {
        "format": FORMAT,
        "name": name,
        "version": "1.0",
        "platform": "linux_x86_64",
        "python": {"implementation": "cpython", "version": "3.11.13", "abi": "cp311"},
        "base_layers": [],
        "relies_on": [],
        "distributions": [],
        **changes,
    }


def publish(
    folder: Path,
    layer: dict[str, Any],
    *members: Member,
    form: ArchiveFormat = ArchiveFormat.TAR_GZ,
) -> Path:
    """Pack a layer of ``members``, as a build does; its metadata lies beside the archive."""
    name = layer["name"]
    work = folder / f"work-{name}"
    work.mkdir(parents=True)
    contents = plan(*members, Member(LAYER_JSON, to_json(layer)))
    kept = kept_in(folder / "cache", name, form)
    archive = pack([contents], kept, folder / f"{name}-1.0{form.suffix}", work)
    pylock = Pylock(lock_version=Version("1.0"), created_by="test", packages=[])
    lock = Lock(folder / "pylock.toml", pylock, LockInputs(("linux_x86_64",), ()))
    lock.path.write_text("", "utf-8")
    metadata = describe_archive(archive, lock, layer)
    archive.path.with_name(f"{archive.path.name}.json").write_bytes(to_json(metadata))
    return archive.path


def deploy(rooms: Path, root: Path, archives: Sequence[Path]) -> dict[str, Any]:
    """What the program says; it sees neither site-packages nor anything of the environment."""
    paths = map(str, (rooms, root, *archives))
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *paths]
    done = subprocess.run(
        command, cwd=rooms.parent, env={}, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


RUNTIME = describe("rt", distributions=[{"name": "numpy", "version": "2.0"}])
APP = describe(
    "app",
    base_layers=[{"name": "rt", "kind": "runtime", "path": "../rt"}],
    relies_on=[
        {
            "name": "rt",
            "distributions": [{"name": "numpy", "version": "2.0"}],
            "libraries": [{"soname": "liba.so.1", "path": "lib/liba.so.1"}],
        }
    ],
)
LIBRARY = Member("lib/liba.so.1", b"\x7fELF")
OWN = (
    Member("bin/run", b"#!/bin/sh\n", executable=True),
    Member("bin/python", link="../../rt/bin"),
)


def test_layers_are_deployed_and_checked(tmp_path: Path, rooms: Path) -> None:
    root = tmp_path / "root"
    archives = [publish(tmp_path, RUNTIME, LIBRARY), publish(tmp_path, APP, *OWN)]
    said = deploy(rooms, root, archives)
    assert said == {
        "deployed": [str(root / "rt"), str(root / "app")],
        "refused": "",
        "breakages": [],
        "foreign": ["__main__"],
    }
    assert (root / "rt/lib/liba.so.1").read_bytes() == b"\x7fELF"
    assert (root / "app/bin/run").stat().st_mode & 0o777 == 0o755
    assert (root / "app/bin/python").readlink() == Path("../../rt/bin")
    assert json.loads((root / "app" / LAYER_JSON).read_text("utf-8")) == APP


def test_what_does_not_fit_is_said(tmp_path: Path, rooms: Path) -> None:
    newer = {**RUNTIME, "distributions": [{"name": "numpy", "version": "2.1"}]}
    archives = [publish(tmp_path, newer), publish(tmp_path, APP, *OWN)]
    assert deploy(rooms, tmp_path / "root", archives)["breakages"] == [
        "`app` does not fit on `rt`: it was built with numpy 2.0, which now is 2.1 there",
        "`app` does not fit on `rt`: it links `lib/liba.so.1`, which is there no more",
    ]


def test_an_archive_that_was_altered_is_refused(tmp_path: Path, rooms: Path) -> None:
    runtime, app = publish(tmp_path, RUNTIME, LIBRARY), publish(tmp_path, APP, *OWN)
    app.write_bytes(app.read_bytes()[:-1])
    said = deploy(rooms, tmp_path / "root", [runtime, app])
    assert said["deployed"] == [str(tmp_path / "root/rt")]
    assert said["refused"].startswith("The archive is not the one that its metadata describes: ")


def test_zstd_needs_a_package(tmp_path: Path, rooms: Path) -> None:
    runtime = publish(tmp_path, RUNTIME)
    packed = publish(tmp_path / "zstd", APP, form=ArchiveFormat.TAR_ZST)
    said = deploy(rooms, tmp_path / "root", [runtime, packed])
    assert said["refused"].splitlines() == [
        "The archive `app-1.0.tar.zst` cannot be unpacked: No module named 'zstandard'",
        "Install `zstandard` for this Python, or use an archive of another format",
    ]
    assert said["deployed"] == [str(tmp_path / "root/rt")]
