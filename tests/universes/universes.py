"""Package universes and stacks of layers, generated from a seed.

A universe is a value that can be read, written down as wheels, and asked what a set of
requirements needs: by :mod:`packaging` alone, so that the answer owes nothing to uv. The same seed
gives the same universe on every machine and under every Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version
from wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from packaging.markers import Environment
    from packaging.tags import Tag

RUNTIME = "rt"
PURE = "py3-none-any"


@dataclass(frozen=True)
class Release:
    """One version of a distribution, with a wheel for each of ``tags``."""

    name: str
    version: str
    tags: tuple[str, ...] = (PURE,)
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str = ""

    def __str__(self) -> str:
        extras = f"extras {', '.join(self.extras)}" if self.extras else ""
        python = f"Python {self.requires_python}" if self.requires_python else ""
        wheels = "" if self.tags == (PURE,) else f"wheels {', '.join(self.tags)}"
        head = " | ".join(filter(None, (f"{self.name} {self.version}", extras, python, wheels)))
        return "\n".join((head, *(f"    {text}" for text in self.requires)))

    def usable(self, environment: Environment, tags: Collection[Tag]) -> bool:
        """Whether it is no prerelease and has a wheel for that Python on that platform."""
        if Version(self.version).is_prerelease:
            return False
        if environment["python_full_version"] not in SpecifierSet(self.requires_python):
            return False
        return any(tag in tags for one in self.tags for tag in parse_tag(one))


@dataclass(frozen=True)
class Layer:
    """A layer of the stack: the runtime has no bases; no ``platforms`` are those of the bases."""

    name: str
    bases: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    def __str__(self) -> str:
        on = f" on {', '.join(self.bases)}" if self.bases else ""
        narrowed = f" for {', '.join(self.platforms)}" if self.platforms else ""
        return "\n".join((f"{self.name}{on}{narrowed}", *(f"    {r}" for r in self.requirements)))


@dataclass(frozen=True)
class Universe:
    """Releases that an index has, and layers that want them: bases before what stands on them.

    ``python`` is the release of CPython (``"3.11.7"``) that the runtime is.
    """

    seed: int
    python: str
    releases: tuple[Release, ...]
    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        return "\n".join(
            (
                f"# universe {self.seed}, CPython {self.python}",
                *map(str, self.releases),
                "# layers",
                *map(str, self.layers),
            )
        )

    def write_index(self, folder: Path) -> None:
        """Write the wheels of all releases into ``folder``."""
        for release in self.releases:
            for tag in release.tags:
                make_wheel(
                    folder,
                    release.name,
                    release.version,
                    requires=release.requires,
                    extras=release.extras,
                    requires_python=release.requires_python,
                    tag=tag,
                )

    def reached(
        self, requirements: Iterable[str], versions: Mapping[str, str], environment: Environment
    ) -> Iterator[tuple[Requirement, str]]:
        """The requirements that count in ``environment``, with whose they are.

        Those of distributions that are not in ``versions`` are not known. A distribution may be
        asked for an extra at any time, so some come more than once.
        """
        releases = {(one.name, one.version): one for one in self.releases}
        pending = [(text, "the layers") for text in requirements]
        extras: dict[str, set[str]] = {}
        while pending:
            text, by = pending.pop()
            wanted = _parsed(text)
            if not _holds(wanted, environment, extras.get(by, ())):
                continue
            yield wanted, by
            new = wanted.extras - extras.get(wanted.name, set())
            if (new or wanted.name not in extras) and wanted.name in versions:
                extras.setdefault(wanted.name, set()).update(wanted.extras)
                release = releases[wanted.name, versions[wanted.name]]
                pending += [(one, wanted.name) for one in release.requires]

    def closure(
        self, requirements: Iterable[str], versions: Mapping[str, str], environment: Environment
    ) -> set[str]:
        """The names of what ``requirements`` need in ``environment``, at the given ``versions``.

        :raises AssertionError: where a version is missing, or does not do for a requirement.
        """
        names = set()
        for wanted, by in self.reached(requirements, versions, environment):
            assert wanted.name in versions, f"`{wanted}` of {by} is not there"
            version = versions[wanted.name]
            assert _fits(wanted, version), f"`{wanted}` of {by} is not {version}"
            names.add(wanted.name)
        return names

    def solution(
        self,
        requirements: Sequence[str],
        fixed: Mapping[str, str],
        environment: Environment,
        tags: Collection[Tag],
    ) -> dict[str, str] | None:
        """Some versions that satisfy ``requirements``, found by trying; no prereleases.

        ``fixed`` versions are the only ones of their names, and may be prereleases.
        """
        offered: dict[str, list[str]] = {}
        for release in self.releases:
            known = fixed.get(release.name)
            if release.version == known or (known is None and release.usable(environment, tags)):
                offered.setdefault(release.name, []).append(release.version)
        return self._completed({}, requirements, offered, environment)

    def _completed(
        self,
        versions: dict[str, str],
        requirements: Sequence[str],
        offered: Mapping[str, Sequence[str]],
        environment: Environment,
    ) -> dict[str, str] | None:
        candidates: dict[str, list[str]] = {}
        for wanted, _ in self.reached(requirements, versions, environment):
            name = wanted.name
            known = [versions[name]] if name in versions else offered.get(name, ())
            candidates[name] = [v for v in candidates.get(name, known) if _fits(wanted, v)]
        if not all(candidates.values()):
            return None
        undecided = candidates.keys() - versions
        if not undecided:
            return versions
        name = min(sorted(undecided), key=lambda one: len(candidates[one]))
        attempts = (
            self._completed({**versions, name: version}, requirements, offered, environment)
            for version in candidates[name]
        )
        return next((found for found in attempts if found is not None), None)


def later(python: str) -> str:
    """The patch release that comes after ``python`` (``"3.11.7"``)."""
    minor, _, micro = python.rpartition(".")
    return f"{minor}.{int(micro) + 1}"


@cache
def _parsed(text: str) -> Requirement:
    return Requirement(text)


def _fits(requirement: Requirement, version: str) -> bool:
    return requirement.specifier.contains(version, prereleases=True)


def _holds(requirement: Requirement, environment: Environment, extras: Iterable[str]) -> bool:
    if requirement.marker is None:
        return True
    values = cast("dict[str, str]", environment)
    return any(requirement.marker.evaluate({**values, "extra": one}) for one in ("", *extras))
