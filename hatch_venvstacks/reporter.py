"""The one way to talk to the user.

Stages take a :class:`Reporter` and never print. The adapter to hatchling implements it on
hatchling's application (which honours ``-q`` and ``-v``), tests implement it on a list.
"""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Where lines for the user go."""

    def info(self, message: str) -> None:
        """Say what is being done or was done; hidden by ``-q``."""

    def warning(self, message: str) -> None:
        """Say what the user should look at, though the build goes on."""

    def debug(self, message: str) -> None:
        """Say a detail that only ``-v`` shows."""
