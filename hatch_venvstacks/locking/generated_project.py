"""The generated project that ``uv lock`` resolves, and what uv exports of it.

The target platforms are the project's environments, and what the layers below hold are its
constraints: there they stay with their platform, which those of ``uv pip compile --universal`` do
not (https://docs.astral.sh/uv/concepts/resolution/#limited-resolution-environments).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.locking.index_pinning import registry_of, resolve_steered
from hatch_venvstacks.model.formats.toml import parse_toml, read_toml
from hatch_venvstacks.model.lock import requires_python
from hatch_venvstacks.model.platforms import environments
from hatch_venvstacks.sources.indexes import ResolutionIndexes
from hatch_venvstacks.sources.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.common.errors import ToolError
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.runtime import LockedRuntime
    from hatch_venvstacks.sources.held_below import Held

    # Target platform -> normalized name -> version.
    Pins = Mapping[str, Mapping[str, str]]

_NAMED = r"([a-z0-9][a-z0-9-]*)(?:[\[{][^\]}]*[\]}])?[=<>!~]=?\S* "
# How uv (0.13) says that all wheels of a release are for other platforms, or that there are none.
_NO_WHEELS = (
    re.compile(rf"{_NAMED}has no `[^`]*`-compatible wheels"),
    re.compile(rf"{_NAMED}has no (?:usable )?wheels"),
)
# Has to differ from every requirement.
_PROJECT = "venvlayer-resolution"


@dataclass(frozen=True)
class ResolutionSetting:
    """What a resolution stands on besides requirements.

    ``interpreter`` is a CPython of the minor release of ``runtime``, ``work`` an empty folder;
    what is ``excluded`` is left out though something requires it (normalized names); ``indexes``
    are where packages come from, besides what uv's environment says. ``release`` is the one of a
    runtime that is locked by its minor release only. ``warn`` is called with a topic and all lines
    that users should look at; those of an earlier call on that topic do not count any more. ``say``
    is called with a line on what takes long.
    """

    runtime: LockedRuntime
    platforms: tuple[TargetPlatform, ...]
    interpreter: Path
    work: Path
    excluded: tuple[str, ...] = ()
    indexes: ResolutionIndexes = field(default_factory=ResolutionIndexes)
    release: str = ""
    warn: Callable[[str, Sequence[str]], None] = lambda _topic, _lines: None
    say: Callable[[str], None] = lambda _line: None

    @property
    def python(self) -> str:
        """The release of CPython that markers are evaluated for."""
        return self.release or self.runtime.version

    @property
    def environments(self) -> tuple[TargetPlatform, ...]:
        """One of :attr:`platforms` for each marker: uv knows no others."""
        return environments(self.platforms)

    @property
    def stubs(self) -> Path:
        """The folder of stubs for projects that no index has
        (:mod:`hatch_venvstacks.sources.stub_wheel`).
        """
        return self.work / "stubs"


@dataclass(frozen=True)
class GeneratedProject:
    """One resolution for the layer ``layer``: everything that a generated project says.

    ``constraints`` are :pep:`508` strings. Versions that lack a wheel for one of the platforms are
    passed over; uv looks at system and machine for that, and not at C libraries and their releases.
    What uv has cached of the distributions ``refresh`` is not used. What is ``given`` is held
    already: no date (``exclude-newer``) hides it.
    """

    layer: str
    setting: ResolutionSetting
    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    refresh: tuple[str, ...] = ()
    given: tuple[str, ...] = ()

    def export(self, name: str, pins: Pins) -> dict[str, Any]:
        """Resolve in the new subfolder ``name``; give uv's export (:pep:`751`) as a mapping.

        The versions of ``pins`` are taken where they fit.

        :raises ToolError: where there is no resolution.
        """
        return self._resolved(name, pins)[1]

    def lock(self, name: str, pins: Pins) -> dict[str, Any]:
        """Resolve in the new subfolder ``name``; give uv's own lock, which holds who needs what.

        :raises ToolError: where there is no resolution.
        """
        folder, _ = self._resolved(name, pins)
        return read_toml(folder / "uv.lock")

    def _resolved(self, name: str, pins: Pins) -> tuple[Path, dict[str, Any]]:
        """The folder in which uv has resolved, and what it exports."""
        setting = self.setting
        numbers = itertools.count()

        def run(project: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
            number = next(numbers)
            folder = setting.work / (f"{name}-steered-{number}" if number else name)
            self._lock(project, folder, pins)
            arguments = ["export", *self._python, "--frozen", "--no-header"]
            text = run_uv(
                [*arguments, "--format", "pylock.toml"], folder=folder, failure=self._doing
            )
            return folder, parse_toml(text)

        version = setting.python
        return resolve_steered(self._project(), setting.indexes, setting.environments, version, run)

    @property
    def _python(self) -> tuple[str, str]:
        return "--python", str(self.setting.interpreter)

    @property
    def _doing(self) -> str:
        return f"The requirements of layer `{self.layer}` cannot be resolved"

    def _lock(self, project: Mapping[str, Any], folder: Path, pins: Pins) -> None:
        import tomlkit

        folder.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(tomlkit.dumps(project), "utf-8")
        if pins:
            (folder / "uv.lock").write_text(_preferences(pins, self.setting), "utf-8")
        again = [f"--refresh-package={name}" for name in self.refresh]
        arguments = ["lock", *self._python, *again]
        run_uv(arguments, folder=folder, failure=self._doing, warn=partial(self.setting.warn, "uv"))

    def _project(self) -> dict[str, Any]:
        setting = self.setting
        markers = [
            platform.marker_for_uv(setting.runtime.minor) for platform in setting.environments
        ]
        return {
            "project": {
                "name": _PROJECT,
                "version": "0",
                "requires-python": str(requires_python(setting.runtime)),
                "dependencies": list(self.requirements),
            },
            "tool": {
                "uv": {
                    "package": False,
                    "no-build": True,
                    "environments": markers,
                    "required-environments": markers,
                    "constraint-dependencies": list(self.constraints),
                    "exclude-dependencies": list(setting.excluded),
                    "exclude-newer-package": dict.fromkeys(self.given, False),
                    "find-links": [str(setting.stubs)] if setting.stubs.is_dir() else [],
                    # Makes the generated project a root, whatever lies in the folders above it.
                    "workspace": {},
                }
            },
        }


def constraints(
    held: Mapping[str, Mapping[str, Held]], platforms: Sequence[TargetPlatform]
) -> Iterator[str]:
    """What the layers below hold on each target platform, as constraints of a resolution."""
    names = sorted({name for names in held.values() for name in names})
    for name in names:
        versions = {
            platform: held[platform.name][name].version
            for platform in platforms
            if name in held[platform.name]
        }
        if len(versions) == len(platforms) and len(set(versions.values())) == 1:
            yield f"{name}=={next(iter(versions.values()))}"
        else:
            for platform, version in versions.items():
                yield f"{name}=={version} ; {platform.marker}"


def without_wheels(error: ToolError) -> str:
    """The distribution that has no wheel for a platform, where uv's words tell; else empty.

    uv has no form of this for programs.
    """
    words = " ".join(error.detail.replace("uv:", " ").split())
    found = next((match for pattern in _NO_WHEELS if (match := pattern.search(words))), None)
    return found[1] if found else ""


def _preferences(pins: Pins, setting: ResolutionSetting) -> str:
    # uv takes versions that an existing uv.lock holds as preferences, also of a lock that does not
    # fit the project: names and versions are all that matters in it, and for which environments.
    # Of packages that are steered to an index, the index matters too.
    import tomlkit

    chosen: dict[str, dict[tuple[str, str], dict[str, None]]] = {}
    for platform in setting.platforms:
        for name, version in pins.get(platform.name, {}).items():
            registry = registry_of(name, setting.indexes, platform, setting.python)
            key = (version, registry or "https://pypi.org/simple")
            chosen.setdefault(name, {}).setdefault(key, {})[platform.marker] = None
    packages = [
        {
            "name": name,
            "version": version,
            "source": {"registry": registry},
            **({"resolution-markers": list(markers)} if len(versions) > 1 else {}),
        }
        for name, versions in sorted(chosen.items())
        for (version, registry), markers in sorted(versions.items())
    ]
    # uv takes nothing from a lock that was made otherwise.
    options = {
        name: setting.indexes.options[key]
        for key, name in (("resolution", "resolution-mode"), ("fork-strategy", "fork-strategy"))
        if key in setting.indexes.options
    }
    return tomlkit.dumps(
        {
            "version": 1,
            "revision": 3,
            "requires-python": str(requires_python(setting.runtime)),
            "resolution-markers": [platform.marker for platform in setting.environments],
            **({"options": options} if options else {}),
            "package": packages,
        }
    )
