"""What distributions are found by in the store."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.composition.inventory import Inventory
from hatch_venvstacks.contents import plan_cache
from hatch_venvstacks.contents.compiler import Compiler
from hatch_venvstacks.contents.plan_cache import Shaping, distribution_key
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest


def key(platform: str = "linux_x86_64", own: Collection[str] | None = ()) -> str:
    """The key of a distribution; ``own`` are those of projects, ``None``: nothing is compiled."""
    found = PLATFORMS[platform]
    layer: Any = SimpleNamespace(
        runtime=SimpleNamespace(minor="3.11"),
        spec=SimpleNamespace(kind="framework"),
        platform=found,
        layout=layout_of(found, "3.11"),
    )
    installation: Any = SimpleNamespace(layer=layer, digests={"one": "abc"})
    unused: Any = None
    cpython: Any = SimpleNamespace(python_key="cpython")
    compiler = None if own is None else Compiler(cpython, "lib", unused, unused, Path(), own)
    shaping = Shaping(frozenset(), {}, compiler)
    part = Inventory("one", "1.0", {"bin/one": "sha256=1"})
    return distribution_key(part, installation, {}, shaping)


def test_one_wheel_of_a_project_and_from_an_index() -> None:
    # Only what is compiled for a project's own modules notices that they were edited.
    assert key(own=["one"]) != key(own=["other"])
    assert key(own=["other"]) == key(own=())
    assert key(own=None) not in (key(own=()), key(own=["one"]))


def test_programs_for_windows_are_those_of_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(), key("win_amd64")
    monkeypatch.setattr(plan_cache, "version", lambda _: "99")
    assert key() == before[0]
    assert key("win_amd64") != before[1]
