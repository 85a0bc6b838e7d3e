"""The options ``platforms``, ``linux-target`` and ``macos-target``: where a layer must run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import did_you_mean, listing
from hatch_venvstacks.model.oldest_systems import OldestSystems, families_by_option
from hatch_venvstacks.model.platforms import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        options.note_fault(f"Field {options.field('platforms')} must name a target platform")
    found = set()
    for place, name in given:
        if name not in PLATFORMS:
            meant = did_you_mean(name, PLATFORMS) or f"; valid are {listing(PLATFORMS)}"
            options.note_fault(f"{place} is no target platform: `{name}`{meant}")
        elif name in found:
            options.note_fault(f"{place} is there already: `{name}`")
        found.add(name)
    return tuple(name for name in PLATFORMS if name in found)


def read_oldest_systems(options: Table) -> OldestSystems:
    """The oldest systems that must run the layer, as far as it names them; faults are noted."""
    found: list[OldestSystem] = []
    for option, families in families_by_option().items():
        for place, text in _values(options, option, families):
            system = _oldest_system(options, place, text, families)
            if system is None:
                continue
            if any(other.family == system.family for other in found):
                options.note_fault(f"{place} is another release of {system.family.name}: `{text}`")
            else:
                found.append(system)
    return OldestSystems(tuple(found))


def _values(options: Table, option: str, families: Sequence[SystemFamily]) -> list[tuple[str, str]]:
    """The values of ``option``, each with its place; an array only where it has ``families``."""
    value = options.options.get(option)
    if isinstance(value, list) and len(families) > 1:
        if not value:
            options.note_fault(f"Field {options.field(option)} must name a release")
        return options.strings(option, "Release") or []
    if option in options and len(families) > 1 and not isinstance(value, str):
        options.note_fault(f"Field {options.field(option)} must be a string or an array of strings")
        return []
    text = options.string(option)
    return [] if text is None else [(f"Field {options.field(option)}", text)]


def _oldest_system(
    options: Table, place: str, text: str, families: Sequence[SystemFamily]
) -> OldestSystem | None:
    family = next((family for family in families if family.parsed(text)), None)
    release = () if family is None else family.parsed(text)
    if family is not None and family.first <= release <= (family.last or release):
        return family.since(release)
    family = family or families[0]
    first = family.since(family.first).spelled
    if not family.last:
        fault = f"{_such([family])}, not older than {first}: `{text}`"
    elif release:
        fault = f"from `{first}` to `{family.since(family.last).spelled}`, not `{text}`"
    else:
        fault = f"{_such(families)}, not `{text}`"
    options.note_fault(f"{place} must be {fault}")
    return None


def _such(families: Sequence[SystemFamily]) -> str:
    return "a release of " + " or of ".join(
        f"{family.name} such as `{family.since(family.default).spelled}`" for family in families
    )
