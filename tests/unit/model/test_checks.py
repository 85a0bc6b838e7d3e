from __future__ import annotations

from typing import Any

import pytest

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.checks import Check, Finding, level_of, report


class Lines:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def info(self, message: str) -> None:
        raise AssertionError(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    debug = info


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ({}, "error"),
        ({"split-package": (("*", "ignore"),)}, "ignore"),
        ({"split-package": (("b-*", "warning"), ("*", "ignore"))}, "warning"),
        ({"split-package": (("acme", "warning"),)}, "warning"),
        ({"split-package": (("Acme", "warning"),)}, "error"),
        ({"shadowed-module": (("*", "ignore"),)}, "error"),
    ],
)
def test_first_pattern_that_fits_counts(levels: Any, level: str) -> None:
    finding = Finding(Check.SPLIT_PACKAGE, ("acme", "a-dist", "b-dist"), "…")
    assert level_of(finding, levels) == level


def test_stray_folders_are_warnings_only() -> None:
    finding = Finding(Check.SPLIT_PACKAGE, ("tests", "a", "b"), "tests are split")
    lines = Lines()
    report([finding], {}, "app", lines)
    assert lines.warnings == ["tests are split (split-package)"]
    report([finding], {"split-package": (("tests", "ignore"),)}, "app", lines)
    assert len(lines.warnings) == 1


def test_all_errors_at_once() -> None:
    findings = [
        Finding(Check.SPLIT_PACKAGE, ("a.b", "x"), "first"),
        Finding(Check.FILE_CONFLICT, ("x",), "warned of"),
        Finding(Check.SPLIT_PACKAGE, ("c",), "second"),
    ]
    lines = Lines()
    with pytest.raises(BuildError) as caught:
        report(findings, {}, "app", lines)
    assert caught.value.message == "first\nsecond"
    assert '`checks.split-package = { "a.b" = "ignore" }`' in caught.value.hint
    assert lines.warnings == ["warned of (file-conflict)"]
