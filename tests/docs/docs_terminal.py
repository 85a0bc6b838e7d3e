"""A terminal in which a page of the documentation is followed (see ``test_docs.py``)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from interpreters import some_interpreter

from hatch_venvstacks.model.platforms import host_platform
from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from docs_pages import Page, Snippet
    from front_end import FrontEnds

VERSION_PATTERN = r"\d+(?:\.\d+)+"
_CHATTER = re.compile(
    r"^(Creating environment: .*|Checking dependencies|Syncing dependencies"
    r"|Inspecting build dependencies|─.*|(Compiling|Fetching|Packing) .*: \d.* of \d.*"
    # What is fetched and unpacked depends on what the builds of other pages have kept.
    r"|Fetching [\w-]+ \d.*|Unpacking \d.*)$"
)


def open_terminal(root: Path, front_ends: FrontEnds, programs: Path) -> Terminal:
    """A terminal in the folder ``root``, with Hatch and with the plugin of this checkout."""
    python = describe(some_interpreter())
    programs.mkdir()
    for name, arguments in (("hatch", " -m hatch"), ("python3", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n', "utf-8")
        program.chmod(0o755)
    environment = {
        **front_ends.environment,
        "HATCH_PYTHON": str(python.executable),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{programs}{os.pathsep}{front_ends.environment['PATH']}",
    }
    return Terminal(root, root, environment, python.version, python.minor)


@dataclass
class Terminal:
    """A reader's terminal: the page's folder, the current one, the environment."""

    root: Path
    folder: Path
    environment: dict[str, str]
    version: str
    minor: str

    def follow(self, page: Page) -> None:
        """Write the files of ``page`` and run its commands, in their order."""
        for snippet in page.snippets:
            if snippet.skipped:
                continue
            if snippet.title and snippet.language != "json":
                path = self.root / snippet.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._here(snippet.text), "utf-8")
            elif snippet.language == "console":
                self._console(snippet)
            elif snippet.language == "python":
                command = [sys.executable, "-c", snippet.text]
                assert subprocess.run(command, cwd=self.root, check=False).returncode == 0, snippet

    def _console(self, snippet: Snippet) -> None:
        commands = list(snippet.commands())
        for number, (command, expected) in enumerate(commands, 1):
            code, said = self._run(self._here(command))
            if "python-build-standalone has no CPython" in said:
                pytest.skip(f"pbs-installer does not know CPython {self.version} yet")
            wanted = snippet.exit_code if number == len(commands) else 0
            assert code == wanted, f"{snippet}\n$ {command}\nexit code {code}\n{said}"
            pattern = pattern_of(self._here(expected))
            assert re.fullmatch(pattern, said), f"{snippet}\n$ {command}\n{said}\n!=\n{expected}"

    def _here(self, text: str) -> str:
        text = text.replace("3.11.7", self.version).replace("3.11", self.minor)
        return text.replace("linux_x86_64", host_platform().name)

    def _run(self, command: str) -> tuple[int, str]:
        state = self.root.with_name(f"{self.root.name}.state")
        script = f'{command}\ncode=$?\n{{ pwd; env -0; }} > "$1"\nexit $code\n'
        done = subprocess.run(
            ["bash", "-c", script, "bash", str(state)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        folder, _, variables = state.read_text("utf-8").partition("\n")
        self.folder = Path(folder)
        self.environment = dict(
            line.split("=", 1) for line in variables.split("\0") if line and line[0] != "_"
        )
        lines = done.stdout.expandtabs().splitlines(keepends=True)
        return done.returncode, "".join(line for line in lines if not _CHATTER.match(line.rstrip()))


def pattern_of(expected: str) -> str:
    """The regular expression for what a page says that a command prints."""
    lines = []
    for line in expected.splitlines():
        parts = (re.escape(part) for part in line.split("..."))
        text = re.sub(r"\d+(?:\\\.\d+)+", lambda _: VERSION_PATTERN, ".*".join(parts))
        # Between columns, whose width depends on versions.
        text = re.sub(r"(?<=[^\\ ])(?:\\ ){2,}", " {2,}", text)
        if not _CHATTER.match(line):
            lines.append("(?:.*\n)*?" if line == "..." else f"{text}\n")
    return "".join(lines)
