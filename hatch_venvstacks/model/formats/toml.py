"""TOML files as Python values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover (python < 3.11)
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

# What is no TOML.
TomlError = tomllib.TOMLDecodeError


def parse_toml(text: str) -> dict[str, Any]:
    """The table that the document ``text`` is.

    :raises TomlError: where it is none (https://toml.io/en/v1.0.0).
    """
    return tomllib.loads(text)


def read_toml(path: Path) -> dict[str, Any]:
    """The table that the file ``path`` holds.

    :raises OSError: where it cannot be read.
    :raises UnicodeDecodeError: where it is not in UTF-8.
    :raises TomlError: where it is no TOML.
    """
    return parse_toml(path.read_text("utf-8"))
