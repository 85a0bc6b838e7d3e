from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from c_library import compile_library, needs_compiler, read

from hatch_venvstacks.sources.runtimes.run_path import ElfError, change_run_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_venvstacks.sources.runtimes.host import HostPython

    Copies = Callable[[str], tuple[HostPython, Path]]


@needs_compiler
def test_a_run_path_is_changed_in_place(tmp_path: Path) -> None:
    library = compile_library(
        tmp_path / "a.so", "int f;", "-Wl,-rpath,/opt/python/lib:/usr/lib/x:/opt/python/lib64"
    )
    old = library.read_bytes()
    new = change_run_path(old, lambda entry: entry.replace("/opt/python/lib64", "$ORIGIN"))
    assert read(old).run_path == ("/opt/python/lib", "/usr/lib/x", "/opt/python/lib64")
    assert read(new).run_path == ("/opt/python/lib", "/usr/lib/x", "$ORIGIN")
    assert len(new) == len(old)
    same = change_run_path(old, lambda entry: "$ORIGIN" if "python" in entry else entry)
    assert read(same).run_path == ("$ORIGIN", "/usr/lib/x")
    assert b"/opt/python" not in same
    assert change_run_path(old, lambda entry: entry) == old


@needs_compiler
def test_a_run_path_without_room_is_refused(tmp_path: Path) -> None:
    library = compile_library(tmp_path / "a.so", "int f;", "-Wl,-rpath,/opt")
    with pytest.raises(ElfError, match=r"its run path `/opt` has no room for `\$ORIGIN`"):
        change_run_path(library.read_bytes(), lambda _: "$ORIGIN")


@needs_compiler
def test_what_shares_the_tail_of_a_run_path_stays(tmp_path: Path) -> None:
    # The linker stores the symbol's name `tail` as the end of the run path.
    options = ("-Wl,-rpath,/opt/some/python/tail", "-Wl,--default-symver")
    library = compile_library(tmp_path / "a.so", "int tail;", *options)
    old = library.read_bytes()
    assert old.count(b"tail\0") == old.count(b"/tail\0") + old.count(b"\0tail\0")
    new = change_run_path(old, lambda _: "$ORIGIN")
    assert read(new).run_path == ("$ORIGIN",)
    changed = tmp_path / "b.so"
    changed.write_bytes(new)
    nm = subprocess.run(["nm", "-D", str(changed)], check=True, capture_output=True, text=True)
    assert "tail@" in nm.stdout
