from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import demo
import pytest
import zstandard

from hatch_venvstacks.model.formats.toml import read_toml

if TYPE_CHECKING:
    from front_end import FrontEnds

DIGITS = demo.CHECKOUT / "test-projects" / "digits"


def test_every_project_comes_after_its_base_layers() -> None:
    built: list[Path] = []
    for project in demo.PROJECTS:
        tables = read_toml(DIGITS / project / "pyproject.toml")
        options = tables["tool"]["hatch"]["build"]["targets"]["venvlayer"]
        base_layers = [
            (DIGITS / project / path).resolve() for path in options.get("base-layers", [])
        ]
        assert set(base_layers) <= set(built)
        built.append((DIGITS / project).resolve())
    assert len(built) == len(list(DIGITS.glob("*/*/pyproject.toml")))


def test_find_links_of_the_user_are_kept(tmp_path: Path) -> None:
    inherited = {
        "PIP_FIND_LINKS": "/a /b",
        "UV_FIND_LINKS": "/a,/b",
        "UV_PYTHON": "/usr/bin/python3",
        "PATH": "/bin",
    }
    wheels = tmp_path / "with blank"
    environment = demo.build_environment(inherited, wheels, tmp_path / "hatch")
    assert environment["PIP_FIND_LINKS"] == f"{wheels.as_uri()} /a /b"
    assert environment["UV_FIND_LINKS"] == f"{wheels.as_uri()},/a,/b"
    assert environment["PATH"] == "/bin"
    assert "UV_PYTHON" not in environment


@pytest.mark.parametrize("programs", [True, False])
def test_all_segments_are_unpacked(
    programs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not programs:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    elif not (shutil.which("tar") and shutil.which("zstd")):
        pytest.skip("tar or zstd is missing")
    plain = tmp_path / "plain.tar"
    with tarfile.open(plain, "w") as archive:
        archive.add(DIGITS / "README.md", "layer/README.md")
        archive.add(DIGITS / "README.md", "layer/again.md")
    content = plain.read_bytes()
    packed = tmp_path / "layer.tar.zst"
    parts = content[:1024], content[1024:4096], content[4096:]
    packed.write_bytes(b"".join(zstandard.compress(part) for part in parts))
    root = tmp_path / "root"
    root.mkdir()
    demo.unpack(packed, root)
    assert (root / "layer/again.md").read_bytes() == (DIGITS / "README.md").read_bytes()


@pytest.mark.parametrize("tool", ["hatch", "build", "uv"])
def test_front_ends_find_the_plugin(tool: str, front_ends: FrontEnds, tmp_path: Path) -> None:
    # The hook says where the plugin came from, in the wheel that it takes part in.
    project = tmp_path / "project"
    shutil.copytree(DIGITS / "apps/digits", project, ignore=shutil.ignore_patterns("dist"))
    with (project / "pyproject.toml").open("a") as tables:
        tables.write("\n[tool.hatch.build.targets.wheel.hooks.custom]\n")
    (project / "hatch_build.py").write_text(
        "import importlib.metadata, pathlib\n"
        "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
        "class Hook(BuildHookInterface):\n"
        "    def initialize(self, version, build_data):\n"
        "        plugin = importlib.metadata.distribution('hatch-venvstacks')\n"
        "        text = plugin.read_text('direct_url.json') or ''\n"
        "        found = pathlib.Path(self.root, 'found.txt')\n"
        "        found.write_text(f'{plugin.version} {plugin.locate_file(\"\")} {text}')\n"
        "        build_data['force_include'][str(found)] = 'digits/found.txt'\n"
    )
    arguments = {
        "hatch": ["build", "-t", "wheel"],
        "build": ["--wheel"],
        "uv": ["build", "--wheel"],
    }
    front_ends.run(tool, *arguments[tool], cwd=project)
    (wheel,) = (project / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        version, folder, *editable = archive.read("digits/found.txt").decode().split()
    (plugin,) = front_ends.wheels.glob("*.whl")
    assert plugin.name.split("-")[1] == version
    assert not Path(folder).is_relative_to(sys.prefix)
    assert not Path(folder).is_relative_to(demo.CHECKOUT)
    assert editable == []
