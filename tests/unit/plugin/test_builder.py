"""What ``--clean`` removes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.plugin.builder import VenvLayerBuilder

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """\
[project]
name = "demo"
version = "2.0"
[tool.hatch.build.targets.venvlayer]
kind = "runtime"
python = "cpython@3.11"
"""


@pytest.fixture
def builder(tmp_path: Path) -> VenvLayerBuilder:
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    return VenvLayerBuilder(str(tmp_path))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "dist/venvlayer"
    folder.mkdir(parents=True)
    return folder


def publish(folder: Path, archive: str, layer: object) -> None:
    (folder / archive).write_bytes(b"")
    (folder / f"{archive}.json").write_text(json.dumps(layer), "utf-8")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_archives_of_this_layer_in_all_formats(builder: VenvLayerBuilder, output: Path) -> None:
    for suffix in ("tar.zst", "tar.xz", "tar.gz", "tar", "zip"):
        archive = f"demo-1.0-linux_x86_64.{suffix}"
        publish(output, archive, {"layer": {"name": "demo"}})
    (output / "demo-2.0-win_arm64.zip.json").write_text('{"layer": {"name": "demo"}}', "utf-8")
    (output / ".archive-killed").mkdir()
    builder.clean(str(output.parent), ["archive"])
    assert names(output) == set()


def test_what_is_not_of_this_layer(builder: VenvLayerBuilder, output: Path) -> None:
    publish(output, "demo-more-1.0-win_amd64.zip", {"layer": {"name": "demo-more"}})
    publish(output, "demo-1.0-linux_x86_64.tar.zst", {"layer": {}})
    publish(output, "demo-1.0-win_amd64.zip", [])
    for name in ("demo-1.0.zip", "demo.json", "demo-1.0.tar.gz"):
        (output / name).write_bytes(b"")
    (output / "broken.zip.json").write_bytes(b"{")
    (output / "export").mkdir()
    before = names(output)
    builder.clean(str(output.parent), ["archive"])
    assert names(output) == before


def test_other_versions_of_the_target(builder: VenvLayerBuilder, output: Path) -> None:
    publish(output, "demo-1.0-win_amd64.zip", {"layer": {"name": "demo"}})
    (output / "export/demo").mkdir(parents=True)
    (output / ".export-killed").mkdir()
    before = names(output)
    builder.clean(str(output.parent), ["lock"])
    assert names(output) == before
    builder.clean(str(output.parent), ["export"])
    assert names(output) == {"demo-1.0-win_amd64.zip", "demo-1.0-win_amd64.zip.json"}


def test_nothing_was_built(builder: VenvLayerBuilder, tmp_path: Path) -> None:
    builder.clean(str(tmp_path / "dist"), ["archive", "export"])
    assert names(tmp_path) == {"pyproject.toml"}
