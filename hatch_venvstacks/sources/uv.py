"""The only door to the uv process.

uv resolves, fetches and unpacks wheels (https://docs.astral.sh/uv/). What it may see of the
caller's environment is listed here: an inherited ``UV_PYTHON`` would outrank the interpreter that
is asked for, and an inherited ``VIRTUAL_ENV`` would name another one.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.common.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# What a process needs to start, to find the user's folders, and to reach the network.
_SYSTEM = re.compile(
    r"""
        APPDATA | COMSPEC | LOCALAPPDATA | PATHEXT | PROGRAMDATA | SYSTEMDRIVE | SYSTEMROOT
      | USERNAME | USERPROFILE | WINDIR
      | HOME | LANG | LC_ALL | LOGNAME | PATH | TE?MP | TMPDIR | USER
      | DBUS_SESSION_BUS_ADDRESS | XDG_(CACHE_HOME | CONFIG_DIRS | CONFIG_HOME | DATA_HOME
      | RUNTIME_DIR)
      | (ALL | HTTP | HTTPS | NO)_PROXY | NETRC | SSL_CERT_DIR | SSL_CERT_FILE | SSL_CLIENT_CERT
      | PYTHON_KEYRING_BACKEND
    """,
    re.VERBOSE,
)
# Where packages come from and how they are fetched is the user's to say; what is done with them,
# by which interpreter and where to, is ours.
_UV = re.compile(
    r"""UV_ (
        CACHE_DIR | CONCURRENT_\w+ | CONFIG_FILE | DEFAULT_INDEX | EXCLUDE_NEWER | EXTRA_INDEX_URL
      | FIND_LINKS | HTTP_\w+ | INDEX(_\w+)? | INSECURE_HOST | KEYRING_PROVIDER | LOCK_TIMEOUT
      | NATIVE_TLS | NO_CACHE | NO_CONFIG | OFFLINE | PRERELEASE | REQUEST_TIMEOUT
      | SYSTEM_CERTS
    )""",
    re.VERBOSE,
)
_PATHS = frozenset(
    ("NETRC", "SSL_CERT_DIR", "SSL_CERT_FILE", "SSL_CLIENT_CERT", "UV_CACHE_DIR", "UV_CONFIG_FILE")
)
# Variables that may hold paths or addresses, with what stands between several.
_LOCATIONS = {
    "UV_DEFAULT_INDEX": " ",
    "UV_EXTRA_INDEX_URL": " ",
    "UV_FIND_LINKS": ",",
    "UV_INDEX": " ",
    "UV_INDEX_URL": " ",
}
_NO_SETTINGS = "during settings discovery"
# uv (0.13) has an option of this name, and no variable for it.
_NO_INDEX = "UV_NO_INDEX"
# What asks indexes: wheels of a lock have addresses of their own.
_ASKING = ("build", "lock")
_OFF = ("", "0", "f", "false", "n", "no", "off")
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
    doing: str,
    environ: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    temporary: Path | None = None,
    heard: Callable[[str], None] | None = None,
    warn: Callable[[Sequence[str]], None] = lambda _: None,
) -> str:
    """Run uv in ``folder`` and give its standard output.

    ``doing`` says in an error what could not be done (``"The layer `x` cannot be locked"``);
    ``environ`` is the caller's environment, :data:`os.environ` by default; ``settings`` are
    further variables for uv. ``heard`` is given the lines that it says while it works, ``warn``
    afterwards what it warns of, a line each. Its temporary files go into a folder within
    ``temporary`` (by default within ``folder``): whoever removes that also removes what a killed uv
    has left.

    :raises ToolError: where uv fails; its own words are kept.
    """
    from uv import find_uv_bin

    environ = os.environ if environ is None else environ
    environment = uv_environment(environ)
    try:
        with tempfile.TemporaryDirectory(prefix=".uv-", dir=temporary or folder) as scratch:
            variables = {
                **environment,
                **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(Path(scratch).absolute())),
                **(settings or {}),
            }
            command = [find_uv_bin(), *arguments, *_no_index(arguments, environ)]
            status, output, said = _run(command, folder, variables, heard)
    except OSError as error:
        raise ToolError(f"uv cannot be started: {error}", hint="Install uv again") from error
    words = masked("\n".join(_words(said)), environment)
    # uv only warns of a setting that is not valid, and goes on without any of them.
    if status or _NO_SETTINGS in said:
        raise ToolError(doing, detail=words)
    warn([line.strip() for line in words.splitlines() if line.startswith("  uv: warning: ")])
    return output


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a uv process: from an allow-list, plus what we set ourselves."""
    passed = {
        name: _absolute(name.upper(), value)
        for name, value in environ.items()
        if _SYSTEM.fullmatch(name.upper()) or _UV.fullmatch(name.upper())
    }
    return {**passed, **_OURS}


def _run(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    heard: Callable[[str], None] | None,
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
                if heard is not None:
                    heard(line)
            return process.wait(), output.result(), "".join(said)
        except BaseException:
            process.kill()
            raise


def _no_index(arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The option that leaves only find-links, where the user asks for it."""
    is_on = environ.get(_NO_INDEX, "").lower() not in _OFF
    return ["--no-index"] if is_on and arguments[0] in _ASKING else []


def _absolute(name: str, value: str) -> str:
    """``value`` with its relative paths made absolute: uv runs in a folder of ours."""
    if name in _PATHS:
        return str(Path(value).absolute()) if value else value
    separator = _LOCATIONS.get(name)
    if separator is None:
        return value
    return separator.join(_location(one, name) for one in value.split(separator) if one)


def _location(text: str, variable: str) -> str:
    if "://" in text or text.startswith("file:"):
        return text
    # Only indexes have names: `name=place`.
    name, equals, place = ("", "", text) if variable == "UV_FIND_LINKS" else text.rpartition("=")
    return f"{name}{equals}{Path(place).absolute()}"


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
