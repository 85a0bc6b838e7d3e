"""Download one file: with retries, lines of progress, and a check of its hash."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote, urlsplit

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.common.redaction import shown_url
from hatch_venvstacks.common.reporter import Progress, in_units

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    import requests
    from urllib3 import Retry

    from hatch_venvstacks.common.reporter import Reporter

_BLOCK = 1 << 20
_TIMEOUT = (15.0, 60.0)  # seconds to connect, and between two pieces of the answer
_ATTEMPTS = 5
_PATIENCE = 120.0  # seconds that a server may ask for before the next attempt
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class _TryAgainError(Exception):
    """What went wrong may go right ``after`` as many seconds as the server asks for."""

    def __init__(self, reason: str, after: float = 0) -> None:
        super().__init__(reason)
        self.after = after


def fetch(
    url: str,
    sha256: str,
    dest: Path,
    *,
    root: Path,
    reporter: Reporter,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch ``url`` into the file ``dest``, whose folder exists; other than whole it never appears.

    ``https:``, ``http:`` and ``file:`` are known; ``file:some/where`` is relative to the folder
    ``root``. Failed connections, answers that say "later" and answers that end early are tried
    again: at once and then after 2, 4 and 8 seconds, or what the server asks for by ``Retry-After``
    (:rfc:`9110`, two minutes at most); ``pause`` is called for that. Proxies and credentials come
    from where requests takes them (https://requests.readthedocs.io/en/latest/user/advanced/).

    :raises RuntimeSourceError: where it cannot be had, or is not what ``sha256`` (hex) says.
    """
    part = dest.with_name(f"{dest.name}.part")
    try:
        with part.open("wb") as file:
            if urlsplit(url).scheme == "file":
                actual = _copy(url, file, root)
            else:
                actual = _download(url, file, reporter, pause)
        if actual != sha256.lower():
            raise RuntimeSourceError(
                f"`{shown_url(url)}` is not what was locked: its SHA-256 is {actual}, not {sha256}",
                hint="If it was replaced on purpose, lock the layer again; else do not use it",
            )
        part.replace(dest)
    finally:
        part.unlink(missing_ok=True)


def file_path(url: str, root: Path) -> Path:
    """The file that a ``file:`` URL names; relative to the folder ``root`` where it has no slash.

    Source: :rfc:`8089`.

    :raises RuntimeSourceError: where it names another machine.
    """
    from urllib.request import url2pathname

    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise RuntimeSourceError(
            f"`{shown_url(url)}` names a file of another machine, `{parts.netloc}`",
            hint="Write `file:///` before an absolute path, `file:` before a relative one",
        )
    return root / url2pathname(parts.path)


def _copy(url: str, file: BinaryIO, root: Path) -> str:
    path = file_path(url, root)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                file.write(block)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise RuntimeSourceError(
            f"The file of `{shown_url(url)}` cannot be read: {path}: {error.strerror}"
        ) from error
    return digest.hexdigest()


def _download(url: str, file: BinaryIO, reporter: Reporter, pause: Callable[[float], None]) -> str:
    import requests
    from urllib3 import Retry

    retry = Retry(_ATTEMPTS - 1, backoff_factor=1, status_forcelist=_AGAIN)
    try:
        with requests.Session() as session:
            while True:
                file.seek(0)
                file.truncate()
                try:
                    return _attempt(session, url, file, reporter, retry)
                except _TryAgainError as error:
                    retry = _next(retry, error, url)
                    when = f" in {error.after:.0f} s" if error.after else ""
                    reporter.warning(f"Fetching `{shown_url(url)}`: {error}; trying again{when}")
                    pause(error.after or retry.get_backoff_time())
    except (requests.RequestException, ValueError) as error:
        _fail(url, _reason(error, url))


def _next(retry: Retry, error: _TryAgainError, url: str) -> Retry:
    """``retry``, one attempt later."""
    from urllib3.exceptions import MaxRetryError

    if error.after > _PATIENCE:
        _fail(url, f"{error}, and asks to wait for {error.after:.0f} seconds")
    try:
        return retry.increment("GET", url, error=error)
    except MaxRetryError:
        _fail(url, f"{error}; tried {_ATTEMPTS} times")


def _attempt(
    session: requests.Session, url: str, file: BinaryIO, reporter: Reporter, retry: Retry
) -> str:
    import requests

    digest = hashlib.sha256()
    try:
        # A server that packs the file once more on its way would change what is hashed.
        headers = {"Accept-Encoding": "identity"}
        with session.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as answer:
            if retry.is_retry("GET", answer.status_code, "Retry-After" in answer.headers):
                reason = f"the server answers {answer.status_code} {answer.reason}"
                raise _TryAgainError(reason, _asked(retry, answer))
            if not answer.ok:
                _fail(url, f"the server answers {answer.status_code} {answer.reason}")
            total = int(answer.headers.get("Content-Length") or 0)
            progress, done = _start_progress(url, total, reporter), 0
            for block in answer.iter_content(_BLOCK):
                digest.update(block)
                file.write(block)
                progress.add(len(block))
                done += len(block)
            if done < total:
                raise _TryAgainError(f"the answer ends after {done} of {total} bytes")
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        raise _TryAgainError(_reason(error, url)) from error
    return digest.hexdigest()


def _asked(retry: Retry, answer: requests.Response) -> float:
    """The seconds to wait that ``answer`` asks for; 0 where it asks for none, or nobody knows."""
    from urllib3.exceptions import InvalidHeader

    try:
        return retry.get_retry_after(answer.raw) or 0
    except InvalidHeader:
        return 0


def _start_progress(url: str, total: int, reporter: Reporter) -> Progress:
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    size = f" ({in_units(total)})" if total else ""
    reporter.info(f"Fetching {name}{size} from {urlsplit(shown_url(url)).netloc}")
    return Progress(reporter, f"Fetching {name}", total, in_units)


def _reason(error: BaseException, url: str) -> str:
    """What is wrong, in the system's words where it has some, and without credentials."""
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    text, cause = str(error).replace(url, shown_url(url)), error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            text = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return text


def _fail(url: str, reason: str) -> NoReturn:
    raise RuntimeSourceError(
        f"`{shown_url(url)}` cannot be fetched: {reason}",
        hint="Check the address and the network; `UV_PYTHON_INSTALL_MIRROR` names a mirror of"
        " python-build-standalone",
    )
