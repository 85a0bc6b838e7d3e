r"""Makes this layer ready to run where it lies now.

Run it with the interpreter of the runtime layer once the layers are unpacked, and again whenever
they have been moved:

    ROOT\RUNTIME\python.exe ROOT\LAYER\postinstall.py

CPython on Windows finds its standard library by an absolute path in `pyvenv.cfg`, and the layer's
own interpreter is a small program that looks there. These are written; nothing else is changed.
Source: https://docs.python.org/3/library/sys_path_init.html#virtual-environments.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

# The programs that CPython has for virtual environments, and what they are named there.
PROGRAMS = {"python.exe": "python.exe", "pythonw.exe": "pythonw.exe"}
PROGRAMS_SINCE_3_13 = {"venvlauncher.exe": "python.exe", "venvwlauncher.exe": "pythonw.exe"}


class LayerError(Exception):
    """What is wrong, and what to do, in words for the user."""


def main() -> None:
    # Where the output goes into a file, it may be in an encoding that lacks the folder's letters.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Not by `resolve`: it would leave drives that stand for a folder or a network share.
    layer = Path(os.path.abspath(__file__)).parent  # noqa: PTH100
    try:
        changed = prepare(layer)
    except LayerError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: The layer in {layer} cannot be made ready: {error}")
    print("Ready:" if changed else "Was ready:", layer)


def prepare(layer: Path) -> bool:
    """Write what is missing in the folder `layer`; say whether anything was."""
    release, runtime = read_description(layer)
    if not (runtime / "python.exe").is_file():
        raise LayerError(
            f"The runtime layer is not in {runtime}\n"
            "Unpack all layers side by side, each into the folder that bears its name"
        )
    changed = [
        write(layer / "Scripts" / name, source.read_bytes())
        for source, name in programs(runtime, release)
    ]
    version = ".".join(map(str, release))
    settings = f"home = {runtime}\ninclude-system-site-packages = false\nversion = {version}\n"
    # The last one: where it is, the layer is complete.
    changed.append(write(layer / "pyvenv.cfg", settings.encode()))
    return any(changed)


def read_description(layer: Path) -> tuple[tuple[int, ...], Path]:
    """The release of Python and the folder of the runtime layer, by `layer.json`."""
    path = layer / "share" / "venvlayer" / "layer.json"
    try:
        described = json.loads(path.read_text("utf-8"))
        release = tuple(map(int, described["python"]["version"].split(".")))
        (relative,) = (one["path"] for one in described["base_layers"] if one["kind"] == "runtime")
        return release, Path(os.path.normpath(layer / relative))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayerError(f"{path} cannot be read: {error}\nUnpack the layer again") from error


def programs(runtime: Path, release: tuple[int, ...]) -> list[tuple[Path, str]]:
    """What the layer needs of the runtime: files there, and their names here."""
    folder = runtime / "Lib" / "venv" / "scripts" / "nt"
    names = PROGRAMS_SINCE_3_13 if release >= (3, 13) else PROGRAMS
    found = [(folder / source, name) for source, name in names.items()]
    for path, _ in found:
        if not path.is_file():
            raise LayerError(
                f"The runtime layer has no {path}\n"
                "Its CPython must be complete: this belongs to its module `venv`"
            )
    return found


def write(path: Path, content: bytes) -> bool:
    """Write the file `path`, as a whole or not at all; say whether it was another before."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return False
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    return True


if __name__ == "__main__":
    main()
