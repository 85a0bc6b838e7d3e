"""Wheels with shared libraries, compiled on the spot: where a loader finds what is up to each.

A library has one function, named like its file, which says the library's name and, in parentheses,
what the functions of the libraries say that it needs or opens: ``top(mid(leaf))``.
"""

from __future__ import annotations

import functools
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMPILERS = ("cc", "gcc", "clang")
# The oldest policy: what needs more than the C library has to bring it along.
TAG = f"py3-none-manylinux_2_17_{platform.machine()}"
# Where a wheel may put a library other than its site directory.
_SCHEMES = ("data", "scripts")

_HEAD = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static int calls;
typedef const char *says(void);

static inline const char *opened(const char *file, const char *symbol)
{
    void *library = dlopen(file, RTLD_NOW);
    says *function = library ? (says *) dlsym(library, symbol) : NULL;
    return function ? function() : dlerror();
}
"""
_FUNCTIONS = """\
const char *{symbol}_name(void) {{ return "{says}"; }}
int {symbol}_count(void) {{ return {count}; }}
const char *{symbol}(void)
{{
    static char text[1024];
    snprintf(text, sizeof text, "{says}{form}"{parts});
    return text;
}}
"""
_MAIN = "int main(void) {{ return puts({symbol}()) < 0; }}\n"
_STUB = "int {symbol}(void) {{ return 0; }}\n"
_EXTENSION = """\
#define Py_LIMITED_API 0x030a0000
#include <Python.h>
const char *{symbol}(void);
static PyObject *say(PyObject *self, PyObject *none) {{ return PyUnicode_FromString({symbol}()); }}
static PyMethodDef methods[] = {{{{"say", say, METH_NOARGS, NULL}}, {{NULL}}}};
static struct PyModuleDef module = {{
    PyModuleDef_HEAD_INIT, .m_name = "{name}", .m_size = -1, .m_methods = methods
}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""
# A package that is, to its libraries, what an extension module is.
_PACKAGE = """\
import ctypes, os

def call(name, kind):
    function = getattr(ctypes.CDLL(os.path.join(os.path.dirname(__file__), {file!r})), name)
    function.restype = kind
    return function()

def say():
    return call({symbol!r}, ctypes.c_char_p).decode()

def count():
    return call({symbol!r} + "_count", ctypes.c_int)
"""


@dataclass(frozen=True)
class Library:
    """A library of a wheel, at ``path``: below ``data/`` and ``scripts/`` these schemes are meant.

    What lies in ``scripts/`` is a program: it prints what the function says.

    ``needed`` and ``opened`` are file names: of the libraries in ``DT_NEEDED`` (paths, too), and of
    those that the function opens when it is called. ``back`` are needed too, but only their names
    are asked for: libraries that need each other would never come to an end. ``run_path`` becomes
    ``DT_RUNPATH``, or ``DT_RPATH`` where it is ``inherited``. ``says`` tells apart two libraries
    of one file name.
    """

    path: str
    needed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    run_path: str = ""
    inherited: bool = False
    says: str = ""

    @property
    def file(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_program(self) -> bool:
        return self.path.startswith("scripts/")


@functools.cache
def compiler_or_skip() -> str:
    """The C compiler of this machine; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, COMPILERS)), None)
    if found is None:
        pytest.skip(f"compiles libraries: needs one of {', '.join(COMPILERS)}")
    return found


def native_wheel(
    folder: Path,
    name: str,
    *libraries: Library,
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Compile ``libraries`` and pack them, with ``files``, as a wheel for this machine.

    The first one is what the package of the wheel's name loads, if it lies there: the package then
    has ``say()`` and ``count()``.
    """
    return make_wheel(
        folder,
        name,
        version,
        {**package_files(name, *libraries), **(files or {})},
        data={one.path: compiled(one) for one in libraries if one.path.startswith(_SCHEMES)},
        tag=TAG,
    )


def package_files(name: str, *libraries: Library) -> dict[str, str | bytes]:
    """What such a wheel puts into the site directory: path -> content."""
    members: dict[str, str | bytes] = {
        one.path: compiled(one) for one in libraries if not one.path.startswith(_SCHEMES)
    }
    package = name.replace("-", "_") + "/"
    if libraries and libraries[0].path.startswith(package):
        first = libraries[0]
        members[f"{package}__init__.py"] = _PACKAGE.format(
            file=first.path.removeprefix(package), symbol=_symbol(first.file)
        )
    return members


@functools.cache
def compiled(library: Library) -> bytes:
    """The bytes of ``library``. What it needs may be compiled later, or never."""
    options = [] if library.is_program else ["-shared", f"-Wl,-soname,{library.file}"]
    return _compile(_source(library), library, options)


def compiled_extension(library: Library, include: Path) -> bytes:
    """An extension module for CPython 3.10 and newer: its ``say()`` says what a library does.

    ``library`` says where it is to lie, what it needs and where that is found; ``include`` is the
    folder with ``Python.h``.
    """
    (needed,) = library.needed
    source = _EXTENSION.format(symbol=_symbol(needed), name=library.file.partition(".")[0])
    return _compile(source, library, ["-shared", "-I", str(include)])


def _compile(source: str, library: Library, options: Sequence[str]) -> bytes:
    needed = (*library.needed, *library.back)
    if library.run_path:
        tags = "disable" if library.inherited else "enable"
        options = [*options, f"-Wl,-rpath,{library.run_path},--{tags}-new-dtags"]
    with tempfile.TemporaryDirectory() as folder:
        stubs = [str(Path(folder, f"{number}.so")) for number in range(len(needed))]
        for stub, name in zip(stubs, needed, strict=True):
            _run_compiler(_stub(name), "-shared", f"-Wl,-soname,{name}", "-o", stub)
        output = Path(folder, "output")
        linked = ["-Wl,--no-as-needed", *stubs, "-ldl"]
        _run_compiler(source, *options, "-o", str(output), then=linked)
        return output.read_bytes()


def _run_compiler(source: str, *options: str, then: Sequence[str] = ()) -> None:
    command = [compiler_or_skip(), "-fPIC", *options, "-x", "c", "-", "-x", "none", *then]
    subprocess.run(command, check=True, input=source, encoding="utf-8")


def _source(library: Library) -> str:
    symbol = _symbol(library.file)
    parts = [
        *(f"{_symbol(name)}()" for name in library.needed),
        *(f'opened("{name}", "{_symbol(name)}")' for name in library.opened),
        *(f"{_symbol(name)}_name()" for name in library.back),
    ]
    declared = [
        f"says {_symbol(name)}, {_symbol(name)}_name; int {_symbol(name)}_count(void);"
        for name in (*library.needed, *library.back)
    ]
    functions = _FUNCTIONS.format(
        symbol=symbol,
        says=library.says or re.sub(r"^lib|[.-].*$", "", library.file),
        form=f"({','.join(['%s'] * len(parts))})" if parts else "",
        parts="".join(f", {part}" for part in parts),
        count=f"{_symbol(library.needed[0])}_count()" if library.needed else "++calls",
    )
    main = [_MAIN.format(symbol=symbol)] if library.is_program else []
    return "\n".join([_HEAD, *declared, functions, *main])


def _stub(name: str) -> str:
    symbols = [_symbol(name) + suffix for suffix in ("", "_name", "_count")]
    return "".join(_STUB.format(symbol=symbol) for symbol in symbols)


def _symbol(file: str) -> str:
    """The name of the function of the library ``file``, which may be a path."""
    return re.sub(r"\W", "_", file.rpartition("/")[2])
