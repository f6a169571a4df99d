"""The SDK's own transport, answered by a sandbox in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Mapping
from http.client import RemoteDisconnected
from io import BytesIO
from typing import Any, NoReturn

import requests
import stripe
import urllib3
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from .wire import HttpRequest, WireFailure, WireFault
from .world import World

SANDBOX_API_BASE = "http://127.0.0.1"
"""Nothing listens here: requests to it are answered in process."""

_Answer = tuple[bytes, int, Mapping[str, str]]


class SandboxHTTPClient(stripe.HTTPClient):
    """Hands every request of the Stripe SDK to a `World`.

    Use it as `StripeClient(key, http_client=SandboxHTTPClient(world), base_addresses={"api":
    SANDBOX_API_BASE})`. What a network does wrong is raised as `stripe.RequestsClient` raises it.
    """

    name = "sandbox"

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> _Answer:
        """Send one request and return body, status and headers."""
        sent = HttpRequest.to(method, url, headers or {}, post_data)
        try:
            response = self.world.handle(sent)
        except WireFault as fault:
            _raise(fault.kind, method, url, headers or {})
        return response.body, response.status, CaseInsensitiveDict(response.headers)

    def request_stream(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[BytesIO, int, Mapping[str, str]]:
        """Send one request and return its body as a stream."""
        body, status, answered = self.request(method, url, headers, post_data)
        return BytesIO(body), status, answered

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> _Answer:
        """Send one request from a coroutine."""
        return self.request(method, url, headers, post_data)

    async def request_stream_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[AsyncIterable[bytes], int, Mapping[str, str]]:
        """Send one request from a coroutine and return its body as a stream."""
        body, status, answered = self.request(method, url, headers, post_data)
        return _once(body), status, answered

    def sleep_async(self, secs: float) -> Awaitable[None]:
        """Wait between the SDK's own retries."""
        return asyncio.sleep(secs)

    def close(self) -> None:
        """Nothing is open."""

    async def close_async(self) -> None:
        """Nothing is open."""


async def _once(body: bytes) -> AsyncIterable[bytes]:
    yield body


def _raise(kind: WireFailure, method: str, url: str, headers: Mapping[str, str]) -> NoReturn:
    cause = _cause(kind, url)
    cause.request = requests.Request(method.upper(), url, headers=dict(headers)).prepare()
    timed_out = isinstance(cause, requests.Timeout | requests.ConnectionError)
    message = f"Unexpected error communicating with Stripe.\n\n(Network error: {cause!r})"
    error = stripe.APIConnectionError(message, should_retry=timed_out)  # type: ignore[no-untyped-call]
    raise error from cause


def _cause(kind: WireFailure, url: str) -> requests.RequestException:
    """Return what `requests` raises, wrapped around what `urllib3` raises."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1")
    connection = HTTPConnection("127.0.0.1")
    if kind == "refused":
        refused = NewConnectionError(connection, "[Errno 111] Connection refused")
        return requests.ConnectionError(MaxRetryError(pool, url, refused))
    if kind == "connect_timeout":
        late = ConnectTimeoutError(connection, "Connection to 127.0.0.1 timed out.")
        return requests.ConnectTimeout(MaxRetryError(pool, url, late))
    if kind == "timeout":
        return requests.ReadTimeout(ReadTimeoutError(pool, url, "Read timed out."))
    if kind == "broken_body":
        partial = IncompleteRead(512, 512)
        return requests.exceptions.ChunkedEncodingError(ProtocolError("Broken off", partial))
    gone = RemoteDisconnected("Remote end closed connection without response")
    return requests.ConnectionError(ProtocolError("Connection aborted.", gone))
