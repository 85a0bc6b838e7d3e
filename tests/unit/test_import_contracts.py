"""The kind of contract that is ours: which imports of a made-up package it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import grimp
import pytest
from import_contracts import StandardLibraryContract

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FILES = {
    "made_up/__init__.py": "",
    "made_up/above.py": "import requests",
    "made_up/common/__init__.py": "",
    "made_up/common/words.py": "from __future__ import annotations\nimport json, os.path",
    "made_up/target/__init__.py": "",
    "made_up/target/unpack.py": "from made_up.common.words import json\nimport zstandard",
}


def make_package(folder: Path, unpack: str) -> None:
    """Write the package, in which ``unpack.py`` ends with the lines ``unpack``."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", "utf-8")
    with (folder / "made_up/target/unpack.py").open("a", encoding="utf-8") as file:
        file.write(dedent(unpack))


def contract(**options: Any) -> StandardLibraryContract:
    rooms = {"packages": ["made_up.common", "made_up.target"], "allowed": ["zstandard"], **options}
    return StandardLibraryContract("name", {"include_external_packages": "True"}, rooms)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("unpack", "refused"),
    [
        ("", []),
        ("import xml.etree.ElementTree\nfrom concurrent import futures", []),
        ("import requests", ["requests (l.3)"]),
        ("import requests\nimport requests.adapters", ["requests (l.3, l.4)"]),
        ("def later():\n    from yaml import load", ["yaml (l.4)"]),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import packaging.tags",
            ["packaging (l.5)"],
        ),
        ("import made_up.above", ["made_up.above (l.3)"]),
        ("import made_up", ["made_up (l.3)"]),
        ("from zstandard import ZstdError\nimport attr, jsonx", ["attr (l.4)", "jsonx (l.4)"]),
    ],
)
def test_what_is_refused(folder: Path, unpack: str, refused: list[str]) -> None:
    make_package(folder, unpack)
    graph = grimp.build_graph("made_up", include_external_packages=True, cache_dir=None)
    check = contract().check(graph, verbose=False)
    found = [str(foreign) for foreign in check.metadata["found"]]
    assert found == [f"made_up.target.unpack -> {imported}" for imported in refused]
    assert check.kept is (refused == [])


def test_nothing_is_allowed_beside_the_standard_library(folder: Path) -> None:
    make_package(folder, "")
    graph = grimp.build_graph("made_up", include_external_packages=True, cache_dir=None)
    (foreign,) = contract(allowed=[]).check(graph, verbose=False).metadata["found"]
    assert (foreign.imported, foreign.lines) == ("zstandard", (2,))


def test_a_contract_that_would_always_be_kept(folder: Path) -> None:
    make_package(folder, "")
    graph = grimp.build_graph("made_up", cache_dir=None)
    without = StandardLibraryContract("name", {}, {"packages": ["made_up.target"]})
    with pytest.raises(ValueError, match="include_external_packages = true"):
        without.check(graph, verbose=False)
    with pytest.raises(ValueError, match=r"No such package: made_up\.tarket"):
        contract(packages=["made_up.tarket"]).check(graph, verbose=False)


def test_what_the_linter_says(tmp_path: Path) -> None:
    make_package(tmp_path, "import requests\n")
    configuration = """
        [tool.importlinter]
        root_package = "made_up"
        include_external_packages = true
        contract_types = ["ours: import_contracts.StandardLibraryContract"]
        [[tool.importlinter.contracts]]
        name = "The target has no requests"
        type = "ours"
        packages = ["made_up.common", "made_up.target"]
        allowed = ["zstandard"]
        """
    (tmp_path / "pyproject.toml").write_text(dedent(configuration), "utf-8")
    program = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import importlinter.cli as cli; "
    done = subprocess.run(
        [sys.executable, "-c", f"{program}cli.lint_imports_command(['--no-cache'])"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "The target has no requests BROKEN" in done.stdout
    said = "made_up.target.unpack -> requests (l.3) is neither of the standard library nor allowed"
    assert said in " ".join(done.stdout.split())
