"""The same stack, built under other circumstances: the archives and their metadata must not tell.

One checkout, with its locks, is copied for each build. Everything goes through the front end.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import zstandard
from builders import make_builders
from interpreters import some_interpreter
from standalone import make_standalone, sha256_of
from workplace import MADE_UP, Workplace, make_workplace

from hatch_venvstacks.sources.runtimes.host import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from front_end import FrontEnds
    from workplace import Files

NOBODY = 65534
# All that such a user may do more than others is to read: interpreters may lie below `/root`.
_AS_NOBODY = (
    "setpriv",
    *(f"--re{kind}={NOBODY}" for kind in ("uid", "gid")),
    "--clear-groups",
    *(f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")),
)
_OLD = 200_000_000  # 1976: before zip archives can date a file


@dataclass(frozen=True)
class Circumstances:
    """What must not matter. The defaults are one way to build, :data:`OTHERWISE` is another.

    ``folder`` is the name of the folder in which the checkout lies, ``builder`` the number of the
    Python that builds; with ``one_core`` the build runs on one. ``own_user`` makes it another
    user's, with a home of its own. ``old_files`` dates all inputs to 1976. A ``warm`` store has
    seen these builds before, from another folder.
    """

    folder: str = "a"
    builder: int = 0
    one_core: bool = False
    umask: int = 0o022
    locale: str = "C.UTF-8"
    zone: str = "UTC"
    own_user: bool = False
    old_files: bool = False
    warm: bool = False

    @property
    def name(self) -> str:
        """How they differ from the usual ones."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        changed = [f"{name} {own[name]}" for name in own if own[name] != getattr(USUAL, name)]
        return ", ".join(changed) or "usual"


USUAL = Circumstances()
OTHERWISE = Circumstances(
    folder="another place/with blanks and ümläuts",
    builder=1,
    one_core=True,
    umask=0o077,
    locale="tr_TR.UTF-8",
    zone="XYZ-13:45",
    own_user=True,
    old_files=True,
    warm=True,
)


def one_by_one() -> list[Circumstances]:
    """The usual circumstances, with one of them changed each."""
    return [
        replace(USUAL, **{one.name: getattr(OTHERWISE, one.name)}) for one in fields(Circumstances)
    ]


@dataclass(frozen=True)
class Origin:
    """A locked stack whose runtime is an archive, the Pythons that build it, and other locales."""

    place: Workplace
    builders: Sequence[Path]
    locales: Path


def make_origin(
    front_ends: FrontEnds,
    folder: Path,
    *,
    layers: Mapping[str, Sequence[str]] = MADE_UP,
    wheels: Iterable[Path] = (),
) -> Origin:
    """Write and lock the stack below ``folder``: other ``layers`` are made from PyPI.

    ``wheels`` are distributions that PyPI has not.
    """
    builders = make_builders(front_ends, folder / "builders")
    root = folder / "origin"
    root.mkdir(parents=True)
    host = some_interpreter()
    packed = make_standalone(host, folder)
    shutil.move(packed, root / "cpython.tar.gz")
    shutil.rmtree(folder / "standalone")
    python = describe(host)
    source = {"url": "file:../../../cpython.tar.gz", "sha256": sha256_of(root / "cpython.tar.gz")}
    options = {
        "python": f"cpython@{python.version}",
        "python_source": {_platform(): source},
    }
    place = make_workplace(
        root,
        front_ends,
        python=str(builders[0]),
        runtime=options,
        layers=layers,
        wheels=wheels,
        network=layers is not MADE_UP,
    )
    # What lies beside the checkout would be copied with it.
    away = replace(place, store=folder / "store", uv_cache=folder / "uv", temporary=folder / "tmp")
    for layer in away.layers:
        code, said = away.build(layer, version="lock")
        assert code == 0, said
    return Origin(away, builders, _locales(folder / "locales"))


def warm_up(origin: Origin, folder: Path) -> Files:
    """All archives and metadata, built as usual below ``folder``; the store has them now."""
    place = replace(_move(origin, folder, USUAL), store=origin.place.store)
    return place.build_all(_environment(origin, folder, USUAL))


def build(origin: Origin, folder: Path, how: Circumstances) -> Files:
    """All archives and metadata of the stack, built below the new ``folder``.

    Every user must be able to enter the folders above it.
    """
    return _move(origin, folder, how).build_all(_environment(origin, folder, how))


def _move(origin: Origin, folder: Path, how: Circumstances) -> Workplace:
    """The checkout, as these circumstances have it."""
    root = folder / how.folder
    shutil.copytree(origin.place.folder, root)
    store = folder / "store"
    if how.warm:
        # A copy, which another user can own: warmed from another folder all the same.
        shutil.copytree(origin.place.store, store, symlinks=True)
    for name in ("home", "tmp", "uv"):
        (folder / name).mkdir()
    owner = NOBODY if how.own_user and can_be_nobody() else -1
    for path in [folder, *folder.rglob("*")]:
        if owner >= 0:
            os.chown(path, owner, owner, follow_symlinks=False)
        if path.is_relative_to(root) and not path.is_symlink():
            path.chmod((0o777 if path.is_dir() else 0o666) & ~how.umask)
            if how.old_files and path.is_file():
                os.utime(path, (_OLD, _OLD))
    return replace(
        origin.place,
        folder=root,
        python=str(origin.builders[how.builder % len(origin.builders)]),
        store=store,
        uv_cache=folder / "uv",
        temporary=folder / "tmp",
        under=_under(how),
    )


def _under(how: Circumstances) -> tuple[str, ...]:
    command = ["sh", "-c", f'umask {how.umask:04o}; exec "$@"', "sh"]
    if how.one_core and shutil.which("taskset"):
        command += ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    if how.own_user and can_be_nobody():
        command += _AS_NOBODY
    return (*command,)


def _environment(origin: Origin, folder: Path, how: Circumstances) -> dict[str, str]:
    own = {"LC_ALL": how.locale, "LANG": how.locale, "TZ": how.zone, "PYTHONUTF8": ""}
    if how.locale != USUAL.locale:
        own["LOCPATH"] = str(origin.locales)
        if not any(origin.locales.iterdir()):
            own["LC_ALL"] = own["LANG"] = "POSIX"
    if how.own_user:
        user = "nobody" if can_be_nobody() else "somebody"
        own |= {"HOME": str(folder / "home"), "USER": user, "LOGNAME": user}
    return own


def can_be_nobody() -> bool:
    """Whether builds can be run as another user."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    return subprocess.run([*_AS_NOBODY, "true"], check=False, capture_output=True).returncode == 0


def _locales(folder: Path) -> Path:
    """A folder with the Turkish locale, in which ``i`` is not the small letter of ``I``."""
    folder.mkdir()
    if shutil.which("localedef"):
        command = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / "tr_TR.UTF-8")]
        subprocess.run(command, check=False, capture_output=True)
    return folder


def _platform() -> str:
    from hatch_venvstacks.model.platforms import host_platform

    return host_platform().name


def wrong_records(archive: Path, folder: Path) -> Iterator[str]:
    """Unpack ``archive`` into ``folder`` and read it again: what is not as its RECORDs say."""
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    # Those that a distribution has in its own folder came with it from elsewhere.
    for record in sorted(folder.rglob("site-packages/*.dist-info/RECORD")):
        site = record.parent.parent
        for name, digest, size in csv.reader(io.StringIO(record.read_text("utf-8"))):
            path = site / name
            if not path.is_file():
                yield f"{record.parent.name}: {name} is missing"
            elif digest:
                content = path.read_bytes()
                found = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                if f"sha256={found.rstrip(b'=').decode()}" != digest or int(size) != len(content):
                    yield f"{record.parent.name}: {name} is another file"


def segments(store: Path) -> dict[str, int]:
    """The segments in the store: name to the number of the file on its disk."""
    return {
        path.name: path.stat().st_ino for path in (store / "segments").rglob("*") if path.is_file()
    }


def members(store: Path, segment: str) -> list[str]:
    """The names of the files in that segment of the store."""
    (path,) = (store / "segments").rglob(segment)
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        with tarfile.open(fileobj=io.BytesIO(reader.read())) as tar:
            return tar.getnames()


def not_served(origin: Origin, folder: Path) -> list[str]:
    """Build again elsewhere, later, with other versions: what of others was packed again."""
    warm = replace(USUAL, warm=True)
    place = _move(origin, folder, warm)
    for project in place.root.rglob("pyproject.toml"):
        text = project.read_text("utf-8")
        project.write_text(text.replace('version = "1.0"', 'version = "1.1"'), "utf-8")
    before = segments(place.store)
    place.build_all({**_environment(origin, folder, warm), "SOURCE_DATE_EPOCH": "1700000000"})
    after = segments(place.store)
    own = {"app", "app-1.1.dist-info"}
    lines = [f"{name} was written again" for name in before if after.get(name) != before[name]]
    for name in sorted({*after} - {*before}):
        found = [path for path in members(place.store, name) if "/site-packages/" in path]
        others = [
            path for path in found if path.split("/site-packages/")[1].split("/")[0] not in own
        ]
        lines += [f"{name} is new: {', '.join(others[:3])}"] if others else []
    return lines if before else ["the store holds no segment"]
