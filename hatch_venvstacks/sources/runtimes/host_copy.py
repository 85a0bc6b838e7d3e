"""A copy of an installed CPython that starts from any place (``python-source = "host"``).

What ties a CPython to its place are the run paths of its binaries, the prefix that is compiled into
them, and the generated files that name it. Here they are changed, byte for byte at equal length.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.model.formats.elf import MAGIC, ElfFile, read_elf
from hatch_venvstacks.sources.runtimes.host import (
    NEUTRAL_PREFIX,
    OTHER_PYTHON,
    check_host,
    inside,
    moved,
    search_path,
)
from hatch_venvstacks.sources.runtimes.run_path import ElfError, change_run_path
from hatch_venvstacks.sources.runtimes.tree import is_left_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from hatch_venvstacks.sources.runtimes.host import HostPython
    from hatch_venvstacks.store.store import Store

# Places that nobody can make, by the length that they need: nothing can exist below a file, and the
# kernel's own folders take no others. A CPython that falls back to such a prefix finds nothing.
_NOWHERE = {9: "/dev/null/venvlayer", 5: "/proc", 4: "/sys"}
# The default of CPython's configure stands in sources of the standard library, as an example.
_COMMON_PREFIX = "/usr/local"
_GENERATED = re.compile(r"(^|/)(_sysconfigdata_[^/]*|_sysconfig_vars_[^/]*|config-[^/]*/.*)$")
# Notes and hooks of whoever manages the host's installation say nothing about the copy.
_OF_THE_HOST = ("EXTERNALLY-MANAGED", "sitecustomize.py", "usercustomize.py")
_MACHO = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def copy_host(host: HostPython, folder: Path) -> None:
    """Copy ``host`` into ``folder``, which is made, so that the copy runs from any place.

    The standard library comes without site-packages, tests and compiled modules; with it come the
    C headers, libpython, the libraries in the host's folder that its binaries load, and the scripts
    of the standard library (``python3-config`` excepted). Copying twice gives the same bytes.
    Extension modules go on using the libraries of the host's system, as in the original.

    :raises RuntimeSourceError: where the host is refused, or where its folder is still named in the
        copy, or where the copy does not start.
    """
    check_host(host)
    plan = _with_private_libraries(host, dict(sorted(_planned(host))))
    names = {*plan, *(parent.as_posix() for name in plan for parent in Path(name).parents)}
    for name, source in sorted(plan.items()):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        link = _kept_link(name, source, names)
        if link:
            place.symlink_to(link)
        else:
            _write(host, name, source, place)
    for alias in ("python3", "python"):
        (folder / "bin" / alias).symlink_to(host.executable.name)
    _check_names(host, plan, folder)
    _check_start(host, folder)


def fingerprint(host: HostPython, store: Store) -> str:
    """What stands for all files of ``host`` that :func:`copy_host` reads; they are not read here.

    A file that was written since has another time, inode or size. Which libraries the binaries of
    the host load is kept in ``store``, as finding out takes longer.
    """
    plan = dict(sorted(_planned(host)))
    seen = _states(plan)
    key = f"host libraries {hashlib.sha256(f'{host}{seen}'.encode()).hexdigest()}"
    private = store.read_document(key)
    if private is None:
        found = _with_private_libraries(host, plan)
        private = {name: str(path) for name, path in found.items() if name not in plan}
        store.keep_document(key, private)
    libraries = _states({name: Path(path) for name, path in private.items()})
    return hashlib.sha256(f"{host}{seen}{libraries}".encode()).hexdigest()


def _states(plan: Mapping[str, Path]) -> list[tuple[str, str, int, int, int, int, int]]:
    result = []
    for name, path in plan.items():
        state = path.stat()
        identity = (state.st_mode, state.st_ino, state.st_size)
        result.append((name, str(path), *identity, state.st_mtime_ns, state.st_ctime_ns))
    return result


def _planned(host: HostPython) -> Iterator[tuple[str, Path]]:
    """The files of the copy: path in it, path on this machine."""
    yield f"bin/{host.executable.name}", host.executable
    yield from _scripts(host)
    yield from _libraries(host)
    yield from _headers(host)
    library = f"lib/python{host.minor}"
    for name, path in _files(host.stdlib, library):
        inner = name.removeprefix(f"{library}/")
        if not is_left_out(name, library) and inner not in _OF_THE_HOST:
            yield name, path


def _scripts(host: HostPython) -> Iterator[tuple[str, Path]]:
    for script in ("idle", "pydoc", "2to3"):
        versioned = f"2to3-{host.minor}" if script == "2to3" else f"{script}{host.minor}"
        for name in (versioned, f"{script}3", script):
            path = host.prefix / "bin" / name
            if path.is_file():
                yield f"bin/{name}", path


def _libraries(host: HostPython) -> Iterator[tuple[str, Path]]:
    folder = host.prefix / "lib"
    for pattern in ("libpython3.so", f"libpython{host.minor}.so*", f"libpython{host.minor}.dylib"):
        yield from ((f"lib/{path.name}", path) for path in folder.glob(pattern))
    if str(host.prefix) == _COMMON_PREFIX:
        return
    # python-build-standalone brings its own Tcl/Tk and terminal descriptions.
    for pattern in ("lib/tcl[0-9]*", "lib/tk[0-9]*", "lib/thread[0-9]*", "share/terminfo"):
        for path in host.prefix.glob(pattern):
            yield from _files(path, path.relative_to(host.prefix).as_posix())


def _headers(host: HostPython) -> Iterator[tuple[str, Path]]:
    # pip puts the headers of packages into further folders beside these.
    for part in ("", "/cpython", "/internal", "/internal/mimalloc", "/internal/mimalloc/mimalloc"):
        name = f"include/python{host.minor}{part}"
        for path in (host.prefix / name).glob("*.h"):
            yield f"{name}/{path.name}", path


def _files(folder: Path, at: str) -> Iterator[tuple[str, Path]]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - {"__pycache__", "site-packages", "dist-packages"})
        where = posixpath.normpath(posixpath.join(at, os.path.relpath(parent, folder)))
        for name in files:
            yield f"{where}/{name}", Path(parent, name)


def _with_private_libraries(host: HostPython, plan: Mapping[str, Path]) -> dict[str, Path]:
    """``plan``, and the libraries inside the host's folder that its binaries are linked to."""
    result = dict(plan)
    # The program's DT_RPATH holds for everything that it loads.
    inherited = search_path(host.executable, _elf(host.executable))
    waiting = list(plan.items())
    while waiting:
        name, source = waiting.pop()
        binary = _elf(source)
        search = (*search_path(source, binary), *inherited)
        for needed in binary.needed:
            if needed.startswith("/") and inside(host, needed) is not None:
                raise _unusable(host, name, f"needs `{needed}` by its full path")
            found = (inside(host, folder) for folder in search if Path(folder, needed).is_file())
            where = next(found, None)
            library = None if where is None else posixpath.join(where, needed)
            if library and library not in result:
                result[library] = host.prefix / library
                waiting.append((library, result[library]))
    return result


def _elf(path: Path) -> ElfFile:
    with path.open("rb") as file:
        return read_elf(file) if file.read(len(MAGIC)) == MAGIC else ElfFile()


def _kept_link(name: str, source: Path, names: Collection[str]) -> str:
    """Where the symbolic link ``source`` points, if that is in the copy as well; else nothing."""
    if not source.is_symlink() or name.startswith("bin/python"):
        return ""
    link = source.readlink().as_posix()
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    return link if not posixpath.isabs(link) and target in names else ""


def _write(host: HostPython, name: str, source: Path, place: Path) -> None:
    old = data = source.read_bytes()
    if data.startswith(MAGIC):
        folder = posixpath.dirname(name)
        try:
            data = change_run_path(data, lambda entry: moved(host, entry, folder))
        except ElfError as error:
            raise _unusable(host, name, f"cannot be moved: {error}") from error
    elif name.startswith("bin/"):
        data = _relocated_script(host, data)
    if data.startswith((MAGIC, *_MACHO)) or _GENERATED.search(name):
        names = {*host.spellings, *host.build_folders} - {NEUTRAL_PREFIX}
        for path in sorted(names, key=len, reverse=True):
            data = _overwritten(data, path)
        data = _without_home(host, data)
    place.write_bytes(data)
    place.chmod(0o755 if source.stat().st_mode & 0o111 else 0o644)
    if data != old and data.startswith(_MACHO):  # pragma: no cover (macos)
        # Apple's processors start no program whose signature does not fit its bytes.
        command = ["codesign", "--force", "--sign", "-", str(place)]
        subprocess.run(command, check=True, capture_output=True)


def _relocated_script(host: HostPython, data: bytes) -> bytes:
    from hatch_venvstacks.sources.runtimes.script_header import posix_header

    first, _, rest = data.partition(b"\n")
    named = any(name.encode() in first for name in host.spellings)
    return posix_header(host.executable.name) + rest if first[:2] == b"#!" and named else data


def _overwritten(data: bytes, path: str) -> bytes:
    """``data`` with another path of equal length, which cannot exist, in place of ``path``.

    The last part stays: linkers let strings share their tails, and so the ``3.11.7`` that is the
    version of a CPython may be the end of its ``/opt/python/3.11.7``.
    """
    if path.encode() not in data:
        return data
    head, _, last = path.rpartition("/")
    return _pattern(path).sub(f"{_nowhere(len(head.encode()))}/{last}".encode(), data)


def _pattern(path: str) -> re.Pattern[bytes]:
    # A longer name that starts alike is another folder's.
    return re.compile(re.escape(path.encode()) + rb"(?![\w-])")


def _without_home(host: HostPython, data: bytes) -> bytes:
    """``data`` without the names of folders below the user's home, if that is where the host is."""
    home = host.home
    if not any(name.startswith(f"{home}/") for name in (*host.spellings, *host.build_folders)):
        return data
    return data.replace(f"{home}/".encode(), f"{_nowhere(len(home.encode()))}/".encode())


def _nowhere(length: int) -> str:
    start = next((path for least, path in _NOWHERE.items() if length >= least), "")
    return start.ljust(length, "_" if length > len("/dev/null/") else "/")[:length]


def _check_names(host: HostPython, names: Collection[str], folder: Path) -> None:
    forbidden = {*host.spellings} - {NEUTRAL_PREFIX, _COMMON_PREFIX}
    for name in names:
        data = (folder / name).read_bytes()
        for path in sorted(forbidden):
            if path.encode() in data and _pattern(path).search(data):
                raise _unusable(host, name, f"still names `{path}`")


def _check_start(host: HostPython, folder: Path) -> None:
    """Compare what the copy and the original say of themselves."""
    ask = "import sys; print(sys.version, sys.platform, sys.implementation.cache_tag, sys.abiflags)"
    program = f"bin/{host.executable.name}"
    answers = [
        subprocess.run(
            [str(executable), "-I", "-S", "-B", "-c", ask],
            check=False,
            capture_output=True,
            text=True,
        )
        for executable in (host.executable, folder / program)
    ]
    if answers[0].stdout != answers[1].stdout:
        said = f"{answers[1].stdout}{answers[1].stderr}".strip()
        raise _unusable(host, program, "does not start in the copy as it should", said)


def _unusable(host: HostPython, name: str, reason: str, detail: str = "") -> RuntimeSourceError:
    return RuntimeSourceError(
        f"No relocatable copy of the Python in `{host.prefix}` can be made: `{name}` {reason}",
        detail=detail,
        hint=OTHER_PYTHON,
    )
