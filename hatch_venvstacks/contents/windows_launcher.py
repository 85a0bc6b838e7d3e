r"""Launchers for Windows that work from wherever their layer lies.

A launcher is a program that `installer` brings, for each kind of machine, followed by a line that
names an interpreter, and a zip file with the Python source. The program
(https://bitbucket.org/vinay.sajip/simple_launcher) takes ``<launcher_dir>\`` at the beginning of
that line for its own folder, so it holds no absolute path.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from installer.scripts import LauncherKind, ScriptSection

    from hatch_venvstacks.contents.launchers import EntryPoint
    from hatch_venvstacks.model.platforms import TargetPlatform

_KINDS: dict[str, LauncherKind] = {"win_amd64": "win-amd64", "win_arm64": "win-arm64"}
# What the launcher replaces by its own folder.
_HERE = "<launcher_dir>\\"
# An interpreter that is none, to be found again.
_NONE = "no-interpreter"
# The first moment that a zip file can hold.
_TIME = (1980, 1, 1, 0, 0, 0)


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
