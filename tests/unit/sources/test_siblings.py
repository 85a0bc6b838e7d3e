from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from packaging.metadata import Metadata

from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.model.spec import LayerKind, LayerSpec, PackageSource, UvSettings
from hatch_venvstacks.sources.siblings import Sibling, find_siblings, python_fault

if TYPE_CHECKING:
    from collections.abc import Mapping


def write(root: Path, table: Mapping[str, Any] | str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    text = table if isinstance(table, str) else tomlkit.dumps(table)
    (root / "pyproject.toml").write_text(text, "utf-8")
    return root


def project(root: Path, name: str, **more: Any) -> Path:
    sources = more.pop("sources", {})
    table = {"name": name, "version": "1.0", **{k.replace("_", "-"): v for k, v in more.items()}}
    return write(root, {"project": table, "tool": {"uv": {"sources": sources}}})


def spec(root: Path, *requirements: str, **sources: Path | PackageSource) -> LayerSpec:
    given = tuple(
        one if isinstance(one, PackageSource) else PackageSource(name.replace("_", "-"), path=one)
        for name, one in sources.items()
    )
    return LayerSpec(
        root=root / "app",
        project_name="app",
        name="app",
        kind=LayerKind.APPLICATION,
        requirements=requirements,
        uv=UvSettings(sources=given),
    )


def nothing_is_built(root: Path) -> str:
    pytest.fail(f"{root} is built")


def siblings(layer: LayerSpec) -> tuple[Sibling, ...]:
    return find_siblings(layer, nothing_is_built)


def refused(layer: LayerSpec) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        siblings(layer)
    return caught.value


def test_a_project_that_says_it_all(tmp_path: Path) -> None:
    lib = project(
        tmp_path / "lib",
        "Vl_Lib",
        version="1.0.0-rc1",
        dependencies=["b >= 2", "a;sys_platform=='linux'"],
        optional_dependencies={"Fast_Path": ["c", "d ; python_version > '3.9' or os_name=='nt'"]},
        requires_python=">=3.10, <4",
    )
    (found,) = siblings(spec(tmp_path, "vl-lib[fast-path]>=1", vl_lib=lib))
    assert found == Sibling(
        "vl-lib",
        lib,
        "1.0.0rc1",
        (
            'a; sys_platform == "linux"',
            "b>=2",
            'c; extra == "fast-path"',
            'd; (python_version > "3.9" or os_name == "nt") and extra == "fast-path"',
        ),
        ("fast-path",),
        "<4,>=3.10",
    )
    metadata = Metadata.from_email(found.metadata)
    assert (metadata.name, str(metadata.version)) == ("vl-lib", "1.0.0rc1")
    assert [str(one) for one in metadata.requires_dist or ()] == list(found.requires)
    assert metadata.provides_extra == ["fast-path"]
    assert metadata.requires_python is None


def test_only_what_is_required(tmp_path: Path) -> None:
    other = PackageSource("vl-wheel", path=tmp_path / "vl_wheel-1.0-py3-none-any.whl")
    layer = spec(
        tmp_path,
        "vl-wheel",
        "vl-index",
        "vl-elsewhere",
        vl_lib=tmp_path / "nowhere",
        vl_wheel=other,
        vl_index=PackageSource("vl-index", index="corp"),
    )
    assert siblings(layer) == ()


def test_siblings_of_siblings_in_a_circle(tmp_path: Path) -> None:
    one = project(
        tmp_path / "a/one",
        "vl-one",
        dependencies=["vl-two"],
        sources={"vl-two": {"path": "../../two"}},
    )
    project(
        tmp_path / "two",
        "vl-two",
        dependencies=["vl-one"],
        optional_dependencies={"more": ["vl-three"]},
        sources={
            "vl-one": {"path": "../a/one", "editable": True},
            "vl-three": {"path": "three", "extra": "more"},
            "vl-unused": {"path": "unused"},
        },
    )
    project(tmp_path / "two/three", "vl-three")
    found = siblings(spec(tmp_path, "vl-one", vl_one=one))
    assert [(each.name, shown_path(each.root, tmp_path / "app")) for each in found] == [
        ("vl-one", "../a/one"),
        ("vl-three", "../two/three"),
        ("vl-two", "../two"),
    ]


def test_members_of_a_workspace(tmp_path: Path) -> None:
    write(tmp_path, {"tool": {"uv": {"workspace": {"members": ["libs/*"]}}}})
    one = project(
        tmp_path / "libs/one",
        "vl-one",
        dependencies=["vl-two"],
        sources={"vl-two": {"workspace": True}},
    )
    project(tmp_path / "libs/two", "vl-two")
    found = siblings(spec(tmp_path, "vl-one", vl_one=one))
    assert [each.root for each in found] == [one, tmp_path / "libs/two"]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (
            "sys_platform == 'linux'",
            "os_name == 'nt'",
            'sys_platform == "linux" or os_name == "nt"',
        ),
        ("sys_platform == 'linux'", "", ""),
        ("", "sys_platform == 'linux'", ""),
    ],
)
def test_markers_of_sources(tmp_path: Path, first: str, second: str, both: str) -> None:
    lib = project(tmp_path / "lib", "vl-lib")
    sources = [PackageSource("vl-lib", path=lib, marker=marker) for marker in (first, second)]
    (found,) = siblings(spec(tmp_path, "vl-lib", a=sources[0], b=sources[1]))
    assert found.marker == both
    (alone,) = siblings(spec(tmp_path, "vl-lib", a=sources[0]))
    assert alone.marker == first


def test_digests(tmp_path: Path) -> None:
    def digest(**more: Any) -> str:
        lib = project(tmp_path / "lib", "vl-lib", **more)
        (found,) = siblings(spec(tmp_path, "vl-lib", vl_lib=lib))
        return found.digest

    plain = digest()
    assert plain == digest(version="2.0", description="another") == digest(dependencies=[])
    several = [
        plain,
        digest(dependencies=["a"]),
        digest(dependencies=["b"]),
        digest(optional_dependencies={"a": []}),
        digest(optional_dependencies={"a": ["a"]}),
        digest(requires_python=">=3.10"),
    ]
    assert len(set(several)) == len(several)
    assert digest(dependencies=["b", "a>=1"]) == digest(dependencies=["a >= 1", "b", "b"])


METADATA = (
    "Metadata-Version: 2.4\nName: Vl.Lib\nVersion: 1.1\nRequires-Python: >=3.10\n"
    "Provides-Extra: X\nRequires-Dist: a>=1\nRequires-Dist: b; extra == 'x'\n\nRequires-Dist: no\n"
)


@pytest.mark.parametrize(
    ("table", "static"),
    [
        ({"project": {"name": "vl-lib", "dynamic": ["version"]}}, False),
        ({"project": {"name": "vl-lib", "version": "1.1", "dynamic": ["dependencies"]}}, True),
        ({"build-system": {"requires": []}}, False),
    ],
)
def test_what_only_a_build_knows(tmp_path: Path, table: dict[str, Any], static: bool) -> None:
    built: list[Path] = []

    def build(root: Path) -> str:
        built.append(root)
        return METADATA

    lib = write(tmp_path / "lib", table)
    (found,) = find_siblings(spec(tmp_path, "vl-lib", vl_lib=lib), build)
    assert built == [lib]
    requires = ("a>=1", 'b; extra == "x"')
    assert found == Sibling("vl-lib", lib, "1.1", requires, ("x",), ">=3.10", static)


def test_pythons() -> None:
    lib = Sibling("vl-lib", Path("/lib"), "1", requires_python=">=3.12")
    assert python_fault(lib, "3.12.1") == ""
    assert python_fault(lib, "3.11.7") == (
        "`requires-python` of `vl-lib` is `>=3.12`, but the runtime is CPython 3.11.7"
    )


def test_folders_without_a_project(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    layer = spec(tmp_path, "vl-lib", vl_lib=lib)
    assert f"comes from `{lib}`, which does not exist" in refused(layer).message
    lib.mkdir()
    assert "has no file `pyproject.toml`" in refused(layer).message
    write(lib, "[project")
    assert f"`{lib / 'pyproject.toml'}` cannot be read: " in refused(layer).message
    sdist = tmp_path / "lib-1.0.tar.gz"
    sdist.touch()
    error = refused(spec(tmp_path, "vl-lib", vl_lib=sdist))
    assert "neither a folder nor a wheel" in error.message
    assert "never built from sdists" in error.hint


@pytest.mark.parametrize(
    "table",
    [
        {"project": 1},
        {"project": {"name": "vl-lib", "version": 1}},
        {"project": {"name": "vl-lib", "version": "x"}},
        {"project": {"name": "vl-lib", "version": "1", "dependencies": ["a b"]}},
        {"project": {"name": "vl-lib", "version": "1", "dependencies": 1}},
        {"project": {"name": "vl-lib", "version": "1", "optional-dependencies": []}},
        {"project": {"name": "vl-lib", "version": "1", "requires-python": "no"}},
        {"project": {"name": "vl-lib", "version": "1"}, "tool": {"uv": {"sources": 1}}},
    ],
)
def test_projects_that_are_not_valid(tmp_path: Path, table: dict[str, Any]) -> None:
    lib = write(tmp_path / "lib", table)
    message = refused(spec(tmp_path, "vl-lib", vl_lib=lib)).message
    assert message.startswith(f"The project in `{lib}`, which layer `app` requires, is not valid")


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("dependencies", 1, "Field `project.dependencies` must be an array of strings"),
        ("optional-dependencies", [], "Field `project.optional-dependencies` must be a table"),
        (
            *("optional-dependencies", {"x": "y"}),
            "Field `project.optional-dependencies.x` must be an array of strings",
        ),
    ],
)
def test_fields_that_are_not_valid(tmp_path: Path, key: str, value: Any, fault: str) -> None:
    table = {"project": {"name": "vl-lib", "version": "1", key: value}}
    lib = write(tmp_path / "lib", table)
    assert refused(spec(tmp_path, "vl-lib", vl_lib=lib)).detail == f"  {fault}"


def test_a_project_of_another_name(tmp_path: Path) -> None:
    lib = project(tmp_path / "lib", "vl-other")
    message = refused(spec(tmp_path, "vl-lib", vl_lib=lib)).message
    assert f"comes from `{lib}`, where the project is `vl-other`" in message


def test_two_folders_for_one_name(tmp_path: Path) -> None:
    lib = project(tmp_path / "lib", "vl-lib")
    one = project(
        tmp_path / "one", "vl-one", dependencies=["vl-lib"], sources={"vl-lib": {"path": "lib"}}
    )
    layer = spec(tmp_path, "vl-lib", "vl-one", vl_lib=lib, vl_one=one)
    message = refused(layer).message
    assert message == "`vl-lib` comes from two folders for layer `app`: `../lib` and `../one/lib`"


def test_the_project_of_the_layer_itself(tmp_path: Path) -> None:
    project(tmp_path / "app", "app")
    lib = project(
        tmp_path / "lib", "vl-lib", dependencies=["app"], sources={"app": {"path": "../app"}}
    )
    error = refused(spec(tmp_path, "vl-lib", vl_lib=lib))
    assert "`app`, which layer `app` requires, is the project of the layer" in error.message


def test_direct_references(tmp_path: Path) -> None:
    lib = project(tmp_path / "lib", "vl-lib", dependencies=["x @ https://u:secret@h.example/x.whl"])
    error = refused(spec(tmp_path, "vl-lib", vl_lib=lib))
    assert "has a direct reference (`x @ …`)" in error.message
    assert "secret" not in str(error)
