"""The content-addressed cache below the user's cache folder: what is costly to make, made once.

A runtime is a folder under the name of its key, a segment or a wheel is a file under the name of
its SHA-256, and a document is a file under that of its key. Each is made under another name, in a
folder for work in progress, and gets its own when it is complete: whoever is killed in between
leaves nothing that counts. All of them are checked at every use; what was altered is made again.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.common.digest import RECENT, file_sha256
from hatch_venvstacks.common.errors import BuildError, words
from hatch_venvstacks.common.wording import Mend
from hatch_venvstacks.store.eviction import DEFAULT_SIZE, evict, note_use, write_size
from hatch_venvstacks.store.tree_digest import is_intact, note_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# In bytes: smaller files are hashed as fast as something is found in the store.
_LARGE = 2**20

_ROOM = Mend("Set {cache} to a folder that can be written, with enough room")


class Store:
    """The cache in the folder ``root``, which is made when something is stored.

    ``size`` is its bound in bytes, see :meth:`evict`.
    """

    def __init__(self, root: Path, size: int = DEFAULT_SIZE) -> None:
        self.root, self.size = root, size
        # Where runtimes lie if the cache is read-only: made when there is one.
        self._elsewhere: Path | None = None

    def ensure_runtime(
        self, key: str, make: Callable[[Path], None], *, unread: bool = False
    ) -> Path:
        """The folder of the runtime ``key`` (the SHA-256 of its archive, hex).

        ``make`` is called with an empty folder where there is no such entry, or where its files are
        no longer what they were; compiled modules in ``__pycache__`` do not count, as running the
        interpreter makes them. Their contents are read for that; with ``unread`` only where their
        state on disk is not what it was when they were last read, for a runtime that is run and not
        packed. Nobody may change what lies in the folder. In a cache that is read-only nothing is
        made: the folder is a temporary one, which is gone with this process.

        :raises BuildError: where the folder cannot be made, for instance on a full disk.
        """
        shelf = self.root / "runtimes"
        with self._writing():
            writable = _is_writable(shelf)
        if writable:
            return self._entry(shelf, key, make, unread=unread)
        if is_intact(shelf / key, unread=unread):
            return shelf / key / "tree"
        if self._elsewhere is None:
            with _filling(Path(tempfile.gettempdir())):
                self._elsewhere = Path(tempfile.mkdtemp(prefix="venvlayer-"))
            atexit.register(shutil.rmtree, self._elsewhere, ignore_errors=True)
        return self._entry(self._elsewhere, key, make, unread=unread)

    def read_document(self, key: str) -> Any:
        """The value that was kept under ``key``; ``None`` where there is none, or a damaged one."""
        path = self._document(key)
        try:
            digest, _, body = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        note_use(path)
        return json.loads(body)

    def keep_document(self, key: str, value: Any) -> None:
        """Keep ``value``, which JSON can hold, under ``key``; a cache that is read-only keeps none.

        ``key`` is made of all that the value depends on.
        """
        body = json.dumps(value, separators=(",", ":")).encode()
        with suppress(OSError), self._unfinished() as path:
            path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            _put(path, self._document(key))

    def segment(self, sha256: str) -> Path:
        """The place of the segment with that SHA-256 (hex), whether it is there or not.

        Who reads it makes sure that it is still what its name says, and calls :meth:`drop` if not.
        """
        return self.root / "segments" / sha256[:2] / sha256

    def keep_segment(self, path: Path, sha256: str) -> bool:
        """Keep the segment in the file ``path``; tells whether it is in the store now.

        The file stays, and must not be changed: where it lies in a :meth:`workspace`, it is one
        file under two names.
        """
        place = self.segment(sha256)
        with suppress(OSError):
            # What has that name may be damaged.
            if file_sha256(place) == sha256:
                return True
        with suppress(OSError), self._unfinished() as copy:
            try:
                os.link(path, copy)
            except OSError:
                shutil.copyfile(path, copy)
            _put(copy, place)
            return True
        return False

    def copy_wheel(self, key: str, folder: Path) -> Path | None:
        """A copy in ``folder`` of the wheel that was kept under ``key``, if there is one."""
        found = self.read_document(key)
        if found is None:
            return None
        source = self.root / "wheels" / found["sha256"][:2] / found["sha256"]
        copy = folder / str(found["name"])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        except OSError:
            return None
        if file_sha256(copy) != found["sha256"]:
            self.drop(source)
            copy.unlink()
            return None
        note_use(source)
        return copy

    def keep_wheel(self, key: str, wheel: Path) -> None:
        """Keep a copy of the file ``wheel`` under ``key``, as :meth:`keep_document` does."""
        with suppress(OSError), self._unfinished() as copy:
            shutil.copyfile(wheel, copy)
            sha256 = file_sha256(copy)
            _put(copy, self.root / "wheels" / sha256[:2] / sha256)
            self.keep_document(key, {"name": wheel.name, "sha256": sha256})

    def drop(self, path: Path) -> None:
        """Remove an entry that is not what it was."""
        with suppress(OSError):
            _remove(path)

    def evict(self) -> None:
        """Remove what was not used for the longest time, where the store is over its size."""
        evict(self.root, self.size)

    def _document(self, key: str) -> Path:
        name = hashlib.sha256(os.fsencode(key)).hexdigest()
        return self.root / "documents" / name[:2] / f"{name}.json"

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A name for a file that is not complete yet, on the file system of the store.

        What is left under such a name by a build that was killed is removed by later ones.
        """
        self._work.mkdir(parents=True, exist_ok=True)
        with self._lock(self._work, uuid.uuid4().hex) as path:
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)
        _forget(path.with_name(f".{path.name}.lock"))

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder that is gone afterwards: in the cache, where uv's files can be linked.

        What builds that were killed have left is removed first. Where the cache cannot be written,
        the folder lies where temporary files go.

        :raises BuildError: where the folder cannot be made or filled, for instance on a full disk.
        """
        writable = False
        with suppress(OSError):
            writable = _is_writable(self._work)
        if not writable:
            elsewhere = tempfile.TemporaryDirectory(prefix="venvlayer-")
            with _filling(Path(tempfile.gettempdir())), elsewhere as name:
                yield Path(name)
            return
        self._sweep()
        key = uuid.uuid4().hex
        with _filling(self._work), self._lock(self._work, key) as folder:
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        _forget(self._work / f".{key}.lock")

    @contextmanager
    def exclusive(self, folder: Path) -> Iterator[bool]:
        """Let nobody else write to ``folder`` at the same time, as far as the cache can be written.

        Tells whether that is so.
        """
        key = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
        with ExitStack() as stack:
            alone = False
            with suppress(OSError):
                stack.enter_context(self._lock(self.root / "outputs", key))
                alone = True
            yield alone

    @property
    def _work(self) -> Path:
        return self.root / "work"

    def _sweep(self) -> None:
        from filelock import FileLock, Timeout

        for name in self._work.glob(".*.lock"):
            # A folder whose lock is held is in use.
            with suppress(Timeout, OSError), FileLock(name, timeout=0):
                left = self._work / name.name[1:-5]
                if left.exists():
                    _remove(left)
                _forget(name)

    def _entry(self, shelf: Path, key: str, make: Callable[[Path], None], *, unread: bool) -> Path:
        entry, unfinished = shelf / key, shelf / f".{key}.part"
        with self._writing(), self._lock(shelf, key):
            if is_intact(entry, unread=unread):
                note_use(entry)
                return entry / "tree"
            for stale in (entry, unfinished):
                if stale.exists():
                    _remove(stale)
            (unfinished / "tree").mkdir(parents=True)
            try:
                make(unfinished / "tree")
                note_digest(unfinished)
                write_size(unfinished)
                unfinished.rename(entry)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            return entry / "tree"

    @contextmanager
    def _lock(self, shelf: Path, key: str) -> Iterator[Path]:
        from filelock import FileLock

        shelf.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / f".{key}.lock"):
            yield shelf / key

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BuildError(
                f"The cache folder `{self.root}` cannot be used: {error.strerror or error}",
                hint=_ROOM,
            ) from error


@contextmanager
def _filling(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"The folder for work in progress, `{folder}`, cannot be used: {words(error)}",
            hint=_ROOM,
        ) from error


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return False
        raise
    return os.access(folder, os.W_OK | os.X_OK)


def _forget(lock: Path) -> None:
    with suppress(OSError):  # on Windows, where it is open elsewhere
        lock.unlink()


def _put(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        _remove(place)
    path.replace(place)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remembered_sha256(path: Path, store: Store) -> str:
    """The SHA-256 of a large file (hex), from ``store`` where nobody has written to it since.

    That is judged by its size, its inode and its times, as Git does it.

    :raises OSError: where it cannot be read.
    """
    state = path.stat()
    if state.st_size < _LARGE:
        return file_sha256(path)
    times = (state.st_mtime_ns, state.st_ctime_ns)
    seen = [state.st_size, state.st_ino, *times]
    key = f"file {path.resolve()}"
    known = store.read_document(key)
    if known is not None and known["state"] == seen:
        return str(known["sha256"])
    found = file_sha256(path)
    if max(times) < time.time_ns() - RECENT:
        store.keep_document(key, {"state": seen, "sha256": found})
    return found


def key_of(kind: str, *parts: Any) -> str:
    """A key of that ``kind`` that stands for ``parts``, which JSON can hold."""
    text = json.dumps([kind, *parts], sort_keys=True)
    return f"{kind} {hashlib.sha256(text.encode()).hexdigest()}"
