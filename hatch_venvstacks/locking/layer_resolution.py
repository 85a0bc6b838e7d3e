"""What uv is asked for a layer, and what is said where it finds no answer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.pylock import Package, Pylock, PylockValidationError

from hatch_venvstacks.common.errors import LockError, ToolError
from hatch_venvstacks.locking.explanation import Conflict, blames
from hatch_venvstacks.locking.generated_project import (
    GeneratedProject,
    ResolutionSetting,
    without_wheels,
)
from hatch_venvstacks.locking.wheel_choice import Wheels, missing_wheel
from hatch_venvstacks.model.lock import TOOL, Lock
from hatch_venvstacks.model.platforms import PLATFORMS, marker_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_venvstacks.locking.generated_project import Pins
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.spec import LayerSpec
    from hatch_venvstacks.sources.held_below import Held

# So many versions that lack a wheel for an old system are passed over before it is an error.
_ROUNDS = 100


@dataclass(frozen=True)
class LayerResolution:
    """The resolution of the layer ``spec`` by uv; ``held`` is what the layers ``below`` hold.

    ``lower`` are the constraints that follow from that, ``local`` those that follow from siblings.
    """

    spec: LayerSpec
    below: Sequence[tuple[LayerSpec, Lock]]
    held: Mapping[str, Mapping[str, Held]]
    setting: ResolutionSetting
    pins: Pins
    refresh: tuple[str, ...]
    lower: tuple[str, ...]
    local: tuple[str, ...]

    def resolve_own(self) -> list[Package]:
        """Resolve the layer's own requirements, for all platforms.

        :raises LockError: where there is no solution, with the reason in the layers' terms.
        """
        project = GeneratedProject(
            self.spec.name,
            self.setting,
            self.spec.requirements,
            (*self.lower, *self.local),
            self.refresh,
            self._given,
        )
        try:
            return self._with_wheels(project)
        except ToolError as error:
            self._check_wheels(project, error)
            raise self._explain(error) from error

    def resolve_stack(self) -> list[Package]:
        """Resolve the whole stack, where layers below hold different versions.

        The first one in import order must do for all layers.

        :raises LockError: where it does not.
        """
        project = GeneratedProject(
            self.spec.name,
            self.setting,
            self._stack(),
            (*self.lower, *self.local),
            given=self._given,
        )
        try:
            return _exported(self.spec, project.export("agreement", self.pins))
        except ToolError as error:
            raise self._disagreement(*self._where(project, error)) from error

    def _with_wheels(self, project: GeneratedProject) -> list[Package]:
        """Resolve, and again without versions whose wheels need a newer system than the target."""
        wheels = Wheels(self.setting.platforms, self.setting.runtime.minor)
        lacking: list[LockError] = []
        for number in range(_ROUNDS):
            try:
                export = project.export(f"resolution-{number}", self.pins)
            except ToolError:
                if lacking:
                    raise lacking[0] from None
                raise
            packages = _exported(self.spec, export)
            passed_over = list(self._lacking(packages, wheels))
            if not passed_over:
                return packages
            lacking += [
                missing_wheel(package, platform, self.spec, wheels.supported(package))
                for package, platform in passed_over
            ]
            # Where markers tell two platforms not apart, one version must do for both.
            others = dict.fromkeys(
                f"{package.name}!={package.version} ; {platform.marker}"
                for package, platform in passed_over
            )
            project = replace(project, constraints=(*project.constraints, *others))
        raise lacking[0]

    def _lacking(
        self, packages: Sequence[Package], wheels: Wheels
    ) -> Iterator[tuple[Package, TargetPlatform]]:
        for platform in self.setting.platforms:
            for package in packages:
                if (
                    str(package.name) not in self.held[platform.name]
                    and marker_holds(package.marker, platform, self.setting.python)
                    and not wheels.fitting(package, platform)
                ):
                    yield package, platform

    def _check_wheels(self, project: GeneratedProject, error: ToolError) -> None:
        """Say which package lacks a wheel, where there is a solution on other platforms.

        :raises LockError: which says so, and where there are wheels.
        """
        if any(
            blames(error, package) for names in self.held.values() for package in names.values()
        ):
            return
        setting, alone = self.setting, dict[str, list[Package]]()
        failed: list[tuple[TargetPlatform, ToolError]] = []
        for platform in setting.environments:
            only_there = replace(project, setting=replace(setting, platforms=(platform,)))
            try:
                export = only_there.export(f"on-{platform.name}", self.pins)
            except ToolError as only:
                failed.append((platform, only))
            else:
                alone[platform.name] = _exported(self.spec, export)
        if failed and alone:
            raise self._only_elsewhere(project, *failed[0], alone) from error

    def _only_elsewhere(
        self,
        project: GeneratedProject,
        platform: TargetPlatform,
        error: ToolError,
        alone: Mapping[str, Sequence[Package]],
    ) -> LockError:
        """That there is no solution on ``platform``, where those ``alone`` have one."""
        elsewhere = next(iter(alone.values()))
        # With these versions and no others, uv names what has no wheel, and not all that follows.
        pinned = replace(
            project,
            setting=replace(self.setting, platforms=(platform,)),
            constraints=(
                *project.constraints,
                *(f"{package.name}=={package.version}" for package in elsewhere),
            ),
        )
        try:
            pinned.export("pinned", {})
        except ToolError as shorter:
            error = shorter
        name = without_wheels(error)
        package = next((candidate for candidate in elsewhere if candidate.name == name), None)
        if package is None:
            return LockError(
                f"The requirements of layer `{self.spec.name}` cannot be resolved for"
                f" {platform.name}, as they can for {', '.join(alone)}",
                detail=error.detail,
                hint="Narrow `platforms`, or use markers in the requirements",
            )
        wheels = Wheels(self.setting.platforms, self.setting.runtime.minor)
        found = {PLATFORMS[name].marker: packages for name, packages in alone.items()}
        others = [
            target.name
            for target in self.setting.platforms
            for candidate in found.get(target.marker, ())
            if candidate.name == name and wheels.fitting(candidate, target)
        ]
        return missing_wheel(package, platform, self.spec, others, listed=False)

    def _explain(self, error: ToolError) -> LockError:
        numbers = itertools.count()

        def ask(
            requirements: Sequence[str], *, above: bool, anywhere: bool = False
        ) -> Mapping[str, Any]:
            number = next(numbers)
            if number == 0:
                self.setting.say(f"{error.message}: looking for the reason")
            held = self.lower if above else ()
            given = self._given if above else ()
            asked = GeneratedProject(
                self.spec.name,
                self.setting,
                tuple(requirements),
                (*self.local, *held),
                given=given,
            )
            try:
                return asked.lock(f"asked-{number}", {})
            except ToolError:
                if not anywhere:
                    raise
            alone = replace(self.setting, platforms=self.setting.platforms[:1])
            return replace(asked, setting=alone).lock(f"asked-{number}-anywhere", {})

        below = {
            text: layer.name for layer, lock in self.below for text in lock.inputs.requirements
        }
        version = self.setting.python
        return Conflict(self.spec, self.held, below, version, error).explain(ask)

    def _where(self, project: GeneratedProject, error: ToolError) -> tuple[ToolError, list[str]]:
        """What fails on a platform alone, and the platforms on which there is no agreement."""
        failed: dict[str, ToolError] = {}
        for platform in self.setting.platforms:
            if not any(package.shadowed for package in self.held[platform.name].values()):
                continue
            alone = replace(project, setting=replace(self.setting, platforms=(platform,)))
            try:
                alone.export(f"agreement-{platform.name}", self.pins)
            except ToolError as only:
                failed[platform.name] = only
        return next(iter(failed.values()), error), list(failed or self.held)

    def _disagreement(self, error: ToolError, platforms: Sequence[str]) -> LockError:
        shadowed = [
            package
            for name in platforms
            for package in self.held[name].values()
            if package.shadowed
        ]
        package = next((package for package in shadowed if blames(error, package)), shadowed[0])
        others = ", ".join(f"`{layer}` holds {version}" for version, layer in package.shadowed)
        where = [name for name in platforms if self.held[name].get(package.name) == package]
        on = "" if len(where) == len(self.held) else f" on {', '.join(where)}"
        return LockError(
            f"The layers below `{self.spec.name}` hold different versions of `{package.name}`{on}: "
            f"`{package.layer}` holds {package.version}, {others}",
            detail=error.detail,
            hint="Constrain it to one version in both layers, or move it into a layer below both",
        )

    @property
    def _given(self) -> tuple[str, ...]:
        """What layers below hold on all platforms: nothing else is chosen of it."""
        names = [set(held) for held in self.held.values()]
        return tuple(sorted(set.intersection(*names))) if names else ()

    def _stack(self) -> tuple[str, ...]:
        """The requirements of the layer and of all layers below it."""
        lower = (text for _, lock in self.below for text in lock.inputs.requirements)
        return tuple(sorted({*self.spec.requirements, *lower}))


def _exported(spec: LayerSpec, export: Mapping[str, Any]) -> list[Package]:
    try:
        document = Pylock.from_dict({"lock-version": "1.0", "created-by": TOOL, **export})
    except PylockValidationError as error:
        raise LockError(
            f"What uv has resolved for layer `{spec.name}` cannot be locked: {error}",
            hint="An index that gives no SHA-256 of its files cannot be used",
        ) from error
    return list(document.packages)
