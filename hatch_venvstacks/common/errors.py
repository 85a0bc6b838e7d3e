"""Every error that a user can cause, in one place.

The core raises them; the adapter to hatchling (:mod:`hatch_venvstacks.plugin.builder`) turns them
into one or a few lines on the terminal and exit code 1. Each has a *message* (what is wrong, and
where) and usually a *hint* (what to do about it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.common.wording import PLAIN, Mend, Wording

if TYPE_CHECKING:
    from collections.abc import Iterable


class VenvLayerError(Exception):
    """The root of all errors that this project raises on purpose.

    ``message`` says what is wrong and where; ``hint`` says what to do, and may be empty: it is a
    :class:`Mend` where that depends on the face. ``detail`` keeps the words of a tool that was
    called (uv, for instance), and may be empty.
    """

    def __init__(self, message: str, *, hint: str | Mend = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = hint
        self.detail = detail

    @property
    def hint(self) -> str:
        """What to do, in plain words."""
        return self._hint(PLAIN)

    def worded(self, wording: Wording) -> str:
        """All of it, in the words of a face."""
        return "\n".join(part for part in (self.message, self.detail, self._hint(wording)) if part)

    def __str__(self) -> str:
        return self.worded(PLAIN)

    def _hint(self, wording: Wording) -> str:
        return self.mend.worded(wording) if isinstance(self.mend, Mend) else self.mend


class ConfigError(VenvLayerError):
    """A table of a project is not valid. The message holds one line for each fault found."""


class StackError(VenvLayerError):
    """The base layers do not form a stack: a cycle, a missing folder, no import order."""


class LockError(VenvLayerError):
    """A lock is missing, cannot be read, or cannot be made."""


class StaleLockError(LockError):
    """A lock no longer fits what it was computed from."""


class RuntimeSourceError(VenvLayerError):
    """A CPython for a target platform cannot be had, or cannot be made relocatable."""


class BuildError(VenvLayerError):
    """A layer cannot be put together: two owners of a file, a missing launch module …"""


class UnpackError(VenvLayerError):
    """An archive cannot be unpacked, or holds what would land outside its folder."""


class DeployError(VenvLayerError):
    """An archive of a layer is not what was published, or cannot be unpacked."""


class ToolError(VenvLayerError):
    """A tool that was called (uv) failed; its own words are kept in ``detail``."""


def words(error: BaseException) -> str:
    """What a foreign exception says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a message: what ``word`` may have been meant for; often empty."""
    from difflib import get_close_matches

    close = get_close_matches(word.lower().replace("_", "-"), choices, n=1) or get_close_matches(
        word, choices, n=1
    )
    return f"; did you mean `{close[0]}`?" if close else ""


def listing(words: Iterable[str]) -> str:
    """Words in backticks, with commas between them."""
    return ", ".join(f"`{word}`" for word in words)


def printable(text: str) -> str:
    """``text`` on one line, with what is not printable escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
