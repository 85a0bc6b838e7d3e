"""The target's configuration as hatchling's builders have it.

See https://hatch.pypa.io/latest/plugins/builder/reference/.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hatchling.builders.config import BuilderConfig

from hatch_venvstacks.common.errors import ConfigError, printable, words
from hatch_venvstacks.config.layer_table import GENERIC_OPTIONS, parse_layer
from hatch_venvstacks.model.spec import LOCATION
from hatch_venvstacks.plugin.pyproject import project_facts

if TYPE_CHECKING:
    from hatch_venvstacks.model.spec import LayerSpec


class VenvLayerConfig(BuilderConfig):
    """The configuration of :class:`hatch_venvstacks.plugin.builder.VenvLayerBuilder`."""

    @cached_property
    def spec(self) -> LayerSpec:
        """The validated table.

        :raises ConfigError: with every fault of the table, Hatch's generic options among them.
        """
        project = project_facts(self.builder.metadata)
        faults = generic_faults(self)
        try:
            spec = parse_layer(self.target_config, root=Path(self.root), project=project)
        except ConfigError as error:
            faults = [*error.message.splitlines(), *faults]
        if faults:
            raise ConfigError("\n".join(faults))
        return spec

    def check_generic(self) -> None:
        """Check Hatch's generic options, of a layer below whose table has been read already.

        :raises ConfigError: with every fault of them.
        """
        faults = generic_faults(self)
        if faults:
            lines = "\n".join(f"  {line}" for line in faults)
            raise ConfigError(f"The layer in `{self.root}` is not valid:\n{lines}")


def generic_faults(config: BuilderConfig) -> list[str]:
    """The faults of the generic options, in hatchling's words.

    hatchling validates each when it is first needed, and raises; this needs them all.
    """
    faults = [_generic_fault(config, option) for option in GENERIC_OPTIONS]
    return [fault for fault in dict.fromkeys(faults) if fault]


def _generic_fault(config: BuilderConfig, option: str) -> str:
    try:
        getattr(config, GENERIC_OPTIONS[option])
    except (TypeError, ValueError, OSError) as error:
        message = printable(words(error))
        # A pattern that is not valid is raised as pathspec says it, without its field.
        return message if "`" in message else f"Field `{LOCATION}.{option}`: {message}"
    return ""
