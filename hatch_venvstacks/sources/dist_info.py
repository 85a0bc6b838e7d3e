"""What stands in the ``*.dist-info`` folder of a distribution."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.errors import BuildError, words

if TYPE_CHECKING:
    from pathlib import Path


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


def wheel_metadata(wheel: Path) -> str:
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
