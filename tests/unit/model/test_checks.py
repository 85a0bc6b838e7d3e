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


def lacking(message: str, item: str, *examples: str) -> list[Finding]:
    check = Check.MISSING_LIBRARY
    return [Finding(check, (item, message, one), message, item, one) for one in examples]


def test_findings_with_one_message_are_one_line() -> None:
    lines = Lines()
    findings = [
        *lacking("b lacks", "libz", "z.so"),
        *lacking("a lacks", "libz", "c.so", "a.so", "b.so", "a.so"),
        *lacking("a lacks", "liba", "c.so", "a.so"),
        *lacking("b lacks", "libb", "z.so"),
    ]
    report(findings, {}, "app", lines)
    assert lines.warnings == [
        "b lacks: libb (z.so), libz (z.so) (missing-library)",
        "a lacks: liba (a.so and 1 more), libz (a.so and 2 more) (missing-library)",
    ]
    again = Lines()
    report([*findings[:1], *reversed(findings[1:])], {}, "app", again)
    assert again.warnings == lines.warnings


@pytest.mark.parametrize(
    ("patterns", "warnings", "errors"),
    [
        ((("*", "ignore"),), [], ""),
        ((("liba", "ignore"),), ["libb (x.so and 1 more)"], ""),
        ((("lib?", "error"),), [], "liba (x.so), libb (x.so and 1 more)"),
        ((("libb", "error"),), ["liba (x.so)"], "libb (x.so and 1 more)"),
        ((("liba", "ignore"), ("libb", "error")), [], "libb (x.so and 1 more)"),
        ((("x.so", "ignore"),), ["libb (y.so)"], ""),
        ((("y.so", "error"),), ["liba (x.so), libb (x.so)"], "libb (y.so)"),
        ((("a lacks", "error"),), [], "liba (x.so), libb (x.so and 1 more)"),
    ],
)
def test_one_line_for_each_level(
    patterns: tuple[tuple[str, str], ...], warnings: list[str], errors: str
) -> None:
    lines = Lines()
    findings = [*lacking("a lacks", "libb", "y.so", "x.so"), *lacking("a lacks", "liba", "x.so")]
    refused = ""
    try:
        report(findings, {"missing-library": patterns}, "app", lines)
    except BuildError as error:
        refused = error.message
    assert lines.warnings == [f"a lacks: {one} (missing-library)" for one in warnings]
    assert refused == (f"a lacks: {errors}" if errors else "")


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
