"""The options ``platforms``, ``linux-target`` and ``macos-target``: where a layer must run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import did_you_mean, listing
from hatch_venvstacks.model.oldest_systems import FAMILIES, OldestSystems
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from hatch_venvstacks.config.table import Table
    from hatch_venvstacks.model.oldest_systems import OldestSystem, SystemFamily


def read_platforms(options: Table) -> tuple[str, ...]:
    """The target platforms of a layer, in the order that all locks have; faults are noted.

    Empty where the option is left out.
    """
    given = options.strings("platforms", "Platform")
    if given is None:
        return ()
    if not options.options["platforms"]:
        options.fault(f"Field {options.field('platforms')} must name a target platform")
    found = set()
    for place, name in given:
        if name not in PLATFORMS:
            meant = did_you_mean(name, PLATFORMS) or f"; valid are {listing(PLATFORMS)}"
            options.fault(f"{place} is no target platform: `{name}`{meant}")
        elif name in found:
            options.fault(f"{place} is there already: `{name}`")
        found.add(name)
    return tuple(name for name in PLATFORMS if name in found)


def read_oldest_systems(options: Table) -> OldestSystems:
    """The oldest systems that must run the layer, as far as it names them; faults are noted."""
    found = (_oldest_system(options, family) for family in FAMILIES if family.option)
    return OldestSystems(tuple(system for system in found if system is not None))


def _oldest_system(options: Table, family: SystemFamily) -> OldestSystem | None:
    text = options.string(family.option)
    if text is None:
        return None
    release = family.parsed(text)
    if release and family.first <= release <= (family.last or release):
        return family.since(release)
    first, last = (family.spelled(release) for release in (family.first, family.last))
    place = f"Field {options.field(family.option)} must be"
    such = f"{place} a release of {family.name} such as `{family.spelled(family.default)}`, not"
    if not family.last:
        options.fault(f"{such} older than {first}: `{text}`")
    elif release:
        options.fault(f"{place} from `{first}` to `{last}`, not `{text}`")
    else:
        options.fault(f"{such} `{text}`")
    return None
