"""What one attempt tells: was anything sent, and does it end in time?"""

from __future__ import annotations

import http.client
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe

from stripe_billing_router.ports import Reply, Request
from stripe_billing_router.providers.stripe.gateway import StripeGateway
from stripe_billing_router.providers.stripe.transport import BrokenOff, KeptConnections
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from tests.unit.gateway.certificates import server_tls
from tests.unit.gateway.raw_server import ANSWER, BODY, Behaviour, Peer, answering, serving


def a_request(name: str = "somebody") -> Request:
    params = {"name": name}
    version = "2026-10-28.endive"
    return Request(
        "post", "/v1/customers", params, SANDBOX_SECRET_KEY, version, "customer", f"k-{name}"
    )


@contextmanager
def a_gateway(base: str, http_timeout: float = 30.0) -> Iterator[StripeGateway]:
    gateway = StripeGateway(api_base=base, http_timeout=http_timeout)
    try:
        yield gateway
    finally:
        gateway.close()


def replies(behaviour: Behaviour, number: int = 1, **settings: Any) -> tuple[list[Reply], int]:
    """Send so many requests, one after another; return the replies, and how many arrived."""
    with serving(behaviour) as server, a_gateway(server.base, **settings) as gateway:
        return [gateway.send(a_request()) for _ in range(number)], len(server.seen)


def test_requests_share_a_connection() -> None:
    with serving(answering) as server, a_gateway(server.base) as gateway:
        assert [gateway.send(a_request()).kind for _ in range(3)] == ["answered"] * 3
        assert (len(server.seen), server.accepted) == (3, 1)


def test_a_connection_that_breaks_off_under_a_later_request_leaves_doubt_and_resends_nothing() -> (
    None
):
    def once(peer: Peer) -> None:
        peer.read()
        peer.write(ANSWER)
        peer.read()

    (first, second), arrived = replies(once, 2)
    assert (first.kind, second.kind) == ("answered", "indeterminate")
    assert arrived == 2


def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    closed = threading.Event()

    def once(peer: Peer) -> None:
        peer.read()
        peer.write(ANSWER)

    def behaviour(peer: Peer) -> None:
        once(peer)
        peer.close()
        closed.set()

    with serving(behaviour) as server, a_gateway(server.base) as gateway:
        assert gateway.send(a_request()).kind == "answered"
        assert closed.wait(10)
        assert gateway.send(a_request()).kind == "answered"
        assert server.accepted == 2


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_comes_in_drops_ends_in_time(part: str) -> None:
    """Each byte comes well in time; all of them would take minutes."""

    def drip(peer: Peer) -> None:
        peer.read()
        start = 0 if part == "head" else len(ANSWER) - len(BODY)
        peer.write(ANSWER[:start])
        for number in range(start, len(ANSWER)):
            peer.write(ANSWER[number : number + 1])
            time.sleep(0.4)

    began = time.monotonic()
    (reply,), _ = replies(drip, http_timeout=0.5)
    assert reply.kind == "indeterminate"
    assert time.monotonic() - began < 0.4 * len(BODY) / 2


def test_an_answer_that_is_cut_short_leaves_doubt() -> None:
    def cut(peer: Peer) -> None:
        peer.read()
        peer.write(ANSWER[:-5])

    (reply,), _ = replies(cut)
    assert reply.kind == "indeterminate"


@pytest.mark.parametrize("status", [b"301 Moved", b"307 Temporary Redirect"])
def test_a_redirect_is_no_answer_even_if_it_looks_like_stripe_s(status: bytes) -> None:
    error = b'{"error": {"type": "invalid_request_error", "message": "no"}}'
    head = b"HTTP/1.1 %b\r\nLocation: /elsewhere\r\nRequest-Id: req_1\r\nContent-Length: %d\r\n\r\n"

    def redirect(peer: Peer) -> None:
        while peer.read():
            peer.write(head % (status, len(error)) + error)

    (reply,), arrived = replies(redirect)
    assert (reply.kind, arrived) == ("indeterminate", 1)


def test_each_thread_gets_its_own_answer() -> None:
    def echo(peer: Peer) -> None:
        while request := peer.read():
            name = request.rpartition(b"name=")[2]
            body = b'{"object": "customer", "id": "%b"}' % name
            peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    names = [f"n{number}" for number in range(200)]
    with serving(echo) as server, a_gateway(server.base) as gateway, ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda name: gateway.send(a_request(name)).body["id"], names))
    assert got == names


def test_a_server_that_the_sdk_s_certificates_vouch_for_is_answered_over_one_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = server_tls(tmp_path)
    monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))
    with serving(answering, tls) as server, a_gateway(server.base) as gateway:
        assert [gateway.send(a_request()).kind for _ in range(2)] == ["answered"] * 2
        assert server.accepted == 1


def test_a_server_that_they_do_not_vouch_for_is_sent_nothing(tmp_path: Path) -> None:
    tls, _ = server_tls(tmp_path)
    with serving(answering, tls) as server, a_gateway(server.base) as gateway:
        assert gateway.send(a_request()).kind == "not_sent"
        assert server.seen == []


@pytest.mark.usefixtures("no_exceptions")
def test_a_tunnel_that_breaks_off_under_a_request_leaves_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = server_tls(tmp_path)
    monkeypatch.setattr(stripe, "ca_bundle_path", str(certificate))
    arrived = []

    def tunnel(peer: Peer) -> None:
        peer.read()
        peer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inside = peer.inside(tls)
        arrived.append(inside.read())
        inside.close()

    with serving(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", proxy.base)
        assert broken_off("https://127.0.0.1:1").sent
    assert arrived[0].startswith(b"POST /v1/customers")


def broken_off(base: str) -> BrokenOff:
    """What comes of a request to Stripe, with the environment's proxies."""
    client = KeptConnections(base, connect=5, answer=5, loopback=False)
    with pytest.raises(BrokenOff) as told:
        client.request("post", f"{base}/v1/customers", {}, "name=somebody")
    client.close()
    return told.value


@pytest.fixture
def no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_exceptions")
def test_a_proxy_that_breaks_off_under_a_request_leaves_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For urllib3 that is an error of the proxy, like one that cannot be reached."""

    def forward_and_die(peer: Peer) -> None:
        peer.read()

    with serving(forward_and_die) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base)
        assert broken_off("http://stripe.invalid").sent
        assert len(proxy.seen) == 1


@pytest.mark.usefixtures("no_exceptions")
def test_a_proxy_that_lets_nobody_through_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(peer: Peer) -> None:
        peer.read()
        peer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with serving(refuse) as proxy:
        monkeypatch.setenv("https_proxy", proxy.base)
        assert not broken_off("https://stripe.invalid").sent
        assert proxy.seen[0].startswith(b"CONNECT stripe.invalid:443")


@pytest.mark.usefixtures("no_exceptions")
def test_a_proxy_that_cannot_be_reached_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering) as proxy:
        nobody = proxy.base
    monkeypatch.setenv("http_proxy", nobody)
    assert not broken_off("http://stripe.invalid").sent


def test_what_a_signal_s_handler_could_not_send_says_nothing_about_what_it_interrupted() -> None:
    def break_off(peer: Peer) -> None:
        peer.read()
        os.kill(os.getpid(), signal.SIGUSR1)
        handled.wait(10)

    handled, inner = threading.Event(), []
    with serving(break_off) as server, a_gateway(server.base) as gateway:

        def handle(*_: object) -> None:
            server.close()
            inner.append(gateway.send(a_request("inner")).kind)
            handled.set()

        before = signal.signal(signal.SIGUSR1, handle)
        try:
            assert gateway.send(a_request()).kind == "indeterminate"
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert (inner, len(server.seen)) == (["not_sent"], 1)


def test_who_debugs_http_sees_no_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    (reply,), _ = replies(answering)
    assert reply.kind == "answered"
    assert SANDBOX_SECRET_KEY not in capsys.readouterr().out


def test_trouble_of_the_host_s_log_says_nothing_about_what_was_sent() -> None:
    def refused(record: logging.LogRecord) -> bool:
        raise ConnectionRefusedError(record.getMessage())

    def behaviour(peer: Peer) -> None:
        peer.read()
        log.addFilter(refused)
        peer.write(ANSWER)

    log = logging.getLogger("stripe")
    level = log.level
    log.setLevel(logging.INFO)
    try:
        (reply,), arrived = replies(behaviour)
    finally:
        log.removeFilter(refused)
        log.setLevel(level)
    assert (reply.kind, arrived) == ("indeterminate", 1)


def test_a_date_beyond_all_is_none() -> None:
    date = b"Date: Thu, 01 Jan %b 00:00:00 GMT\r\nContent-Length" % (b"9" * 20)

    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.write(ANSWER.replace(b"Content-Length", date))

    (reply,), _ = replies(behaviour)
    assert (reply.kind, reply.date_ms) == ("answered", None)


def test_a_gateway_that_is_closed_meanwhile_still_uses_its_own_transport(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(answering) as server, a_gateway(server.base) as gateway:
        assert gateway.send(a_request()).kind == "answered"
        pid = os.getpid()

        def closed_meanwhile() -> int:
            monkeypatch.setattr(os, "getpid", lambda: pid)
            gateway.close()
            return pid

        monkeypatch.setattr(os, "getpid", closed_meanwhile)
        assert gateway.send(a_request()).kind == "answered"
        assert b'"httplib": "discreet"' in server.seen[1]


def test_what_cannot_be_sent_was_not_sent() -> None:
    with serving(answering) as server:
        client = KeptConnections(server.base, connect=5, answer=5, loopback=True)
        with pytest.raises(BrokenOff) as told:
            client.request("post", f"{server.base}/v1/customers", {"Bad": "a\nb"}, "")
        assert not told.value.sent
        client.close()
        assert server.seen == []
