from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, read
from hatch_venvstacks.contents.compiler import Compiler
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.store.store import Store

MINOR = f"3.{sys.version_info[1]}"


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
