"""Launchers that work from wherever their layer lies.

A console script names no absolute path: its first lines are at once a POSIX shell program and a
Python string. As shell they resolve the script's own symlinks, find the interpreter beside it, and
start that with the same file; as Python they are a string that is thrown away. The shell's file
name limit for ``#!`` lines, spaces and non-ASCII letters in paths do not matter to them.

Sources: https://packaging.python.org/en/latest/specifications/entry-points/ and, for the scripts in
a wheel's data folder, https://packaging.python.org/en/latest/specifications/binary-distribution-format/.
"""

from __future__ import annotations

import ast
import io
import posixpath
import re
import shlex
import tokenize
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.sources.dist_info import parse_scripts
from hatch_venvstacks.sources.runtimes.script_header import posix_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from installer.scripts import LauncherKind, ScriptSection

    from hatch_venvstacks.model.platforms import TargetPlatform

_KINDS: dict[str, LauncherKind] = {"win_amd64": "win-amd64", "win_arm64": "win-arm64"}
# What the launcher replaces by its own folder.
_HERE = "<launcher_dir>\\"
# An interpreter that is none, to be found again.
_NONE = "no-interpreter"
# The first moment that a zip file can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


_REFERENCE = re.compile(
    r"""^\s* (?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*) \s*:\s* (?P<attr>[^\W\d]\w*(\.[^\W\d]\w*)*)
        \s* (\[.*\])? \s*$""",
    re.VERBOSE,
)

# What an installer writes in place of `#!python`: a plain `#!` line, or this for long paths.
_EXEC_TRICK = re.compile(
    rb"""\A#![ ]*/bin/sh\r?\n'''exec' (?P<python>.+?) "\$0" "\$@"\r?\n' '''\r?\n"""
)
# No bytes and no templates, of which no release of Python makes a docstring.
_PLAIN_STRING = re.compile(r"""[rRuU]?['"]""")
_SHEBANG = re.compile(rb"\A#![ ]*(?P<python>[^\r\n]*)\r?\n")


@dataclass(frozen=True)
class EntryPoint:
    """One ``console_scripts`` or ``gui_scripts`` entry: the script's name and what it calls."""

    name: str
    module: str
    attr: str
    is_gui: bool = False


def entry_points(text: str, distribution: str) -> Iterator[EntryPoint]:
    """The scripts that an ``entry_points.txt`` asks for, sorted by name.

    ``distribution`` is named in errors.

    :raises BuildError: where the file cannot be parsed, or an entry is no object reference.
    """
    try:
        found = parse_scripts(text)
    except ValueError as error:
        raise BuildError(f"The entry points of `{distribution}` cannot be read: {error}") from error
    for name, (value, is_gui) in sorted(found.items()):
        match = _REFERENCE.match(value)
        if match is None or not _is_file_name(name) or _has_keyword(match):
            raise BuildError(
                f"The script `{name} = {value}` of `{distribution}` is not a valid entry point",
                hint="It has the form `name = package.module:function`",
            )
        yield EntryPoint(name, match["module"], match["attr"], is_gui)


def _is_file_name(name: str) -> bool:
    return name not in ("", ".", "..") and not set("/\\\0") & set(name)


def _has_keyword(reference: re.Match[str]) -> bool:
    return any(map(iskeyword, [*reference["module"].split("."), *reference["attr"].split(".")]))


def launcher(entry_point: EntryPoint) -> bytes:
    """The relocatable script for one entry point, for POSIX systems."""
    imported = entry_point.attr.partition(".")[0]
    body = f"""\
import sys

from {entry_point.module} import {imported}

if __name__ == "__main__":
    sys.exit({entry_point.attr}())
"""
    return posix_header() + body.encode()


def relocated(content: bytes, interpreter: str, *, windows: bool = False) -> bytes:
    """``content``, a file of a wheel's ``data/scripts``, without the path of the build.

    Installers replace ``#!python`` by the path of an ``interpreter``; where that is what the
    script starts with, it becomes a relocatable script. Everything else stays as it is: real
    binaries, shell scripts, scripts for an interpreter of their own choice.

    For ``windows`` it gets back the line that the wheel has (``#!python``, ``#!pythonw``), which
    the ``py`` launcher understands (https://docs.python.org/3/using/windows.html): the system
    itself starts nothing by its first line. pip makes an ``.exe`` of such a script, as it would of
    an entry point; uv writes the absolute path of the interpreter into it. Where an installer on
    POSIX names one interpreter for both lines, as uv does, the second one is lost.
    """
    trick = _EXEC_TRICK.match(content)
    match = trick or _SHEBANG.match(content)
    if match is None:
        return content
    named = match["python"].decode("utf-8", "replace").strip()
    if trick is not None:
        with suppress(ValueError):
            named = "".join(shlex.split(named))
    if named not in (interpreter, f"{interpreter}w"):
        return content
    source = content[match.end() :]
    if windows:
        return (b"#!python\n" if named == interpreter else b"#!pythonw\n") + source
    return posix_header() + _relocated_source(source)


def _relocated_source(source: bytes) -> bytes:
    """A script's ``source`` as it is to follow the header.

    In UTF-8, because an encoding cookie counts in the first two lines only: in what is now the
    first line, before the header pushed it down. And with ``__doc__`` set by name, because the
    header's string has taken its place. What cannot be decoded stays as it is.
    """
    first = source[: source.find(b"\n") + 1] or source
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(first).readline)
        # The lines that Python counts: `splitlines` ends one at form feeds and the like as well.
        lines = [*io.StringIO(source.decode(encoding), newline=""), "\n"]
        with catch_warnings():
            simplefilter("ignore")  # of the script's author, not of who packs it
            tree = ast.parse(_opening(lines))
    except (SyntaxError, ValueError, LookupError):
        return source
    end = 0
    docstring = ast.get_docstring(tree, clean=False)
    if docstring is not None:
        node = tree.body[0]
        start, end = node.lineno - 1, node.end_lineno or node.lineno
        rest = lines[end - 1].encode()[node.end_col_offset :].decode().lstrip("; ")
        lines[start:end] = ["\n"] * (end - start - 1) + [rest or "\n"]
    # Only a docstring may stand before imports from `__future__`.
    future = [
        statement.end_lineno or statement.lineno
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    ]
    place = future[-1] if future else end
    if place and not lines[place - 1].endswith(("\n", "\r")):
        lines[place - 1] += "\n"
    lines.insert(place, f"__doc__ = {docstring!a}\n")
    return "".join(lines).removesuffix("\n").encode()


def _opening(lines: Sequence[str]) -> str:
    """What a script begins with, up to the end of its docstring and imports from ``__future__``.

    What follows is not looked at: it may be in the syntax of a later Python than that of the build.
    """
    ended = (line.rstrip("\r\n") + "\n" for line in lines)
    row = column = 0
    statement: list[tokenize.TokenInfo] = []
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(lambda: next(ended, "")):
            if token.type in (tokenize.COMMENT, tokenize.NL):
                continue
            if token.type != tokenize.NEWLINE and token.string != ";":
                statement.append(token)
                if not _may_open(statement, is_first=not row):
                    break
            elif statement:
                row, column = statement[-1].end
                statement = []
    return "".join(lines[: row - 1]) + lines[row - 1][:column] if row else ""


def _may_open(statement: Sequence[tokenize.TokenInfo], *, is_first: bool) -> bool:
    """Whether the tokens may be the beginning of such an import, or of a docstring."""
    words = [token.string for token in statement[:2]]
    if words[0] == "from":
        return words[1:] in ([], ["__future__"])
    return is_first and all(
        token.string in ("(", ")") or _PLAIN_STRING.match(token.string) is not None
        for token in statement
    )


def windows_launcher(entry_point: EntryPoint, platform: TargetPlatform, python: str) -> bytes:
    """The program for one entry point; one of a GUI opens no console.

    ``python`` is the interpreter, relative to the folder of the program, with ``/``; beside it lies
    the one without a console (``pythonw.exe``).
    """
    from installer.scripts import Script

    section: ScriptSection = "gui" if entry_point.is_gui else "console"
    script = Script(entry_point.name, entry_point.module, entry_point.attr, section)
    folder, name = posixpath.split(python)
    if entry_point.is_gui:
        name = name.replace("python", "pythonw")
    executable = _HERE + posixpath.join(folder, name).replace("/", "\\")
    # `installer` puts `w` into the name of a GUI's interpreter by itself, wherever that lies; and
    # dates the zip file by the clock. Its program is all that is taken.
    _, made = script.generate(_NONE, _KINDS[platform.name])
    program, _, _ = made.partition(f"#!{_NONE}\n".encode())
    return program + f"#!{executable}\n".encode() + _packed(_source(entry_point))


def _source(entry_point: EntryPoint) -> str:
    imported = entry_point.attr.partition(".")[0]
    # As other installers do: the program's name as the user types it.
    return f"""\
import sys

from {entry_point.module} import {imported}

if __name__ == "__main__":
    if sys.argv[0].lower().endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({entry_point.attr}())
"""


def _packed(source: str) -> bytes:
    stream = io.BytesIO()
    member = zipfile.ZipInfo("__main__.py", _TIME)
    # Otherwise the system that it is made on.
    member.create_system = 0
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(member, source.encode())
    return stream.getvalue()
