"""Monorepos made up for a test: projects that are layers, written as a user would."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomlkit

from hatch_venvstacks.model.formats.archive_format import ArchiveFormat

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from front_end import FrontEnds

RUNTIME = "runtimes/rt"


@dataclass(frozen=True)
class Monorepo:
    """A folder of projects, and the front ends that build them.

    ``wheels`` is the only place where requirements are found.
    """

    root: Path
    wheels: Path
    front_ends: FrontEnds

    def layer(
        self,
        folder: str,
        *,
        dependencies: Sequence[str] = (),
        base: Sequence[str] = (),
        project: Mapping[str, Any] | None = None,
        tool: Mapping[str, Any] | None = None,
        **table: Any,
    ) -> Path:
        """Write the project ``folder`` (its first part is the kind); give its path.

        ``base`` are folders of the monorepo; ``project`` and ``tool`` are added to these tables,
        ``table`` to the layer's (with ``_`` for ``-``).
        """
        root = self.root / folder
        kind, name = folder.rsplit("/", 2)[-2:]
        layer: dict[str, Any] = {"kind": kind.removesuffix("s").replace("app", "application")}
        if layer["kind"] == "runtime":
            layer["python-source"] = "host"
        else:
            layer["base-layers"] = [
                os.path.relpath(self.root / other, root).replace(os.sep, "/") for other in base
            ]
        layer |= {key.replace("_", "-"): value for key, value in table.items()}
        document = {
            "build-system": {
                "requires": ["hatchling", "hatch-venvstacks"],
                "build-backend": "hatchling.build",
            },
            "project": {
                "name": name,
                "version": "1.0",
                "dependencies": list(dependencies),
                **(project or {}),
            },
            "tool": {"hatch": {"build": {"targets": {"venvlayer": layer}}}, **(tool or {})},
        }
        root.mkdir(parents=True, exist_ok=True)
        (root / "pyproject.toml").write_text(tomlkit.dumps(document), "utf-8")
        return root

    def runtime(self, **options: Any) -> Path:
        """Write a runtime: a copy of the interpreter that runs the tests."""
        return self.layer(RUNTIME, **options)

    def build(
        self,
        folder: str,
        version: str = "",
        *,
        tool: str = "hatchling",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        under: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Build the project ``folder`` as a layer (``version``: ``"lock"``, ``"export"``)."""
        target = f"venvlayer:{version}" if version else "venvlayer"
        known = self.front_ends.environment["UV_FIND_LINKS"]
        environment = {"UV_FIND_LINKS": f"{known},{self.wheels}"}
        if tool == "hatchling":
            # Names that a test makes up may exist elsewhere. (Hatch needs an index for itself.)
            empty = self.wheels / "empty-index"
            empty.mkdir(parents=True, exist_ok=True)
            environment["UV_DEFAULT_INDEX"] = empty.as_uri()
        environment.update(env or {})
        return self.front_ends.run(
            tool,
            "build",
            "-t",
            target,
            cwd=self.root / folder,
            env=environment,
            check=check,
            under=under,
        )

    def archives(self) -> list[Path]:
        """All archives that were built, for any platform."""
        return sorted(
            path
            for one in ArchiveFormat
            for path in self.root.glob(f"*/*/dist/venvlayer/*{one.suffix}")
        )


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write ``files`` (relative path -> text) below ``root``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def pypi() -> dict[str, str]:
    """What lets builds of a monorepo see PyPI, or what stands for it on this machine."""
    return {"UV_DEFAULT_INDEX": os.environ.get("UV_DEFAULT_INDEX", "https://pypi.org/simple")}
