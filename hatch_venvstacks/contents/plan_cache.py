"""The plans of what a layer adds: from the store where it has them, else from unpacked wheels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from hatch_venvstacks.archives.plan import recipe_key
from hatch_venvstacks.common.reporter import Progress
from hatch_venvstacks.composition.inventory import in_several
from hatch_venvstacks.contents.distribution import plan_distributions
from hatch_venvstacks.contents.installation import destination_of
from hatch_venvstacks.model.formats.archive_format import MEMBER_TIME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_venvstacks.archives.kept_segments import SegmentStore
    from hatch_venvstacks.archives.plan import Member, Plan
    from hatch_venvstacks.composition.inventory import Inventory
    from hatch_venvstacks.contents.compiler import Compiler
    from hatch_venvstacks.contents.distribution import Compiling
    from hatch_venvstacks.contents.installation import Installation
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.model.workshop import Workshop


@dataclass(frozen=True)
class Shaping:
    """What shapes the files of a distribution besides its wheel.

    ``extended_inits`` are paths of ``__init__.py`` files in the layer that are to find the parts of
    their packages in other layers. ``dates`` are the modification times of distributions that have
    one of their own. ``compiler`` compiles modules, if that is wanted.
    """

    extended_inits: frozenset[str]
    dates: Mapping[str, int]
    compiler: Compiler | None = None


def plan_installation(
    installation: Installation,
    parts: Sequence[Inventory],
    shaping: Shaping,
    segments: SegmentStore | None,
    workshop: Workshop,
) -> list[Plan]:
    """A plan for each of the distributions ``parts`` of ``installation``, sorted by name.

    Those that ``segments`` has come from it, without content; what is left is unpacked.

    :raises VenvLayerError: where a wheel cannot be had, or two of them do not go together.
    """
    claims = _claims(parts, installation.layer.layout.site_packages)
    keys = {part.name: distribution_key(part, installation, claims, shaping) for part in parts}
    plans = {}
    for name, key in keys.items():
        packed = segments.find(key) if segments else None
        if packed is not None:
            plans[name] = packed.plan
    wanted = keys.keys() - plans.keys()
    if wanted:
        rivals = {name for owners in claims.values() if wanted & {*owners} for name in owners}
        compiling = _compiling(shaping.compiler, len(wanted))
        found = plan_distributions(
            installation.unpack({*wanted, *rivals}),
            replace(
                destination_of(installation.layer, workshop.host),
                extended_inits=shaping.extended_inits,
            ),
            installation.isolate,
            dates=shaping.dates,
            wanted=wanted,
            compiling=compiling,
        )
        plans.update({plan.name: replace(plan, key=keys[plan.name]) for plan in found})
    return [plans[name] for name in sorted(plans)]


def _compiling(compiler: Compiler | None, count: int) -> Compiling | None:
    if compiler is None:
        return None
    progress = Progress(compiler.reporter, "Compiling the modules of distributions", count)

    def compiling(name: str, members: Sequence[Member]) -> list[Member]:
        found = compiler.compile_distribution(name, members)
        progress.add(1)
        return found

    return compiling


def _claims(parts: Sequence[Inventory], site: str) -> dict[str, list[str]]:
    """The files that several of ``parts`` have, with the names of these."""
    claims: dict[str, list[str]] = {}
    shared = in_several(part.names_in(site) for part in parts)
    for part in parts:
        alone = shared.isdisjoint(part.names_in(site))
        for path in part.outside(site) if alone else part.files:
            claims.setdefault(path, []).append(part.name)
    return {path: owners for path, owners in claims.items() if len(owners) > 1}


def distribution_key(
    part: Inventory,
    installation: Installation,
    claims: Mapping[str, Sequence[str]],
    shaping: Shaping,
) -> str:
    """What stands for all that the plan of the distribution ``part`` depends on.

    ``claims`` maps the paths of files that several distributions have to these.
    """
    shared = {
        path: {name: installation.digests[name] for name in owners}
        for path, owners in claims.items()
        if path in part.files
    }
    return recipe_key(
        "distribution",
        installation.digests[part.name],
        installation.layer.platform.name,
        installation.layer.runtime.minor,
        _launchers(installation.layer),
        shared,
        sorted(shaping.extended_inits & part.files.keys()),
        shaping.dates.get(part.name, MEMBER_TIME),
        _compiled(part.name, shaping.compiler),
    )


def _launchers(layer: LockedLayer) -> list[str]:
    """Which Python launchers start, and whose programs they are, where they are programs."""
    return [str(layer.spec.kind), version("installer")] if layer.layout.is_windows else []


def _compiled(name: str, compiler: Compiler | None) -> list[str | bool]:
    return [] if compiler is None else [compiler.identity, name in compiler.own_names]
