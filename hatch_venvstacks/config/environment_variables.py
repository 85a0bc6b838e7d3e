"""What may change from call to call: environment variables become values here, and only here."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import InvalidName, canonicalize_name

from hatch_venvstacks.common.errors import ConfigError, did_you_mean
from hatch_venvstacks.common.errors import words as words_of
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME
from hatch_venvstacks.model.platforms import PLATFORMS
from hatch_venvstacks.model.workshop import LockingOptions, Upgrade
from hatch_venvstacks.store.eviction import DEFAULT_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

# What chooses the target platforms of a build.
PLATFORM = "HATCH_VENVLAYER_PLATFORM"
CACHE_VARIABLE = "HATCH_VENVLAYER_CACHE"
LOCKED = "HATCH_VENVLAYER_LOCKED"
UPGRADE = "HATCH_VENVLAYER_UPGRADE"
SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"

MIRROR = "UV_PYTHON_INSTALL_MIRROR"
SIZE_VARIABLE = "HATCH_VENVLAYER_CACHE_SIZE"
_DIGITS = 30
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def locking_options(environ: Mapping[str, str] | None = None) -> LockingOptions:
    """What ``HATCH_VENVLAYER_LOCKED`` and ``HATCH_VENVLAYER_UPGRADE`` say.

    :raises ConfigError: where one has a value that it cannot have.
    """
    environ = os.environ if environ is None else environ
    upgrade = environ.get(UPGRADE, "")
    return LockingOptions(_switch(environ, LOCKED), _upgrade(upgrade) if upgrade else Upgrade())


def source_date(environ: Mapping[str, str] | None = None) -> int:
    """What dates the project's own files, in seconds since the epoch.

    ``SOURCE_DATE_EPOCH`` is described at https://reproducible-builds.org/specs/source-date-epoch/.

    :raises ConfigError: where it has a value that it cannot have.
    """
    environ = os.environ if environ is None else environ
    epoch = environ.get(SOURCE_DATE_EPOCH, "")
    if not epoch:
        return MEMBER_TIME
    # A tar header has eleven octal digits for the time.
    if len(epoch) > 11 or not (epoch.isascii() and epoch.isdigit()) or int(epoch) >= 8**11:
        raise ConfigError(
            f"The environment variable `{SOURCE_DATE_EPOCH}` is `{epoch}`",
            hint="It must be a number of seconds since 1970-01-01",
        )
    return int(epoch)


def named_platforms(environ: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
    """The target platforms that ``HATCH_VENVLAYER_PLATFORM`` names; empty for ``all``.

    ``None`` where it is unset: then a build is for this machine.

    :raises ConfigError: where it names something else.
    """
    environ = os.environ if environ is None else environ
    words = [word.strip() for word in environ.get(PLATFORM, "").split(",") if word.strip()]
    if not words:
        return None
    if words == ["all"]:
        return ()
    for word in words:
        if word == "all":
            raise ConfigError(
                f"The environment variable `{PLATFORM}` names `all` and others",
                hint="Leave the others out, or `all`",
            )
        if word not in PLATFORMS:
            raise ConfigError(
                f"The environment variable `{PLATFORM}` names no target platform: `{word}`"
                f"{did_you_mean(word, PLATFORMS)}",
                hint=f"It must be `all`, or some of {', '.join(PLATFORMS)}, with commas between",
            )
    return tuple(name for name in PLATFORMS if name in words)


def _upgrade(value: str) -> Upgrade:
    words = [word.strip() for word in value.split(",") if word.strip()]
    if [word.lower() for word in words] in (["0"], ["false"]):
        return Upgrade()
    if [word.lower() for word in words] in (["all"], ["1"], ["true"]):
        return Upgrade(everything=True)
    try:
        return Upgrade(names=frozenset(canonicalize_name(word, validate=True) for word in words))
    except InvalidName as error:
        raise ConfigError(
            f"The environment variable `{UPGRADE}` is `{value}`",
            detail=f"  {words_of(error)}",
            hint="It must be `all`, or names of packages with commas between",
        ) from error


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").lower()
    if value not in ("", "0", "1", "false", "true"):
        raise ConfigError(
            f"The environment variable `{name}` is `{value}`",
            hint="It must be `1` or `true`, `0` or `false`, or unset",
        )
    return value in ("1", "true")


def cache_size(environ: Mapping[str, str] | None = None) -> int:
    """The bound of the store in bytes, by ``HATCH_VENVLAYER_CACHE_SIZE`` (``500MB``, ``20GiB``).

    :raises ConfigError: where that is no size.
    """
    environ = os.environ if environ is None else environ
    text = environ.get(SIZE_VARIABLE, "").strip()
    if not text:
        return DEFAULT_SIZE
    found = re.fullmatch(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]i?)?b?", text, re.IGNORECASE)
    # Longer numbers than any disk has bytes are not even numbers to `float`.
    if found is None or len(found["number"]) > _DIGITS:
        raise ConfigError(
            f"The environment variable `{SIZE_VARIABLE}` is `{text}`",
            hint="It must be a number of bytes, or one with a unit, such as `500MB` or `20GiB`",
        )
    unit = (found["unit"] or "").lower()
    return int(float(found["number"]) * {**_UNITS, **_BINARY_UNITS}[unit])


def build_location(environ: Mapping[str, str] | None = None) -> str:
    """The output folder that the front end names, or nothing.

    Source: https://hatch.pypa.io/latest/config/build/#environment-variables.
    """
    environ = os.environ if environ is None else environ
    return environ.get("HATCH_BUILD_LOCATION", "")


def runtime_mirror(environ: Mapping[str, str] | None = None) -> str:
    """The address that stands for that of python-build-standalone's releases, or nothing.

    Source: https://docs.astral.sh/uv/reference/environment/#uv_python_install_mirror.
    """
    environ = os.environ if environ is None else environ
    return environ.get(MIRROR, "").rstrip("/")


def default_root() -> Path:
    """The folder that ``HATCH_VENVLAYER_CACHE`` names, or ``hatch-venvstacks`` in the user's cache.

    Source of the latter: https://platformdirs.readthedocs.io/en/latest/api.html.

    :raises ConfigError: where the variable cannot name a folder.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        try:
            root = Path(chosen).expanduser().absolute()
            str(root).encode()  # as uv and locks have it
        except (RuntimeError, UnicodeEncodeError) as error:
            raise ConfigError(
                f"The environment variable `{CACHE_VARIABLE}` is `{ascii(chosen)[1:-1]}`",
                hint="It must be the path of a folder, in UTF-8; `~NAME` is that of a user",
            ) from error
        return root

    import platformdirs

    return platformdirs.user_cache_path("hatch-venvstacks", appauthor=False)
