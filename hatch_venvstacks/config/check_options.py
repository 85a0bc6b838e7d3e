"""The tables of a layer that say how much each check of the build counts."""

from __future__ import annotations

from hatch_venvstacks.common.errors import did_you_mean, listing
from hatch_venvstacks.config.table import Table
from hatch_venvstacks.model.checks import Check, Level
from hatch_venvstacks.model.spec import LOCATION


def read_checks(options: Table) -> dict[str, tuple[tuple[str, str], ...]]:
    """The option ``checks``: check -> patterns with levels; faults are noted.

    A level for all of a check is one for the pattern ``*``.
    """
    given = options.options.get("checks")
    if "checks" not in options:
        return {}
    if not isinstance(given, dict):
        options.note_fault(f"Field {options.field('checks')} must be a table")
        return {}
    table = Table(given, options.faults, f"{LOCATION}.checks")
    table.note_unknown([str(check) for check in Check])
    return {str(check): tuple(_patterns(table, str(check))) for check in Check if check in given}


def _patterns(table: Table, check: str) -> list[tuple[str, str]]:
    value = table.options[check]
    if isinstance(value, str):
        level = table.choice(check, [str(level) for level in Level])
        return [("*", level)] if level else []
    if not isinstance(value, dict):
        table.note_fault(
            f"Field {table.field(check)} must be {listing(Level)}, or a table of patterns with"
            " these as values"
        )
        return []
    found = []
    for pattern, level in value.items():
        place = f"Field `{table.location}.{check}.{pattern}`"
        if level not in list(Level):
            meant = did_you_mean(level, [str(known) for known in Level]) if _is_text(level) else ""
            table.note_fault(f"{place} must be one of {listing(Level)}{meant}")
        elif not pattern:
            table.note_fault(f"Field {table.field(check)} has an empty pattern")
        else:
            found.append((pattern, str(level)))
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)
