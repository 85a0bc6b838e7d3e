"""Where things lie in a layer: on POSIX systems, and on Windows.

The folders are those of the installation schemes ``posix_prefix`` and ``nt``
(https://docs.python.org/3/library/sysconfig.html#installation-paths), with headers where installers
put them in a virtual environment (pip, uv). A layer for any platform is packed on this machine: a
layout also says where what an installer of another system has put somewhere belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_venvstacks.common.errors import VenvLayerError

if TYPE_CHECKING:
    from hatch_venvstacks.model.platforms import TargetPlatform


@dataclass(frozen=True)
class Layout:
    """The folders and files of a layer, relative to it, with ``/``.

    ``scripts`` is the folder for programs, ``site_packages`` the one for packages; each
    distribution's C headers have a folder in ``headers``. ``runtime_python`` is the interpreter of
    a runtime layer, ``layer_python`` that of the layers above it. ``suffix`` is what the name of a
    program ends in.

    ``postinstall`` is the program that makes an unpacked layer ready to run, empty where that needs
    none: on Windows there is no interpreter that finds its standard library from a relative place.
    """

    minor: str
    scripts: str
    site_packages: str
    headers: str
    runtime_python: str
    layer_python: str
    suffix: str = ""
    postinstall: str = ""

    @property
    def is_windows(self) -> bool:
        """Whether it is that of Windows, which has no symbolic links to rely on."""
        return bool(self.suffix)

    def program(self, name: str) -> str:
        """The path of the program that is started as ``name``."""
        return f"{self.scripts}/{name}{self.suffix}"

    def mapped(self, path: str, source: Layout, *, executable: bool = True) -> str:
        """Where the file ``path`` of an installation in the layout ``source`` lies in this one.

        On POSIX systems a wheel's ``scripts`` and its data files for ``bin`` meet in one folder.
        Installers make the former ``executable``; other files keep their folder.
        """
        moved = [(source.site_packages, self.site_packages), (source.headers, self.headers)]
        if executable:
            moved.append((source.scripts, self.scripts))
        for before, after in moved:
            if path.startswith(f"{before}/"):
                return after + path[len(before) :]
        return path


def layout_of(platform: TargetPlatform, minor: str) -> Layout:
    """The layout of layers for ``platform`` on CPython ``minor`` (``"3.11"``)."""
    if platform.sys_platform == "win32":
        return Layout(
            minor,
            scripts="Scripts",
            site_packages="Lib/site-packages",
            headers="Include",
            runtime_python="python.exe",
            layer_python="Scripts/python.exe",
            suffix=".exe",
            postinstall="postinstall.py",
        )
    return Layout(
        minor,
        scripts="bin",
        site_packages=f"lib/python{minor}/site-packages",
        headers=f"include/site/python{minor}",
        runtime_python=f"bin/python{minor}",
        layer_python="bin/python",
    )


def check_buildable(host: TargetPlatform, platform: TargetPlatform) -> None:
    """Refuse to build on the machine ``host`` for a ``platform`` whose files it cannot hold.

    :raises VenvLayerError: on Windows, for anything else.
    """
    if host.sys_platform == "win32" != platform.sys_platform:
        raise VenvLayerError(
            f"Layers for {platform.name} cannot be built on Windows, whose file systems keep"
            " neither executable bits nor symbolic links",
            hint="Build them on Linux or macOS, which build for Windows as well",
        )
