"""Vault away: no other source steps in, and what it said last stays good for a while."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from stripe_billing_router.errors import KeyProviderUnavailableError
from stripe_billing_router.keys.vault import session
from stripe_billing_router.keys.vault.session import CONNECT_TIMEOUT, READ_TIMEOUT
from stripe_billing_router.keys.vault.source import FAILURE_PAUSE, GRACE, VALUES_TTL
from tests.unit.gateway.raw_server import Peer, serving
from tests.unit.keys.vault_double import ROTATED, SECRET, TOKEN, Clock, Ring, Vault, refusal

OUTAGES: dict[str, Any] = {
    "refused": requests.ConnectionError("refused"),
    "connect timeout": requests.ConnectTimeout("slow"),
    "read timeout": requests.ReadTimeout("slow"),
    "cut off": requests.exceptions.ChunkedEncodingError("cut"),
    "broken": refusal(500),
    "sealed": refusal(503, "Vault is sealed"),
    "denied": refusal(403, "permission denied"),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_never_falls_through(vault_ring: Ring, vault: Vault, outage: Any) -> None:
    """The environment's key could be last year's."""
    vault.broken = outage
    with pytest.raises(KeyProviderUnavailableError, match="no other source") as caught:
        vault_ring(STRIPE_SECRET_KEY="sk_live_other").keys()
    assert caught.value.money == "not_moved"


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_the_last_values_stay_good_within_the_grace_time(
    vault_ring: Ring, vault: Vault, clock: Clock, outage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says that they are old."""
    ring = vault_ring()
    ring.keys()
    vault.broken = outage
    clock.forward(VALUES_TTL + GRACE - 1)
    assert ring.keys().secret_key == SECRET
    assert "stay in use" in caplog.text


def test_after_the_grace_time_the_outage_is_an_error(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """A key may have been revoked meanwhile."""
    ring = vault_ring(STRIPE_SECRET_KEY="sk_live_other")
    ring.keys()
    vault.broken = OUTAGES["refused"]
    clock.forward(VALUES_TTL + GRACE)
    with pytest.raises(KeyProviderUnavailableError):
        ring.keys()


def test_recovery_ends_the_outage(vault_ring: Ring, vault: Vault, clock: Clock) -> None:
    """With what Vault says then."""
    ring = vault_ring()
    vault.broken = OUTAGES["sealed"]
    with pytest.raises(KeyProviderUnavailableError):
        ring.keys()
    vault.broken = None
    vault.rotate()
    clock.forward(FAILURE_PAUSE)
    assert ring.keys().secret_key == ROTATED


def test_a_failing_vault_is_asked_once_per_pause(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """Otherwise every call would wait for the time-out. hvac repeats nothing by itself."""
    ring = vault_ring()
    vault.broken = OUTAGES["connect timeout"]
    for _ in range(3):
        with pytest.raises(KeyProviderUnavailableError):
            ring.keys()
    assert len(vault.calls) == 1


def test_stale_values_are_used_without_asking_in_the_pause(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """A bot that goes on with them is not slowed down either."""
    ring = vault_ring()
    ring.keys()
    vault.calls.clear()
    vault.broken = OUTAGES["connect timeout"]
    clock.forward(VALUES_TTL)
    assert {ring.keys().secret_key for _ in range(3)} == {SECRET}
    assert len(vault.calls) == 1


def test_values_are_cached(vault_ring: Ring, vault: Vault, clock: Clock) -> None:
    """Vault is asked once in VALUES_TTL seconds."""
    ring = vault_ring()
    for _ in range(3):
        ring.keys()
        clock.forward(VALUES_TTL / 4)
    assert len(vault.reads()) == 1


def test_absence_is_cached_too(vault_ring: Ring, vault: Vault) -> None:
    """A Vault that only holds other things is not asked at every charge."""
    vault.fields = None
    ring = vault_ring(STRIPE_SECRET_KEY=SECRET)
    ring.keys()
    asked = len(vault.calls)
    ring.keys()
    assert len(vault.calls) == asked


def test_refresh_reads_again_at_once(vault_ring: Ring, vault: Vault) -> None:
    """Stripe refused the key: it was rotated."""
    ring = vault_ring()
    ring.keys()
    vault.rotate()
    assert ring.keys().secret_key == SECRET
    ring.refresh()
    assert ring.keys().secret_key == ROTATED


def test_refresh_during_an_outage_keeps_the_last_values(vault_ring: Ring, vault: Vault) -> None:
    """And raises once there are none to keep."""
    ring, empty = vault_ring(), vault_ring()
    ring.keys()
    vault.broken = OUTAGES["sealed"]
    ring.refresh()
    assert ring.keys().secret_key == SECRET
    with pytest.raises(KeyProviderUnavailableError):
        empty.refresh()


def test_many_threads_cause_one_reading(vault_ring: Ring, vault: Vault) -> None:
    """One fetch at a time, and the others take its result."""
    ring = vault_ring()
    start = threading.Barrier(8)

    def keys(_: int) -> str:
        start.wait(10)
        return ring.keys().secret_key

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(keys, range(8))) == {SECRET}
    assert len(vault.reads()) == 1


def test_a_slow_vault_holds_up_one_thread_only(
    vault_ring: Ring, vault: Vault, clock: Clock
) -> None:
    """While one asks, the others go on with what they had."""
    ring = vault_ring()
    ring.keys()
    clock.forward(VALUES_TTL)
    seen: list[str] = []

    def meanwhile() -> None:
        other = threading.Thread(target=lambda: seen.append(ring.keys().secret_key))
        other.start()
        other.join(10)

    vault.on_read = meanwhile
    vault.rotate()
    assert ring.keys().secret_key == ROTATED
    assert seen == [SECRET]


class CountingLock:
    """Tells when somebody arrives at it, before letting them wait."""

    def __init__(self) -> None:
        self.arrivals = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.arrivals.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_refreshes_at_one_moment_cause_one_reading(vault_ring: Ring, vault: Vault) -> None:
    """Every bot hears the same 401; Vault hears of it once."""
    ring = vault_ring()
    ring.keys()
    vault.calls.clear()
    lock: Any = CountingLock()
    ring._vault._lock = lock
    others = [threading.Thread(target=ring.refresh) for _ in range(4)]

    def others_arrive() -> None:
        for other in others:
            other.start()
        for _ in range(1 + len(others)):
            assert lock.arrivals.acquire(timeout=10)

    vault.on_read = others_arrive
    ring.refresh()
    for other in others:
        other.join(10)
    assert len(vault.reads()) == 1


def test_time_outs_are_short(
    vault_ring: Ring, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting and reading have limits of their own, in seconds."""
    seen = []
    request = requests.Session.request

    def noted(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
        seen.append(kwargs["timeout"])
        return request(self, *args, **kwargs)

    monkeypatch.setattr(requests.Session, "request", noted)
    vault_ring().keys()
    assert set(seen) == {(CONNECT_TIMEOUT, READ_TIMEOUT)} == {(3.0, 5.0)}


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = {"options": {"version": "1"}, "ttl": 0, "stripe_secret_key": SECRET}
"""What answers each of our questions to a mount of version 1."""


@pytest.mark.parametrize("begun", [HEAD + b"X: ", HEAD + b"Content-Length: 99999\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(
    ring: Ring, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """A time-out of the socket begins anew with each byte."""
    monkeypatch.setattr(session, "READ_TIMEOUT", 0.5)
    over = threading.Event()

    def drips(peer: Peer) -> None:
        peer.read()
        peer.write(begun)
        while not over.wait(0.05):
            peer.write(b" ")

    def ask(keys: Callable[[], Any]) -> None:
        with pytest.raises(KeyProviderUnavailableError):
            keys()
        over.set()

    with serving(drips) as server:
        keys = ring(VAULT_ADDR=server.base, VAULT_TOKEN=TOKEN).keys
        threading.Thread(target=ask, args=(keys,), daemon=True).start()
        came_back = over.wait(10)
        over.set()
    assert came_back


@pytest.mark.parametrize(
    ("coding", "body", "is_read"),
    [
        (b"identity", json.dumps({"data": GOOD}).encode(), True),
        (b"identity", 5 * 1024 * 1024 * b" " + json.dumps({"data": GOOD}).encode(), False),
        (b"gzip", gzip.compress(json.dumps({"data": GOOD}).encode()), False),
    ],
    ids=["small", "large", "compressed"],
)
def test_an_answer_without_measure_is_none(
    ring: Ring, coding: bytes, body: bytes, is_read: bool
) -> None:
    """A few bytes that are compressed can become gigabytes."""
    fields = b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))

    def answers(peer: Peer) -> None:
        while peer.read():
            peer.write(HEAD + fields + body)

    with serving(answers) as server:
        keys = ring(VAULT_ADDR=server.base, VAULT_TOKEN=TOKEN).keys
        if is_read:
            assert keys().secret_key == SECRET
        else:
            with pytest.raises(KeyProviderUnavailableError):
                keys()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_during_a_reading_leaves_the_child_able_to_ask(
    vault_ring: Ring, vault: Vault
) -> None:
    """The thread that held the lock does not exist in the child."""
    ring = vault_ring()
    statuses: list[int] = []

    def fork() -> None:
        vault.on_read = lambda: None
        thread = threading.Thread(target=lambda: statuses.append(_status_of_child(ring)))
        thread.start()
        thread.join(30)

    vault.on_read = fork
    ring.keys()
    assert statuses == [0]


def _status_of_child(ring: Any) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork are the point here
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            os._exit(0 if ring.keys().secret_key == SECRET else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
