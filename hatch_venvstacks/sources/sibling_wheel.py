"""The wheels of sibling projects, built by their own backends through uv.

They are built where they lie, as uv and pip do it: in a copy, versions from Git, files beside the
project and the ``.gitignore`` of the monorepo would be missing
(https://pip.pypa.io/en/stable/topics/local-project-installs/). Setuptools alone keeps what earlier
builds have left, in ``build`` and ``*.egg-info``: it is given folders elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from hatch_venvstacks.common.errors import BuildError, ToolError
from hatch_venvstacks.config.inherited_variables import backend_variables
from hatch_venvstacks.model.platforms import wheel_tags
from hatch_venvstacks.sources.dist_info import read_wheel_metadata
from hatch_venvstacks.sources.sibling_inputs import WheelInputs, read_wheel_inputs
from hatch_venvstacks.sources.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_venvstacks.model.platforms import TargetPlatform
    from hatch_venvstacks.model.runtime import CPython
    from hatch_venvstacks.model.workshop import Workshop
    from hatch_venvstacks.store.store import Store


@dataclass(frozen=True)
class WheelBuilder:
    """Builds wheels with a CPython of the minor release ``python``, and keeps them in ``store``.

    ``find_interpreter`` gives that CPython; ``mtime`` dates what is in a wheel (seconds); ``say``
    is called with the folder of a project whose wheel has to be built.
    """

    python: str
    find_interpreter: Callable[[], Path]
    mtime: int
    store: Store
    say: Callable[[Path], None] = lambda _: None

    def key(self, root: Path) -> str:
        """What stands for all that the wheel of the project in ``root`` is made of."""
        return self._inputs(root).key

    def build(self, root: Path, work: Path) -> Path:
        """The wheel of the project in ``root``, within the new folder ``work``.

        :raises ToolError: where the build fails; the words of uv and the backend are kept.
        """
        inputs = self._inputs(root)
        kept = self.store.copy_wheel(inputs.key, work / "wheels")
        if kept is not None:
            return kept
        self.say(root)
        wheel = self._run_build(root, work)
        # Who edits a file while the wheel is built may undo that later.
        if inputs.outlast(self._inputs(root)):
            self.store.keep_wheel(inputs.key, wheel)
        return wheel

    def _inputs(self, root: Path) -> WheelInputs:
        return read_wheel_inputs(root, self._settings, self.python)

    @property
    def _settings(self) -> dict[str, str]:
        return {**backend_variables(), "SOURCE_DATE_EPOCH": str(self.mtime)}

    def _run_build(self, root: Path, work: Path) -> Path:
        wheels, setuptools = work / "wheels", work / "setuptools"
        for folder in (wheels, setuptools / "egg-info"):
            folder.mkdir(parents=True, exist_ok=True)
        config = setuptools / "setup.cfg"
        config.write_text(
            f"[build]\nbuild_base = {setuptools / 'build'}\n"
            f"[egg_info]\negg_base = {setuptools / 'egg-info'}\n".replace("%", "%%"),
            "utf-8",
        )
        run_uv(
            [
                "build",
                str(root),
                "--wheel",
                "--no-create-gitignore",
                *("--python", str(self.find_interpreter())),
                *("--out-dir", str(wheels)),
            ],
            folder=root,
            failure=f"The wheel of the project in `{root}` cannot be built",
            temporary=work,
            settings={
                **self._settings,
                # https://setuptools.pypa.io/en/latest/deprecated/distutils/configfile.html
                "DIST_EXTRA_CONFIG": str(config),
            },
        )
        built = sorted(wheels.glob("*.whl"))
        if len(built) != 1:
            raise ToolError(f"The build of the project in `{root}` has made no wheel")
        return built[0]


class SiblingWheels:
    """The builds of siblings in one call: what they have said of a project is remembered.

    ``mtime`` dates what is in the wheels, in seconds since the epoch.
    """

    def __init__(self, workshop: Workshop, mtime: int) -> None:
        self._workshop, self._mtime = workshop, mtime
        self._metadata: dict[tuple[Path, str], str] = {}

    @property
    def host(self) -> TargetPlatform:
        """The platform of this machine, which the wheels are built on."""
        return self._workshop.host

    def builder(self, cpython: CPython, what: str = "") -> WheelBuilder:
        """What builds wheels with ``cpython``; ``what`` is said to be built, if that is named."""

        def say(_: Path) -> None:
            if what:
                self._workshop.reporter.info(f"Building the wheel of {what}")

        return WheelBuilder(
            cpython.locked.minor, lambda: cpython.python, self._mtime, self._workshop.store, say
        )

    def build_metadata(self, root: Path, cpython: CPython) -> str:
        """The text of METADATA in the wheel of the project in ``root``, built where it must be.

        :raises VenvLayerError: where it cannot be built or read.
        """
        key = (root, cpython.locked.minor)
        if key not in self._metadata:
            builder = self.builder(cpython)
            with self._workshop.store.workspace() as work:
                self._metadata[key] = read_wheel_metadata(builder.build(root, work / "sibling"))
        return self._metadata[key]


def check_wheel(
    wheel: Path, name: str, version: str, platform: TargetPlatform, python: str
) -> None:
    """Check that ``wheel`` is of that name and version, and fits ``platform`` and ``python``.

    Any ``version`` will do where it is empty.

    :raises BuildError: where it does not.
    """
    try:
        own_name, own_version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise BuildError(f"The wheel of `{name}` has a name that is not valid: {error}") from error
    if (own_name, str(own_version)) != (name, version or str(own_version)):
        raise BuildError(
            f"The wheel of `{name}` {version} was built as {own_name} {own_version}",
            hint="Its version depends on how it is built: give it one that does not",
        )
    if tags.isdisjoint(wheel_tags(platform, python)):
        raise _misfit(wheel, name, platform, python)


def check_c_library(
    wheel: Path, name: str, platform: TargetPlatform, python: str, host: TargetPlatform
) -> None:
    """Check that ``wheel``, which was built on the machine ``host``, is for ``platform``'s libc.

    Its tags need not tell: ``linux_x86_64`` is accepted with any C library.

    :raises BuildError: where it is for that of ``host``, and ``platform`` has another one.
    """
    tags = parse_wheel_filename(wheel.name)[3]
    alike = platform.name != host.name and platform.marker == host.marker
    if alike and all(tag.platform.startswith("linux_") for tag in tags):
        raise _misfit(wheel, name, platform, python)


def _misfit(wheel: Path, name: str, platform: TargetPlatform, python: str) -> BuildError:
    return BuildError(
        f"The wheel of `{name}` that was built here is {wheel.name}: it does not fit"
        f" {platform.name} and CPython {python}",
        hint="A project with compiled modules is built on each platform only: build this layer"
        " there, or put wheels of the project into an index",
    )
