"""Projects of base layers, read from the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from hatch_venvstacks.common.errors import ConfigError, StackError, VenvLayerError
from hatch_venvstacks.model.spec import LayerKind
from hatch_venvstacks.plugin.pyproject import layer_table, project_facts, read_project

if TYPE_CHECKING:
    from pathlib import Path

T = "tool.hatch.build.targets.venvlayer"
PROJECT = '[project]\nname = "Sk_Learn"\nversion = "1.0"\n'
TABLE = f'[{T}]\nkind = "framework"\nbase-layers = ["../py"]\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    # A project in the folder above must never be taken for the layer.
    (tmp_path / "pyproject.toml").write_text(PROJECT + TABLE)
    folder = tmp_path / "sklearn"
    folder.mkdir()
    return folder


def write(root: Path, *parts: str, name: str = "pyproject.toml") -> None:
    (root / name).write_text("".join(parts))


def refused(root: Path) -> VenvLayerError:
    with pytest.raises((StackError, ConfigError)) as caught:
        read_project(root)
    assert str(root) in caught.value.message
    return caught.value


class TestValid:
    def test_pyproject(self, root: Path) -> None:
        write(root, PROJECT, 'dependencies = ["scikit-learn"]\n', TABLE)
        project = read_project(root)
        assert project.metadata.root == str(root)
        assert project.spec.kind is LayerKind.FRAMEWORK
        assert (project.spec.project_name, project.spec.name) == ("Sk_Learn", "sk-learn")
        assert project.spec.requirements == ("scikit-learn",)
        assert project.spec.base_layers == (root.parent / "py",)
        assert project.spec.lock_file == root / "pylock.venvlayer.toml"

    def test_hatch_toml(self, root: Path) -> None:
        write(root, PROJECT)
        write(root, '[build.targets.venvlayer]\nkind = "framework"\n', name="hatch.toml")
        assert f"Missing required field `{T}.base-layers`" in refused(root).message
        write(
            root,
            '[build.targets.venvlayer]\nkind = "framework"\nbase-layers = ["../py"]\n',
            name="hatch.toml",
        )
        assert read_project(root).spec.kind is LayerKind.FRAMEWORK

    def test_features_and_groups(self, root: Path) -> None:
        write(
            root,
            PROJECT,
            'optional-dependencies = { "Fast_IO" = ["lz4", "sk-learn[x]"], x = ["rich"] }\n',
            '[dependency-groups]\ndev = ["ruff"]\n',
            TABLE,
            'features = ["fast-io"]\ndependency-groups = ["dev"]\n',
        )
        assert read_project(root).spec.requirements == ("lz4", "rich", "ruff")

    def test_version_is_not_computed(self, root: Path) -> None:
        write(
            root,
            '[project]\nname = "a"\ndynamic = ["version", "description"]\ndependencies = ["x"]\n',
            '[tool.hatch.version]\nsource = "no-such-plugin"\n',
            "[tool.hatch.metadata.hooks.no-such-hook]\n",
            TABLE,
        )
        assert read_project(root).spec.requirements == ("x",)

    def test_context_of_hatchling(self, root: Path) -> None:
        write(
            root, PROJECT, "dependencies = [\"numpy; sys_platform == '{env:FOO:linux}'\"]\n", TABLE
        )
        assert read_project(root).spec.requirements == ('numpy; sys_platform == "linux"',)


HOOK = """
from hatchling.metadata.plugin.interface import MetadataHookInterface

class Hook(MetadataHookInterface):
    def update(self, metadata):
        {}
"""
DYNAMIC = (
    '[project]\nname = "a"\nversion = "1"\ndynamic = ["dependencies", "optional-dependencies"]\n'
)
CUSTOM = "[tool.hatch.metadata.hooks.custom]\n"


class TestDynamicDependencies:
    def test_set_by_a_hook(self, root: Path) -> None:
        write(root, DYNAMIC, CUSTOM, TABLE, 'features = ["x"]\n')
        write(
            root,
            HOOK.format(
                'metadata.update({"dependencies": ["b"], "optional-dependencies": {"x": ["c"]}})'
            ),
            name="hatch_build.py",
        )
        assert read_project(root).spec.requirements == ("b", "c")

    def test_hook_of_an_unknown_plugin(self, root: Path) -> None:
        write(root, DYNAMIC, "[tool.hatch.metadata.hooks.no-such-hook]\n", TABLE)
        error = refused(root)
        assert error.message.startswith(
            "The dynamic `project.dependencies` and `project.optional-dependencies` of the project"
        )
        assert error.detail == "Unknown metadata hook: no-such-hook"
        assert "`build-system.requires`" in error.hint

    def test_hook_that_fails(self, root: Path) -> None:
        write(root, DYNAMIC, CUSTOM, TABLE)
        write(root, HOOK.format('raise RuntimeError("no\\nluck")'), name="hatch_build.py")
        assert refused(root).detail == "no luck"

    def test_version_that_hooks_need(self, root: Path) -> None:
        write(
            root,
            '[project]\nname = "a"\ndynamic = ["version", "dependencies"]\n',
            '[tool.hatch.version]\nsource = "no-such-plugin"\n',
            CUSTOM,
            TABLE,
        )
        write(root, HOOK.format("pass"), name="hatch_build.py")
        assert "no-such-plugin" in refused(root).detail

    def test_set_by_none(self, root: Path) -> None:
        write(root, DYNAMIC, CUSTOM, TABLE)
        write(root, HOOK.format('metadata["dependencies"] = []'), name="hatch_build.py")
        assert refused(root).message.startswith(
            "No metadata hook sets `project.optional-dependencies` of the project in"
        )

    def test_facts_after_hatchling_ran_the_hooks(self, root: Path) -> None:
        write(root, DYNAMIC.replace(', "optional-dependencies"', ""), CUSTOM, TABLE)
        write(root, HOOK.format('metadata["dependencies"] = ["b"]'), name="hatch_build.py")
        metadata = ProjectMetadata(str(root), PluginManager())
        metadata.validate_fields()
        assert project_facts(metadata).dependencies == ("b",)
        assert project_facts(metadata).dependencies == ("b",)


class TestRefused:
    def test_no_folder(self, root: Path) -> None:
        error = refused(root / "nope")
        assert isinstance(error, StackError)
        assert error.message == f"Layer folder `{root / 'nope'}` does not exist"

    def test_a_file(self, root: Path) -> None:
        write(root, PROJECT, TABLE)
        assert isinstance(refused(root / "pyproject.toml"), StackError)

    def test_no_pyproject(self, root: Path) -> None:
        write(root, TABLE, name="hatch.toml")
        assert refused(root).message == f"`{root}` is not a layer: it has no file `pyproject.toml`"

    def test_no_table(self, root: Path) -> None:
        write(root, PROJECT, "[tool.hatch.build.targets.wheel]\n")
        error = refused(root)
        assert isinstance(error, StackError)
        assert error.message == f"`{root}` is not a layer: it has no table [{T}]"

    def test_table_that_is_none(self, root: Path) -> None:
        write(root, PROJECT, "[tool.hatch.build.targets]\nvenvlayer = true\n")
        assert refused(root).message == f"Field `{T}` in `{root}` must be a table"

    def test_faulty_table(self, root: Path) -> None:
        write(root, PROJECT, TABLE, 'nmae = "x"\ninclude-project = 1\n')
        error = refused(root)
        assert isinstance(error, ConfigError)
        assert error.message.splitlines() == [
            f"The layer in `{root}` is not valid:",
            f"  Unknown option `{T}.nmae`; did you mean `name`?",
            f"  Field `{T}.include-project` must be a boolean",
        ]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[project\n", "at the end of a table declaration"),
            (TABLE, "Missing `project` metadata table in configuration"),
            ("project = 1\n" + TABLE, "The `project` configuration must be a table"),
            ('[project]\nversion = "1"\n' + TABLE, "Missing required field `project.name`"),
            ('[project]\nname = "a b"\n' + TABLE, "Required field `project.name` must only"),
            (
                PROJECT + "dependencies = 1\n" + TABLE,
                "Field `project.dependencies` must be an array",
            ),
            (PROJECT + 'dependencies = ["a b"]\n' + TABLE, "`project.dependencies` is invalid"),
            (PROJECT + "optional-dependencies = 1\n" + TABLE, "must be a table"),
            (PROJECT + "dynamic = 1\n" + TABLE, "Field `project.dynamic` must be an array"),
            ("dependency-groups = 1\n" + PROJECT + TABLE, "`dependency-groups` configuration"),
            ("tool = 1\n" + PROJECT, "The `tool` configuration must be a table"),
            (PROJECT + "[tool.hatch]\nbuild = 1\n", "Field `tool.hatch.build` must be a table"),
            (PROJECT + "[tool.hatch.build]\ntargets = 1\n", "`tool.hatch.build.targets` must be"),
            (
                PROJECT + TABLE + "[tool.hatch]\nmetadata = 1\n",
                "Field `tool.hatch.metadata` must be a table",
            ),
        ],
    )
    def test_hatchlings_words_are_kept(self, root: Path, text: str, words: str) -> None:
        write(root, text)
        error = refused(root)
        assert isinstance(error, ConfigError)
        assert words in error.detail
        assert "\n" not in error.detail

    def test_hatch_toml_that_is_none(self, root: Path) -> None:
        write(root, PROJECT, TABLE)
        write(root, "build = [\n", name="hatch.toml")
        error = refused(root)
        assert error.message == f"The configuration of Hatch in `{root}` cannot be read"
        assert error.detail

    def test_not_utf8(self, root: Path) -> None:
        (root / "pyproject.toml").write_bytes(b'[project]\nname = "\xff"\n')
        assert refused(root).message == f"`pyproject.toml` in `{root}` cannot be read"


def test_table_of_a_loaded_project(root: Path) -> None:
    config = {
        "project": {"name": "a"},
        "tool": {"hatch": {"build": {"targets": {"venvlayer": {}}}}},
    }
    assert layer_table(ProjectMetadata(str(root), PluginManager(), config)) == {}
