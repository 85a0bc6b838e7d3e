"""The real front ends, run on projects, with the plugin of this checkout at hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import demo
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class FrontEnds:
    """What runs builds, in an environment of its own.

    ``wheels`` is a folder with one wheel, the plugin's, which find-links points at. ``environment``
    holds all environment variables of the processes. ``python`` is the interpreter that runs them.
    """

    wheels: Path
    environment: Mapping[str, str]
    python: str = sys.executable

    def run(
        self,
        tool: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        under: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run ``tool`` in ``cwd`` with ``env`` on top of the environment; say what it said.

        ``"hatch"``, ``"build"`` and ``"uv"`` make an environment for the build, which takes some
        seconds, and find the plugin's wheel. ``"hatchling"`` is what ``hatch build -t NAME`` runs
        there, as ``hatchling build -t NAME``: run from the tests' environment it is quick, and its
        coverage is measured.

        With ``check`` the test fails where the tool does; ``under`` is a command that runs it.
        """
        done = subprocess.run(
            [*under, self.python, "-m", tool, *arguments],
            cwd=cwd,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        said = f"{tool} {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not check or done.returncode == 0, said
        return done


def make_front_ends(shared: Path) -> FrontEnds:
    """The front ends of this test session, whose processes share the folder ``shared``."""
    shared.mkdir(parents=True, exist_ok=True)
    with FileLock(shared / "wheel.lock"):
        wheels = next(shared.glob("wheel-*"), None) or _build_wheel(shared)
    inherited = {name: value for name, value in os.environ.items() if not _is_own(name)}
    environment = demo.build_environment(inherited, wheels, shared / "hatch")
    return FrontEnds(
        wheels,
        {
            **environment,
            "HATCH_VENVLAYER_CACHE": str(shared / "store"),
            "NO_COLOR": "1",
            "PYTHONUTF8": "1",
        },
    )


def _build_wheel(shared: Path) -> Path:
    building = shared / "building"
    demo.build_wheel(building)
    (wheel,) = building.glob("*.whl")
    # uv keeps what it found in a folder by the folder's path and the wheel's name: an edited plugin
    # of the same version must not lie where an earlier session's did.
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:16]
    return building.rename(shared / f"wheel-{digest}")


def _is_own(name: str) -> bool:
    # What developers set for builds of their own, and what pytest says of the running test.
    prefixes = ("HATCH_BUILD_", "HATCH_VENVLAYER_", "PYTEST_")
    return name.startswith(prefixes) or name in {"FORCE_COLOR", "SOURCE_DATE_EPOCH"}
