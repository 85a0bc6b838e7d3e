from __future__ import annotations

from typing import Any

import pytest

from hatch_venvstacks.config.check_options import read_checks
from hatch_venvstacks.config.table import Table

T = "tool.hatch.build.targets.venvlayer"


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
