from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hatch_venvstacks.archives.plan import Member, Plan, PlanKind, read
from hatch_venvstacks.contents.compiler import Compiler
from hatch_venvstacks.store.store import Store

MINOR = f"3.{sys.version_info[1]}"


def test_a_module_that_is_edited_while_it_is_compiled(tmp_path: Path) -> None:
    file = tmp_path / "launch.py"
    file.write_bytes(b"X = 1\n")

    class Edits:
        locked = SimpleNamespace(minor=MINOR)
        python_key = "cpython"

        @property
        def python(self) -> Path:
            file.write_bytes(b"X = 2\n")
            return Path(sys.executable)

    cpython: Any = Edits()
    unused: Any = None
    store = Store(tmp_path / "store")
    root = f"lib/python{MINOR}"
    name = f"{root}/site-packages/launch.py"
    plan = Plan(PlanKind.PROJECT, "app", "1.0", (Member(name, file),))
    compiler = Compiler(cpython, root, store, unused, tmp_path / "work")
    plan = compiler.compile_plan(plan, checked=True)
    compiled, source = (b"".join(read(member)) for member in plan.members)
    assert file.read_bytes() == b"X = 2\n"
    assert source == b"X = 1\n"
    assert compiled[8:16] == importlib.util.source_hash(source)
