"""From a lock to unpacked wheels: uv fetches them, checks their hashes, and installs them.

Everything goes into a *prefix* (never ``--target``, which merges a wheel's data files into the
site directory), one for the whole layer. The files there are links into uv's cache, so they are
only read.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name, parse_wheel_filename

from hatch_venvstacks.common.digest import file_sha256
from hatch_venvstacks.common.errors import ToolError
from hatch_venvstacks.common.reporter import Progress, in_units
from hatch_venvstacks.model.index import index_table
from hatch_venvstacks.model.lock import TOOL, LockedWheel
from hatch_venvstacks.sources.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hatch_venvstacks.common.reporter import Reporter
    from hatch_venvstacks.model.index import Index
    from hatch_venvstacks.model.platforms import TargetPlatform

# In bytes: wheels that take so long to come that each is named.
_LARGE = 50_000_000


@dataclass(frozen=True)
class Installer:
    """Installs for ``layer`` on ``platform``, as its Python does; its oldest system counts.

    ``interpreter`` is a CPython of the layer's minor release; it need not be one for ``platform``.
    ``indexes`` are those that the layer is resolved from: only for known ones does uv look for a
    user name and a password in its environment. ``reporter`` is told how far fetching is.
    """

    layer: str
    interpreter: Path
    platform: TargetPlatform
    indexes: Sequence[Index] = ()
    reporter: Reporter | None = None

    def install_wheels(self, wheels: Sequence[LockedWheel], prefix: Path) -> None:
        """Install the locked ``wheels`` into the folder ``prefix``, which is made.

        :raises ToolError: where a wheel cannot be fetched, or is not the one that was locked.
        """
        prefix.mkdir(parents=True, exist_ok=True)
        if wheels:
            doing = f"The wheels of layer `{self.layer}` cannot be installed as they are locked"
            self._install(wheels, prefix, doing)

    def install_project(self, wheel: Path, prefix: Path) -> None:
        """Install the ``wheel`` of a project, just built, into the folder ``prefix``, too.

        :raises ToolError: where it has no tag that fits the layer's Python and platform.
        """
        name, version, _, _ = parse_wheel_filename(wheel.name)
        own = LockedWheel(name, str(version), str(wheel), file_sha256(wheel), wheel.name)
        doing = f"A project's own wheel, {wheel.name}, cannot be installed in `{self.layer}`"
        # Without the cache, in which each build's wheel would stay for ever.
        self._install([own], prefix, doing, "--no-cache")

    def _install(
        self, wheels: Sequence[LockedWheel], prefix: Path, doing: str, *options: str
    ) -> None:
        import tomlkit

        # By a lock also for a single file: uv (0.13) takes a `#` in a path for the end of it.
        packages = [_package(wheel) for wheel in wheels]
        pylock = {"lock-version": "1.0", "created-by": TOOL, "packages": packages}
        # A root of its own: uv takes settings from the projects above its folder.
        project = prefix.with_name("pyproject.toml")
        remote = [index_table(index) for index in self.indexes if not index.url.startswith("file:")]
        settings = {"workspace": {}, **({"index": remote} if remote else {})}
        project.write_text(tomlkit.dumps({"tool": {"uv": settings}}), "utf-8")
        lock = prefix.with_name(f"pylock.{prefix.name}.toml")
        lock.write_text(tomlkit.dumps(pylock), "utf-8")
        try:
            arguments = ["install", "--require-hashes", "--requirements", lock.name, *options]
            if not self._from_cache(wheels, arguments, prefix, doing):
                heard = None
                if self.reporter is not None:
                    heard = listen_to_fetching(wheels, self.layer, self.reporter)
                self._uv(arguments, prefix, doing, heard)
        finally:
            lock.unlink()
            project.unlink()
        missing = [wheel.name for wheel in wheels if not _is_installed(wheel, prefix)]
        if missing:
            raise ToolError(
                doing,
                detail=f"  uv did not put {', '.join(missing)} where it was told to",
                hint="Look for a table `[pip]` in your uv.toml: `target`, `prefix` and the like in"
                " it change where uv installs",
            )

    def _from_cache(
        self, wheels: Sequence[LockedWheel], arguments: Sequence[str], prefix: Path, doing: str
    ) -> bool:
        """Install from uv's cache alone, if everything is there; tells whether it was.

        Otherwise uv (0.13) asks servers that set no lifetime whether what it has is still the
        newest, and fetches and unpacks it again where they do not know. The hash says it all.
        """
        if not any("://" in wheel.location for wheel in wheels):
            return False
        with suppress(ToolError):
            self._uv([*arguments, "--offline"], prefix, doing)
            return True
        return False

    def _uv(
        self,
        arguments: Sequence[str],
        prefix: Path,
        doing: str,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        options = [
            *("--prefix", str(prefix)),
            *("--python", str(self.interpreter)),
            *("--python-platform", self.platform.uv),
            *("--no-build", "--no-compile-bytecode", "--preview-features", "pylock"),
        ]
        run_uv(
            ["pip", *arguments, *options],
            folder=prefix.parent,
            failure=doing,
            settings={**self.platform.uv_environment, "UV_NO_PROGRESS": "0" if heard else "1"},
            listen=heard,
        )


def listen_to_fetching(
    wheels: Sequence[LockedWheel], layer: str, reporter: Reporter
) -> Callable[[str], None]:
    """What to give uv's words to, to tell ``reporter`` how far it is with fetching ``wheels``.

    uv (0.13) says of those that are larger than a megabyte when it begins and when it has them.
    """
    sizes = {str(wheel.name): wheel.size or 0 for wheel in wheels}
    doing = f"Fetching the wheels of `{layer}`"
    progress = Progress(reporter, doing, sum(sizes.values()), in_units)

    def heard(line: str) -> None:
        word, name, *_ = (*line.split(), "", "")
        if word == "Downloading" and name in sizes:
            say = reporter.info if sizes[name] >= _LARGE else reporter.debug
            say(f"Fetching {name} {in_units(sizes[name] or None)}".rstrip())
        elif word == "Downloaded" and name in sizes:
            progress.add(sizes[name])

    return heard


def _is_installed(wheel: LockedWheel, prefix: Path) -> bool:
    # On POSIX systems and on Windows.
    folders = [*prefix.glob("lib*/*/*/*.dist-info"), *prefix.glob("Lib/*/*.dist-info")]
    infos = (path.stem.partition("-")[0] for path in folders)
    return any(canonicalize_name(name) == canonicalize_name(wheel.name) for name in infos)


def _package(wheel: LockedWheel) -> dict[str, object]:
    place = "url" if "://" in wheel.location else "path"
    file = {
        "name": wheel.filename,
        place: wheel.location,
        "hashes": {"sha256": wheel.sha256},
    }
    return {"name": wheel.name, "version": wheel.version, "wheels": [file]}
