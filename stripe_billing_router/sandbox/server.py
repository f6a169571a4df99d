"""The sandbox over HTTP on the loopback interface, for several processes and other languages."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from .clock import VirtualClock
from .wire import HttpRequest, HttpResponse, WireFault
from .world import World

HOST = "127.0.0.1"
_MOST_BYTES = 10_000_000


def real_time_world(**options: Any) -> World:
    """Return a world whose clock follows the real one."""
    return World(clock=VirtualClock(source=lambda: time.time_ns() // 1_000_000), **options)


class SandboxServer(ThreadingHTTPServer):
    """Answers for `world` on 127.0.0.1; `port` 0 takes a free one. No other host can reach it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, world: World, port: int = 0) -> None:
        self.world = world
        super().__init__((HOST, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, perhaps killed, is no fault of the server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def api_base(self) -> str:
        """What STRIPE_API_BASE has to be."""
        return f"http://{HOST}:{self.server_address[1]}"


@contextmanager
def serving(world: World, port: int = 0) -> Iterator[SandboxServer]:
    """Serve `world` in the background while the context lasts."""
    server = SandboxServer(world, port)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True, name="stripe-sandbox")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SandboxServer
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = self._length()
        if length is None:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        if len(body) < length:  # whoever sent it died in the middle: that is no request
            self.close_connection = True
            return
        request = HttpRequest.to(
            self.command, self.path, dict(self.headers.items()), body.decode("utf-8", "replace")
        )
        try:
            response = self.server.world.handle(request)
        except WireFault:
            self._break_off()
            return
        self._send(response)

    def _length(self) -> int | None:
        """Return the length of the body; None for one that is too large or has no proper length."""
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > _MOST_BYTES:
            return None
        return int(length)

    def _send(self, response: HttpResponse) -> None:
        # In one write: a second small packet would wait for the first one's acknowledgement.
        self._headers_buffer = []
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self._headers_buffer.append(b"\r\n")
        self.wfile.write(b"".join(self._headers_buffer) + response.body)
        self._headers_buffer = []

    def _break_off(self) -> None:
        """Close the connection without an answer, as a cut line does."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: request lines would go to stderr."""
