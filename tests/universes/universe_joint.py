"""What one resolution of many requirements gives: uv's, without any layers.

This shares no code with :mod:`hatch_venvstacks.locking.resolve`, which it is to be compared with:
uv is called directly, and what it exports is read by :mod:`packaging.pylock`.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.pylock import PackageWheel, Pylock
from uv import find_uv_bin

from hatch_venvstacks.model.formats.toml import parse_toml
from hatch_venvstacks.model.platforms import PLATFORMS, marker_environment, wheel_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Chosen:
    """The wheel that a lock selects for a distribution."""

    version: str
    filename: str
    sha256: str


@dataclass(frozen=True)
class Joint:
    """Joint resolutions for CPython ``python``, in subfolders of ``folder``.

    ``index`` is a folder of wheels, or ``None`` for what uv takes by itself, ``interpreter`` a
    CPython of that minor release; ``tables`` is TOML that the project ends with. Later patch
    releases are resolved for as well, unless ``exact``.
    """

    folder: Path
    index: Path | None
    interpreter: Path
    python: str
    tables: str = ""
    exact: bool = False

    def resolve(
        self,
        requirements: Sequence[str],
        platforms: Sequence[str],
        *,
        preferred: Mapping[str, Mapping[str, str]] | None = None,
        fixed: Mapping[str, str] | None = None,
    ) -> Mapping[str, Mapping[str, Chosen]] | str:
        """Platform -> normalized name -> what is chosen there; uv's words where nothing can be.

        ``preferred`` maps platforms to the versions that are taken where they do, ``fixed`` maps
        names to versions that are the only ones.
        """
        work = self.folder / uuid.uuid4().hex
        work.mkdir(parents=True)
        constraints = [f"{name}=={version}" for name, version in (fixed or {}).items()]
        project = self._project(requirements, platforms, constraints)
        (work / "pyproject.toml").write_text(project, "utf-8")
        if preferred:
            (work / "uv.lock").write_text(self._preferences(preferred), "utf-8")
        locked = self._uv("lock", cwd=work)
        if locked.returncode:
            # That uv was called in a wrong way is no answer.
            assert "No solution found" in locked.stderr, locked.stderr
            return locked.stderr
        arguments = ("--frozen", "--no-header", "--format", "pylock.toml")
        exported = self._uv("export", *arguments, cwd=work)
        assert exported.returncode == 0, exported.stderr
        lock = Pylock.from_dict(parse_toml(exported.stdout))
        return {platform: select(lock, platform, self.python) for platform in platforms}

    def _uv(self, command: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        alone = ("--offline", "--no-index", "--find-links", str(self.index)) if self.index else ()
        line = [find_uv_bin(), command, "--python", str(self.interpreter), *arguments]
        passed = (
            *("PATH", "HOME", "SYSTEMROOT", "TMPDIR", "UV_CACHE_DIR", "UV_DEFAULT_INDEX"),
            *("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "HTTPS_PROXY", "HTTP_PROXY"),
        )
        return subprocess.run(
            [*line, *(alone if command == "lock" else ())],
            cwd=cwd,
            env={name: os.environ[name] for name in passed if name in os.environ},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    def _project(
        self, requirements: Sequence[str], platforms: Sequence[str], constraints: Sequence[str]
    ) -> str:
        major, minor = (int(part) for part in self.python.split(".")[:2])
        markers = [self._marker(platform) for platform in platforms]
        releases = f"=={self.python}" if self.exact else f">={self.python},<{major}.{minor + 1}"
        # A list of strings is written in the same way in Python and in TOML.
        return f"""
[project]
name = "joint"
version = "0"
requires-python = "{releases}"
dependencies = {list(requirements)!r}
[tool.uv]
package = false
no-build = true
environments = {markers!r}
required-environments = {markers!r}
constraint-dependencies = {list(constraints)!r}
[tool.uv.workspace]
{self.tables}
"""

    def _preferences(self, preferred: Mapping[str, Mapping[str, str]]) -> str:
        """A ``uv.lock`` that holds other versions in each of uv's forks, one for a platform."""
        markers: dict[tuple[str, str], list[str]] = {}
        for platform, versions in preferred.items():
            for item in versions.items():
                markers.setdefault(item, []).append(self._marker(platform))
        text = f'version = 1\nrevision = 3\nrequires-python = ">={self.python}"\n'
        for (name, version), found in sorted(markers.items()):
            text += f"""
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "https://pypi.org/simple" }}
resolution-markers = {found!r}
"""
        return text

    def _marker(self, platform: str) -> str:
        """A marker that says all of a platform: uv does not conclude one variable from another."""
        target, minor = PLATFORMS[platform], ".".join(self.python.split(".")[:2])
        return (
            f"sys_platform == '{target.sys_platform}' and os_name == '{target.os_name}'"
            f" and platform_machine == '{target.machine}' and python_version == '{minor}'"
            " and implementation_name == 'cpython' and platform_python_implementation == 'CPython'"
        )


def select(lock: Pylock, platform: str, python: str) -> dict[str, Chosen]:
    """Normalized name -> the wheel that ``lock`` gives for a platform's CPython ``python``."""
    target = PLATFORMS[platform]
    chosen = {}
    for package, wheel in lock.select(
        environment=marker_environment(target, python), tags=list(wheel_tags(target, python))
    ):
        assert isinstance(wheel, PackageWheel), f"{package.name} on {platform} is no wheel"
        version, sha256 = str(package.version), wheel.hashes["sha256"]
        chosen[str(package.name)] = Chosen(version, wheel.filename, sha256)
    return chosen
