"""The compiled modules that a layer ships, the same bytes wherever they are made.

They are found by their hash, not by the time of their source (PEP 552), and name no folder but the
layer's own. Their sources are compiled and never run.

Which bytes a module becomes depends on more than its source. A constant set of strings is written
in the order of their hashes, hence the fixed hash seed. And :mod:`marshal` marks what it may refer
back to by whether anything else in the process refers to it, so that a name which another module
happens to use as well changes the file; hence the list that holds all parts of a module while it is
written, which gives each the mark. What else a process compiles then makes no difference, and what
the interpreter has loaded only to modules that it has loaded itself, whose qualified names it knows
(an interned string is written as such). Each process is a new one, which has loaded the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hatch_venvstacks.archives.parallel import run_on_all_cores
from hatch_venvstacks.archives.plan import Member, read
from hatch_venvstacks.common.errors import BuildError, words
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.config.inherited_variables import interpreter_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

# Flags of a compiled module (https://peps.python.org/pep-0552/#specification).
_UNCHECKED = 0b01
_CHECKED = 0b11
# Neither `-I` nor `-E`, which would ignore the hash seed. With `-B`, as the interpreter's own
# folder is not ours to change.
_OPTIONS = ("-B", "-S", "-X", "utf8", "-W", "ignore")
# Modules that one process compiles, in about half a second; torch has more than two thousand.
_AT_ONCE = 200
# The end of what a process says, in bytes: a reason stands last.
_WORDS = 2000
# What a process exits with where a file could not be read or written.
_NO_FILE = 74  # as EX_IOERR of sysexits.h
_ROOM = Mend("Build again; {cache} names a folder with enough room")
_HINT = "Build without compiled modules: `bytecode = false`"

# Runs on every CPython that a runtime can have, with the standard library alone. It is given jobs
# and says for each of them, in order, whether the module has been compiled.
_PROGRAM = r"""
import sys

del sys.path[0]  # the current folder
tag, flags = sys.argv[1:]
if sys.implementation.cache_tag != tag:
    sys.exit(f"this is {sys.implementation.name} {sys.version}, and not {tag}")

import importlib.util, json, marshal, types

NAMES = "consts names varnames freevars cellvars name qualname filename".split()

def parts_of(value):
    found = [value]
    for one in found:
        if isinstance(one, types.CodeType):
            found += [getattr(one, f"co_{name}", None) for name in NAMES]
        elif isinstance(one, (tuple, frozenset)):
            found += one
        elif isinstance(one, slice):
            found += [one.start, one.stop, one.step]
    return found

def in_no_order(value):
    # Their hashes are addresses in memory; from 3.11 on, sets are written in an order of their own.
    return isinstance(value, frozenset) and sys.version_info < (3, 11) and any(
        part is None or part is ... or part != part for part in parts_of(value)
    )

def dumped(source, name):
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        held = parts_of(code)
        return None if any(map(in_no_order, held)) else marshal.dumps(code)
    except Exception:  # nor can it be imported
        return None

header = importlib.util.MAGIC_NUMBER + int(flags).to_bytes(4, "little")
try:
    for path, name, target in json.load(sys.stdin):
        with open(path, "rb") as file:
            source = file.read()
        data = dumped(source, name)
        if data is not None:
            with open(target, "wb") as file:
                file.write(header + importlib.util.source_hash(source) + data)
        print(json.dumps(data is not None), flush=True)
except OSError as error:
    print(f"{name}: {error.strerror}", file=sys.stderr)
    sys.exit(74)
"""


def compile_modules(
    members: Sequence[Member],
    interpreter: Path,
    minor: str,
    roots: Sequence[str],
    work: Path,
    *,
    checked: bool,
) -> list[Member]:
    """The compiled modules of ``members``, sorted by path.

    Compiled are the files ``*.py`` below the folders ``roots`` of the layer, but for links, tests
    (see :func:`is_test_module`) and what has no valid syntax, which could not be imported either.
    ``interpreter`` is a CPython of the release ``minor``; another patch release, or the same one
    for another platform, may compile some modules to other bytes. Nothing else makes a difference:
    not where sources lie, nor the caller's environment, nor which modules are compiled together.

    ``checked`` ones notice that their source has been edited, others are not compared with it.
    ``work`` is an empty folder that must outlive what is returned.

    :raises BuildError: where the interpreter is another one, cannot be started, or crashes.
    """
    sources = sorted(
        (member for member in members if _is_compiled(member, roots)),
        key=lambda member: member.path,
    )
    if not sources:
        return []
    jobs = [
        _Job(_source(member, work / f"{number}.source"), member.path, work / f"{number}.pyc")
        for number, member in enumerate(sources)
    ]
    tag = f"cpython-{minor.replace('.', '')}"
    arguments = [tag, str(_CHECKED if checked else _UNCHECKED)]
    command = [str(interpreter.absolute()), *_OPTIONS, "-c", _PROGRAM, *arguments]
    batches = [jobs[start : start + _AT_ONCE] for start in range(0, len(jobs), _AT_ONCE)]
    answers = chain(
        *run_on_all_cores(partial(_compile_batch, command, batch, work) for batch in batches)
    )
    return sorted(
        (
            Member(_cache(job.name, tag), job.target)
            for job, is_compiled in zip(jobs, answers, strict=True)
            if is_compiled
        ),
        key=lambda member: member.path,
    )


def is_test_module(path: str) -> bool:
    """Whether the module at ``path``, below a folder of modules, is taken for one of tests.

    It is in a folder ``test`` or ``tests``, or named as pytest looks for them
    (https://docs.pytest.org/en/stable/explanation/goodpractices.html#test-discovery). A module that
    is mistaken for one is compiled when it is imported: that costs time, and breaks nothing.
    """
    *folders, name = path.split("/")
    return (
        not {"test", "tests"}.isdisjoint(folders)
        or name == "conftest.py"
        or name.startswith("test_")
        or name.endswith("_test.py")
    )


@dataclass(frozen=True)
class _Job:
    """A file to compile, by the ``name`` that tracebacks have for it, to the file ``target``."""

    source: Path
    name: str
    target: Path


def _is_compiled(member: Member, roots: Sequence[str]) -> bool:
    if member.content is None or member.link or not member.path.endswith(".py"):
        return False
    below = (member.path[len(root) + 1 :] for root in roots if member.path.startswith(f"{root}/"))
    path = next(below, None)
    return path is not None and not is_test_module(path)


def _source(member: Member, spare: Path) -> Path:
    """The file with the content of ``member``: ``spare``, unless it has one."""
    if isinstance(member.content, Path):
        return member.content
    spare.write_bytes(b"".join(read(member)))
    return spare


def _cache(path: str, tag: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def _compile_batch(command: Sequence[str], jobs: Sequence[_Job], work: Path) -> list[bool]:
    """Whether the process ``command`` has compiled each of ``jobs``."""
    text = json.dumps([[_text(job.source), job.name, _text(job.target)] for job in jobs])
    # Files: what a process says need not fit into memory.
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.run(
                command,
                input=text.encode("ascii"),
                stdout=answers,
                stderr=complaints,
                cwd=work,
                env={**interpreter_variables(), "PYTHONHASHSEED": "0"},
                check=False,
            )
        except OSError as error:
            raise BuildError(
                f"The interpreter that compiles modules cannot be started: {words(error)}",
                hint=_HINT,
            ) from error
        answers.seek(0)
        found = [answer.strip() == b"true" for answer in islice(answers, len(jobs))]
        if process.returncode or len(found) < len(jobs):
            raise _failure(command[0], process.returncode, jobs[len(found) :], complaints)
    return found


def _failure(
    interpreter: str, status: int, left: Sequence[_Job], complaints: IO[bytes]
) -> BuildError:
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - _WORDS))
    said = complaints.read().decode("utf-8", "replace").strip()
    if status == _NO_FILE:
        return BuildError(f"Modules cannot be compiled: {said.splitlines()[-1]}", hint=_ROOM)
    # Without a word it is a crash of the compiler.
    at = f" at `{left[0].name}`" if left and not said else ""
    return BuildError(
        f"Modules cannot be compiled: {interpreter} ended with status {status}{at}",
        detail="\n".join(f"  {line}" for line in said.splitlines()),
        hint=_HINT,
    )


def _text(path: Path) -> str:
    """``path`` as an interpreter in UTF-8 mode has it, whatever the mode of this one is."""
    return os.fsencode(path.absolute()).decode("utf-8", "surrogateescape")
