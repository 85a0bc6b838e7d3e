"""Launchers that work from wherever their layer lies.

A console script names no absolute path: its first lines are at once a POSIX shell program and a
Python string. As shell they resolve the script's own symlinks, find the interpreter beside it, and
start that with the same file; as Python they are a string that is thrown away. The shell's file
name limit for ``#!`` lines, spaces and non-ASCII letters in paths do not matter to them.

Sources: https://packaging.python.org/en/latest/specifications/entry-points/ and, for the scripts in
a wheel's data folder, https://packaging.python.org/en/latest/specifications/binary-distribution-format/.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

# `pwd -P` gives the real folder: CPython resolves the relative link to the runtime by its letters.
_POSIX_HEADER = """\
#!/bin/sh
''':'
f=$0
case $f in */*) ;; *) f=./$f ;; esac
while [ -h "$f" ]; do
  l=$(readlink "$f") || exit
  case $l in /*) f=$l ;; *) f=${f%/*}/$l ;; esac
done
d=$(CDPATH= cd -P "${f%/*}/" && pwd -P) || exit
exec "$d/PYTHON" "$0" "$@"
'''
"""

_ENTRY_POINT = """\
import sys

from MODULE import IMPORT

if __name__ == "__main__":
    sys.exit(CALL())
"""

_REFERENCE = re.compile(
    r"""^\s* (?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*) \s*:\s* (?P<attr>[^\W\d]\w*(\.[^\W\d]\w*)*)
        \s* (\[.*\])? \s*$""",
    re.VERBOSE,
)

# What an installer writes in place of `#!python`: a plain `#!` line, or this for long paths.
_EXEC_TRICK = re.compile(
    rb"""\A#![ ]*/bin/sh\r?\n'''exec' (?P<python>.+?) "\$0" "\$@"\r?\n' '''\r?\n"""
)
_SHEBANG = re.compile(rb"\A#![ ]*(?P<python>[^\r\n]*)\r?\n")


@dataclass(frozen=True)
class EntryPoint:
    """One ``console_scripts`` or ``gui_scripts`` entry: the script's name and what it calls."""

    name: str
    module: str
    attr: str


def posix_header(python: str = "python") -> bytes:
    """The lines that start a relocatable Python script; Python source follows them.

    ``python`` is the file name of the interpreter, which lies in the script's own folder.
    """
    return _POSIX_HEADER.replace("PYTHON", python).encode()


def entry_points(text: str, distribution: str) -> Iterator[EntryPoint]:
    """The scripts that an ``entry_points.txt`` asks for, sorted by name.

    ``distribution`` is named in errors.

    :raises BuildError: where the file cannot be parsed, or an entry is no object reference.
    """
    from configparser import ConfigParser
    from configparser import Error as ConfigParserError

    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(text)
    except ConfigParserError as error:
        raise BuildError(f"The entry points of `{distribution}` cannot be read: {error}") from error
    found = {
        name: value
        for group in ("console_scripts", "gui_scripts")
        if parser.has_section(group)
        for name, value in parser.items(group)
    }
    for name, value in sorted(found.items()):
        match = _REFERENCE.match(value)
        if match is None or not name or "/" in name or "\\" in name:
            raise BuildError(
                f"The script `{name} = {value}` of `{distribution}` is not a valid entry point",
                hint="It has the form `name = package.module:function`",
            )
        yield EntryPoint(name, match["module"], match["attr"])


def launcher(entry_point: EntryPoint) -> bytes:
    """The relocatable script for one entry point, for POSIX systems."""
    body = (
        _ENTRY_POINT.replace("MODULE", entry_point.module)
        .replace("IMPORT", entry_point.attr.partition(".")[0])
        .replace("CALL", entry_point.attr)
    )
    return posix_header() + body.encode()


def relocated(content: bytes, interpreter: str) -> bytes:
    """``content``, a file of a wheel's ``data/scripts``, without the path of the build.

    Installers replace ``#!python`` by the path of an ``interpreter``; where that is what the
    script starts with, it becomes a relocatable script. Everything else stays as it is: real
    binaries, shell scripts, scripts for an interpreter of their own choice.
    """
    match = _EXEC_TRICK.match(content) or _SHEBANG.match(content)
    if match is None:
        return content
    named = match["python"].strip().strip(b"'\"").decode("utf-8", "replace")
    command = named.removesuffix(" -E").removesuffix(" -s")
    if command not in (interpreter, f"{interpreter}w"):
        return content
    return posix_header() + _as_utf8(content[match.end() :])


def _as_utf8(source: bytes) -> bytes:
    # An encoding cookie counts in the first two lines only, and the header has pushed it down.
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError:
        return source
    if encoding in ("utf-8", "utf-8-sig"):
        return source.removeprefix(b"\xef\xbb\xbf")
    return source.decode(encoding).encode()
