"""Answers of Vault that end in time and are small.

A socket's own timeout begins anew with each byte.
"""

from __future__ import annotations

import io
import time
from http.client import HTTPResponse
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of one answer, its head included."""


class BoundedAdapter(HTTPAdapter):
    """Has each answer whole `within` seconds, and all of them before `until` (`time.monotonic`)."""

    def __init__(self, within: float, until: float) -> None:
        super().__init__()
        self._limits = {"within": within, "until": until}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _Bounded):
            pool.ConnectionCls = type("_Connection", (_Bounded, pool.ConnectionCls), self._limits)
        return pool

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        request.headers["Accept-Encoding"] = "identity"
        answer = super().send(request, *args, **kwargs)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            answer.close()
            raise requests.exceptions.ContentDecodingError("nobody asked for a compressed answer")
        return answer


class _Bounded:
    within: float
    until: float

    def connect(self) -> None:
        _left(self.until)
        super().connect()  # type: ignore[misc]

    def response_class(self, sock: Any, **kwargs: Any) -> HTTPResponse:
        until = min(time.monotonic() + self.within, self.until)
        return HTTPResponse(_Until(sock, until), **kwargs)  # type: ignore[arg-type]


class _Until(io.RawIOBase):
    """A socket, to be read until a moment, and not more than LARGEST of it."""

    def __init__(self, sock: Any, until: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # `http.client` may close the socket early
        self._until = until
        self._room = LARGEST

    def makefile(self, _mode: str = "rb") -> io.BufferedReader[_Until]:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._until))
        count = self._file.readinto(buffer) or 0
        self._room -= count
        if self._room < 0:
            raise OSError("an answer that is too large")
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
