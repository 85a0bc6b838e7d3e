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
    from collections.abc import Collection, Iterable, Mapping, Sequence

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
    """One thing that a check has found; ``names`` are what patterns may call it by.

    The first of them is the one that the hint of an error suggests.

    Findings that say the same ``message`` and count as much are one line. It lists their ``item``
    after the message, once each, with one ``example`` and how many others there are.
    """

    check: Check
    names: tuple[str, ...]
    message: str
    item: str = ""
    example: str = ""


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

    :raises BuildError: with one line for each message of findings that are errors.
    """
    alike: dict[tuple[Level, Check, str], list[Finding]] = {}
    for finding in findings:
        key = level_of(finding, levels), finding.check, finding.message
        alike.setdefault(key, []).append(finding)
    for (level, check, _), found in alike.items():
        if level is Level.WARNING:
            reporter.warning(f"{_line(found)} ({check})")
    errors = [found for (level, *_), found in alike.items() if level is Level.ERROR]
    if errors:
        raise BuildError("\n".join(map(_line, errors)), hint=_hint(errors[0][0], layer))


def _line(alike: Sequence[Finding]) -> str:
    """What findings with one message say together, whatever their order is."""
    examples: dict[str, set[str]] = {}
    for finding in alike:
        if finding.item:
            examples.setdefault(finding.item, set()).add(finding.example)
    items = [f"{item} ({_shortened(found)})" for item, found in sorted(examples.items())]
    message = alike[0].message
    return f"{message}: {', '.join(items)}" if items else message


def _shortened(examples: Collection[str]) -> str:
    return min(examples) + (f" and {len(examples) - 1} more" if len(examples) > 1 else "")


def _hint(first: Finding, layer: str) -> str:
    key = f'"{first.names[0]}"' if not first.names[0].isidentifier() else first.names[0]
    return (
        "Put what belongs together into one layer; where it is meant, say so in the table"
        f' `{LOCATION}` of `{layer}`: `checks.{first.check} = {{ {key} = "ignore" }}`'
    )
