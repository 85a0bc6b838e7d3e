"""What a face calls what its users run and set, for messages of the core."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from hatch_venvstacks.common.paths import shown_path


@dataclass(frozen=True)
class Wording:
    """The words of one face.

    ``lock`` is the command that locks the layer of a project, to be run in its folder.
    ``platform`` chooses the target platform, ``cache`` the folder of the store; ``locked`` forbids
    to write locks, ``upgrade`` names what is upgraded. ``change_python`` is a sentence: how to
    build with another Python.
    """

    lock: str
    platform: str
    cache: str
    locked: str
    upgrade: str
    change_python: str

    def lock_in(self, folder: Path) -> str:
        """The command that locks, as it is to be typed for the project in ``folder``, from here."""
        shown = shown_path(folder, Path())
        return f"`{self.lock}`" if shown == "." else f"`{self.lock}` in `{shown}`"


# Where no face has said its own.
PLAIN = Wording(
    lock="lock the layer",
    platform="the target platform",
    cache="the cache folder",
    locked="the caller",
    upgrade="what is to be upgraded",
    change_python="Let another Python run the build",
)


@dataclass(frozen=True)
class Mend:
    """What to do about an error, in words that each face has of its own.

    ``text`` has the names of fields of :class:`Wording` in braces (:meth:`str.format`); ``{lock}``
    is the command for the project in ``folder``.
    """

    text: str
    folder: Path = Path()

    def worded(self, wording: Wording) -> str:
        """The words of one face."""
        return self.text.format(**{**asdict(wording), "lock": wording.lock_in(self.folder)})
