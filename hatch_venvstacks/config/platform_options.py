"""The options ``platforms``, ``linux-target`` and ``macos-target``: where a layer must run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import did_you_mean, listing
from hatch_venvstacks.model.platforms import PLATFORMS, UV_GLIBC

if TYPE_CHECKING:
    from hatch_venvstacks.config.table import Table

_LINUX = re.compile(r"glibc@2\.(\d{1,3})")
_MACOS = re.compile(r"(\d{1,2})\.(\d{1,2})")
# The first macOS that any CPython of these minor releases runs on.
_FIRST_MACOS = (10, 9)


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


def read_linux_target(options: Table) -> tuple[int, int] | None:
    """The oldest glibc that must run the layer: ``glibc@2.28`` as ``(2, 28)``; faults are noted."""
    text = options.string("linux-target")
    if text is None:
        return None
    match = _LINUX.fullmatch(text)
    oldest, newest = UV_GLIBC[0], UV_GLIBC[-1]
    if match is None:
        options.fault(
            f"Field {options.field('linux-target')} must be a release of glibc such as"
            f" `glibc@2.28`, not `{text}`"
        )
        return None
    if not oldest <= int(match[1]) <= newest:
        options.fault(
            f"Field {options.field('linux-target')} must be from `glibc@2.{oldest}` to"
            f" `glibc@2.{newest}`, not `{text}`"
        )
        return None
    return 2, int(match[1])


def read_macos_target(options: Table) -> tuple[int, int] | None:
    """The oldest macOS that must run the layer: ``13.0`` as ``(13, 0)``; faults are noted."""
    text = options.string("macos-target")
    if text is None:
        return None
    match = _MACOS.fullmatch(text)
    if match is None or (int(match[1]), int(match[2])) < _FIRST_MACOS:
        options.fault(
            f"Field {options.field('macos-target')} must be a release of macOS such as `13.0`, not"
            f" older than {_FIRST_MACOS[0]}.{_FIRST_MACOS[1]}: `{text}`"
        )
        return None
    return int(match[1]), int(match[2])
