"""Oldest systems in few words."""

from __future__ import annotations

from hatch_venvstacks.model.oldest_systems import FAMILIES, OldestSystems

_FAMILIES = {family.name.lower(): family for family in FAMILIES}


def oldest_systems(**releases: tuple[int, int]) -> OldestSystems:
    """``glibc=(2, 28), macos=(13, 0)`` as a value."""
    return OldestSystems(tuple(_FAMILIES[name].since(one) for name, one in releases.items()))
