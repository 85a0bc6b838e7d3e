"""Stacks of layers, and the distributions in them, as values that can be read and compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUNTIME = "rt"
APP = "app"


@dataclass(frozen=True)
class Distribution:
    """A wheel: ``files`` in the site directory, ``data`` and ``scripts`` in its data folder.

    ``modules`` can be imported, or fail in the same way everywhere.
    """

    name: str
    version: str
    files: Mapping[str, str]
    modules: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    entry_points: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    extras: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = [*self.files, *(f"scripts/{one}" for one in self.scripts), *self.data]
        lines = [f"requires {', '.join(self.requires)}"] if self.requires else []
        lines += [f"has {' '.join(sorted(names))}"]
        lines += [f"{name}: {text!r}" for name, text in self.files.items() if ".pth" in name]
        return "\n".join((f"{self.name} {self.version}", *(f"    {line}" for line in lines)))

    def write(self, folder: Path) -> Path:
        return make_wheel(
            folder=folder,
            name=self.name,
            version=self.version,
            files=self.files,
            requires=self.requires,
            extras=self.extras,
            entry_points=self.entry_points,
            scripts=self.scripts,
            data=self.data,
        )


@dataclass(frozen=True)
class Layer:
    """A layer: what it stands on and what it requires. Only the runtime stands on nothing."""

    name: str
    bases: tuple[str, ...]
    requirements: tuple[str, ...]

    def __str__(self) -> str:
        bases = f" on {', '.join(self.bases)}" if self.bases else ""
        return f"{self.name}{bases}: {', '.join(self.requirements) or 'nothing'}"


@dataclass(frozen=True)
class MadeUpStack:
    """Layers, each after those that it stands on, the application last; and distributions.

    ``namespaces`` maps packages without code of their own to how their parts are made;
    ``order`` is the import order of the application.
    """

    seed: int
    distributions: tuple[Distribution, ...]
    layers: tuple[Layer, ...]
    namespaces: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]

    def __str__(self) -> str:
        spaces = (f"{name}: {', '.join(kinds)}" for name, kinds in self.namespaces.items())
        return "\n".join(str(one) for one in (*self.layers, *spaces, *self.distributions))
