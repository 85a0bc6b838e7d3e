"""Tables of layers as dicts, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.layer_table import (
    ProjectFacts,
    parse_layer,
)

if TYPE_CHECKING:
    from hatch_venvstacks.model.spec import LayerSpec

ROOT = Path("/stack/apps/demo")
T = "tool.hatch.build.targets.venvlayer"
RUNTIME = {"kind": "runtime", "python": "cpython@3.11.13"}
FRAMEWORK = {"kind": "framework", "base-layers": ["../../runtimes/py"]}
APPLICATION = {"kind": "application", "base-layers": ["../../frameworks/sklearn"]}


def parse(table: dict[str, Any], **facts: Any) -> LayerSpec:
    return parse_layer(table, root=ROOT, project=ProjectFacts(facts.pop("name", "demo"), **facts))


def faults(table: dict[str, Any], **facts: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(table, **facts)
    return caught.value.message.splitlines()
