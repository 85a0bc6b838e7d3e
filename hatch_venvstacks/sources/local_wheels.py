"""What a resolution depends on in a wheel that lies in a folder, and may be built anew."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import BuildError
from hatch_venvstacks.common.paths import shown_path
from hatch_venvstacks.sources.dist_info import parse_metadata, read_wheel_metadata
from hatch_venvstacks.store.store import remembered_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.store.store import Store

# What documents of this module hold, and how it is computed: a change raises it.
_DOCUMENT = 2


def requirements_digest(metadata: str) -> str:
    """A digest of the requirements in the text of a METADATA file, those of extras among them."""
    return _digest(parse_metadata(metadata).requires)


def read_requirements_digest(wheel: Path) -> str:
    """The digest for the file ``wheel``; empty where it requires nothing, or cannot be read."""
    try:
        requires = parse_metadata(read_wheel_metadata(wheel)).requires
    except BuildError:
        # A wheel that is gone is noticed where its hash is compared.
        return ""
    return _digest(requires) if requires else ""


def _digest(requires: Iterable[str]) -> str:
    lines = sorted(f"Requires-Dist: {requirement}" for requirement in requires)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def requirements_reader(store: Store) -> Callable[[Path], str]:
    """What does the same as :func:`read_requirements_digest`, and keeps what it finds in ``store``.

    It is for one moment: who lets wheels be built anew asks for another one afterwards.
    """

    @cache
    def read(wheel: Path) -> str:
        try:
            sha256 = remembered_sha256(wheel, store)
            key = f"requirements {_DOCUMENT} {sha256}"
            known = store.read_document(key)
            if known is None:
                known = read_requirements_digest(wheel)
                # Else it might be that of a wheel that has come in between.
                if remembered_sha256(wheel, store) == sha256:
                    store.keep_document(key, known)
        except OSError:
            return ""
        return str(known)

    return read


def is_wheel(path: Path) -> bool:
    """Whether a source is a single wheel, and no project."""
    return path.suffix == ".whl" and not path.is_dir()


def wheel_sources(spec: LayerSpec) -> dict[str, str]:
    """What a lock records of the sources of ``spec`` that are wheels: name -> where from.

    With the path, relative to the layer's folder, goes the marker under which it counts.
    """
    return {
        name: "; ".join(sorted(f"{path} ; {marker}" if marker else path for path, marker in found))
        for name, found in _by_name(spec).items()
    }


def _by_name(spec: LayerSpec) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for source in spec.uv.sources:
        if source.path is not None and is_wheel(source.path):
            place = shown_path(source.path, spec.root)
            found.setdefault(source.name, []).append((place, source.marker))
    return found
