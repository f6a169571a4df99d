"""The database has lost what it had committed, as one does that fails over to a lagging standby."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.models import Budget, CallLimit, Policies, PolicyRule
from stripe_billing_router.store import fallback
from tests.integration.charge.charge_bench import BOT, LEASE, Bench, Wire
from tests.integration.journal.journal_bench import Heard, Outage

LOST = "ledger.intent_lost"


def test_a_payment_whose_intent_was_lost_is_recorded_all_the_same(bench: Bench) -> None:
    heard = Heard()
    router = bench.warm(http_client=Wire(bench.world, before=_losing(bench)), observers=[heard])
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]
    assert heard.names() == [LOST]
    assert router.ledger.verify().ok


def test_a_doubt_whose_intent_was_lost_still_stops_an_equal_call(bench: Bench) -> None:
    router = bench.warm(http_client=Wire(bench.world, before=_losing(bench)))
    bench.fault("cut", effect=True, times=None)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5)
    bench.world.faults.clear()
    bench.world.advance(LEASE)
    router.recover_operations()
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]


def test_an_invoice_whose_intent_was_lost_is_settled_by_recovery(bench: Bench) -> None:
    router = bench.warm(http_client=Wire(bench.world, before=_losing(bench)))
    bench.world.add_price("price_1", unit_amount=1999, currency="usd")
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, price_id="price_1")
    assert bench.states() == ["unknown"]
    bench.world.advance(LEASE)
    router.recover_operations()
    assert bench.states() == ["abandoned"]
    assert bench.moved() == []


def test_a_waiting_payment_that_was_lost_can_still_be_recorded(bench: Bench) -> None:
    router = bench.warm(http_client=Wire(bench.world, before=_losing(bench, skip=2)))
    waits = router.charge(BOT, 5, on_session=True)
    assert router.cancel(str(waits.operation_id)).state == "canceled"
    assert bench.states() == ["canceled"]


@pytest.mark.parametrize("answer_is_lost", [False, True])
def test_what_the_journal_holds_of_a_lost_intent_is_written_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, answer_is_lost: bool
) -> None:
    """The server goes away while Stripe pays, and its standby never had the intent."""
    outage = Outage(monkeypatch)
    wire = Wire(bench.world, before=_losing(bench, then=outage.begin))
    router = bench.warm(http_client=wire)
    if answer_is_lost:
        bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError) if answer_is_lost else nullcontext():
        router.charge(BOT, 5)
    outage.end()
    bench.world.faults.clear()
    heard = Heard()
    other = bench.router(observers=[heard])
    other.recover_operations()
    assert heard.names() == [LOST, "ledger.drained"]
    if answer_is_lost:
        with pytest.raises(OutcomeUnknownError):
            other.charge(BOT, 5)
        bench.world.advance(LEASE)
        other.recover_operations()
    assert bench.booked(other) == bench.moved() == [500]
    assert bench.states() == ["succeeded"]
    assert router.ledger.verify().ok


@pytest.mark.parametrize("in_the_journal", [False, True])
def test_a_lost_payment_is_recorded_beside_an_equal_one_in_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, in_the_journal: bool
) -> None:
    """Both were under way; one ends in doubt while the other, which was lost, is at Stripe."""
    outage = Outage(monkeypatch)
    then = outage.begin if in_the_journal else lambda: None
    heard = Heard()
    router = bench.warm(http_client=Wire(bench.world), observers=[heard])

    def meanwhile() -> None:
        bench.fault("cut", times=None)
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5)
        bench.world.faults.clear()
        with closing(sqlite3.connect(bench.database)) as direct, direct:
            direct.execute("DELETE FROM stripe_operations WHERE state = 'pending'")
        then()

    bench.fault("call", effect=True, times=1, call=meanwhile)
    assert router.charge(BOT, 5).paid
    outage.end()
    other = bench.router(observers=[heard])
    assert bench.booked(other) == bench.moved() == [500]
    assert sorted(bench.states()) == ["succeeded", "unknown"]
    assert LOST in heard.names()
    assert router.ledger.verify().ok


def test_calls_that_others_have_settled_displace_none_that_are_under_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process keeps so many intents at most, and is not told of what others have recorded."""
    monkeypatch.setattr(fallback, "_MOST_IN_DOUBT", 2)
    outage, router = Outage(monkeypatch), bench.warm()

    def taken_over() -> None:
        bench.world.advance(LEASE)
        bench.router().recover_operations()

    def meanwhile() -> None:
        router.charge(BOT, 4)
        with closing(sqlite3.connect(bench.database)) as direct, direct:
            direct.execute("DELETE FROM stripe_operations WHERE state = 'pending'")
        outage.begin()

    bench.fault("call", effect=True, call=taken_over)
    router.charge(BOT, 3)
    bench.fault("call", effect=True, call=meanwhile)
    router.charge(BOT, 5)
    outage.end()
    other = bench.router()
    other.recover_operations()
    assert sorted(bench.booked(other)) == sorted(bench.moved()) == [300, 400, 500]


def _reserving(limit: int) -> Policies:
    budgets, call_limits = (Budget("day", limit, "usd"),), (CallLimit("day", 50),)
    return Policies((PolicyRule("spend", budgets=budgets, call_limits=call_limits),))


def _used(router: BillingRouter) -> dict[str, int]:
    return {use.counter.split("/")[1]: use.used for use in router.store.budgets()}


@pytest.mark.parametrize("answer_is_lost", [False, True])
@pytest.mark.parametrize("in_the_journal", [False, True])
def test_a_lost_payment_counts_against_its_budget(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, in_the_journal: bool, answer_is_lost: bool
) -> None:
    """The standby knows neither intent nor reservation, and others have used the budget up."""
    outage = Outage(monkeypatch)
    policies = _reserving(700)

    def lose(method: str, _url: str) -> None:
        if method != "POST" or not router_is_warm:
            return
        router_is_warm.clear()
        with closing(sqlite3.connect(bench.database)) as direct, direct:
            direct.execute("DELETE FROM stripe_operations WHERE idempotency_key IS NULL")
            direct.execute("DELETE FROM stripe_reservations WHERE kind = 'money'")
            direct.execute("UPDATE stripe_budgets SET used = 600 WHERE counter LIKE '%money%'")
        if in_the_journal:
            outage.begin()

    router_is_warm: list[bool] = []
    wire = Wire(bench.world, before=lose)
    router = bench.warm(policies=policies, http_client=wire)
    router_is_warm.append(True)
    if answer_is_lost:
        bench.fault("cut", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError) if answer_is_lost else nullcontext():
        router.charge(BOT, 5)
    outage.end()
    bench.world.faults.clear()
    other = bench.router(policies=policies)
    assert other.store.now_ms()
    other.recover_operations()
    assert _used(other) == {"money": 1100, "calls": 2}
    bench.world.advance(LEASE)
    other.recover_operations()
    assert _used(other) == {"money": 1100, "calls": 2}
    assert bench.states() == ["succeeded"]
    assert bench.booked(other) == bench.moved() == [500]


def _losing(
    bench: Bench, skip: int = 1, then: Callable[[], object] = lambda: None
) -> Callable[[str, str], None]:
    """Lose every operation but the first at the POST that follows `skip` others."""
    posts: list[str] = []

    def before(method: str, url: str) -> None:
        if method != "POST":
            return
        posts.append(url)
        if len(posts) == skip + 1:
            with closing(sqlite3.connect(bench.database)) as direct, direct:
                direct.execute(
                    "DELETE FROM stripe_operations WHERE idempotency_key IS NOT 'warming up'"
                )
            then()

    return before
