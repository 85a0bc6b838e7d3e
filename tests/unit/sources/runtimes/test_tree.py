from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.model.runtime import (
    RuntimeTree,
)
from hatch_venvstacks.sources.runtimes.tree import runtime_files

if TYPE_CHECKING:
    from pathlib import Path


def tree_of(root: Path, *names: str, links: dict[str, str] | None = None) -> RuntimeTree:
    for name in ("bin/python3.12", *names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    for name, target in (links or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    return RuntimeTree(root, "3.12.4", "3.12")


def names_of(tree: RuntimeTree) -> list[str]:
    return [name for name, _ in runtime_files(tree)]


def test_what_is_left_out(tmp_path: Path) -> None:
    library = "lib/python3.12"
    tree = tree_of(
        tmp_path,
        f"{library}/os.py",
        f"{library}/test/test_os.py",
        f"{library}/tkinter/test/x.py",
        f"{library}/tests.py",
        f"{library}/unittest/test.py",
        f"{library}/xml/etree/test/kept.py",
        f"{library}/__pycache__/os.cpython-312.pyc",
        f"{library}/config-3.12-x/python.o",
        f"{library}/config-3.12-x/Makefile",
        f"{library}/site-packages/x.py",
        "lib/libpython3.12.a",
        links={f"{library}/config-3.12-x/libpython3.12.a": "../../libpython3.12.a"},
    )
    assert names_of(tree) == [
        "bin/python3.12",
        f"{library}/config-3.12-x/Makefile",
        f"{library}/os.py",
        f"{library}/tests.py",
        f"{library}/unittest/test.py",
        f"{library}/xml/etree/test/kept.py",
    ]


def test_scripts_of_what_is_installed_are_left_out(tmp_path: Path) -> None:
    info = "lib/python3.12/site-packages/tool-1.dist-info"
    tree = tree_of(tmp_path, "bin/tool3", "bin/tool", "bin/idle3", f"{info}/RECORD")
    (tmp_path / info / "RECORD").write_text("tool.py,,\n../../../bin/tool3,,\n\n")
    (tmp_path / info / "entry_points.txt").write_text("[console_scripts]\ntool = tool:main\n")
    assert names_of(tree) == ["bin/idle3", "bin/python3.12"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("RECORD", b"caf\xe9.py,,\n"),
        ("RECORD", b"tool.py\n"),
        ("entry_points.txt", b"caf\xe9"),
        ("entry_points.txt", b"tool"),
    ],
)
def test_broken_files_of_what_is_installed(tmp_path: Path, file: str, content: bytes) -> None:
    info = "lib/python3.12/site-packages/tool-1.dist-info"
    tree = tree_of(tmp_path, f"{info}/{file}")
    (tmp_path / info / file).write_bytes(content)
    found = re.escape(f"`tool-1.dist-info/{file}` in the runtime cannot be read: ")
    with pytest.raises(RuntimeSourceError, match=found):
        names_of(tree)


def test_links_stay_if_what_they_lead_to_does(tmp_path: Path) -> None:
    tree = tree_of(
        tmp_path,
        "lib/libpython3.12.so.1.0",
        "lib/libpython3.12.a",
        links={
            "bin/python": "python3.12",
            "lib/libpython3.12.so": "libpython3.12.so.1.0",
            "lib/static.a": "libpython3.12.a",
            "lib64": "lib",
            "bin/gone": "missing",
        },
    )
    assert names_of(tree) == [
        "bin/python",
        "bin/python3.12",
        "lib/libpython3.12.so",
        "lib/libpython3.12.so.1.0",
        "lib64",
    ]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", ".."])
def test_links_that_lead_out_are_errors(tmp_path: Path, target: str) -> None:
    tree = tree_of(tmp_path / "tree", links={"bad": target})
    with pytest.raises(RuntimeSourceError, match="The link `bad` of the runtime leads out of it"):
        list(runtime_files(tree))


def test_names_that_differ_only_in_case_are_errors(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "lib/python3.12/A.py", "share/terminfo/h/X", "share/terminfo/h/x")
    assert "share/terminfo/h/X" in names_of(tree)
    (tmp_path / "lib" / "python3.12" / "a.py").write_bytes(b"")
    if len(list((tmp_path / "lib" / "python3.12").iterdir())) == 1:
        pytest.skip("the file system does not tell them apart")
    with pytest.raises(RuntimeSourceError, match=r"`lib/python3\.12/A\.py` and .* only in case"):
        list(runtime_files(tree))
