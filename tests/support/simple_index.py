"""A package index on this machine: the Simple API (:pep:`503`), with a password if wanted."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class SimpleIndex:
    """Serves the wheels in ``folder``; ``user`` is ``"name:password"``, or empty.

    ``requests`` are the paths that were asked for, with the status of the answers. While it
    ``dies``, connections end in the middle of every wheel.
    """

    folder: Path
    user: str = ""
    port: int = 0
    requests: list[tuple[str, int]] = field(default_factory=list)
    dies: bool = False

    @property
    def url(self) -> str:
        """Its address, without credentials."""
        return f"http://127.0.0.1:{self.port}/simple/"

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        """The status and the body for a request."""
        wanted = "Basic " + base64.b64encode(self.user.encode()).decode()
        if self.user and authorization != wanted:
            return 401, b""
        kind, _, name = path.partition("?")[0].strip("/").partition("/")
        if kind == "files" and (self.folder / name).is_file():
            return 200, (self.folder / name).read_bytes()
        wheels = [
            wheel
            for wheel in sorted(self.folder.glob("*.whl"))
            if parse_wheel_filename(wheel.name)[0] == name
        ]
        if kind != "simple" or not wheels:
            return 404, b""
        links = "".join(map(_link, wheels))
        return 200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


def _link(wheel: Path) -> str:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f'<a href="/files/{wheel.name}#sha256={digest}">{wheel.name}</a>'


@contextlib.contextmanager
def serving(index: SimpleIndex) -> Iterator[SimpleIndex]:
    """Serve ``index`` on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = index.answer(self.path, self.headers.get("Authorization", ""))
            index.requests.append((self.path, status))
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="wheels"')
            self.send_header("Content-Type", "text/html" if "/simple" in self.path else "binary")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                cut = index.dies and self.path.startswith("/files")
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = cut

        do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *_: object) -> None:
            """Nothing is written to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()
