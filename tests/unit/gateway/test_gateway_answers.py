"""Answers over real connections: which are taken, and which connections serve again."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stripe

from stripe_billing_router.providers.stripe.transport import BrokenOff, KeptConnections
from tests.unit.gateway.certificates import server_tls
from tests.unit.gateway.raw_server import ANSWER, BODY, Behaviour, Peer, RawServer, serving

Ask = Callable[[], tuple[bytes, int]]
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n20\r\n%b\r\n0\r\n\r\n"
    % (
        BODY[:5],
        BODY[5:],
    )
)


@contextmanager
def asking(
    behaviour: Behaviour, *, answer: float = 30.0, body: str = "name=x"
) -> Iterator[tuple[Ask, RawServer]]:
    """Yield what asks a server, and the server."""
    with serving(behaviour) as server, client_of(server.base, answer=answer, body=body) as ask:
        yield ask, server


@contextmanager
def client_of(
    base: str, *, answer: float = 30.0, body: str = "name=x", loopback: bool = True
) -> Iterator[Ask]:
    client = KeptConnections(base, connect=5, answer=answer, loopback=loopback)
    try:
        yield lambda: client.request("post", f"{base}/v1/customers", {}, body)[:2]
    finally:
        client.close()


def encoded(how: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (how, len(body)) + body


def always(answer: bytes) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        while peer.read():
            peer.write(answer)

    return behaviour


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        CHUNKED,
        encoded(b"gzip", gzip.compress(BODY)),
        encoded(b"deflate", zlib.compress(BODY)),
    ],
    ids=["plain", "chunked", "gzip", "deflate"],
)
def test_a_whole_answer_is_taken_and_its_connection_serves_again(answer: bytes) -> None:
    with asking(always(answer)) as (ask, server):
        assert [ask() for _ in range(3)] == [(BODY, 200)] * 3
        assert server.accepted == 1
        head = server.seen[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert f"Host: {server.base.removeprefix('http://')}".encode() in head
        assert b"Accept-Encoding: gzip, deflate" in head


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER.replace(b"Request-Id: req_1", b"Connection: close"),
        ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["close", "HTTP/1.0"],
)
def test_a_connection_that_is_to_be_closed_does_not_serve_again(answer: bytes) -> None:
    with asking(always(answer)) as (ask, server):
        assert [ask() for _ in range(3)] == [(BODY, 200)] * 3
        assert server.accepted == 3


def test_a_body_without_a_length_lasts_until_the_connection_is_closed() -> None:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.write(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:5])
        time.sleep(0.1)
        peer.write(BODY[5:])

    with asking(behaviour) as (ask, server):
        assert [ask() for _ in range(2)] == [(BODY, 200)] * 2
        assert server.accepted == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\n\r\n",
        ANSWER.replace(b"HTTP/1.1 200", b"HTTP/1.1 abc"),
        ANSWER.replace(b"Request-Id:", b"Request-Id"),
        ANSWER.replace(b"Request-Id: req_1", b"Content-Length: 3"),
        CHUNKED.replace(b"\r\n5\r\n", b"\r\n6\r\n"),
        encoded(b"gzip", BODY),
    ],
    ids=["bytes", "lines", "status", "field", "lengths", "chunks", "gzip"],
)
def test_garbage_is_no_answer_and_its_connection_does_not_serve_again(garbage: bytes) -> None:
    def behaviour(peer: Peer) -> None:
        while peer.read():
            peer.write(garbage if peer.number == 0 else ANSWER)
            if peer.number == 0 and len(garbage) < 10:
                return

    with asking(behaviour) as (ask, server):
        with pytest.raises(BrokenOff) as told:
            ask()
        assert told.value.sent
        assert ask() == (BODY, 200)
        assert (server.accepted, len(server.seen)) == (2, 2)


@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"garbage\r\n"],
    ids=["nothing", "cut", "garbage"],
)
def test_what_breaks_off_is_sent_once_whatever_it_asks_for(method: str, answer: bytes) -> None:
    def once(peer: Peer) -> None:
        peer.read()
        peer.write(answer)

    with serving(once) as server:
        client = KeptConnections(server.base, connect=5, answer=5, loopback=True)
        with pytest.raises(BrokenOff):
            client.request(method, f"{server.base}/v1/customers", {}, None)
        client.close()
        assert (server.accepted, len(server.seen)) == (1, 1)


def test_an_answer_that_asks_to_try_again_is_an_answer() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"
    with asking(always(busy)) as (ask, server):
        assert ask() == (b"{}", 503)
        assert len(server.seen) == 1


@pytest.mark.parametrize("answer", [ANSWER, CHUNKED], ids=["length", "chunked"])
def test_an_answer_that_is_cut_short_is_none(answer: bytes) -> None:
    cuts = [0, 5, 15, 30, len(answer) - len(BODY), len(answer) - 9, len(answer) - 1]

    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.write(answer[: cuts[peer.number]])

    with asking(behaviour) as (ask, server):
        for _ in cuts:
            with pytest.raises(BrokenOff) as told:
                ask()
            assert told.value.sent
        assert (server.accepted, len(server.seen)) == (len(cuts), len(cuts))


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
    ids=["chunked", "without a length"],
)
def test_a_body_that_comes_in_drops_ends_in_time(head: bytes, drop: bytes) -> None:
    def drip(peer: Peer) -> None:
        peer.read()
        peer.write(head)
        while True:
            peer.write(drop)
            time.sleep(0.1)

    ends_in_time(drip)


def test_time_passes_for_a_request_not_for_its_connection() -> None:
    with asking(always(ANSWER), answer=0.3) as (ask, server):
        for _ in range(3):
            assert ask() == (BODY, 200)
            time.sleep(0.2)
        assert server.accepted == 1


def test_patience_that_is_asked_for_again_and_again_ends_in_time() -> None:
    def stall(peer: Peer) -> None:
        peer.read()
        while True:
            peer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            time.sleep(0.1)

    ends_in_time(stall)


def test_a_request_that_is_not_read_ends_in_time_and_counts_as_sent() -> None:
    over = threading.Event()

    def deaf(peer: Peer) -> None:
        over.wait(30)

    ends_in_time(deaf, body="x" * 50_000_000)
    over.set()


def ends_in_time(behaviour: Behaviour, body: str = "name=x") -> None:
    with asking(behaviour, answer=0.5, body=body) as (ask, _):
        began = time.monotonic()
        with pytest.raises(BrokenOff) as told:
            ask()
    assert told.value.sent
    assert time.monotonic() - began < 4


def test_an_answer_after_a_request_for_patience_stays_with_its_request() -> None:
    """Taken for the answer, 103 would leave the true one to the next request."""

    def behaviour(peer: Peer) -> None:
        for number in range(3):
            peer.read()
            peer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            time.sleep(0.05)
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    with asking(behaviour) as (ask, server):
        assert [ask() for _ in range(3)] == [(b"0", 200), (b"1", 200), (b"2", 200)]
        assert server.accepted == 1


def saying(body: bytes, length: int = 0) -> bytes:
    """Return an answer, of that length."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Padding: " % len(body)
    return (head + b"\r\n\r\n" + body).replace(b"g: ", b"g: " + b"p" * (length - len(head) - 7))


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("length", [0, 8192], ids=["short", "as long as a buffer"])
@pytest.mark.parametrize("more", [b"\r\n", saying(b"late")], ids=["little", "another answer"])
def test_what_follows_an_answer_is_nobody_s_and_its_connection_does_not_serve_again(
    encrypted: bool, length: int, more: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = server_tls(tmp_path)
    monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))

    def twice(peer: Peer) -> None:
        peer.read()
        peer.write(saying(b"first", length) + (more if peer.number == 0 else b""))
        while peer.read():
            peer.write(saying(b"second"))

    with serving(twice, tls if encrypted else None) as server, client_of(server.base) as ask:
        assert [ask() for _ in range(3)] == [(b"first", 200), (b"first", 200), (b"second", 200)]
        assert server.accepted == 2


def tunnel_to(tls: ssl.SSLContext, answer: bytes) -> Behaviour:
    """Return a proxy that lets its clients through to Stripe, which gives that answer."""

    def tunnel(peer: Peer) -> None:
        assert peer.read().startswith(b"CONNECT 127.0.0.1:1 HTTP/1.")
        peer.write(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
        inside = peer.inside(tls)
        try:
            always(answer)(inside)
        finally:
            inside.close()

    return tunnel


@pytest.fixture
def proxy_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[RawServer], None]:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lambda server: monkeypatch.setenv("https_proxy", server.base)


@pytest.mark.parametrize(
    ("answer", "tunnels"),
    [(ANSWER, 1), (CHUNKED, 1), (ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"), 3)],
    ids=["length", "chunked", "closed"],
)
def test_a_tunnel_serves_as_long_as_its_connection(
    answer: bytes,
    tunnels: int,
    tmp_path: Path,
    proxy_for: Callable[[RawServer], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tls, certificate = server_tls(tmp_path)
    monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))
    with serving(tunnel_to(tls, answer)) as proxy:
        proxy_for(proxy)
        with client_of("https://127.0.0.1:1", loopback=False) as ask:
            assert [ask() for _ in range(3)] == [(BODY, 200)] * 3
        assert proxy.accepted == tunnels
        requests = [seen for seen in proxy.seen if seen.startswith(b"POST /v1/customers ")]
        assert len(requests) == 3
        assert all(b"\r\nHost: 127.0.0.1:1\r\n" in request for request in requests)


def test_a_proxy_that_lets_through_in_drops_has_sent_nothing_in_time(
    proxy_for: Callable[[RawServer], None],
) -> None:
    def drip(peer: Peer) -> None:
        peer.read()
        while True:
            peer.write(b"H")
            time.sleep(0.1)

    with serving(drip) as proxy:
        proxy_for(proxy)
        with client_of("https://127.0.0.1:1", answer=0.5, loopback=False) as ask:
            began = time.monotonic()
            with pytest.raises(BrokenOff) as told:
                ask()
    assert not told.value.sent
    assert time.monotonic() - began < 4


def test_once_all_time_is_over_nothing_is_sent(
    proxy_for: Callable[[RawServer], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part comes in its time. By the end of all, somebody else may hold the right to send."""
    tls, certificate = server_tls(tmp_path)
    monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))

    def slow(peer: Peer) -> None:
        peer.read()
        time.sleep(0.8)
        peer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        time.sleep(0.8)
        inside = peer.inside(tls)
        try:
            always(ANSWER)(inside)
        finally:
            inside.close()

    base = "https://127.0.0.1:1"
    with serving(slow) as proxy:
        proxy_for(proxy)
        client = KeptConnections(base, connect=0.5, answer=1, loopback=False)
        with pytest.raises(BrokenOff) as told:
            client.request("post", f"{base}/v1/customers", {}, "name=x")
        client.close()
        assert [seen[:7] for seen in proxy.seen] == [b"CONNECT"]
    assert not told.value.sent
