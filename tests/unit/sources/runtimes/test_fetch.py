from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from hatch_venvstacks.common.errors import RuntimeSourceError
from hatch_venvstacks.sources.runtimes.fetch import fetch, file_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Lines:
    """A reporter that keeps what it is told."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        self.infos.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def debug(self, message: str) -> None:
        pass


@dataclass
class Server:
    """A web server that gives the answers of its plan, one after another, then the last for ever.

    An answer is a status, or ``"cut"`` for a body that ends early, or ``"reset"``.
    """

    plan: list[int | str]
    address: str = ""
    requests: list[str] = field(default_factory=list)
    retry_after: str = ""

    def next_answer(self) -> int | str:
        return self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]


@contextlib.contextmanager
def serving(*plan: int | str) -> Iterator[Server]:
    server = Server(list(plan))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self.path)
            answer = server.next_answer()
            if answer == "reset":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer if isinstance(answer, int) else 200)
            body = BODY if answer in (200, "cut") else b"no"
            self.send_header("Content-Length", str(len(body)))
            if server.retry_after and answer != 200:
                self.send_header("Retry-After", server.retry_after)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if answer == "cut" else body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        server.address = f"127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            httpd.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_file_comes_with_few_lines(tmp_path: Path) -> None:
    lines = Lines()
    with serving(200) as server:
        url = f"http://{server.address}/a/cpython%2B1.tar.gz"
        fetch(url, SHA256.upper(), tmp_path / "file", root=tmp_path, reporter=lines)
    assert (tmp_path / "file").read_bytes() == BODY
    assert lines.infos == [f"Fetching cpython+1.tar.gz (5.1 MB) from {server.address}"]
    assert lines.warnings == []


@pytest.mark.parametrize("trouble", [503, 429, "cut", "reset"])
def test_what_may_go_right_later_is_tried_again(tmp_path: Path, trouble: int | str) -> None:
    lines, pauses = Lines(), list[float]()
    with serving(trouble, trouble, 200) as server:
        url = f"http://{server.address}/file"
        fetch(url, SHA256, tmp_path / "file", root=tmp_path, reporter=lines, pause=pauses.append)
    assert (tmp_path / "file").read_bytes() == BODY
    assert pauses == [0, 2]
    assert len(lines.warnings) == 2
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("header", "pause", "words"),
    [("7", 7, " in 7 s"), ("soon", 0, ""), ("Thu, 01 Jan 1970 00:00:00 GMT", 0, "")],
)
def test_a_server_says_when_to_try_again(
    tmp_path: Path, header: str, pause: float, words: str
) -> None:
    lines, pauses = Lines(), list[float]()
    with serving(429, 200) as server:
        server.retry_after = header
        url = f"http://{server.address}/file"
        fetch(url, SHA256, tmp_path / "file", root=tmp_path, reporter=lines, pause=pauses.append)
    assert pauses == [pause]
    assert lines.warnings == [
        f"Fetching `{url}`: the server answers 429 Too Many Requests; trying again{words}"
    ]


def test_a_server_that_asks_for_too_much_patience(tmp_path: Path) -> None:
    with serving(503) as server:
        server.retry_after = "3600"
        url = f"http://{server.address}/x"
        words = "answers 503 Service Unavailable, and asks to wait for 3600 seconds"
        with pytest.raises(RuntimeSourceError, match=words):
            fetch(url, SHA256, tmp_path / "file", root=tmp_path, reporter=Lines())
    assert len(server.requests) == 1


def test_retries_end(tmp_path: Path) -> None:
    with (
        serving(503) as server,
        pytest.raises(RuntimeSourceError, match=r"answers 503 .*; tried 5 times"),
    ):
        fetch(
            f"http://{server.address}/x",
            SHA256,
            tmp_path / "file",
            root=tmp_path,
            reporter=Lines(),
            pause=lambda _: None,
        )
    assert len(server.requests) == 5
    assert list(tmp_path.iterdir()) == []


def test_not_found_is_not_tried_again(tmp_path: Path) -> None:
    with serving(404) as server:
        url = f"http://{server.address}/x"
        with pytest.raises(RuntimeSourceError, match="cannot be fetched: the server answers 404"):
            fetch(url, SHA256, tmp_path / "file", root=tmp_path, reporter=Lines())
    assert len(server.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_another_content_is_refused_and_not_kept(tmp_path: Path) -> None:
    with serving(200) as server:
        url = f"http://{server.address}/x"
        with pytest.raises(RuntimeSourceError) as caught:
            fetch(url, "0" * 64, tmp_path / "file", root=tmp_path, reporter=Lines())
    assert f"its SHA-256 is {SHA256}, not {'0' * 64}" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{unused.getsockname()[1]}/x?token=secret"
        lines = Lines()
        with pytest.raises(RuntimeSourceError, match="Connection refused; tried 5") as caught:
            fetch(
                url,
                SHA256,
                tmp_path / "file",
                root=tmp_path,
                reporter=lines,
                pause=lambda _: None,
            )
    assert "secret" not in f"{caught.value}{lines}"
    assert caught.value.message.startswith("`http://127.0.0.1:")


def test_an_address_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeSourceError, match="cannot be fetched") as caught:
        fetch("ftp://u:secret@h/x", SHA256, tmp_path / "file", root=tmp_path, reporter=Lines())
    assert "secret" not in str(caught.value)


def test_files_absolute_and_relative(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "file+1").write_bytes(BODY)
    for url in (f"file://{tmp_path}/a%20b/file%2B1", "file:a%20b/file+1"):
        fetch(url, SHA256, tmp_path / "copy", root=tmp_path, reporter=Lines())
        assert (tmp_path / "copy").read_bytes() == BODY
        (tmp_path / "copy").unlink()


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeSourceError, match=r"`file:no\.tar` cannot be read: .*No such file"):
        fetch("file:no.tar", SHA256, tmp_path / "copy", root=tmp_path, reporter=Lines())
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_machine(tmp_path: Path) -> None:
    with pytest.raises(RuntimeSourceError, match="another machine, `server`"):
        file_path("file://server/share/x", tmp_path)
