from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.uv.project import UvProject, UvTable, read_uv_project
from hatch_venvstacks.config.uv.tables import read_uv
from hatch_venvstacks.model.formats.toml import read_toml
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.spec import PackageSource, UvSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def project(name: str, uv: str = "") -> str:
    return f'[project]\nname = "{name}"\nversion = "1"\n{uv}'


def loaded(root: Path) -> UvProject:
    return read_uv_project(root, read_toml(root / "pyproject.toml"))


PYPI = "https://pypi.example/simple"
WORKSPACE = '[tool.uv.workspace]\nmembers = ["libs/*", "apps/**"]\nexclude = ["libs/old*"]\n'
WANTS = "[tool.uv.sources]\nlib = { workspace = true }\n"


class TestWorkspace:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        write(
            tmp_path,
            {
                "pyproject.toml": project("the.root", WORKSPACE),
                "libs/lib/pyproject.toml": project("Lib"),
                "libs/no-project/pyproject.toml": "[tool.x]\n",
                "libs/readme.md": "",
                "libs/old-lib/pyproject.toml": project("old-lib"),
                "apps/team/demo/pyproject.toml": project("demo", WANTS),
            },
        )
        return tmp_path

    def test_members(self, root: Path) -> None:
        found = loaded(root / "apps/team/demo")
        assert found.workspace == root
        assert found.members == {
            "the-root": root,
            "lib": root / "libs/lib",
            "demo": root / "apps/team/demo",
        }
        noted: list[str] = []
        assert read_uv(found, noted).sources == (PackageSource("lib", path=root / "libs/lib"),)
        assert noted == []

    def test_no_such_member(self, root: Path) -> None:
        write(root, {"libs/lib/pyproject.toml": project("other")})
        [source] = read_uv(loaded(root / "apps/team/demo"), []).sources
        assert source.fault == f"is the workspace in `{root}`, which has no member of this name"

    def test_members_are_looked_for_only_where_they_are_wanted(self, root: Path) -> None:
        write(root, {"libs/lib/pyproject.toml": "no toml"})
        assert loaded(root / "libs/old-lib") == UvProject((UvTable(root / "libs/old-lib", {}),))
        write(root, {"apps/team/demo/pyproject.toml": project("demo")})
        assert loaded(root / "apps/team/demo").members == {}
        write(root, {"apps/team/demo/pyproject.toml": project("demo", WANTS)})
        with pytest.raises(ConfigError, match="is not valid TOML"):
            loaded(root / "apps/team/demo")

    def test_two_members_of_one_name(self, root: Path) -> None:
        write(root, {"libs/lib2/pyproject.toml": project("LIB")})
        with pytest.raises(ConfigError, match=r"Two members of the workspace in .* have the name"):
            loaded(root / "apps/team/demo")

    def test_the_project_is_the_root(self, root: Path) -> None:
        write(root, {"pyproject.toml": project("the-root", WORKSPACE + WANTS)})
        found = loaded(root)
        assert (found.workspace, len(found.tables)) == (root, 1)
        assert found.members["lib"] == root / "libs/lib"

    @pytest.mark.parametrize(
        "above", [project("nearer"), '[tool.uv.workspace]\nmembers = ["x"]\n', "[tool.uv]\n"]
    )
    def test_only_the_nearest_project_above_counts(self, root: Path, above: str) -> None:
        write(root, {"apps/team/pyproject.toml": above})
        assert loaded(root / "apps/team/demo").workspace is None

    @pytest.mark.parametrize("patterns", ["1", "[1]"])
    def test_patterns(self, root: Path, patterns: str) -> None:
        write(root, {"pyproject.toml": f"[tool.uv.workspace]\nmembers = {patterns}\n"})
        with pytest.raises(ConfigError, match=r"`tool\.uv\.workspace\.members` in .* array"):
            loaded(root / "apps/team/demo")

    def test_table(self, root: Path) -> None:
        write(root, {"pyproject.toml": "[tool]\nuv = 1\n"})
        with pytest.raises(ConfigError, match=re.escape("Field `tool.uv` in")):
            loaded(root / "apps/team/demo")

    def test_unreadable(self, root: Path) -> None:
        (root / "pyproject.toml").write_bytes(b"\xff")
        with pytest.raises(ConfigError, match="cannot be read"):
            loaded(root / "apps/team/demo")

    def test_settings_of_the_root(self, root: Path) -> None:
        outer = f"""
            [tool.uv]
            exclude-newer = "2025-01-01"
            find-links = ["wheels"]
            index-strategy = "first-index"
            prerelease = "allow"
            [[tool.uv.index]]
            name = "corp"
            url = "{PYPI}"
            default = true
            [[tool.uv.index]]
            name = "torch"
            url = "{PYPI}/torch"
            [tool.uv.sources]
            lib = {{ index = "corp" }}
            torch = {{ index = "torch" }}
            near = {{ path = "libs/lib" }}
            """
        inner = f"""
            [tool.uv]
            index-strategy = "unsafe-best-match"
            [[tool.uv.index]]
            name = "torch"
            url = "{PYPI}/own"
            default = true
            """
        write(
            root,
            {
                "pyproject.toml": WORKSPACE + outer,
                "apps/team/demo/pyproject.toml": project("demo", inner + WANTS),
            },
        )
        noted: list[str] = []
        settings = read_uv(loaded(root / "apps/team/demo"), noted)
        assert noted == []
        assert settings == UvSettings(
            indexes=(
                Index("torch", f"{PYPI}/own", default=True),
                Index("corp", PYPI, explicit=True),
            ),
            sources=(
                PackageSource("lib", path=root / "libs/lib"),
                PackageSource("torch", index="torch"),
                PackageSource("near", path=root / "libs/lib"),
            ),
            exclude_newer="2025-01-01",
            find_links=((root / "wheels").as_uri(),),
            options={"index-strategy": "unsafe-best-match", "prerelease": "allow"},
        )

    def test_faults_of_the_root(self, root: Path) -> None:
        write(root, {"pyproject.toml": WORKSPACE + "[tool.uv]\nindex = 1\n"})
        noted: list[str] = []
        read_uv(loaded(root / "apps/team/demo"), noted)
        assert noted == [
            "Field `tool.uv.index` must be an array of tables (in `../../../pyproject.toml`)"
        ]

    def test_uv_toml(self, root: Path) -> None:
        demo = root / "apps/team/demo"
        write(demo, {"uv.toml": 'exclude-newer = "2026-01-01"'})
        assert read_uv(loaded(demo), []).exclude_newer == "2026-01-01"
