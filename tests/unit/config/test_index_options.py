"""``package-indexes``, ``index-overrides`` and ``priority-indexes``, on tables as dicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.layer_table import ProjectFacts, parse_layer
from hatch_venvstacks.config.uv.project import UvProject, UvTable
from hatch_venvstacks.model.index import Index
from hatch_venvstacks.model.spec import LayerSpec, PackageSource, UvSettings

ROOT = Path("/stack/apps/demo")
T = "tool.hatch.build.targets.venvlayer"


def parse(uv: dict[str, Any] | None = None, **options: Any) -> LayerSpec:
    table = {
        "kind": "application",
        "base-layers": ["../fw"],
        **{key.replace("_", "-"): value for key, value in options.items()},
    }
    project = ProjectFacts(
        "demo",
        optional_dependencies={"Cu_126": ("torch",)},
        dependency_groups={"Dev": []},
        uv=UvProject((UvTable(ROOT, uv or {}),)),
    )
    return parse_layer(table, root=ROOT, project=project)


def faults(**options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(**options)
    return caught.value.message.splitlines()


def test_all() -> None:
    spec = parse(
        package_indexes={"Torch_Audio": "torch-cpu"},
        index_overrides={"torch-cpu": "torch.cu126", "corp": "corp"},
        priority_indexes=["nightly", "corp"],
    )
    assert spec.package_indexes == {"torch-audio": "torch-cpu"}
    assert spec.index_overrides == {"torch-cpu": "torch.cu126", "corp": "corp"}
    assert spec.priority_indexes == ("nightly", "corp")


def test_none() -> None:
    spec = parse()
    assert (spec.package_indexes, spec.index_overrides, spec.priority_indexes) == ({}, {}, ())
    assert spec.uv == UvSettings()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (
            {"package_indexes": ["torch"]},
            f"Field `{T}.package-indexes` must be a table of strings",
        ),
        ({"package_indexes": {"a": 1}}, f"Field `{T}.package-indexes.a` must be a string"),
        (
            {"package_indexes": {"a": "b c"}},
            f"Field `{T}.package-indexes.a` must be the name of an index: `b c`",
        ),
        (
            {"package_indexes": {"a>1": "x"}},
            f"Field `{T}.package-indexes.a>1` is not the name of a package",
        ),
        (
            {"package_indexes": {"a_b": "x", "A-b": "x"}},
            f"Field `{T}.package-indexes.A-b` is there already, as `a_b`",
        ),
        (
            {"index_overrides": {"a": "b", "b": "c"}},
            f"Field `{T}.index-overrides.a` names an index that is itself replaced, by `c`: `b`",
        ),
        (
            {"index_overrides": {"a b": "c"}},
            f"Field `{T}.index-overrides.a b` is not the name of an index",
        ),
        ({"priority_indexes": "a"}, f"Field `{T}.priority-indexes` must be an array of strings"),
        (
            {"priority_indexes": ["a/"]},
            f"Index #1 in field `{T}.priority-indexes` must be the name of an index: `a/`",
        ),
        (
            {"priority_indexes": ["a", "a"]},
            f"Index #2 in field `{T}.priority-indexes` is there already: `a`",
        ),
    ],
)
def test_faults(options: dict[str, Any], fault: str) -> None:
    assert faults(**options) == [fault]


def test_faults_of_uv_are_reported_with_the_others() -> None:
    assert faults(uv={"index": 1}, priority_indexes="a") == [
        "Field `tool.uv.index` must be an array of tables",
        f"Field `{T}.priority-indexes` must be an array of strings",
    ]


def test_sources_of_the_features_and_groups_that_the_layer_takes() -> None:
    uv = {
        "index": [{"name": "cu", "url": "https://cu.example"}],
        "sources": {
            "torch": {"index": "cu", "extra": "cu-126"},
            "lib": {"index": "cu", "group": "dev"},
        },
    }
    assert parse(uv).uv.sources == ()
    spec = parse(uv, features=["cu.126"], dependency_groups=["DEV"])
    assert spec.uv == UvSettings(
        indexes=(Index("cu", "https://cu.example"),),
        sources=(PackageSource("torch", index="cu"), PackageSource("lib", index="cu")),
    )
