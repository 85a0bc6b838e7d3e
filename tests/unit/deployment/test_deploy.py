"""Archives as they arrive on the target machine: what is unpacked, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from members import kept_in, plan

from hatch_venvstacks.archives.archive import pack
from hatch_venvstacks.archives.plan import Member
from hatch_venvstacks.common.errors import DeployError
from hatch_venvstacks.deployment.deploy import deploy_archive
from hatch_venvstacks.deployment.published import FORMAT, LAYER_JSON
from hatch_venvstacks.model.formats.archive_format import ArchiveFormat
from hatch_venvstacks.pipeline.export import write_layer

if TYPE_CHECKING:
    from pathlib import Path

LAYER = {"name": "app", "version": "1.0"}
OWN = {f"app/{LAYER_JSON}": json.dumps(LAYER)}


def members() -> list[Member]:
    return [
        Member("bin/python3.11", link="../../rt/bin/python3.11"),
        Member("bin/run", b"#!/bin/sh\n", executable=True),
        Member(LAYER_JSON, json.dumps(LAYER).encode()),
        Member("ünï/cödé", b"text"),
    ]


def describe(archive: Path, **changed: Any) -> Path:
    """Write the metadata of ``archive``."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    metadata = {"format": FORMAT, "archive": {"sha256": digest}, "layer": LAYER, **changed}
    archive.with_name(f"{archive.name}.json").write_text(json.dumps(metadata), "utf-8")
    return archive


def packed(folder: Path, archive_format: ArchiveFormat = ArchiveFormat.TAR_ZST) -> Path:
    work = folder / "work"
    work.mkdir(parents=True)
    path = folder / f"app-1.0{archive_format.suffix}"
    kept = kept_in(folder / "cache", "app", archive_format)
    return describe(pack([plan(*members())], kept, path, work).path)


def tarred(folder: Path, *entries: tarfile.TarInfo) -> Path:
    """An archive of the layer that somebody has added ``entries`` to, metadata included."""
    path = folder / "app-1.0.tar"
    with tarfile.open(path, "w") as tar:
        for name, text in OWN.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        for entry in entries:
            tar.addfile(entry)
    return describe(path)


@dataclass(frozen=True)
class Root:
    """A deployment root in which an older build of the layer lies."""

    path: Path

    @property
    def is_untouched(self) -> bool:
        names = [path.name for path in self.path.rglob("*")]
        return sorted(names) == ["app", "old"]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "root/app").mkdir(parents=True)
    (tmp_path / "root/app/old").touch()
    return Root(tmp_path / "root")


def facts(folder: Path) -> dict[str, Any]:
    found = {}
    for path in [folder, *folder.rglob("*")]:
        state = path.lstat()
        content = path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        place = path.relative_to(folder).as_posix()
        found[place] = (oct(state.st_mode), int(state.st_mtime), content)
    return found


@pytest.mark.parametrize("archive_format", ArchiveFormat)
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_layer_takes_the_place_of_the_older_one(
    tmp_path: Path, root: Root, archive_format: ArchiveFormat, umask: int
) -> None:
    before = os.umask(umask)
    try:
        folder = deploy_archive(packed(tmp_path / "dist", archive_format), root.path)
    finally:
        os.umask(before)
    assert folder == root.path / "app"
    write_layer([plan(*members())], "app", tmp_path / "export")
    assert facts(folder) == facts(tmp_path / "export/app")
    assert [path.name for path in root.path.iterdir()] == ["app"]


def test_the_root_is_made(tmp_path: Path) -> None:
    assert deploy_archive(packed(tmp_path), tmp_path / "new/root").is_dir()


@pytest.mark.parametrize("change", ["flipped", "cut", "longer"])
def test_an_archive_that_was_altered(tmp_path: Path, root: Root, change: str) -> None:
    archive = packed(tmp_path)
    data = bytearray(archive.read_bytes())
    if change == "flipped":
        data[len(data) // 2] ^= 1
    archive.write_bytes({"cut": data[:-1], "longer": data + b"\0"}.get(change, data))
    with pytest.raises(DeployError, match=r"not the one that its metadata describes: .*app-1\.0"):
        deploy_archive(archive, root.path)
    assert root.is_untouched


def test_metadata_that_was_altered(tmp_path: Path, root: Root) -> None:
    archive = describe(packed(tmp_path), layer={**LAYER, "version": "2.0"})
    with pytest.raises(DeployError, match="holds another layer than its metadata describes"):
        deploy_archive(archive, root.path)
    assert root.is_untouched


@pytest.mark.parametrize("text", ["", "[]", "{}", f'{{"format": {FORMAT}}}', "\N{SNOWMAN}"])
def test_metadata_that_cannot_be_read(tmp_path: Path, root: Root, text: str) -> None:
    archive = packed(tmp_path)
    archive.with_name(f"{archive.name}.json").write_text(text, "utf-8")
    with pytest.raises(DeployError, match=r"The metadata .* cannot be read: .*\.json: "):
        deploy_archive(archive, root.path)
    assert root.is_untouched


def test_no_metadata_or_no_archive(tmp_path: Path, root: Root) -> None:
    archive = packed(tmp_path)
    metadata = archive.with_name(f"{archive.name}.json")
    metadata.rename(tmp_path / "elsewhere")
    with pytest.raises(DeployError, match=r"cannot be read: .*\nIt is published beside"):
        deploy_archive(archive, root.path)
    (tmp_path / "elsewhere").rename(metadata)
    archive.unlink()
    with pytest.raises(DeployError, match=r"The layer `app` cannot be deployed to .*root: "):
        deploy_archive(archive, root.path)
    assert root.is_untouched


def test_another_format(tmp_path: Path, root: Root) -> None:
    archive = describe(packed(tmp_path), format=FORMAT + 1)
    with pytest.raises(DeployError, match=rf"another format than this version knows \({FORMAT}\)"):
        deploy_archive(archive, root.path)
    assert root.is_untouched


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        (entry("../outside"), "is refused: `../outside` would lie outside"),
        (entry("/outside"), "is refused: `/outside` would lie outside"),
        (entry("app/../../outside"), "would lie outside"),
        (entry("rt/bin/python"), "is refused: `rt` lies outside the folder of the layer `app`"),
        (entry("top"), "is refused: `top` lies outside the folder of the layer `app`"),
        (
            entry("app/link", tarfile.SYMTYPE, "../../x"),
            "is refused: the link `app/link` leads out",
        ),
        (entry("app/link", tarfile.SYMTYPE, "/etc"), "leads to `/etc`"),
        (entry("app/hard", tarfile.LNKTYPE, "../x"), "would lie outside"),
        (entry("app/pipe", tarfile.FIFOTYPE), "is a special file"),
    ],
)
def test_members_outside_the_layers_folder(
    tmp_path: Path, root: Root, added: tarfile.TarInfo, reason: str
) -> None:
    with pytest.raises(DeployError, match=reason):
        deploy_archive(tarred(tmp_path, added), root.path)
    assert root.is_untouched
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "app/bin", "other"])
def test_names_that_are_not_the_folders(tmp_path: Path, root: Root, name: str) -> None:
    archive = describe(packed(tmp_path), layer={**LAYER, "name": name})
    with pytest.raises(DeployError, match="is refused: `app` lies outside the folder of the layer"):
        deploy_archive(archive, root.path)
    assert root.is_untouched


def test_an_archive_of_something_else(tmp_path: Path, root: Root) -> None:
    (tmp_path / "a.tar.zst").write_bytes(b"PK nothing")
    with pytest.raises(DeployError, match=r"The archive `a\.tar\.zst` cannot be unpacked: "):
        deploy_archive(describe(tmp_path / "a.tar.zst"), root.path)
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(entry("app", tarfile.DIRTYPE))
    with pytest.raises(DeployError, match=r"`b\.tar` holds no `share/venvlayer/layer\.json`"):
        deploy_archive(describe(tmp_path / "b.tar"), root.path)
    assert root.is_untouched


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    with pytest.raises(DeployError, match=r"The layer `app` cannot be deployed to .*root: "):
        deploy_archive(packed(tmp_path), tmp_path / "root")
