"""The distributions of a layer, unpacked into a prefix: from wheels, siblings, its own project.

What the store knows of a wheel need not be unpacked, so a wheel is unpacked when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.reporter import in_units
from hatch_venvstacks.contents.distribution import Destination
from hatch_venvstacks.contents.uv_install import Installer
from hatch_venvstacks.model.layout import layout_of
from hatch_venvstacks.model.spec import LayerKind
from hatch_venvstacks.sources.indexes import resolution_indexes
from hatch_venvstacks.sources.layer_siblings import locked_siblings
from hatch_venvstacks.sources.sibling_wheel import check_c_library, check_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.lock import LockedWheel
    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.stack import LockedLayer
    from hatch_venvstacks.model.workshop import LayerProject
    from hatch_venvstacks.sources.sibling_wheel import SiblingWheels


class Installation:
    """What ``layer`` adds, unpacked into the folder ``prefix`` as far as somebody asked for it.

    That is the wheels of its lock, and wheels that were ``built``, by the normalized names of their
    projects. ``digests`` maps the names of all of them to their SHA-256 (hex).
    """

    def __init__(
        self,
        layer: LockedLayer,
        prefix: Path,
        built: Mapping[str, Path],
        reporter: Reporter,
    ) -> None:
        self.layer, self.prefix, self.built = layer, prefix, built
        self._reporter = reporter
        self._locked = {wheel.name: wheel for wheel in layer.wheels}
        self._unpacked: set[str] = set()
        self.digests = {wheel.name: wheel.sha256 for wheel in layer.wheels}
        self.digests.update({name: file_sha256(wheel) for name, wheel in built.items()})

    def unpack(self, names: Iterable[str]) -> Path:
        """Put the distributions of those names into the prefix, as far as they are not; give it.

        :raises ToolError: where a wheel cannot be fetched, or is not the one that was locked.
        """
        missing = set(names) - self._unpacked
        if missing:
            self._say([self._locked[name] for name in sorted(missing & self._locked.keys())])
            self._install(missing, self.prefix)
            self._unpacked |= missing
        return self.prefix

    def isolate(self, name: str) -> Path:
        """A prefix with nothing but the distribution ``name``, made once."""
        alone = self.prefix.with_name(f"{self.prefix.name}-{name}")
        if not alone.exists():
            self._install([name], alone)
        return alone

    def _say(self, wheels: Sequence[LockedWheel]) -> None:
        if not wheels:
            return
        count = "1 wheel" if len(wheels) == 1 else f"{len(wheels)} wheels"
        sizes = [wheel.size for wheel in wheels if wheel.size]
        total = f" ({in_units(sum(sizes))})" if sizes else ""
        self._reporter.info(f"Unpacking {count} of `{self.layer.spec.name}`{total}")
        for wheel in sorted(wheels, key=lambda locked: -(locked.size or 0)):
            shown = f" {in_units(wheel.size)}" if wheel.size else ""
            self._reporter.debug(f"  {wheel.filename}{shown}")

    def _install(self, names: Iterable[str], prefix: Path) -> None:
        layer = self.layer
        indexes = resolution_indexes(layer.spec, layer.stack.below).indexes
        installer = Installer(
            layer.spec.name, layer.cpython.python, layer.platform, indexes, self._reporter
        )
        chosen = sorted(names)
        installer.install_wheels(
            [self._locked[name] for name in chosen if name in self._locked], prefix
        )
        for name in chosen:
            if name in self.built:
                installer.install_project(self.built[name], prefix)


def prepare_installation(
    layer: LockedLayer,
    prefix: Path,
    sibling_wheels: SiblingWheels,
    reporter: Reporter,
    own_wheel: Path | None = None,
) -> Installation:
    """What ``layer`` adds, for the new folder ``prefix``.

    Its siblings are built, with ``sibling_wheels``; ``own_wheel`` is the wheel of its own project,
    where that is a part of it.

    :raises VenvLayerError: where a wheel cannot be built.
    """
    built = _build_siblings(layer, prefix, sibling_wheels)
    if own_wheel is not None:
        built[str(canonicalize_name(layer.spec.project_name))] = own_wheel
    for name, wheel in built.items():
        check_c_library(wheel, name, layer.platform, layer.runtime.minor, sibling_wheels.host)
    return Installation(layer, prefix, built, reporter)


def build_own_wheel(project: LayerProject, folder: Path, reporter: Reporter) -> Path | None:
    """The wheel of ``project``, built in the new ``folder``, where it is a part of its layer.

    It is built each time, by hatchling in this process: nothing else knows what is in it.

    :raises VenvLayerError: where it cannot be built.
    """
    if not project.includes_project():
        return None
    reporter.debug(f"Building the wheel of `{project.spec.project_name}`")
    folder.mkdir()
    return project.build_wheel(folder)


def destination_of(layer: LockedLayer, host: TargetPlatform) -> Destination:
    """What distributions of ``layer`` are packed for, on a machine of the platform ``host``."""
    layout = layer.layout
    return Destination(
        layer.platform,
        layout,
        host=layout_of(host, layer.runtime.minor),
        interpreter=str(layer.cpython.python),
        python=(
            layout.runtime_python if layer.spec.kind is LayerKind.RUNTIME else layout.layer_python
        ),
    )


def _build_siblings(
    layer: LockedLayer, prefix: Path, sibling_wheels: SiblingWheels
) -> dict[str, Path]:
    """Build the siblings that the lock adds; their wheels."""
    built = {}
    for sibling in locked_siblings(layer.lock, layer.platform.name):
        builder = sibling_wheels.builder(layer.cpython, f"`{sibling.name}` for `{layer.spec.name}`")
        wheel = builder.build(sibling.root, prefix.with_name(f"{prefix.name}.{sibling.name}"))
        check_wheel(wheel, sibling.name, sibling.version, layer.platform, layer.runtime.minor)
        built[sibling.name] = wheel
    return built
