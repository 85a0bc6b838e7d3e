from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.plugin.manager import PluginManager
from layer_tables import RUNTIME, T

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.layer_table import (
    GENERIC_OPTIONS,
)
from hatch_venvstacks.plugin.builder_config import VenvLayerConfig, generic_faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Builder(BuilderInterface[VenvLayerConfig, PluginManager]):
    PLUGIN_NAME = "venvlayer"

    def get_version_api(self) -> dict[str, Callable[..., Any]]:
        return {"archive": str, "lock": str, "export": str}

    @classmethod
    def get_config_class(cls) -> type[VenvLayerConfig]:
        return VenvLayerConfig


def config(
    tmp_path: Path, table: dict[str, Any], build: dict[str, Any] | None = None, **project: Any
) -> VenvLayerConfig:
    raw = {
        "project": {"name": "demo", "version": "1", **project},
        "tool": {"hatch": {"build": {**(build or {}), "targets": {"venvlayer": table}}}},
    }
    return Builder(str(tmp_path), PluginManager(), raw).config


class TestVenvLayerConfig:
    def test_spec(self, tmp_path: Path) -> None:
        table = {**RUNTIME, "features": ["gpu"], "exclude": ["*.md"], "versions": ["lock"]}
        spec = config(tmp_path, table, **{"optional-dependencies": {"GPU": ["numpy"]}}).spec
        assert (spec.root, spec.requirements) == (tmp_path, ("numpy",))
        assert spec.lock_file == tmp_path / "pylock.venvlayer.toml"

    def test_faults_of_both_kinds_of_options(self, tmp_path: Path) -> None:
        table = {**RUNTIME, "name": 1, "exclude": "x", "versions": ["archive", "arhive"]}
        with pytest.raises(ConfigError) as caught:
            _ = config(tmp_path, table).spec
        assert caught.value.message.splitlines() == [
            f"Field `{T}.name` must be a string",
            f"Field `{T}.exclude` must be an array of strings",
            f"Unknown versions in field `{T}.versions`: arhive",
        ]

    def test_generic_alone(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            _ = config(tmp_path, {**RUNTIME, "sources": 1}).spec
        assert caught.value.message == f"Field `{T}.sources` must be a mapping or array of strings"


class TestCheckGeneric:
    def test_nothing_wrong(self, tmp_path: Path) -> None:
        assert generic_faults(config(tmp_path, RUNTIME)) == []

    @pytest.mark.parametrize("option", GENERIC_OPTIONS)
    def test_every_option_is_looked_at(self, tmp_path: Path, option: str) -> None:
        (fault,) = generic_faults(config(tmp_path, {**RUNTIME, option: 1}))
        assert fault.startswith(f"Field `{T}.{option}` must be ")

    def test_what_several_options_need_is_said_once(self, tmp_path: Path) -> None:
        # hatchling reads `packages` for `include`, `only-include` and `sources` too.
        found = generic_faults(config(tmp_path, {**RUNTIME, "packages": [""], "directory": 1}))
        assert found == [
            f"Package #1 in field `{T}.packages` cannot be an empty string",
            f"Field `{T}.directory` must be a string",
        ]

    def test_options_of_all_targets(self, tmp_path: Path) -> None:
        found = generic_faults(config(tmp_path, RUNTIME, {"artifacts": [1], "directory": 2}))
        assert found == [
            "Pattern #1 in field `tool.hatch.build.artifacts` must be a string",
            "Field `tool.hatch.build.directory` must be a string",
        ]

    def test_pattern_that_is_none(self, tmp_path: Path) -> None:
        (fault,) = generic_faults(config(tmp_path, {**RUNTIME, "include": ["!"]}))
        assert fault.startswith(f"Field `{T}.include`: ")

    def test_hook_without_its_script(self, tmp_path: Path) -> None:
        (fault,) = generic_faults(config(tmp_path, {**RUNTIME, "hooks": {"custom": {}}}))
        assert "Build script does not exist: hatch_build.py" in fault
