from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from hatch_venvstacks.contents.inventories import take_file_inventory
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from pathlib import Path


def test_the_memory_that_a_large_file_takes(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**25)
    tracemalloc.start()
    found = take_file_inventory(
        "app", [("share/large", tmp_path / "large")], PLATFORMS["linux_x86_64"]
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert list(found.files) == ["share/large"]
    assert peak < 2**23
