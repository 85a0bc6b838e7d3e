"""The only door to the uv process.

uv resolves, fetches and unpacks wheels (https://docs.astral.sh/uv/). What it may see of the
caller's environment is in :mod:`hatch_venvstacks.config.inherited_variables`.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.common.redaction import masked
from hatch_venvstacks.config.inherited_variables import (
    uses_no_index,
    uv_variables,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_NO_SETTINGS = "during settings discovery"
# What asks indexes: wheels of a lock have addresses of their own.
_ASKING = ("build", "lock")
_OURS = {
    "NO_COLOR": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "UV_NO_INSTALLER_METADATA": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
}


def run_uv(
    arguments: Sequence[str],
    *,
    folder: Path,
    failure: str,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    temporary: Path | None = None,
    listen: Callable[[str], None] | None = None,
    warn: Callable[[Sequence[str]], None] = lambda _: None,
) -> str:
    """Run uv in ``folder`` and give its standard output.

    ``failure`` says in an error what could not be done (``"The layer `x` cannot be locked"``);
    ``environ`` is the caller's environment, :data:`os.environ` by default; ``settings`` are
    further variables for uv. ``listen`` is given the lines that it says while it works, ``warn``
    afterwards what it warns of, a line each. Its temporary files go into a folder within
    ``temporary`` (by default within ``folder``): whoever removes that also removes what a killed uv
    has left.

    :raises ToolError: where uv fails; its own words are kept.
    """
    from uv import find_uv_bin

    environment = uv_environment(environ)
    try:
        with tempfile.TemporaryDirectory(prefix=".uv-", dir=temporary or folder) as scratch:
            variables = {
                **environment,
                **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(Path(scratch).absolute())),
                **(settings or {}),
            }
            command = [find_uv_bin(), *arguments, *_no_index(arguments, environ)]
            status, output, said = _run(command, folder, variables, listen)
    except OSError as error:
        raise ToolError(f"uv cannot be started: {error}", hint="Install uv again") from error
    words = masked("\n".join(_words(said)), environment)
    # uv only warns of a setting that is not valid, and goes on without any of them.
    if status or _NO_SETTINGS in said:
        raise ToolError(failure, detail=words)
    warn([line.strip() for line in words.splitlines() if line.startswith("  uv: warning: ")])
    return output


def uv_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a uv process: what it may see of ``environ``, plus what we set ourselves.

    :data:`os.environ` is the default.
    """
    return {**uv_variables(environ), **_OURS}


def _run(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    listen: Callable[[str], None] | None,
) -> tuple[int, str, str]:
    """The exit status of a process, its standard output, and what it said besides."""
    with (
        subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process,
        ThreadPoolExecutor(1) as reader,
    ):
        try:
            output = reader.submit("".join, process.stdout or ())
            said = []
            for line in process.stderr or ():
                said.append(line)
                if listen is not None:
                    listen(line)
            return process.wait(), output.result(), "".join(said)
        except BaseException:
            process.kill()
            raise


def _no_index(arguments: Sequence[str], environ: Mapping[str, str] | None) -> list[str]:
    """The option that leaves only find-links, where the user asks for it."""
    return ["--no-index"] if uses_no_index(environ) and arguments[0] in _ASKING else []


def _words(stderr: str) -> Iterator[str]:
    chatter = (
        *("Using CPython ", "Using Python ", "Ignoring existing "),
        *("Downloading ", " Downloaded "),
        # It names a setting of the generated project, which is none of the user's.
        "hint: The resolution failed for an environment that is not the current one",
        *("warning: The `--pylock`", "warning: Resolving despite existing lockfile"),
    )
    # The platform is named by us.
    text = re.sub(r" for split \(markers: [^\n]*\)$", "", stderr, flags=re.MULTILINE)
    lines = (line.rstrip() for line in text.splitlines())
    yield from (f"  uv: {line}" for line in lines if line and not line.startswith(chatter))
