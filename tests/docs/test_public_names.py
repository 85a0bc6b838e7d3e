"""What others import: the documented names, and the old ones, which warn for one release."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from docs_pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs/reference/python-api.md"
MOVED = [
    ("deploy", "deployment.deploy", ["deploy_archive"]),
    ("independence", "deployment.verify", ["Breakage", "check_deployment"]),
]


def documented() -> list[tuple[str, str]]:
    """The modules and names of the page's table."""
    rows = re.findall(r"^\| `([\w.]+)\.(\w+)`", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows
    return rows


@pytest.mark.parametrize(("module", "name"), documented())
def test_documented_names_exist(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    assert found.__module__ == module
    assert found.__doc__


def test_documented_parameters_are_those_of_the_code() -> None:
    uses = re.findall(
        r"^\| `([\w.]+)\.(\w+)` \| `(\w+\(.*?\))`", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert len(uses) == 2
    for module, name, use in uses:
        signature = inspect.signature(getattr(importlib.import_module(module), name))
        assert use == f"{name}({', '.join(signature.parameters)})"


@pytest.mark.parametrize(("old", "new", "names"), MOVED)
def test_old_names_warn_where_they_are_imported(
    old: str, new: str, names: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    source = f"""
        from hatch_venvstacks.{old} import {", ".join(names)}
        from hatch_venvstacks.{new} import {", ".join(f"{name} as new_{name}" for name in names)}

        assert {" and ".join(f"{name} is new_{name}" for name in names)}
        """
    program.write_text(dedent(source).lstrip(), "utf-8")
    command = [sys.executable, "-W", "default::DeprecationWarning", str(program)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    warning, _, line = done.stderr.partition("\n")
    assert warning.startswith(f"{program}:1: DeprecationWarning: `hatch_venvstacks.{old}` is ")
    assert warning.endswith(f"from `hatch_venvstacks.{new}`")
    assert line.strip() == f"from hatch_venvstacks.{old} import {', '.join(names)}"


def test_the_new_names_do_not_warn() -> None:
    imports = "; ".join(
        f"import {module}" for module in sorted({found[0] for found in documented()})
    )
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", imports]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
