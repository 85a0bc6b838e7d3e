"""What processes that this tool starts see of the caller's environment: allow-lists.

An inherited ``UV_PYTHON`` would outrank the interpreter that is asked for, and an inherited
``VIRTUAL_ENV`` would name another one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
UV_VARIABLES = re.compile(
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
# uv (0.13) has an option of this name, and no variable for it.
NO_INDEX = "UV_NO_INDEX"
_OFF = ("", "0", "f", "false", "n", "no", "off")
# What a build is told by its caller beyond uv's settings: compilers, and versions for sources
# without their history (https://setuptools-scm.readthedocs.io/en/latest/overrides/).
_PASSED_ON = re.compile(
    r"""
        CC | CXX | (C | CXX | CPP | LD | RUST)FLAGS | ARCHFLAGS | PKG_CONFIG_PATH
      | CARGO_HOME | RUSTUP_HOME | RUSTUP_TOOLCHAIN
      | (SETUPTOOLS_SCM | VCS_VERSIONING)_PRETEND_(VERSION | METADATA)(_FOR_\w+)?
    """,
    re.VERBOSE,
)


def uv_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What uv may see of ``environ``, by default :data:`os.environ`; paths are absolute in it."""
    environ = os.environ if environ is None else environ
    return {
        name: _absolute(name.upper(), value)
        for name, value in environ.items()
        if _SYSTEM.fullmatch(name.upper()) or UV_VARIABLES.fullmatch(name.upper())
    }


def uses_no_index(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user wants wheels from find-links only (``UV_NO_INDEX``)."""
    environ = os.environ if environ is None else environ
    return environ.get(NO_INDEX, "").lower() not in _OFF


def backend_variables(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the build backends of siblings may see, beyond what uv may see."""
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if _PASSED_ON.fullmatch(name)}


def named_variables(names: Iterable[str]) -> dict[str, str]:
    """The variables of those ``names``, which a project says that its builds depend on."""
    return {name: os.environ.get(name, "") for name in names}


def interpreter_variables() -> dict[str, str]:
    """What an interpreter may see that works for us.

    Windows starts no Python without it (https://docs.python.org/3/library/subprocess.html).
    """
    return {name: value for name, value in os.environ.items() if name.upper() == "SYSTEMROOT"}


def _absolute(name: str, value: str) -> str:
    """``value`` with its relative paths made absolute: uv runs in a folder of ours."""
    if name in _PATHS:
        return str(Path(value).absolute()) if value else value
    separator = _LOCATIONS.get(name)
    if separator is None:
        return value
    return separator.join(
        _location(location, name) for location in value.split(separator) if location
    )


def _location(text: str, variable: str) -> str:
    if "://" in text or text.startswith("file:"):
        return text
    # Only indexes have names: `name=place`.
    name, equals, place = ("", "", text) if variable == "UV_FIND_LINKS" else text.rpartition("=")
    return f"{name}{equals}{Path(place).absolute()}"
