"""Options of one table, taken out with their types checked, in hatchling's message style.

Faults are collected and not raised, so that a user sees all of a table's at once.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import did_you_mean, listing, printable
from hatch_venvstacks.model.spec import LOCATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Table:
    """A table that is being read.

    ``options`` are the raw values, ``faults`` gathers one line for each fault (tables read one
    after the other may share it), ``location`` is the table's dotted name. The readers
    return ``None``, or leave an element out, both where an option is absent and where it is faulty.
    """

    options: Mapping[str, Any]
    faults: list[str] = field(default_factory=list)
    location: str = LOCATION

    def __contains__(self, option: str) -> bool:
        return option in self.options

    def field(self, option: str) -> str:
        """The full key of ``option`` in backticks."""
        return f"`{self.location}.{option}`"

    def note_fault(self, message: str) -> None:
        """Note a fault, on one line whatever the values in it are."""
        self.faults.append(printable(message))

    def string(self, option: str) -> str | None:
        """The option as a string that is not empty."""
        value = self.options.get(option)
        if option in self and not isinstance(value, str):
            self.note_fault(f"Field {self.field(option)} must be a string")
        elif value == "":
            self.note_fault(f"Field {self.field(option)} cannot be an empty string")
        else:
            return value
        return None

    def boolean(self, option: str) -> bool | None:
        """The option as true or false."""
        value = self.options.get(option)
        if option in self and not isinstance(value, bool):
            self.note_fault(f"Field {self.field(option)} must be a boolean")
            return None
        return value

    def integer(self, option: str, lowest: int, highest: int) -> int | None:
        """The option as a whole number from ``lowest`` to ``highest``; true is not a number."""
        value = self.options.get(option)
        if option not in self:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.note_fault(f"Field {self.field(option)} must be an integer")
        elif not lowest <= value <= highest:
            self.note_fault(
                f"Field {self.field(option)} must be from {lowest} to {highest}, not {value}"
            )
        else:
            return value
        return None

    def choice(self, option: str, choices: Iterable[str]) -> str | None:
        """The option as one of ``choices``."""
        value, choices = self.string(option), list(choices)
        if value is not None and value not in choices:
            self.note_fault(
                f"Field {self.field(option)} must be one of {listing(choices)}, not `{value}`"
                f"{did_you_mean(value, choices)}"
            )
            return None
        return value

    def strings(self, option: str, element: str) -> list[tuple[str, str]] | None:
        """The option as an array of strings that are not empty.

        Each comes with its place (``"Base layer #1 in field `…`"``, for an ``element`` of
        ``"Base layer"``) for messages about it.
        """
        values = self.options.get(option)
        if option not in self:
            return None
        if not isinstance(values, list):
            self.note_fault(f"Field {self.field(option)} must be an array of strings")
            return None
        found = []
        for number, value in enumerate(values, 1):
            place = f"{element} #{number} in field {self.field(option)}"
            if not isinstance(value, str):
                self.note_fault(f"{place} must be a string")
            elif not value:
                self.note_fault(f"{place} cannot be an empty string")
            else:
                found.append((place, value))
        return found

    def note_unknown(self, known: Iterable[str]) -> None:
        """Note every option that is not ``known``, with what may have been meant."""
        known = list(known)
        for option in self.options:
            if option not in known:
                self.note_fault(f"Unknown option {self.field(option)}{did_you_mean(option, known)}")


def path_fault(path: str) -> str:
    """Why ``path`` is no relative path that means the same on every machine; empty if it is."""
    if re.search(r"[\x00-\x1f\x7f]", path):
        return "must not hold control characters"
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "must be a relative path"
    if path.startswith("~"):
        return "must be a relative path, in which `~` has no meaning"
    if "\\" in path:
        return "must have `/` between folders, on Windows too"
    return ""


def leaves_folder(path: str) -> bool:
    """Whether a relative ``path`` leads out of the folder that it is relative to."""
    return posixpath.normpath(path).split("/")[0] == ".."
