"""The shared libraries that a CPython itself brings, for what layers may need of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from hatch_venvstacks.composition.native_files import read_native
from hatch_venvstacks.model.spec import RuntimeOrigin
from hatch_venvstacks.sources.runtimes.runtime import provide_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_venvstacks.composition.native_files import Native
    from hatch_venvstacks.model.context import Context
    from hatch_venvstacks.pipeline.lock import LockedLayer

_FOLDER = "lib"


class RuntimeLibraries:
    """The libraries in the folder ``lib`` of the CPython below ``layer``, by path in its layer.

    They are looked for at the first call, in the CPython of the platform that is built for; one of
    the ``host`` is looked at where it is installed. ``work`` is a folder that does not exist yet.
    """

    def __init__(self, layer: LockedLayer, work: Path, context: Context) -> None:
        self._layer, self._work, self._context = layer, work, context

    def __call__(self) -> Mapping[str, Native]:
        return self._found

    @cached_property
    def _found(self) -> dict[str, Native]:
        folder = self._root / _FOLDER
        found = {}
        for path in sorted(folder.glob(self._pattern)):
            if path.is_file():
                native = read_native(path, self._context.platform)
                if native is not None:
                    found[f"{_FOLDER}/{path.name}"] = native
        return found

    @property
    def _pattern(self) -> str:
        # Beside what is copied of a host, its folder may hold anything.
        return "libpython*" if self._layer.runtime.origin is RuntimeOrigin.HOST else "*"

    @property
    def _root(self) -> Path:
        layer, context = self._layer, self._context
        if layer.runtime.origin is RuntimeOrigin.HOST:
            from hatch_venvstacks.sources.runtimes.host import describe

            return describe().prefix
        return provide_runtime(
            layer.runtime,
            context.platform.name,
            layer.stack.runtime.root,
            store=context.store,
            work=self._work,
            reporter=context.reporter,
        ).root
