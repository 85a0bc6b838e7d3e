"""How often a call reads what it needs of the projects of a stack."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker
from packaging.pylock import Pylock
from packaging.version import Version

from hatch_venvstacks.model.lock import TOOL, Lock, LockInputs, requires_python
from hatch_venvstacks.model.lock_file import write_lock
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.model.runtime import LockedRuntime, RuntimeOrigin
from hatch_venvstacks.plugin.builder import VenvLayerBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYERS = 20
HOST = LockedRuntime(RuntimeOrigin.HOST, f"3.{sys.version_info[1]}")


class Opened:
    """What files this process opens while it looks."""

    def __init__(self) -> None:
        self.looks = False
        self.paths: Counter[Path] = Counter()
        # Nobody can take a hook away again, so it only looks when it is told to.
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.looks and event == "open" and isinstance(arguments[0], (str, Path)):
            self.paths[Path(arguments[0])] += 1

    def named(self, name: str) -> dict[str, int]:
        """How often each file of that name was opened, by the name of its folder."""
        return {path.parent.name: count for path, count in self.paths.items() if path.name == name}


@pytest.fixture
def opened() -> Iterator[Opened]:
    opened = Opened()
    yield opened
    opened.looks = False


def chain(root: Path) -> list[Path]:
    """The folders of projects of which each stands on the one before, locked without packages."""
    folders = [root / f"layer-{number}" for number in range(LAYERS)]
    for number, folder in enumerate(folders):
        table = f'kind = "framework"\nbase-layers = ["../layer-{number - 1}"]\n'
        if number == 0:
            table = 'kind = "runtime"\npython-source = "host"\n'
        folder.mkdir(parents=True)
        folder.joinpath("pyproject.toml").write_text(
            f'[project]\nname = "{folder.name}"\nversion = "1.0"\n'
            f"[tool.hatch.build.targets.venvlayer]\n{table}",
            "utf-8",
        )
        platform = host_platform()
        pylock = Pylock(
            lock_version=Version("1.0"),
            environments=[Marker(platform.marker)],
            requires_python=requires_python(HOST),
            created_by=TOOL,
            packages=[],
        )
        below = {platform.name: dict[str, str]()}
        inputs = LockInputs((platform.name,), (), below, runtime=None if number else HOST)
        write_lock(Lock(folder / "pylock.venvlayer.toml", pylock, inputs))
    return folders


def test_a_chain_of_layers_is_read_once(
    tmp_path: Path,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HATCH_VENVLAYER_CACHE", str(tmp_path / "store"))
    folders = chain(tmp_path / "layers")
    opened.looks = True
    (path,) = VenvLayerBuilder(str(folders[-1])).build(versions=["lock"])
    opened.looks = False
    assert path == str(folders[-1] / "pylock.venvlayer.toml")
    assert "is up to date" in "".join(capsys.readouterr())
    once = {folder.name: 1 for folder in folders}
    assert opened.named("pyproject.toml") == once
    assert opened.named("pylock.venvlayer.toml") == once
