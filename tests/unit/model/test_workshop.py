from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.model.spec import LayerKind, LayerSpec
from hatch_venvstacks.model.workshop import Projects

if TYPE_CHECKING:
    from pathlib import Path


def layer(root: Path, *bases: Path) -> LayerSpec:
    kind = LayerKind.FRAMEWORK if bases else LayerKind.RUNTIME
    return LayerSpec(root, root.name, root.name, kind, base_layers=bases)


def test_each_project_is_opened_once(tmp_path: Path) -> None:
    root, link = tmp_path / "rt", tmp_path / "link"
    root.mkdir()
    link.symlink_to(root)
    specs = {
        root: layer(root),
        tmp_path / "one": layer(tmp_path / "one", root),
        tmp_path / "two": layer(tmp_path / "two", link),
    }
    opened: list[Path] = []

    def read(folder: Path) -> Any:
        opened.append(folder)
        return SimpleNamespace(spec=specs[folder])

    projects = Projects(read)
    for name in ("one", "two", "one"):
        top = specs[tmp_path / name]
        assert projects.stack(top).below == (specs[root],)
    assert projects.open(link) is projects.open(root)
    assert opened == [root]


def test_the_project_that_is_built_is_not_opened_again(tmp_path: Path) -> None:
    own: Any = SimpleNamespace(spec=layer(tmp_path))

    def read(folder: Path) -> Any:
        raise AssertionError(folder)

    projects = Projects(read)
    projects.add(own)
    assert projects.open(tmp_path) is own
