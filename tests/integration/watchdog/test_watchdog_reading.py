"""Stripe is read at a pace, patiently, completely, and only with the right key."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.engine.listing import IN_ALL, PER_ENDPOINT, Pace
from stripe_billing_router.errors import (
    RateLimitedError,
    StripeRequestError,
    StripeUnavailableError,
)
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, VirtualClock
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from tests.integration.watchdog.plants import PLANTS
from tests.integration.watchdog.watchdog_bench import BOT, CUSTOMER, DAY, Bench


def test_one_endpoint_gets_no_more_than_its_share() -> None:
    clock = VirtualClock()
    pace, begun = Pace(clock), clock.elapsed()
    for _ in range(10 * PER_ENDPOINT + 1):
        pace.ask("charges", lambda: None)
    assert clock.elapsed() - begun == pytest.approx(10)


def test_all_endpoints_together_get_no_more_than_theirs() -> None:
    clock = VirtualClock()
    pace, begun = Pace(clock), clock.elapsed()
    for number in range(5 * IN_ALL + 1):
        pace.ask(f"endpoint {number % 40}", lambda: None)
    assert clock.elapsed() - begun == pytest.approx(5)


def test_what_stripe_asks_to_wait_is_waited(bench: Bench) -> None:
    PLANTS["unauthorized_charge"](bench)
    bench.world.faults.add(
        Fault("rate_limited", match="GET /v1/refunds", retry_after=45, times=4),
    )
    before = bench.world.clock.elapsed()
    assert len(bench.found()) == 1
    assert bench.world.clock.elapsed() - before >= 4 * 45


def test_a_stripe_that_never_lets_in_is_told_in_the_end(bench: Bench) -> None:
    bench.world.faults.add(Fault("rate_limited", match="GET /v1/refunds", times=None))
    with pytest.raises(RateLimitedError):
        bench.found()


def test_no_page_may_fail(bench: Bench) -> None:
    """A run that could not read everything is no run: nothing of it may count as clean."""
    for path in ("charges", "events", "webhook_endpoints", "balance_transactions", "prices/*"):
        bench.world.faults.clear()
        bench.world.faults.add(Fault("server_error", match=f"GET /v1/{path}", times=None))
        with pytest.raises(StripeUnavailableError):
            bench.found()


def test_a_key_that_may_not_read_is_told(bench: Bench) -> None:
    bench.world.add_key(SANDBOX_SECRET_KEY, denied={"disputes"})
    with pytest.raises(StripeRequestError, match="permission"):
        bench.found()


def test_a_foreign_key_is_one_finding_and_reads_nothing(bench: Bench) -> None:
    bench.router.charge(BOT, 5)
    bench.world.add_key(SANDBOX_SECRET_KEY, account="acct_1SomebodyElse")
    bench.world.advance(7 * 3600)
    bench.world.requests.clear()
    (finding,) = bench.found()
    assert (finding.check, finding.account_id) == ("account_mismatch", "acct_1SomebodyElse")
    assert finding.severity == 5.0
    assert {request.path for request in bench.world.requests} == {"/v1/account"}


def test_lists_of_several_pages_are_read_to_their_end(bench: Bench) -> None:
    asked: Any = {
        "amount": 700,
        "currency": "usd",
        "customer": CUSTOMER,
        "payment_method": "pm_one",
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
    }
    for _ in range(101):
        bench.dashboard.v1.payment_intents.create(params=asked)
    assert len(bench.found()) == 101


def test_only_what_is_asked_for_is_read(bench: Bench) -> None:
    PLANTS["unknown_webhook"](bench)
    PLANTS["unauthorized_charge"](bench)
    bench.world.requests.clear()
    (finding,) = bench.found(only=frozenset({"unknown_webhook"}))
    assert finding.check == "unknown_webhook"
    assert {request.path for request in bench.world.requests} == {
        "/v1/account",
        "/v1/webhook_endpoints",
    }


def test_severities_can_be_changed(bench: Bench) -> None:
    PLANTS["unknown_webhook"](bench)
    (finding,) = bench.found(severities={"unknown_webhook": 4.5})
    assert finding.severity == 4.5


def test_fingerprints_last(bench: Bench) -> None:
    """The same anomaly, seen in another run and another window, is the same."""
    PLANTS["unauthorized_charge"](bench)
    PLANTS["unauthorized_charge"](bench)
    first = {finding.fingerprint for finding in bench.found()}
    bench.world.advance(DAY)
    bench.since_ms -= 5000
    assert {finding.fingerprint for finding in bench.found()} == first
    assert len(first) == 2


def test_the_plan_asks_stripe_nothing_and_holds(bench: Bench) -> None:
    for _ in range(3):
        bench.router.charge(BOT, 5)
    bench.world.requests.clear()
    inspection = Inspection(bench.router, bench.limits())
    plan = inspection.plan()
    assert bench.world.requests == []
    assert plan.allowance == 10_000
    assert list(inspection.findings()) == []
    assert len(bench.world.requests) <= plan.requests
