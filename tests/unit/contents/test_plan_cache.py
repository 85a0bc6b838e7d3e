"""What segments are found by in the store, and what is read to make them."""

from __future__ import annotations

import importlib.util
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, read
from hatch_venvstacks.composition.inventory import Inventory
from hatch_venvstacks.contents import plan_cache as layer_distributions
from hatch_venvstacks.contents.compiler import Compiler
from hatch_venvstacks.contents.inventories import loose_inventory
from hatch_venvstacks.contents.plan_cache import Shaping, distribution_key
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import PLATFORMS, host_platform
from hatch_venvstacks.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

MINOR = f"3.{sys.version_info[1]}"


def key(platform: str = "linux_x86_64", own: Collection[str] | None = ()) -> str:
    """The key of a distribution; ``own`` are those of projects, ``None``: nothing is compiled."""
    found = PLATFORMS[platform]
    layer: Any = SimpleNamespace(
        runtime=SimpleNamespace(minor="3.11"),
        spec=SimpleNamespace(kind="framework"),
        platform=found,
        layout=layout_of(found, "3.11"),
    )
    there: Any = SimpleNamespace(layer=layer, digests={"one": "abc"})
    unused: Any = None
    compiler = None if own is None else Compiler(layer, unused, unused, Path(), "cpython", own)
    shaping = Shaping(frozenset(), {}, compiler)
    part = Inventory("one", "1.0", {"bin/one": "sha256=1"})
    return distribution_key(part, there, {}, shaping)


def test_one_wheel_of_a_project_and_from_an_index() -> None:
    # Only what is compiled for a project's own modules notices that they were edited.
    assert key(own=["one"]) != key(own=["other"])
    assert key(own=["other"]) == key(own=())
    assert key(own=None) not in (key(own=()), key(own=["one"]))


def test_programs_for_windows_are_those_of_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(), key("win_amd64")
    monkeypatch.setattr(layer_distributions, "version", lambda _: "99")
    assert key() == before[0]
    assert key("win_amd64") != before[1]


def test_a_module_that_is_edited_while_it_is_compiled(tmp_path: Path) -> None:
    file = tmp_path / "launch.py"
    file.write_bytes(b"X = 1\n")

    class Edits:
        @property
        def python(self) -> Path:
            file.write_bytes(b"X = 2\n")
            return Path(sys.executable)

    layer: Any = SimpleNamespace(
        runtime=SimpleNamespace(minor=MINOR),
        layout=layout_of(host_platform(), MINOR),
        cpython=Edits(),
    )
    unused: Any = None
    store = Store(tmp_path / "store")
    name = f"lib/python{MINOR}/site-packages/launch.py"
    plan = Plan(PlanKind.PROJECT, "app", "1.0", (Member(name, file),))
    plan = Compiler(layer, store, unused, tmp_path / "work", "cpython").plan(plan, checked=True)
    compiled, source = (b"".join(read(member)) for member in plan.members)
    assert file.read_bytes() == b"X = 2\n"
    assert source == b"X = 1\n"
    assert compiled[8:16] == importlib.util.source_hash(source)


def test_the_memory_that_a_large_file_takes(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**25)
    tracemalloc.start()
    found = loose_inventory("app", [("share/large", tmp_path / "large")], PLATFORMS["linux_x86_64"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(found.files) == ["share/large"]
    assert peak < 2**23
