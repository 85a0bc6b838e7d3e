"""What stands in the ``*.dist-info`` folder of a distribution."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import BuildError, words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from installer.records import Hash


@dataclass(frozen=True)
class CoreMetadata:
    """Fields of a METADATA file as they stand there; what is missing is empty.

    ``requires`` are :pep:`508` strings, those of ``extras`` among them.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    extras: tuple[str, ...]
    requires_python: str


def parse_metadata(text: str) -> CoreMetadata:
    """The fields of the METADATA file with that ``text``, which are not checked.

    Of a field that stands there more often than it may, the first counts, as for uv.

    Source: https://packaging.python.org/en/latest/specifications/core-metadata/.
    """
    from packaging.metadata import parse_email

    raw, unparsed = parse_email(text)
    first = {name.replace("-", "_"): values[0] for name, values in unparsed.items()}
    fields: dict[str, Any] = {**first, **raw}
    return CoreMetadata(
        name=fields.get("name", ""),
        version=fields.get("version", ""),
        requires=tuple(fields.get("requires_dist", ())),
        extras=tuple(fields.get("provides_extra", ())),
        requires_python=fields.get("requires_python", ""),
    )


def read_wheel_metadata(wheel: Path) -> str:
    """The text of the METADATA file in the file ``wheel``.

    Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/.

    :raises BuildError: where there is none that could be read.
    """
    from installer.sources import WheelFile

    try:
        with zipfile.ZipFile(wheel) as archive:
            name = f"{WheelFile(archive).dist_info_dir}/METADATA"
            return archive.read(name).decode("utf-8", "replace")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise BuildError(
            f"The wheel {wheel.name} has no METADATA that could be read: {words(error)}"
        ) from error


def parse_record(text: str) -> list[tuple[str, str]]:
    """The files in the RECORD with that ``text``: ``(path, "sha256=…")``, or no hash.

    Paths are relative to the folder above, with ``/``; empty lines are passed over.

    Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/.

    :raises ValueError: where it is no RECORD.
    """
    from installer.records import InvalidRecordEntry, parse_record_file

    lines = (line for line in io.StringIO(text) if line.strip())
    try:
        return [(path, recorded) for path, recorded, _ in parse_record_file(lines)]
    except (csv.Error, InvalidRecordEntry) as error:
        raise ValueError(words(error)) from error


def record_hash(chunks: Iterable[bytes]) -> tuple[Hash, int]:
    """What RECORD says of a file with that content: its hash, and its size in bytes."""
    from installer.records import Hash

    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return Hash("sha256", base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()), size


def parse_scripts(text: str) -> dict[str, tuple[str, bool]]:
    """The scripts that the ``entry_points.txt`` with that ``text`` asks for, by their names.

    Each comes as what it calls, as it stands there and unchecked, and whether it is of a GUI.
    Installers read this file as one of :mod:`configparser`: of a name that stands twice, the last
    one counts, and a value may stand on a line of its own. Neither
    ``installer.utils.parse_entrypoints`` (1.1) nor :mod:`importlib.metadata` (3.14) takes both.

    Source: https://packaging.python.org/en/latest/specifications/entry-points/.

    :raises ValueError: where the file cannot be parsed.
    """
    from configparser import ConfigParser
    from configparser import Error as ConfigParserError

    # No section of the file is to be taken as the defaults of all others.
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False, default_section="\0")
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    try:
        parser.read_string(text)
    except ConfigParserError as error:
        raise ValueError(str(error)) from error
    return {
        name: (value, group == "gui_scripts")
        for group in ("console_scripts", "gui_scripts")
        if parser.has_section(group)
        for name, value in parser.items(group)
    }
