"""What a layer adds: dependencies, features and dependency groups, merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.config.layer_table import ProjectFacts, parse_layer

T = "tool.hatch.build.targets.venvlayer"

RENAME = (
    "give the project another name, and the layer this one with the option `name`; or, if the"
    " project itself is meant, set `include-project`"
)


def requirements(table: dict[str, Any], **facts: Any) -> tuple[str, ...]:
    return parse_layer(
        {"kind": "runtime", "python": "cpython@3.11", **table},
        root=Path("/stack/demo"),
        project=ProjectFacts("Demo_App", **facts),
    ).requirements


def faults(table: dict[str, Any], **facts: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        requirements(table, **facts)
    return caught.value.message.splitlines()


def test_default_is_the_project() -> None:
    assert requirements({}, dependencies=("scipy", "numpy")) == ("numpy", "scipy")
    assert requirements({}) == ()


def test_requirements_replace_the_project() -> None:
    assert requirements({"requirements": ["rich"]}, dependencies=("numpy",)) == ("rich",)
    assert requirements({"requirements": []}, dependencies=("numpy",)) == ()


def test_canonical_form() -> None:
    wanted = [
        "Ruamel.YAML[B_c, a] >=2.0RC1, <3 ; python_version<'3.12'",
        'ruamel-yaml[a,b-c]<3,>=2.0rc1; python_version < "3.12"',
    ]
    assert requirements({"requirements": wanted}) == (
        'ruamel-yaml[a,b-c]<3,>=2.0rc1; python_version < "3.12"',
    )


def test_features_and_groups_are_added() -> None:
    assert requirements(
        {"features": ["Fast_IO"], "dependency-groups": ["Test"]},
        dependencies=("numpy",),
        optional_dependencies={"fast.io": ("lz4",), "other": ("x",)},
        dependency_groups={
            "test": ["pytest", {"include-group": "lint"}],
            "lint": ["ruff"],
            "docs": ["y"],
        },
    ) == ("lz4", "numpy", "pytest", "ruff")


def test_groups_that_are_not_asked_for_may_be_faulty() -> None:
    assert requirements({"dependency-groups": ["a"]}, dependency_groups={"a": [], "b": [1]}) == ()


def test_the_projects_own_features() -> None:
    assert requirements(
        {"dependency-groups": ["dev"]},
        dependencies=("demo.app[gui]; sys_platform == 'linux'",),
        optional_dependencies={
            "gui": ("qt; python_version < '3.12' or os_name == 'nt'", "demo-app[cli]"),
            "cli": ("click",),
            "all": ("Demo_App[all, cli]",),
        },
        dependency_groups={"dev": ["demo-app[all]"]},
    ) == (
        "click",
        'click; sys_platform == "linux"',
        'qt; (python_version < "3.12" or os_name == "nt") and sys_platform == "linux"',
    )


def test_requirements_that_are_faulty() -> None:
    place = f"in field `{T}.requirements`"
    entries = [1, "", "numpy scipy", "./x.whl", "demo-app", "Demo.App[nope]"]
    assert faults({"requirements": entries}, optional_dependencies={"gui": ()}) == [
        f"Requirement #1 {place} must be a string",
        f"Requirement #2 {place} cannot be an empty string",
        (
            f"Requirement #3 {place} is not valid: Expected semicolon (after name with no version"
            " specifier) or end: `numpy scipy`"
        ),
        (
            f"Requirement #4 {place} is not valid: Expected package name at the start of dependency"
            " specifier: `./x.whl`"
        ),
        f"Requirement #5 {place} has the name of the project itself: {RENAME}",
        (
            f"Requirement #6 {place} asks for the project's own feature `nope`, which is not"
            " defined in field `project.optional-dependencies`; defined are `gui`"
        ),
    ]


def test_arrays() -> None:
    assert faults({"requirements": "x", "features": {}, "dependency-groups": 1}) == [
        f"Field `{T}.{option}` must be an array of strings"
        for option in ("requirements", "features", "dependency-groups")
    ]


@pytest.mark.parametrize("url", ["https://me:secret@x.example/foo-1.whl", "file:///x/foo-1.whl"])
def test_direct_references(url: str) -> None:
    advice = (
        " is a direct reference (`foo @ …`), which layers do not support yet: put its wheel into an"
        " index or a find-links folder, and require it by name"
    )
    text = f"foo @ {url}"
    assert faults({}, dependencies=(text,)) == [
        f"Dependency `foo` in field `project.dependencies`{advice}"
    ]
    assert faults({"requirements": ["a", text]}) == [
        f"Requirement #2 in field `{T}.requirements`{advice}"
    ]
    assert faults({"features": ["x"]}, optional_dependencies={"x": (text,)}) == [
        f"Dependency `foo` of feature `x`{advice}"
    ]
    assert faults({"dependency-groups": ["x"]}, dependency_groups={"x": [text]}) == [
        f"Dependency `foo` of dependency group `x`{advice}"
    ]


def test_unknown_features() -> None:
    place = f"in field `{T}.features` is not defined in field `project.optional-dependencies`"
    found = faults({"features": ["guy", "zz"]}, optional_dependencies={"gui": (), "cli": ()})
    assert found == [
        f"Feature #1 {place}: `guy`; did you mean `gui`?",
        f"Feature #2 {place}: `zz`; defined are `cli`, `gui`",
    ]


def test_unknown_groups() -> None:
    place = f"in field `{T}.dependency-groups` is not defined in table `dependency-groups`"
    assert faults({"dependency-groups": ["tset", "x"]}, dependency_groups={"test": []}) == [
        f"Dependency group #1 {place}: `tset`; did you mean `test`?",
        f"Dependency group #2 {place}: `x`; defined are `test`",
    ]
    assert faults({"dependency-groups": ["x"]}) == [f"Dependency group #1 {place}: `x` (none is)"]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"a": [{"include-group": "b"}], "b": [{"include-group": "a"}]}, ["a -> b, b -> a"]),
        ({"a": [{"include-group": "zz"}]}, ["'zz' not found"]),
        ({"a": "numpy"}, ["contained a string"]),
        ({"a": 1}, ["not a sequence"]),
        ({"a": ["x y"]}, ["Expected semicolon"]),
        ({"a": [None, 3]}, ["group item: None", "group item: 3"]),
        ({"a": [{"include": "b"}], "b": []}, ["Invalid dependency group item"]),
        ({"a": [], "A": []}, ["Duplicate dependency group names"]),
    ],
)
def test_faulty_groups(groups: dict[str, Any], words: list[str]) -> None:
    found = faults({"dependency-groups": ["a"]}, dependency_groups=groups)
    assert len(found) == len(words)
    for line, part in zip(found, words, strict=True):
        assert line.startswith(
            f"Dependency group #1 in field `{T}.dependency-groups` is not valid: "
        )
        assert part in line


names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True)


@given(st.lists(names), st.lists(names))
def test_sources_merge_into_one_sorted_set(dependencies: list[str], extras: list[str]) -> None:
    optional = {"x": tuple(name for name in extras if name.lower() != "demo-app")}
    found = requirements(
        {"features": ["x"]}, dependencies=tuple(dependencies), optional_dependencies=optional
    )
    assert list(found) == sorted(set(found))
    assert found == requirements({"requirements": [*reversed(found)]})
    assert len({Requirement(text).name for text in found}) == len(found)
