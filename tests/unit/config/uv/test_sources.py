from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_venvstacks.config.uv.project import UvProject, UvTable
from hatch_venvstacks.config.uv.tables import read_uv
from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.spec import PackageSource, UvSettings

ROOT = Path("/repo/apps/demo")


def read(text: str, **names: Any) -> UvSettings:
    faults: list[str] = []
    settings = read_uv(UvProject((UvTable(ROOT, parse_toml(text)),)), faults, **names)
    assert faults == []
    return settings


def faults(text: str, settings: str | None = None) -> list[str]:
    noted: list[str] = []
    beside = None if settings is None else parse_toml(settings)
    read_uv(UvProject((UvTable(ROOT, parse_toml(text), beside),)), noted)
    return noted


class TestSources:
    def test_kinds(self) -> None:
        settings = read(
            """
            [sources]
            Torch = [
              { index = "cpu", marker = "sys_platform != 'win32'" },
              { index = "cu", marker = "sys_platform == 'win32'" },
            ]
            lib = { path = "../lib", editable = true }
            tool = { git = "https://joe:secret@example/tool" }
            wheel = { url = "https://joe:secret@example/wheel-1-py3-none-any.whl" }
            member = { workspace = true }
            """
        )
        assert settings.sources == (
            PackageSource("torch", index="cpu", marker='sys_platform != "win32"'),
            PackageSource("torch", index="cu", marker='sys_platform == "win32"'),
            PackageSource("lib", path=Path("/repo/apps/lib")),
            PackageSource("tool", fault="is a Git repository"),
            PackageSource("wheel", fault="is an address"),
            PackageSource("member", fault="is the workspace, but the project belongs to none"),
        )

    def test_of_features_and_groups(self) -> None:
        text = """
            [sources]
            torch = [{ index = "cpu", extra = "CPU" }, { index = "cu", extra = "cu" }]
            other = { index = "dev", group = "dev" }
            """
        assert read(text).sources == ()
        cpu = PackageSource("torch", index="cpu")
        assert read(text, features=["cpu"]).sources == (cpu,)
        assert read(text, features=["cpu"], dependency_groups=["dev"]).sources == (
            cpu,
            PackageSource("other", index="dev"),
        )

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("sources = 1", "Field `tool.uv.sources` must be a table"),
            ("sources.a = 1", "Field `tool.uv.sources.a` must be a table or an array of tables"),
            ("sources.a = [1]", "Source #1 in field `tool.uv.sources.a` must be a table"),
            (
                'sources."-a" = { index = "x" }',
                "Field `tool.uv.sources.-a` is not the name of a package",
            ),
            (
                'sources = { a_b = { index = "x" }, a-b = { index = "y" } }',
                "Field `tool.uv.sources.a-b` is there already, for the same package",
            ),
            (
                "sources.a = {}",
                (
                    "Field `tool.uv.sources.a` must have one of `index`, `path`, `workspace`, `git`"
                    " and `url`"
                ),
            ),
            ("sources.a.index = 1", "Field `tool.uv.sources.a` must have a string as `index`"),
            ("sources.a.workspace = 1", "Field `tool.uv.sources.a` must have `workspace = true`"),
        ],
    )
    def test_faults(self, text: str, fault: str) -> None:
        assert faults(text) == [fault]

    def test_marker(self) -> None:
        [fault] = faults('sources.a = { index = "x", marker = "linux" }')
        assert fault.startswith("Field `tool.uv.sources.a` has a `marker` that is not valid: ")
