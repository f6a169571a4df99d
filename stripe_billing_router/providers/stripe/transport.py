"""The SDK's transport over kept connections: one attempt, in a bounded time, that tells if it sent.

Requests sets the connections up (certificates, proxies of the environment), urllib3 makes them and
keeps them; what goes over them is written and read here, which costs a fraction.
"""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import stripe
import urllib3
from requests import Request, Session
from requests.adapters import HTTPAdapter

from .http1 import Answer, exchange, message

_MOST_KEPT = 256
_ACCEPTED = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate"}


class BrokenOff(stripe.APIConnectionError):
    """An attempt without an answer. `sent`: part of the request may have left this host."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        super().__init__("The connection to Stripe broke off.")  # type: ignore[no-untyped-call]
        self.reason = type(error).__name__
        self.sent = sent


class _Attempt:
    """A body on its way through urllib3 to the connection, which notes here what became of it.

    With the call, not with the thread: a signal's handler may send while this one waits.
    """

    def __init__(self, content: str | bytes | None, until: float) -> None:
        self.content = content
        self.until = until
        self.sent = False


class KeptConnections(stripe.HTTPClient):
    """Sends each request once, over a connection that stays open; safe for threads, not for forks.

    No retries, no redirects, no `.netrc`, which would replace the key; and, where Stripe is on this
    machine (`loopback`), none of the environment's proxies, which would get to see it. Times are
    in seconds: `connect` for each address, `answer` from then until the whole answer is there; and
    once both are over, whatever took them, nothing is sent any more and no answer awaited.
    """

    name = "urllib3"

    def __init__(self, base: str, *, connect: float, answer: float, loopback: bool) -> None:
        super().__init__()
        self._base = base
        self._always = {"Host": urlsplit(base).netloc, **_ACCEPTED}
        self._timeout = urllib3.Timeout(connect=connect, read=answer)
        self._longest = connect + answer
        self._session = Session()
        self._session.trust_env = not loopback
        self._pool = self._pool_to(base, answer)

    def request(  # type: ignore[override]  # the SDK's own clients narrow it likewise
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request and return body, status and headers; BrokenOff if there is no answer."""
        attempt = _Attempt(post_data, time.monotonic() + self._longest)
        try:
            response = self._pool.urlopen(
                method.upper(),
                url.removeprefix(self._base),
                body=attempt,
                headers={**self._always, **(headers or {})},
                retries=False,
                redirect=False,
                timeout=self._timeout,
            )
        except Exception as error:  # noqa: BLE001 - whatever broke, the request may have been sent
            raise BrokenOff(error, sent=attempt.sent) from None
        return response.data, response.status, response.headers

    def close(self) -> None:
        self._session.close()

    def _pool_to(self, base: str, answer: float) -> Any:
        adapter = _Adapter(pool_maxsize=_MOST_KEPT)
        self._session.mount(base, adapter)
        pool = adapter.pool_to(self._session, base)
        told = {"answer_within": answer}
        pool.ConnectionCls = type("_Connection", (_Timely, pool.ConnectionCls), told)
        return pool


class _Adapter(HTTPAdapter):
    def pool_to(self, session: Session, base: str) -> Any:
        """Return connections to `base`, as the session and the environment want them."""
        wanted = session.merge_environment_settings(base, {}, None, stripe.ca_bundle_path, None)
        return self.get_connection_with_tls_context(
            Request("GET", base).prepare(), wanted["verify"], wanted["proxies"], wanted["cert"]
        )


class _Timely:
    """A connection that sends a request in one piece, notes that it does, and has its answer whole
    and in time."""

    answer_within: float
    sock: Any

    def connect(self) -> None:
        self._until = time.monotonic() + self.answer_within
        super().connect()  # type: ignore[misc]

    def request(
        self, method: str, url: str, *, body: _Attempt, headers: Mapping[str, str], **_: Any
    ) -> None:
        self._exchange = exchange()
        data = message(method, url, headers, body.content, self._exchange)
        if self.sock is None:
            self.connect()
        self._until = min(time.monotonic() + self.answer_within, body.until)
        self.sock.settimeout(_left(self._until))
        body.sent = True
        # Not `self.send`, which prints what it sends, key and all, if `http.client` is debugged.
        self.sock.sendall(data)

    def getresponse(self) -> Answer:
        source = _Until(self.sock, self._until)
        with source.makefile() as file:
            answer = Answer(file, self._exchange)
            source.waits = False
            if answer.closes or not _is_silent(file):
                self.close()  # type: ignore[attr-defined]
        return answer

    def response_class(self, sock: Any, **kwargs: Any) -> HTTPResponse:
        """Return what a proxy says to CONNECT; the answers proper do not come this way."""
        return HTTPResponse(_Until(sock, self._until), **kwargs)  # type: ignore[arg-type]


class _Until(io.RawIOBase):
    """A socket, to be read until a moment; its own timeout begins anew with each byte."""

    waits = True

    def __init__(self, sock: Any, until: float) -> None:
        self._sock = sock
        self._until = until

    def makefile(self, _mode: str = "rb") -> io.BufferedReader[_Until]:
        """Return what is to be read; `http.client` asks for it like this."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._until) if self.waits else 0)
        return int(self._sock.recv_into(buffer))


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _is_silent(file: io.BufferedReader[_Until]) -> bool:
    """Tell if nothing follows an answer, of what came with it or is there by now.

    The next request would take it for its own answer; and urllib3, before it uses a connection
    again, does not see what TLS has decrypted already.
    """
    try:
        file.peek(1)
    except OSError as error:
        return isinstance(error, BlockingIOError | ssl.SSLWantReadError)
    return False
