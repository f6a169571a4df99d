"""The sandbox behind a real socket, for tests that need a real network."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stripe_billing_router.sandbox import HttpRequest, WireFault, World


class Served(ThreadingHTTPServer):
    """Answers with `world`, or always with `fixed` (status and headers). Remembers headers."""

    daemon_threads = True

    def __init__(
        self, world: World | None = None, fixed: tuple[int, Mapping[str, str]] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world
        self.fixed = fixed
        self.seen: list[tuple[str, str | None]] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked is gone; that is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((f"{self.command} {self.path}", self.headers["Authorization"]))
        if self.server.fixed is not None and self.command == "POST":
            self._send(*self.server.fixed, b"")
            return
        assert self.server.world is not None
        request = HttpRequest.to(self.command, self.path, dict(self.headers), body)
        try:
            response = self.server.world.handle(request)
        except WireFault:
            self.close_connection = True
            return
        self._send(response.status, response.headers, response.body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the base class wants these names

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(
    world: World | None = None, fixed: tuple[int, Mapping[str, str]] | None = None
) -> Iterator[Served]:
    """Serve on a free port while the context lasts."""
    server = Served(world, fixed)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
