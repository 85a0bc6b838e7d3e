"""Registrations with hatchling's plugin manager, and nothing else.

See https://hatch.pypa.io/latest/plugins/about/ and https://hatch.pypa.io/latest/plugins/builder/reference/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from hatch_venvstacks.plugin.builder import VenvLayerBuilder


@hookimpl
def hatch_register_builder() -> type[VenvLayerBuilder]:
    from hatch_venvstacks.plugin.builder import VenvLayerBuilder

    return VenvLayerBuilder
