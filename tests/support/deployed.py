"""Deployment roots: unpacked as on another machine, run there, and watched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demo
import pytest

from hatch_venvstacks.model.formats.archive_format import ArchiveFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What belongs to the platform and not to Python: its shell, its libraries, its devices.
_PLATFORM = re.compile(r"/(bin|sbin|lib\d*|etc|proc|sys|dev|usr/(bin|sbin|lib\d*|share))(/|$)")
_OPENED = re.compile(r'(?:open|openat|execve)\((?:[^",]*, )?"((?:[^"\\]|\\.)*)".*\) = \d')


def unpack_all(archives: Iterable[Path], root: Path) -> Path:
    """Unpack ``archives`` of any format side by side into the new folder ``root``."""
    root.mkdir(parents=True)
    for archive in archives:
        if archive.suffix == ArchiveFormat.ZIP.suffix:
            # As Windows does it: without modes.
            shutil.unpack_archive(archive, root)
        elif archive.name.endswith(ArchiveFormat.TAR_ZST.suffix):
            demo.unpack(archive, root)
        else:
            with tarfile.open(archive) as tar:
                if hasattr(tarfile, "data_filter"):
                    tar.extraction_filter = tarfile.data_filter
                tar.extractall(root)  # noqa: S202 - we have just made it
    return root


def run(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``cwd`` with nothing but ``env`` in its environment; it must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def facts(python: Path, cwd: Path, source: str) -> Any:
    """What a program prints as JSON, run by ``python`` with an empty environment."""
    return json.loads(run([python, "-c", source], cwd).stdout)


def hidden(prefix: Path) -> list[str]:
    """The beginning of a command that sees an empty folder in the place of ``prefix``.

    Skips the test where the machine does not allow it.
    """
    words = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$1" && shift && exec "$@"']
    for command in (words, ["unshare", "-r", *words[1:]]):
        full = [*command, "sh", str(prefix)]
        if shutil.which("unshare") and _succeeds([*full, "ls", str(prefix)], expected=""):
            return full
    pytest.skip("no mount namespace can be made here: needs unshare and the right to use it")


def opened_files(
    command: Sequence[str | Path], cwd: Path, log: Path, env: Mapping[str, str]
) -> set[Path]:
    """Every file that ``command`` and its children open or start, by its real path.

    Skips the test where there is no strace.
    """
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    traced = "trace=open,openat,execve"
    strace: list[str | Path] = ["strace", "-f", "-qq", "-s", "4096", "-e", traced, "-o", log]
    run([*strace, *command], cwd, env)
    paths = set()
    for match in _OPENED.finditer(log.read_text("utf-8", "replace")):
        text = match[1].encode().decode("unicode_escape").encode("latin-1").decode("utf-8")
        paths.add(Path(cwd, text).resolve())
    return paths


def foreign(paths: Iterable[Path], *allowed: Path) -> list[Path]:
    """Those of ``paths`` that are neither below an ``allowed`` folder nor the platform's."""
    roots = [folder.resolve() for folder in allowed]
    return sorted(
        path
        for path in paths
        if not _PLATFORM.match(str(path)) and not any(path.is_relative_to(root) for root in roots)
    )


def _succeeds(command: Sequence[str], expected: str) -> bool:
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0 and done.stdout == expected
