"""The content-addressed cache below the user's cache folder: what is costly to make, made once.

An entry is a folder under the name of its key. It is made under another name and renamed when it
is complete, under a lock: whoever is killed in between leaves nothing that counts. With each entry
goes a digest of its files, which is checked at every use; an entry that was altered is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_venvstacks.digest import file_sha256
from hatch_venvstacks.errors import BuildError, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CACHE_VARIABLE = "HATCH_VENVLAYER_CACHE"


def default_root() -> Path:
    """The folder that ``HATCH_VENVLAYER_CACHE`` names, or ``hatch-venvstacks`` in the user's cache.

    Source of the latter: https://platformdirs.readthedocs.io/en/latest/api.html.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()

    import platformdirs

    return platformdirs.user_cache_path("hatch-venvstacks", appauthor=False)


@dataclass(frozen=True)
class Store:
    """The cache in the folder ``root``, which is made when something is stored."""

    root: Path

    def runtime_dir(self, key: str, make: Callable[[Path], None]) -> Path:
        """The folder of the runtime ``key`` (the SHA-256 of its archive, hex).

        ``make`` is called with an empty folder where there is no such entry, or where its files are
        no longer what they were; compiled modules in ``__pycache__`` do not count, as running the
        interpreter makes them. Nobody may change what lies in the folder.

        :raises BuildError: where the cache folder cannot be written.
        """
        return self._entry(self.root / "runtimes", key, make)

    def document(self, key: str) -> Any:
        """The value that was kept under ``key``; ``None`` where there is none, or a damaged one."""
        try:
            digest, _, body = self._document(key).read_bytes().partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        return json.loads(body)

    def keep_document(self, key: str, value: Any) -> None:
        """Keep ``value``, which JSON can hold, under ``key``; a cache that is read-only keeps none.

        ``key`` is made of all that the value depends on.
        """
        body = json.dumps(value, separators=(",", ":")).encode()
        path = self._document(key)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink()
                raise

    def _document(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.root / "documents" / name[:2] / f"{name}.json"

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder that is gone afterwards: in the cache, where uv's files can be linked.

        What builds that were killed have left is removed first. Where the cache cannot be written,
        the folder lies where temporary files go.

        :raises BuildError: where the folder cannot be made or filled, for instance on a full disk.
        """
        try:
            self._sweep()
        except OSError:
            elsewhere = tempfile.TemporaryDirectory(prefix="venvlayer-")
            with _filling(Path(tempfile.gettempdir())), elsewhere as name:
                yield Path(name)
            return
        key = uuid.uuid4().hex
        with _filling(self._work), self._lock(self._work, key) as folder:
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        _forget(self._work / f".{key}.lock")

    @contextmanager
    def exclusive(self, folder: Path) -> Iterator[None]:
        """Let nobody else make ``folder`` at the same time, as far as the cache can be written."""
        key = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()
        with ExitStack() as stack:
            with suppress(OSError):
                stack.enter_context(self._lock(self.root / "exports", key))
            yield

    @property
    def _work(self) -> Path:
        return self.root / "work"

    def _sweep(self) -> None:
        from filelock import FileLock, Timeout

        self._work.mkdir(parents=True, exist_ok=True)
        for name in self._work.glob(".*.lock"):
            # A folder whose lock is held is in use.
            with suppress(Timeout), FileLock(name, timeout=0):
                shutil.rmtree(self._work / name.name[1:-5], ignore_errors=True)
                _forget(name)

    def _entry(self, shelf: Path, key: str, make: Callable[[Path], None]) -> Path:
        entry, unfinished = shelf / key, shelf / f".{key}.part"
        with self._writing(), self._lock(shelf, key):
            if _is_intact(entry):
                return entry / "tree"
            for stale in (entry, unfinished):
                if stale.exists():
                    _remove(stale)
            (unfinished / "tree").mkdir(parents=True)
            try:
                make(unfinished / "tree")
                (unfinished / "digest").write_text(_digest(unfinished / "tree"), "ascii")
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
                hint=f"Set `{CACHE_VARIABLE}` to a folder that can be written, with enough room",
            ) from error


@contextmanager
def _filling(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"The folder for work in progress, `{folder}`, cannot be used: {words(error)}",
            hint=f"Set `{CACHE_VARIABLE}` to a folder that can be written, with enough room",
        ) from error


def _forget(lock: Path) -> None:
    with suppress(OSError):  # on Windows, where it is open elsewhere
        lock.unlink()


def _is_intact(entry: Path) -> bool:
    try:
        return (entry / "digest").read_text("ascii") == _digest(entry / "tree")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def _digest(tree: Path) -> str:
    """SHA-256 over the names, kinds, executable bits and contents of the files below ``tree``."""
    total = hashlib.sha256()
    for parent, folders, files in os.walk(tree):
        links = {name for name in folders if Path(parent, name).is_symlink()}
        folders[:] = sorted({*folders} - links - {"__pycache__"})
        for name in sorted({*files, *links}):
            path = Path(parent, name)
            if path.is_symlink():
                content, kind = path.readlink().as_posix(), "link"
            else:
                content, kind = file_sha256(path), oct(path.stat().st_mode & 0o111)
            place = path.relative_to(tree).as_posix()
            total.update(f"{place}\0{kind}\0{content}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
