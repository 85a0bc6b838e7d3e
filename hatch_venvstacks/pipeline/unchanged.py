"""Whether a build would give what is there already: then nothing of it is done.

What a build depends on is made into one key, and what came of it is kept in the store under that.
Files of the project are compared by their content. Only of what is large and not the project's own,
such as the archive itself, the file system's word is taken that nobody wrote to it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.archives.plan import recipe_key
from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.errors import ConfigError
from hatch_venvstacks.contents.compiler import compiler_identity
from hatch_venvstacks.sources.layer_siblings import locked_siblings
from hatch_venvstacks.store.store import remembered_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_venvstacks.archives.kept_segments import SegmentStore
    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.model.workshop import LayerProject, Projects
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels
    from hatch_venvstacks.store.store import Store

# Libraries whose answers decide what is packed.
_LIBRARIES = ("hatchling", "installer", "macholib", "packaging", "pyelftools")


@dataclass(frozen=True)
class Built:
    """What a build has made: the SHA-256 (hex) of the archive and of its metadata.

    ``warnings`` are what it had to say.
    """

    archive: str
    metadata: str
    warnings: tuple[str, ...]


class Recorder:
    """A reporter that remembers the warnings which it passes on."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.warnings: list[str] = []

    def info(self, message: str) -> None:
        self._reporter.info(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)
        self._reporter.warning(message)

    def debug(self, message: str) -> None:
        self._reporter.debug(message)


def read_files(layer: LockedLayer, projects: Projects, sibling_wheels: SiblingWheels) -> list[Any]:
    """What stands for the files that ``layer`` is made of, and that people may edit at any time.

    :raises VenvLayerError: where they cannot be found.
    """
    opened = [projects.open(spec.root) for spec in layer.stack.layers]
    return [
        [file_sha256(spec.lock_file) for spec in layer.stack.layers],
        [_files(project.loose_files("")) for project in opened],
        [_package(lower) for lower in opened[1:]],
        [*_siblings(layer, sibling_wheels)],
    ]


def inputs_key(
    project: LayerProject,
    layer: LockedLayer,
    own_wheel: Path | None,
    files: Sequence[Any],
    segment_store: SegmentStore,
    mtime: int,
) -> str:
    """What stands for all that the archive of ``layer`` depends on.

    ``own_wheel`` is that of the project, where that is a part of the layer; ``files`` is what
    :func:`read_files` gives; ``mtime`` dates the project's own files.

    :raises VenvLayerError: where something of it cannot be looked at.
    """
    return recipe_key(
        "archive",
        _tool(),
        [segment_store.top, str(segment_store.format), str(segment_store.compression)],
        [layer.platform.name, mtime],
        [repr(spec) for spec in layer.stack.layers],
        [layer.cpython.key(layer.platform.name), compiler_identity(layer)],
        [project.version, project.launch_name, *project.scripts, project.includes_project()],
        file_sha256(own_wheel) if own_wheel else "",
        files,
    )


def find_built(key: str, archive: Path, store: Store) -> Built | None:
    """What was built under ``key``, if that is what the file ``archive`` and its metadata are."""
    document = store.read_document(key)
    if document is None:
        return None
    built = Built(document["archive"], document["metadata"], tuple(document["warnings"]))
    try:
        if file_sha256(archive.with_name(f"{archive.name}.json")) != built.metadata:
            return None
        return built if remembered_sha256(archive, store) == built.archive else None
    except OSError:
        return None


def keep_built(key: str, built: Built, store: Store) -> None:
    """Keep what was built under ``key``."""
    document = {
        "archive": built.archive,
        "metadata": built.metadata,
        "warnings": list(built.warnings),
    }
    store.keep_document(key, document)


@cache
def _tool(package: Path = Path(__file__).parents[1]) -> list[str]:
    """What stands for this tool: its own files in all rooms, and the libraries that it asks."""
    own = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(package.rglob("*.py"))))
    return [own.hexdigest(), *(version(name) for name in _LIBRARIES)]


def _package(project: LayerProject) -> list[tuple[str, str, int]]:
    try:
        return _files(project.package_files())
    except ConfigError as error:
        return [(str(error), "", 0)]


def _files(files: Iterable[tuple[str, Path]]) -> list[tuple[str, str, int]]:
    states = []
    for path, file in files:
        digest, executable = "", 0
        with suppress(OSError):  # The build itself will say what is wrong with it.
            digest, executable = file_sha256(file), file.stat().st_mode & 0o100
        states.append((path, digest, executable))
    return sorted(states)


def _siblings(layer: LockedLayer, sibling_wheels: SiblingWheels) -> Iterator[str]:
    builder = sibling_wheels.builder(layer.cpython)
    for _, lock in ((layer.spec, layer.lock), *layer.below):
        for sibling in locked_siblings(lock, layer.platform.name):
            yield builder.key(sibling.root)
