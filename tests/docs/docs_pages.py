"""Pages of the documentation and their fenced snippets (see ``test_docs.py``)."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)(?P<rest>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_MARKER = re.compile(r"<!-- test: ([^\n]*) -->\n\Z")


@dataclass(frozen=True)
class Snippet:
    """A fenced snippet: where it stands, what its first line says, what it holds.

    ``skipped`` is the reason why it is not run, or empty.
    """

    page: str
    line: int
    language: str
    title: str
    text: str
    exit_code: int
    skipped: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command of a console with what it prints."""
        lines = self.text.splitlines(keepends=True)
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        if not starts:
            return
        for start, end in zip(starts, [*starts, len(lines)][1:], strict=True):
            yield lines[start][2:].rstrip("\n"), "".join(lines[start + 1 : end])


@dataclass(frozen=True)
class Page:
    """A page: its path from the root of the checkout, and its snippets in order."""

    name: str
    snippets: tuple[Snippet, ...]
    starts_at_tutorial: bool

    def __str__(self) -> str:
        return self.name

    @property
    def is_run(self) -> bool:
        """Whether the page has anything that runs."""
        return any(
            snippet.text.startswith("$ ") or (snippet.language == "python" and not snippet.title)
            for snippet in self.snippets
            if not snippet.skipped
        )


def read_page(path: Path) -> Page:
    """The page in the file ``path``."""
    text = path.read_text("utf-8")
    name = path.relative_to(ROOT).as_posix()
    found = tuple(_snippet(name, text, match) for match in _FENCE.finditer(text))
    assert text.count("```") == 2 * len(found), f"{name} has a fence that is not closed"
    return Page(name, found, "<!-- test: start: tutorial -->\n" in text)


def _snippet(page: str, text: str, match: re.Match[str]) -> Snippet:
    before = text[: match.start()]
    marker = _MARKER.search(before)
    word, _, rest = marker[1].partition(" ") if marker else ("", "", "")
    assert word in ("", "skip:", "exit"), f"{page}: {word}"
    title = re.fullmatch(r' title="([^"]+)"', match["rest"])
    assert title or not match["rest"].strip(), f"{page}: {match['rest']}"
    return Snippet(
        page,
        before.count("\n") + 1,
        match["language"],
        title[1] if title else "",
        textwrap.dedent(match["text"]),
        int(rest) if word == "exit" else 0,
        rest if word == "skip:" else "",
    )


PAGES = [
    read_page(path)
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
]
