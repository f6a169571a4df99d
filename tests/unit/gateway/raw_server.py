"""A server that does to each connection what a test wants, byte by byte."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

BODY = b'{"object": "customer", "id": "cus_1"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)

Behaviour = Callable[["Peer"], None]


class Peer:
    """One connection, as the server sees it; `number` counts connections from 0."""

    def __init__(self, sock: socket.socket, number: int, seen: list[bytes]) -> None:
        self._sock = sock
        self.number = number
        self._seen = seen

    def read(self) -> bytes:
        """Return one whole request; b"" once the other side has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        while len(body) < _length(head):
            body += self._sock.recv(65536)
        self._seen.append(head + b"\r\n\r\n" + body)
        return self._seen[-1]

    def write(self, data: bytes) -> None:
        self._sock.sendall(data)

    def inside(self, tls: ssl.SSLContext) -> Peer:
        """Return the same connection, encrypted from now on."""
        return Peer(tls.wrap_socket(self._sock, server_side=True), self.number, self._seen)

    def close(self) -> None:
        self._sock.close()


class RawServer:
    """`seen` are the requests that arrived whole, on all connections."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._behaviour = behaviour
        self.seen: list[bytes] = []
        self.accepted = 0

    @property
    def base(self) -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                number, self.accepted = self.accepted, self.accepted + 1
                threading.Thread(target=self._attend, args=(sock, number), daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _attend(self, sock: socket.socket, number: int) -> None:
        with (
            suppress(OSError),
            sock if self._tls is None else self._tls.wrap_socket(sock, server_side=True) as plain,
        ):
            self._behaviour(Peer(plain, number, self.seen))


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve on a free port while the context lasts."""
    server = RawServer(behaviour, tls)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def answering(peer: Peer) -> None:
    """Answer every request."""
    while peer.read():
        peer.write(ANSWER)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0
