"""Why there is no resolution above the layers below, in the layers' terms.

uv tells its own story, of which the versions that the layers below hold are a part. Which
requirement is in their way, through which distributions, and which version would do, is found out
by asking uv again: for each requirement alone, without the layers below, and for all layers as one.
That may take long: what is not known after some seconds is not said.
"""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_venvstacks.common.errors import LockError, ToolError
from hatch_venvstacks.locking.generated_project import without_wheels
from hatch_venvstacks.model.platforms import PLATFORMS, marker_holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.held_below import Held

# With more requirements than that, not each is asked for alone.
_ALONE = 40
# In seconds: after that, uv is not asked again.
PATIENCE = 20.0
# Of uv's own words, so many lines are kept where ours have said it already.
_WORDS = 12


class Ask(Protocol):
    """Resolves ``requirements``, with or without what the layers below hold.

    It gives uv's lock as a mapping, for all platforms or, if only ``anywhere`` matters, for one;
    and raises :class:`ToolError` where there is no resolution.
    """

    def __call__(
        self, requirements: Sequence[str], *, above: bool, anywhere: bool = False
    ) -> Mapping[str, Any]: ...


class _TimeIsUpError(Exception):
    """Uv was asked for long enough."""


@dataclass(frozen=True)
class Conflict:
    """A layer ``spec`` that cannot be resolved above what is ``held``, by uv's ``error``.

    ``held`` maps target platforms to what the layers below hold there; ``below`` maps the
    requirements of the layers below to the layer that has each; ``python`` is the runtime's
    version.
    """

    spec: LayerSpec
    held: Mapping[str, Mapping[str, Held]]
    below: Mapping[str, str]
    python: str
    error: ToolError

    def explain(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> LockError:
        """The error that says so, as far as it is known :data:`PATIENCE` seconds from now.

        ``clock`` gives the time in seconds. What uv is doing then is waited for.
        """
        ask = _until(clock() + PATIENCE, ask, clock)
        hint, found = "", list(self._direct())
        if not found:
            try:
                for reason in self._through_others(ask):
                    found.append(reason)  # noqa: PERF402 (what is found stays when time is up)
            except _TimeIsUpError:
                hint = f"Which requirement is in the way was not found in {PATIENCE:.0f} seconds"
        if not found:
            return LockError(self.error.message, detail=self.error.detail, hint=hint)
        lines = dict.fromkeys(line for _, line in found)
        return LockError(
            f"Layer `{self.spec.name}` conflicts with a layer below: {'; '.join(lines)}",
            detail=_shortened(self.error.detail),
            hint=self._way_out(list(dict.fromkeys(package for package, _ in found)), ask),
        )

    @cached_property
    def _held(self) -> Mapping[str, Mapping[str, Held]]:
        # What a version hides may differ from platform to platform, and does not matter here.
        return {
            platform: {name: replace(package, shadowed=()) for name, package in names.items()}
            for platform, names in self.held.items()
        }

    def _everything(self) -> list[Held]:
        return list(
            dict.fromkeys(package for names in self._held.values() for package in names.values())
        )

    def _on(self, package: Held, platforms: Sequence[str] = ()) -> str:
        """Where ``package`` is held, or in the way, if that is not on all platforms."""
        where = platforms or [
            name for name, held in self._held.items() if held.get(package.name) == package
        ]
        return "" if len(where) == len(self._held) else f" on {', '.join(where)}"

    def _direct(self) -> Iterator[tuple[Held, str]]:
        """What the layer itself requires and a layer below holds in another version."""
        found: dict[tuple[Held, str], list[str]] = {}
        for text in self.spec.requirements:
            requirement = Requirement(text)
            for platform, names in self._held.items():
                package = names.get(canonicalize_name(requirement.name))
                if (
                    package is not None
                    and marker_holds(requirement.marker, PLATFORMS[platform], self.python)
                    and not requirement.specifier.contains(package.version, prereleases=True)
                ):
                    found.setdefault((package, text), []).append(platform)
        for (package, text), platforms in found.items():
            held = f"layer `{package.layer}` holds {package.name} {package.version}"
            yield package, f"it requires `{text}`, but {held}{self._on(package, platforms)}"

    def _through_others(self, ask: Ask) -> Iterator[tuple[Held, str]]:
        """What the layer's requirements require in another version than a layer below holds."""
        if not any(blames(self.error, package) for package in self._everything()):
            return
        is_together = True
        for text, error in self._culprits(ask):
            is_together = False
            yield from self._ways((text,), error, ask)
        if is_together:
            yield from self._ways(self.spec.requirements, self.error, ask)

    def _ways(
        self, requirements: Sequence[str], error: ToolError, ask: Ask
    ) -> Iterator[tuple[Held, str]]:
        """How ``requirements``, which fail with ``error``, lead to what a layer below holds."""
        try:
            packages = ask(requirements, above=False, anywhere=True)["package"]
        except ToolError:
            return
        for package in self._everything():
            if not blames(error, package):
                continue
            ways = [way for text in requirements if (way := _chain(packages, text, package.name))]
            if ways:
                yield package, _line(min(ways, key=len), packages, package) + self._on(package)

    def _culprits(self, ask: Ask) -> Iterator[tuple[str, ToolError]]:
        """The requirements that have no resolution above the layers below, each on its own."""
        for text in self.spec.requirements[:_ALONE]:
            error = _fault(ask, text)
            if error is not None:
                yield text, error

    def _way_out(self, blamed: Sequence[Held], ask: Ask) -> str:
        """Which versions would do for all layers, if there are such."""
        requirements = tuple(sorted({*self.spec.requirements, *self.below}))
        names = {package.name for package in blamed}
        change = "Change the requirement, or the version in the layer below"
        try:
            packages = ask(requirements, above=False)["package"]
        except _TimeIsUpError:
            return change
        except ToolError as error:
            name = without_wheels(error)
            if name in names:
                return (
                    f"No version of {name} that does for all layers has wheels for all target"
                    " platforms: narrow `platforms`, or change one of the requirements"
                )
            wanted = [
                f"`{text}` of `{layer}`"
                for text, layer in self.below.items()
                if canonicalize_name(Requirement(text).name) in names
                and Requirement(text).specifier
            ]
            because = f": those below require {', '.join(wanted)}" if wanted else ""
            return f"No version does for all layers{because}. Change one of the requirements"
        would = [
            f"{package.name} {version} would do for all layers: lock `{package.layer}` again with"
            f" `{package.name}=={version}`, then this layer"
            for package in blamed
            if (version := " or ".join(_versions(packages, package.name)))
            and version != package.version
        ]
        return "; ".join(would) or change


def blames(error: ToolError, package: Held) -> bool:
    """Whether uv's words name the very version that a layer below holds."""
    name, version = re.escape(package.name), re.escape(package.version)
    pattern = rf"(?<![\w.-]){name}(\{{[^}}]*\}})?=={version}(?![\w.])"
    return re.search(pattern, error.detail) is not None


def _until(end: float, ask: Ask, clock: Callable[[], float]) -> Ask:
    """``ask``, which raises where the time is ``end`` or later."""

    def bounded(
        requirements: Sequence[str], *, above: bool, anywhere: bool = False
    ) -> Mapping[str, Any]:
        if clock() >= end:
            raise _TimeIsUpError
        return ask(requirements, above=above, anywhere=anywhere)

    return bounded


def _fault(ask: Ask, text: str) -> ToolError | None:
    try:
        ask((text,), above=True)
    except ToolError as error:
        return error
    return None


def _line(way: Sequence[str], packages: Sequence[Mapping[str, Any]], package: Held) -> str:
    """``way`` begins with a requirement as it is written, and ends with the name of ``package``."""
    names = way[1:-1]
    steps = [f"{name} {version}" for name in names for version in _versions(packages, name)[:1]]
    through = " -> ".join([f"`{way[0]}`", *steps])
    takes = " or ".join(_versions(packages, package.name))
    return (
        f"its requirement {through} needs another {package.name} (alone it takes {takes}) than"
        f" {package.version}, which layer `{package.layer}` holds"
    )


def _versions(packages: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return [package["version"] for package in packages if package["name"] == name]


def _chain(packages: Sequence[Mapping[str, Any]], text: str, wanted: str) -> list[str]:
    """The shortest way from the requirement ``text`` to ``wanted``: that, names, ``wanted``."""
    requires: dict[str, list[str]] = {}
    for package in packages:
        extras = package.get("optional-dependencies", {}).values()
        both = (
            *package.get("dependencies", ()),
            *(dependency for extra in extras for dependency in extra),
        )
        requires.setdefault(package["name"], []).extend(dependency["name"] for dependency in both)
    name = str(canonicalize_name(Requirement(text).name))
    ways = deque([[text, name]])
    seen: set[str] = set()
    while ways:
        way = ways.popleft()
        if way[-1] == wanted and len(way) > 2:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways.extend([*way, name] for name in requires.get(way[-1], ()))
    return []


def _shortened(words: str) -> str:
    lines = words.splitlines()
    if len(lines) <= _WORDS + 1:
        return words
    return "\n".join([*lines[:_WORDS], f"  uv: … ({len(lines) - _WORDS} more lines)"])
