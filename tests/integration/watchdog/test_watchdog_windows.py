"""A window cuts through the life of payments: nothing that is in order becomes a finding by it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from stripe_billing_router.errors import BillingError
from stripe_billing_router.models import CloseOperation
from stripe_billing_router.stripe_watchdog import second_look
from stripe_billing_router.stripe_watchdog.inspection import Inspection, Progress
from tests.integration.watchdog.conftest import NewBench
from tests.integration.watchdog.plants import PLANTS
from tests.integration.watchdog.watchdog_bench import (
    BOT,
    DAY,
    HOUR,
    MEMBER,
    MONTHLY,
    ONCE,
    Bench,
    new_bench,
)


def test_a_routed_payment_is_never_missing_under_another_id(bench: Bench) -> None:
    by_amount, by_price = bench.router.charge(BOT, 5), bench.router.charge(BOT)
    listed = {charge["id"] for charge in bench.world.objects("charge")}
    assert not listed & {by_amount.id, by_price.id}
    assert bench.found() == []


def test_metadata_that_somebody_wiped_is_not_needed(bench: Bench) -> None:
    """Ids tell as much: only who looks at a payment in the dashboard misses it."""
    bench.router.refund(BOT, bench.router.charge(BOT, 5).id)
    bench.router.charge(BOT)
    bench.router.create_subscription(MEMBER)
    for kind in ("charge", "payment_intent", "invoice", "subscription", "refund"):
        for shown in bench.world.objects(kind):
            bench.inside(kind, shown["id"])["metadata"] = {}
    for invoice in bench.world.objects("invoice"):
        if invoice["parent"]:
            inside = bench.inside("invoice", invoice["id"])
            inside["parent"]["subscription_details"]["metadata"] = {}
    bench.world.advance(4 * DAY)
    assert bench.found() == []


def test_more_second_looks_than_are_taken_in_vain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that clear a payment are not counted; after the others, first sight counts."""
    monkeypatch.setattr(second_look, "MOST", 3)
    for number in range(5):
        made = bench.router.charge(BOT, 5, on_session=True, idempotency_key=str(number))
        bench.world.advance(12 * HOUR)
        bench.router.charge(BOT, 1)
        bench.world.complete_action(made.id)
    bench.since_ms = bench.world.clock.now_ms() + 1000
    bench.world.advance(1)
    for number in range(5):
        bench.router.charge(BOT, 5, on_session=True, idempotency_key=str(number))
    planted = [PLANTS["unauthorized_charge"](bench) for _ in range(5)]
    assert sorted((f.check, f.subject) for f in bench.found()) == sorted(planted)


def test_a_refund_of_a_payment_from_before_the_window(bench: Bench) -> None:
    made = bench.router.charge(BOT, 5)
    bench.world.advance(40 * DAY)
    bench.since_ms = bench.world.clock.now_ms() - 1000
    bench.router.refund(BOT, made.id)
    bench.world.advance(4 * DAY)
    assert bench.found() == []


def test_a_payment_that_waited_over_the_beginning_of_the_window(bench: Bench) -> None:
    made = bench.router.charge(BOT, 5, on_session=True, idempotency_key="one")
    bench.world.advance(20 * HOUR)
    bench.since_ms = bench.world.clock.now_ms() - 1000
    bench.world.complete_action(made.id)
    assert bench.found() == []
    assert bench.router.charge(BOT, 5, on_session=True, idempotency_key="one").paid
    bench.world.advance(4 * DAY)
    assert bench.found() == []


def test_a_bank_that_took_weeks_over_a_payment(bench: Bench) -> None:
    asked: dict[str, Any] = {"payment_method_id": "pm_processi", "idempotency_key": "one"}
    made = bench.router.charge(BOT, 5, **asked)
    bench.world.advance(12 * DAY)
    bench.since_ms = bench.world.clock.now_ms() - 1000
    bench.world.settle_processing(made.id)
    assert bench.found() == []
    assert bench.router.charge(BOT, 5, **asked).paid
    bench.world.advance(4 * DAY)
    assert bench.found() == []


def test_a_bank_that_refused_after_weeks(bench: Bench) -> None:
    asked: dict[str, Any] = {"payment_method_id": "pm_processi", "idempotency_key": "one"}
    made = bench.router.charge(BOT, 5, **asked)
    bench.world.advance(12 * DAY)
    bench.since_ms = bench.world.clock.now_ms() - 1000
    bench.world.settle_processing(made.id, succeed=False)
    with suppress(BillingError):
        bench.router.charge(BOT, 5, **asked)
    assert bench.found() == []


@pytest.mark.parametrize("made_by", ["subscription", "session"])
@pytest.mark.parametrize("outcome", ["succeeds", "declined:insufficient_funds"])
def test_renewals_of_a_subscription_from_before_the_window(
    bench: Bench, made_by: str, outcome: str
) -> None:
    if made_by == "subscription":
        bench.router.create_subscription(MEMBER)
    else:
        lines = [{"price": MONTHLY, "quantity": 1}]
        made = bench.router.create_checkout_session(BOT, lines, success_url="https://a.example")
        bench.world.complete_checkout(made.id)
    bench.world.advance(26 * HOUR)
    bench.router.recover_operations()
    bench.world.advance(20 * DAY)
    bench.since_ms = bench.world.clock.now_ms()
    (subscription,) = bench.world.objects("subscription")
    kept = bench.inside("subscription", subscription["id"])
    kept["items"]["data"][0]["quantity"] = 3
    for method in bench.world.objects("payment_method"):
        bench.world.set_outcome(method["id"], outcome)
    bench.world.advance(60 * DAY)
    if outcome == "succeeds":
        assert len(bench.world.effects()) > 1
    assert bench.found() == []


def test_an_invoice_from_long_before_is_looked_up_before_its_charge_is_reported(
    bench: Bench,
) -> None:
    """Stripe tries a renewal again after days: its invoice is older than what is read."""
    bench.router.create_subscription(MEMBER)
    bench.world.set_outcome("pm_member", "declined:insufficient_funds")
    bench.world.advance(31 * DAY)
    bench.world.set_outcome("pm_member", "succeeds")
    bench.world.advance(2.5 * DAY)
    bench.since_ms = bench.world.clock.now_ms()
    bench.world.advance(4 * DAY)
    (renewal,) = (c for c in bench.world.effects() if c["created"] * 1000 > bench.since_ms)
    assert not renewal["metadata"]
    assert bench.found() == []


@pytest.mark.parametrize("wrong_ms", [-900_000, 900_000])
def test_clocks_that_differ(new: NewBench, wrong_ms: int) -> None:
    bench = new(1)
    bench.router.close()
    clock = bench.world.clock
    honest = clock.now_ms
    router_clock = _Wrong(bench, wrong_ms)
    wrong = new_bench(bench.path.parent, 1, clock=router_clock, world=bench.world)
    for _ in range(3):
        wrong.router.charge(BOT, 5)
        wrong.router.charge(BOT)
        wrong.since_ms = honest()
        wrong.world.advance(60)
        assert wrong.found() == []
        assert wrong.found(until_ms=honest() - 30_000) == []
    wrong.router.close()


class _Wrong:
    """The clock of a host that is wrong."""

    def __init__(self, bench: Bench, wrong_ms: int) -> None:
        self._clock = bench.world.clock
        self._wrong_ms = wrong_ms

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._wrong_ms

    def elapsed(self) -> float:
        return self._clock.elapsed()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


@pytest.mark.parametrize("card", ["pm_one", "pm_declined", "pm_authenti"])
@pytest.mark.parametrize("by_price", [False, True])
def test_operations_in_flight_at_the_moment_of_the_run(
    bench: Bench, card: str, by_price: bool
) -> None:
    """Stripe has answered, the outcome is not committed yet."""
    store, found = bench.router.store, []
    honest = store.commit

    def commit(*writes: Any) -> None:
        if any(isinstance(write, CloseOperation) for write in writes):
            found.append(bench.found())
        honest(*writes)

    store.commit = commit  # type: ignore[method-assign]
    given: dict[str, Any] = {} if by_price else {"amount": 5}
    with suppress(BillingError):
        bench.router.charge(BOT, payment_method_id=card, **given)
    del store.commit
    assert found == [[]]
    assert bench.found() == []


def _charge(bench: Bench) -> None:
    bench.router.charge(BOT, "3.21")


def _bill(bench: Bench) -> None:
    bench.router.charge(BOT)


def _decline(bench: Bench) -> None:
    with suppress(BillingError):
        bench.router.charge(BOT, "4.32", payment_method_id="pm_declined")


def _subscribe(bench: Bench) -> None:
    bench.router.create_subscription(MEMBER, idempotency_key=str(bench.random.random()))


def _refund(bench: Bench) -> None:
    bench.router.refund(BOT, bench.router.charge(BOT, 9).id)


def _check_out(bench: Bench) -> None:
    lines = [{"price": ONCE, "quantity": 1}]
    made = bench.router.create_checkout_session(
        BOT, lines, success_url="https://a.example", idempotency_key=str(bench.random.random())
    )
    bench.world.complete_checkout(made.id)


@pytest.mark.parametrize("act", [_charge, _bill, _decline, _subscribe, _refund, _check_out])
def test_traffic_goes_on_while_the_watchdog_reads(
    bench: Bench, act: Callable[[Bench], None]
) -> None:
    """Each page is a moment of its own: what comes between two of them is in one and not in
    the other."""
    act(bench)
    limits = bench.limits(until_ms=bench.world.clock.now_ms() + 60_000)
    inspection = Inspection(bench.router, limits, progress=lambda step: once(step))
    seen: set[str] = set()

    def once(step: Progress) -> None:
        if step.stage not in seen:
            seen.add(step.stage)
            bench.world.advance(1)
            act(bench)

    assert list(inspection.findings()) == []
    assert len(seen) > 5


def test_an_older_window_leaves_out_what_came_later(bench: Bench) -> None:
    bench.router.charge(BOT, 5)
    bench.world.advance(HOUR)
    until_ms = bench.world.clock.now_ms()
    bench.world.advance(HOUR)
    bench.router.charge(BOT, 5)
    inspection = Inspection(bench.router, bench.limits(until_ms=until_ms))
    assert list(inspection.findings()) == []
    (day,) = inspection.days()
    assert (day.currency, day.ledger_minor, day.stripe_minor) == ("usd", 500, 500)


def test_the_next_run_begins_before_this_one_ended(bench: Bench) -> None:
    inspection = Inspection(bench.router, bench.limits())
    assert list(inspection.findings()) == []
    assert abs(bench.world.clock.now_ms() - inspection.until_ms) < 2000
    assert inspection.until_ms - inspection.next_since_ms == 4 * 86_400_000
