"""What the installed CPython that runs the build is, and whether it can become a runtime.

CPython finds its standard library by looking around its executable, so most of it can be moved
(https://docs.python.org/3/library/sys_path_init.html).
:mod:`hatch_venvstacks.sources.runtimes.host_copy` does.
"""

from __future__ import annotations

import io
import json
import os
import posixpath
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.model.formats.elf import MAGIC, read_elf
from hatch_venvstacks.sources.runtimes.run_path import ElfError, change_run_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_venvstacks.model.formats.elf import ElfFile

CHANGE_PYTHON = Mend("{change_python}")
OTHER_PYTHON = Mend(
    'Use `python-source = "python-build-standalone"`, or build with a CPython that has a folder of'
    " its own, such as those of uv or pyenv. {change_python}"
)
# What python-build-standalone compiles in: it names no folder of the machine that it runs on.
NEUTRAL_PREFIX = "/install"
# What can stand in for a prefix in binaries is at least this long (see host_copy).
SHORTEST_PARENT = len("/sys")

_DESCRIBE = """
import json, os, sys, sysconfig
stdlib = sysconfig.get_path("stdlib")
names = [n[:-3] for n in sorted(os.listdir(stdlib)) if n.startswith("_sysconfigdata_")]
build = __import__(names[0]).build_time_vars if names else {}
text = lambda name: str(build.get(name) or "")
print(json.dumps(dict(
    version=".".join(map(str, sys.version_info[:3])),
    implementation=sys.implementation.name,
    system=sys.platform,
    prefix=os.path.realpath(sys.base_prefix),
    spellings=[sys.base_prefix, sys.base_exec_prefix, text("prefix"), text("exec_prefix")],
    stdlib=os.path.realpath(stdlib),
    build_folders=[text("abs_builddir"), text("abs_srcdir")],
    home=os.path.expanduser("~"),
    debug=hasattr(sys, "gettotalrefcount"),
    free_threaded=bool(build.get("Py_GIL_DISABLED")),
    framework=text("PYTHONFRAMEWORK"),
    configure=text("CONFIG_ARGS"),
)))
"""


@dataclass(frozen=True)
class HostPython:
    """An installed Python, as it describes itself.

    ``prefix`` is its folder, without symbolic links; ``spellings`` are all names that it has for
    that folder, those compiled into it included; ``build_folders`` are where it was compiled.
    ``system`` is its :data:`sys.platform`, ``home`` the home folder of the user who runs it,
    ``configure`` what CPython's ``configure`` was called with.
    """

    version: str
    implementation: str
    system: str
    prefix: Path
    spellings: tuple[str, ...]
    stdlib: Path
    build_folders: tuple[str, ...] = ()
    home: str = ""
    debug: bool = False
    free_threaded: bool = False
    framework: str = ""
    configure: str = ""

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])

    @property
    def executable(self) -> Path:
        """The interpreter of the installation itself, never one of a virtual environment."""
        if self.system == "win32":
            return self.prefix / "python.exe"
        return self.prefix / "bin" / f"python{self.minor}"


def describe(executable: Path | None = None) -> HostPython:
    """Ask a Python what it is; ``executable`` is by default the one that runs this.

    A virtual environment's interpreter describes the installation that it stands on.

    :raises RuntimeSourceError: where it cannot be asked.
    """
    command = str(executable or sys.executable)
    try:
        answer = subprocess.run(
            [command, "-I", "-S", "-B", "-c", _DESCRIBE], check=True, capture_output=True, text=True
        )
        values = json.loads(answer.stdout)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise RuntimeSourceError(
            f"The interpreter `{command}` does not say what it is",
            detail=str(getattr(error, "stderr", "") or error).strip(),
            hint=OTHER_PYTHON,
        ) from error
    prefix = values["prefix"]
    named = {posixpath.normpath(name) for name in values["spellings"] if name.startswith("/")}
    built = {posixpath.normpath(name) for name in values["build_folders"] if name.startswith("/")}
    return HostPython(
        **{
            **values,
            "prefix": Path(prefix),
            "spellings": tuple(sorted({*named, prefix})),
            "stdlib": Path(values["stdlib"]),
            "build_folders": tuple(sorted(built)),
        }
    )


def check_host(host: HostPython) -> None:
    """Refuse a Python of which no relocatable copy can be made.

    :raises RuntimeSourceError: with the reason, and what to do.
    """
    for reasons in (_kind_refusals, _place_refusals, _binary_refusals):
        reason = next(reasons(host), None)
        if reason is not None:
            raise RuntimeSourceError(
                f"The Python that runs the build, {host.version} in `{host.prefix}`, cannot become"
                f" a runtime: {reason}",
                hint=OTHER_PYTHON,
            )


def search_path(path: Path, binary: ElfFile) -> tuple[str, ...]:
    """The folders in which the loader looks for the libraries of the file ``path``."""
    origin = str(path.resolve().parent)
    return tuple(
        entry.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for entry in binary.run_path
    )


def inside(host: HostPython, path: str) -> str | None:
    """``path`` relative to the host's folder, by any of its names; ``None`` where it is outside."""
    for candidate in (posixpath.normpath(path), os.path.realpath(path)):
        for name in host.spellings:
            if candidate == name or candidate.startswith(f"{name}/"):
                return candidate[len(name) + 1 :]
    return None


def moved(host: HostPython, entry: str, at: str) -> str:
    """The run path entry ``entry`` as seen from a binary in the folder ``at`` of a copy."""
    inner = None if "$" in entry else inside(host, entry)
    if inner is None:
        return entry
    relative = posixpath.relpath(inner or ".", at)
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def _kind_refusals(host: HostPython) -> Iterator[str]:
    if host.implementation != "cpython":
        yield f"it is {host.implementation}, and layers stand on CPython"
    if tuple(map(int, host.version.split(".")[:2])) < (3, 10):
        yield "layers need CPython 3.10 or later"
    if host.debug or host.free_threaded:
        kind = "debug" if host.debug else "free-threaded"
        yield f"it is a {kind} build, for which packages have other wheels"
    if host.system == "win32":
        yield "copies are not made on Windows yet"
    if host.framework:
        yield "it is a macOS framework, whose libraries name their place"
    if host.system == "darwin" and f"--prefix={NEUTRAL_PREFIX}" not in host.configure:
        yield "on macOS only python-build-standalone can be moved"


def _place_refusals(host: HostPython) -> Iterator[str]:
    library = host.prefix / "lib" / f"python{host.minor}"
    if str(host.prefix) in ("/", "/usr"):
        yield "it is the operating system's, spread over folders that it shares with other programs"
    if (host.prefix / "conda-meta").is_dir():
        yield "it belongs to conda, whose packages share their libraries with it"
    if host.stdlib != library:
        yield f"its standard library is in `{host.stdlib}`, not in `{library}`"
    if not (library / "os.py").is_file():
        yield f"its standard library in `{library}` is not complete"
    if not host.executable.is_file():
        yield f"`{host.executable}` is missing"
    for name in host.spellings:
        if len(posixpath.dirname(name)) < SHORTEST_PARENT and name != NEUTRAL_PREFIX:
            yield f"the name of its folder, `{name}`, is too short to be overwritten in binaries"


def _binary_refusals(host: HostPython) -> Iterator[str]:
    if host.system == "darwin":  # pragma: no cover (macos)
        return
    data = host.executable.read_bytes()
    if not data.startswith(MAGIC):
        yield f"`{host.executable}` is not a program, but a script"
        return
    binary = read_elf(io.BytesIO(data))
    if not binary.loader.startswith(("/lib", "/usr/lib")):
        yield f"its loader is `{binary.loader}`, which other machines do not have"
    for library in binary.needed:
        if library.startswith("libpython") and not _is_found(host, binary, library):
            yield (
                f"it needs `{library}`, and has no run path that leads there: this machine finds it"
                " by settings of its own"
            )
    try:
        change_run_path(data, lambda entry: moved(host, entry, "bin"))
    except ElfError as error:
        yield str(error)


def _is_found(host: HostPython, binary: ElfFile, library: str) -> bool:
    return any(
        Path(folder, library).is_file() and inside(host, folder) is not None
        for folder in search_path(host.executable, binary)
    )
