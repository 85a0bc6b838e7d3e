from __future__ import annotations

from typing import Any

import pytest

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.config.check_options import read_checks
from hatch_venvstacks.config.table import Table
from hatch_venvstacks.model.checks import Check, Finding, level_of, report

T = "tool.hatch.build.targets.venvlayer"


class Lines:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def info(self, message: str) -> None:
        raise AssertionError(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    debug = info


def read(value: Any) -> tuple[dict[str, tuple[tuple[str, str], ...]], list[str]]:
    table = Table({"checks": value})
    return read_checks(table), table.faults


def test_levels_and_patterns() -> None:
    found, faults = read(
        {"split-package": "warning", "missing-library": {"libcuda*": "ignore", "*": "error"}}
    )
    assert faults == []
    assert found == {
        "split-package": (("*", "warning"),),
        "missing-library": (("libcuda*", "ignore"), ("*", "error")),
    }
    assert read_checks(Table({})) == {}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("error", f"Field `{T}.checks` must be a table"),
        (
            {"split-packages": "error"},
            f"Unknown option `{T}.checks.split-packages`; did you mean `split-package`?",
        ),
        (
            {"split-package": "eror"},
            (
                f"Field `{T}.checks.split-package` must be one of `error`, `warning`, `ignore`, not"
                " `eror`; did you mean `error`?"
            ),
        ),
        (
            {"split-package": ["a"]},
            (
                f"Field `{T}.checks.split-package` must be `error`, `warning`, `ignore`, or a table"
                " of patterns with these as values"
            ),
        ),
        (
            {"split-package": {"a": "of"}},
            f"Field `{T}.checks.split-package.a` must be one of `error`, `warning`, `ignore`",
        ),
        (
            {"split-package": {"a": 1}},
            f"Field `{T}.checks.split-package.a` must be one of `error`, `warning`, `ignore`",
        ),
        (
            {"split-package": {"": "error"}},
            f"Field `{T}.checks.split-package` has an empty pattern",
        ),
    ],
)
def test_faults(value: Any, fault: str) -> None:
    assert read(value)[1] == [fault]


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
