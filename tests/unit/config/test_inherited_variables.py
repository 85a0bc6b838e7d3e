from __future__ import annotations

import re
from pathlib import Path

import pytest

import hatch_venvstacks
from hatch_venvstacks.config.environment_variables import build_location, runtime_mirror
from hatch_venvstacks.config.inherited_variables import (
    backend_variables,
    interpreter_variables,
    named_variables,
    uses_no_index,
)

PACKAGE = Path(hatch_venvstacks.__file__).parent


def test_only_config_reads_the_environment() -> None:
    found = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bos\.(environ\b(?!`)|getenv)", path.read_text("utf-8"))
    }
    assert found == {"config"}


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        ("CFLAGS", True),
        ("SETUPTOOLS_SCM_PRETEND_VERSION_FOR_LIB", True),
        ("MY_CFLAGS", False),
        ("PYTHONPATH", False),
        ("PIP_INDEX_URL", False),
    ],
)
def test_what_build_backends_see(name: str, passed: bool) -> None:
    assert backend_variables({name: "x"}) == ({name: "x"} if passed else {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, False), ("", False), ("0", False), ("Off", False), ("1", True), ("yes", True)],
)
def test_no_index(value: str | None, expected: bool) -> None:
    assert uses_no_index({} if value is None else {"UV_NO_INDEX": value}) is expected


def test_variables_that_a_project_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VL_SET", "x")
    monkeypatch.delenv("VL_UNSET", raising=False)
    assert named_variables(["VL_SET", "VL_UNSET"]) == {"VL_SET": "x", "VL_UNSET": ""}


def test_what_interpreters_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SystemRoot", "C:")
    monkeypatch.setenv("PYTHONPATH", "x")
    assert interpreter_variables().keys() == {"SystemRoot"}


def test_a_mirror_and_an_output_folder() -> None:
    environ = {"UV_PYTHON_INSTALL_MIRROR": "https://m.invalid/x/", "HATCH_BUILD_LOCATION": "out"}
    assert runtime_mirror(environ) == "https://m.invalid/x"
    assert build_location(environ) == "out"
    assert runtime_mirror({}) == build_location({}) == ""
