"""The reference of the options: complete, and every example in it valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from hatch_venvstacks.config.layer_table import GENERIC_OPTIONS, LAYER_OPTIONS, parse_layer
from hatch_venvstacks.model.formats.archive_format import DEFAULT_COMPRESSION_LEVEL
from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.spec import DEFAULT_LOCK_FILE, LayerKind
from hatch_venvstacks.plugin.pyproject import layer_table, project_facts

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "options.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def table(example: str) -> dict[str, Any]:
    raw = parse_toml(example)
    return dict(layer_table(ProjectMetadata("/stack/demo", PluginManager(), raw)))


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_valid(example: str) -> None:
    raw = {"project": {"name": "demo", "version": "1"}, **parse_toml(example)}
    metadata = ProjectMetadata("/stack/demo", PluginManager(), raw)
    spec = parse_layer(
        layer_table(metadata), root=Path("/stack/demo"), project=project_facts(metadata)
    )
    assert spec.kind in LayerKind


@pytest.mark.parametrize("option", LAYER_OPTIONS)
def test_option_has_a_section_with_an_example_of_it(option: str) -> None:
    section = PAGE.partition(f"\n### `{option}`\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    examples = re.findall(r"^```toml\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert any(option in table(example) for example in examples)


@pytest.mark.parametrize("option", GENERIC_OPTIONS)
def test_generic_option_is_listed(option: str) -> None:
    assert f"`{option}`" in PAGE.partition("\n## Generic options\n")[2]


def test_kinds_of_the_overview() -> None:
    rows = re.findall(r"^\| \[`([^`]+)`\]\(#[a-z-]+\) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert dict(rows) == {
        option: "all" if kinds == tuple(LayerKind) else ", ".join(kinds)
        for option, kinds in LAYER_OPTIONS.items()
    }


def test_defaults_and_names() -> None:
    assert f'`"{DEFAULT_LOCK_FILE}"`' in PAGE
    assert f"default `{DEFAULT_COMPRESSION_LEVEL}`" in PAGE
    assert all(f"`{name}`" in PAGE for name in PLATFORMS)
