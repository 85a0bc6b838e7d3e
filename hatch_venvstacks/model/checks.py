"""What is checked where layers come together, and how much each finding counts.

A finding is an error, a warning, or nothing, as the option ``checks`` says; the defaults make an
error of what cannot work, and a warning of what may be meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.model.spec import LOCATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_venvstacks.common.reporter import Reporter

    # Check -> patterns of names with their levels, in the order in which they are tried.
    Levels = Mapping[str, tuple[tuple[str, str], ...]]


class Check(str, Enum):
    """The names of the checks."""

    SPLIT_PACKAGE = "split-package"
    SHADOWED_MODULE = "shadowed-module"
    FILE_CONFLICT = "file-conflict"
    CASE_CONFLICT = "case-conflict"
    HIDDEN_FILE = "hidden-file"
    MISSING_LIBRARY = "missing-library"

    def __str__(self) -> str:
        return self.value


class Level(str, Enum):
    """How much a finding counts."""

    ERROR = "error"
    WARNING = "warning"
    IGNORE = "ignore"

    def __str__(self) -> str:
        return self.value


# Folders that distributions put beside their packages by mistake: nobody imports them.
STRAY = ("tests", "test", "docs", "doc", "examples", "example", "benchmarks", "scripts")
DEFAULTS: Levels = {
    Check.SPLIT_PACKAGE: (*((name, Level.WARNING) for name in STRAY), ("*", Level.ERROR)),
    Check.SHADOWED_MODULE: (("*", Level.WARNING),),
    Check.FILE_CONFLICT: (("*", Level.WARNING),),
    Check.CASE_CONFLICT: (("*", Level.WARNING),),
    Check.HIDDEN_FILE: (("*", Level.WARNING),),
    Check.MISSING_LIBRARY: (("*", Level.WARNING),),
}


@dataclass(frozen=True)
class Finding:
    """One thing that a check has found; ``names`` are what patterns may call it by."""

    check: Check
    names: tuple[str, ...]
    message: str


def level_of(finding: Finding, levels: Levels) -> Level:
    """How much ``finding`` counts: by the first pattern of ``levels`` that fits one of its names.

    Where none does, the default counts.
    """
    patterns = (*levels.get(finding.check, ()), *DEFAULTS[finding.check])
    for pattern, level in patterns:
        if any(fnmatchcase(name, pattern) for name in finding.names):
            return Level(level)
    return Level.IGNORE


def report(findings: Iterable[Finding], levels: Levels, layer: str, reporter: Reporter) -> None:
    """Warn of ``findings`` in ``layer``, or refuse it, as ``levels`` say.

    :raises BuildError: with one line for each finding that is an error.
    """
    errors: list[Finding] = []
    for finding in findings:
        level = level_of(finding, levels)
        if level is Level.ERROR:
            errors.append(finding)
        elif level is Level.WARNING:
            reporter.warning(f"{finding.message} ({finding.check})")
    if errors:
        raise BuildError(
            "\n".join(dict.fromkeys(finding.message for finding in errors)),
            hint=_hint(errors, layer),
        )


def _hint(errors: Sequence[Finding], layer: str) -> str:
    first = errors[0]
    key = f'"{first.names[0]}"' if not first.names[0].isidentifier() else first.names[0]
    return (
        "Put what belongs together into one layer; where it is meant, say so in the table"
        f' `{LOCATION}` of `{layer}`: `checks.{first.check} = {{ {key} = "ignore" }}`'
    )
