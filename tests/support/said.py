"""What is said while something is made, kept in a list."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Said:
    """A reporter whose lines can be read."""

    lines: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = debug = info
