"""Recovery of charges: what crashed is found, finished or excluded, and never paid for twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import (
    BillingError,
    OutcomeUnknownError,
    PaymentDeclinedError,
)
from stripe_billing_router.models import BotId, Write
from stripe_billing_router.ports import Intent
from stripe_billing_router.sandbox import VirtualClock
from tests.integration.charge.charge_bench import (
    BOT,
    CARD,
    LEASE,
    ROUTING,
    Bench,
    Commits,
    Died,
    Wire,
)
from tests.integration.charge.test_charge_keys import in_threads

HOUR = 3600.0


def left_unknown(bench: Bench, key: str | None, *, effect: bool, bot: str = BOT) -> None:
    bench.fault("timeout", effect=effect, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(bot, 5, idempotency_key=key)
    bench.world.faults.clear()
    bench.world.advance(LEASE)


@pytest.mark.parametrize("later", [0.0, HOUR, 24 * HOUR, 30 * HOUR])
@pytest.mark.parametrize("key", ["k", None], ids=["keyed", "keyless"])
def test_a_payment_that_happened_is_recorded(bench: Bench, key: str | None, later: float) -> None:
    left_unknown(bench, key, effect=True)
    bench.world.advance(later)
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["succeeded"]
    assert bench.moved() == bench.booked(router) == [500]
    assert router.ledger.verify().ok


@pytest.mark.parametrize("later", [0.0, HOUR, 24 * HOUR, 30 * HOUR])
def test_a_keyless_payment_that_did_not_happen_is_excluded_and_asked_for_again(
    bench: Bench, later: float
) -> None:
    left_unknown(bench, None, effect=False)
    bench.world.advance(later)
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["abandoned"]
    assert bench.moved() == bench.booked(router) == []
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


def test_a_bot_that_died_and_asks_again_after_recovery_is_not_charged_twice(bench: Bench) -> None:
    """It never heard what became of its first call; whether it asks before or after recovery has
    looked must not decide whether its customer pays once or twice."""

    def die(method: str, _url: str) -> None:
        if method == "POST":
            raise Died

    with pytest.raises(Died):
        bench.router(http_client=Wire(bench.world, after=die)).charge(BOT, 5)
    bench.world.advance(LEASE)
    router = bench.router()
    router.recover_operations()
    with suppress(BillingError):
        router.charge(BOT, 5)
    assert bench.moved() == bench.booked(router) == [500]


def test_a_bot_that_asks_again_while_recovery_looks_is_not_charged_twice(bench: Bench) -> None:
    """Recovery holds the lease of the first call: that does not make it one that is under way."""
    left_unknown(bench, None, effect=True)
    told: list[object] = []

    def ask_meanwhile(method: str, url: str) -> None:
        if method == "GET" and "/v1/payment_intents?" in url and not told:
            told.append("asking")
            with suppress(BillingError):
                told.append(bench.router().charge(BOT, 5))

    bench.router(http_client=Wire(bench.world, before=ask_meanwhile)).recover_operations()
    assert told == ["asking"]
    assert bench.moved() == [500]


def test_a_bot_that_asks_again_while_its_keyed_call_is_resumed_is_one_payment(
    bench: Bench,
) -> None:
    left_unknown(bench, "k", effect=True)
    told: list[object] = []

    def ask_meanwhile(method: str, _url: str) -> None:
        if method == "POST" and not told:
            told.append("asking")
            with suppress(BillingError):
                told.append(bench.router().charge(BOT, 5, idempotency_key="k"))

    router = bench.router(http_client=Wire(bench.world, before=ask_meanwhile))
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


def test_an_excluded_payment_cannot_happen_any_more(bench: Bench) -> None:
    """A sender that was only slow sends its request after recovery has given it up."""
    routers: list[BillingRouter] = []

    def recover_meanwhile(method: str, _url: str) -> None:
        if method == "POST" and not routers:
            bench.world.advance(LEASE)
            routers.append(bench.router())
            routers[0].recover_operations()
            assert bench.states() == ["abandoned"]

    slow = bench.warm(http_client=Wire(bench.world))
    slow = bench.router(http_client=Wire(bench.world, before=recover_meanwhile))
    with pytest.raises(BillingError):
        slow.charge(BOT, 5)
    assert bench.moved() == []


def test_a_young_keyed_payment_is_completed_for_its_bot(bench: Bench) -> None:
    left_unknown(bench, "k", effect=False)
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["succeeded"]
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


def test_an_old_keyed_payment_is_not_collected_hours_later(bench: Bench) -> None:
    left_unknown(bench, "k", effect=False)
    bench.world.advance(HOUR)
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["abandoned"]
    assert bench.moved() == []
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


def test_a_half_declined_payment_is_made_unpayable(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "declined:lost_card")
    bench.fault("cut", "POST /v1/payment_intents/*/cancel", times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    bench.world.advance(HOUR)
    router = bench.router()
    router.recover_operations()
    assert [p["status"] for p in bench.world.objects("payment_intent")] == ["canceled"]
    with pytest.raises(PaymentDeclinedError):
        router.charge(BOT, 5, idempotency_key="k")


@pytest.mark.parametrize("mended", [False, True], ids=["still-ahead", "set-right-since"])
def test_a_host_whose_clock_is_ahead_does_not_lose_a_payment(bench: Bench, mended: bool) -> None:
    """Its intents seem later than what Stripe made of them."""
    ahead = VirtualClock(bench.world.clock.now_ms() + 3 * 3_600_000)
    bench.fault("timeout", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router(clock=ahead).charge(BOT, 5)
    bench.world.faults.clear()
    for clock in (ahead, bench.world.clock):
        clock.advance(30 * HOUR)
    if mended:
        ahead.set(bench.world.clock.now_ms())
    router = bench.router(clock=ahead)
    router.recover_operations()
    assert bench.states() != ["abandoned"]
    with suppress(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert sum(bench.booked(router)) in (0, sum(bench.moved()))


def test_a_clock_that_is_ahead_does_not_lose_a_young_payment(bench: Bench) -> None:
    ahead = VirtualClock(bench.world.clock.now_ms() + 3 * 3_600_000)
    bench.fault("timeout", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router(clock=ahead).charge(BOT, 5)
    bench.world.faults.clear()
    for clock in (ahead, bench.world.clock):
        clock.advance(HOUR)
    bench.router(clock=ahead).recover_operations()
    assert bench.states() != ["abandoned"]
    assert bench.moved() == [500]


@pytest.mark.parametrize("currency", ["czk", "huf", "jpy", "isk", "kwd", "mxn", "ugx"])
def test_a_payment_in_any_currency_can_be_excluded(bench: Bench, currency: str) -> None:
    routing = ROUTING.replace("currency: jpy", f"currency: {currency}")
    bench.config.write_text(routing)
    bench.fault("cut", times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge("finance:yen", 500)
    bench.world.faults.clear()
    bench.world.advance(LEASE)
    bench.router().recover_operations()
    assert bench.states() == ["abandoned"]


def test_an_operation_that_cannot_be_settled_does_not_stop_the_others(bench: Bench) -> None:
    left_unknown(bench, "strange", effect=False)
    left_unknown(bench, "k", effect=True)
    with closing(sqlite3.connect(bench.database)) as direct:
        change = "UPDATE stripe_operations SET verb='of_a_later_version' WHERE idempotency_key=?"
        direct.execute(change, ("strange",))
        direct.commit()
    router = bench.router()
    router.recover_operations()
    assert sorted(bench.states()) == ["succeeded", "unknown"]


def test_two_that_recover_at_once_settle_each_payment_once(bench: Bench) -> None:
    for key in ("a", "b", None):
        left_unknown(bench, key, effect=True)
    found = in_threads(3, lambda _: bench.router(clock=bench.world.clock).recover_operations())
    assert not [one for one in found if isinstance(one, BillingError)]
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["succeeded"] * 3
    assert bench.moved() == bench.booked(router) == [500] * 3


def test_recovery_leaves_a_payment_alone_that_is_being_made(bench: Bench) -> None:
    router = bench.warm()
    bench.fault("call", call=lambda: bench.router().recover_operations())
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


class Stopped:
    """A guard that has stopped every bot."""

    def check_bot(self, bot: BotId) -> None:
        raise BillingError(f"{bot} is stopped. Ask a person.")

    def check_intent(self, intent: Intent) -> list[Write]:
        return []


def test_a_stopped_bot_s_payment_is_not_completed_but_settled(bench: Bench) -> None:
    left_unknown(bench, "k", effect=False)
    left_unknown(bench, "done", effect=True)
    router = bench.router(guards=[Stopped()])
    router.recover_operations()
    assert sorted(bench.states()) == ["abandoned", "succeeded"]
    assert bench.moved() == [500]


def test_while_stripe_is_away_nothing_is_decided(bench: Bench) -> None:
    left_unknown(bench, None, effect=True)
    bench.fault("refused", "*", times=None)
    with suppress(BillingError):
        bench.router().recover_operations()
    assert bench.states() == ["unknown"]
    bench.world.faults.clear()
    bench.world.advance(LEASE)
    bench.router().recover_operations()
    assert bench.states() == ["succeeded"]


@pytest.mark.parametrize("kind", ["cut", "timeout", "server_error", "proxy_page", "rate_limited"])
@pytest.mark.parametrize("match", ["GET /v1/payment_intents", "POST *"])
def test_a_fault_while_recovering_decides_nothing_wrongly(
    bench: Bench, kind: str, match: str
) -> None:
    left_unknown(bench, None, effect=False)
    bench.fault(kind, match, times=None)
    bench.router().recover_operations()
    assert bench.states() == ["unknown"]
    bench.world.faults.clear()
    bench.world.advance(LEASE)
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["abandoned"]
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


def _at_request(number: int, when: str) -> Callable[[Bench, Commits], None]:
    def crash(bench: Bench, _commits: Commits) -> None:
        seen: list[str] = []

        def die(method: str, _url: str) -> None:
            seen.append(method)
            if len(seen) == number:
                raise Died

        hooks: dict[str, Any] = {when: die}
        with suppress(Died):
            bench.router(http_client=Wire(bench.world, **hooks)).recover_operations()

    return crash


def _at_commit(number: int, when: str) -> Callable[[Bench, Commits], None]:
    def crash(bench: Bench, commits: Commits) -> None:
        commits.fail(number, when, Died())
        with suppress(Died):
            bench.router().recover_operations()
        commits.mend()

    return crash


CRASHES = {
    **{f"{w}-request-{n}": _at_request(n, w) for n in range(1, 6) for w in ("before", "after")},
    **{f"{w}-commit-{n}": _at_commit(n, w) for n in range(1, 4) for w in ("before", "after")},
}


@pytest.mark.parametrize("effect", [True, False], ids=["done", "not-done"])
@pytest.mark.parametrize("where", CRASHES)
def test_recovery_that_dies_is_finished_by_the_next(
    bench: Bench, commits: Commits, where: str, effect: bool
) -> None:
    left_unknown(bench, None, effect=effect)
    bench.world.advance(HOUR)
    CRASHES[where](bench, commits)
    bench.world.advance(LEASE)
    router = bench.router()
    router.recover_operations()
    assert bench.states() == ["succeeded" if effect else "abandoned"]
    assert bench.moved() == bench.booked(router) == ([500] if effect else [])
    assert router.charge(BOT, 6).paid
    assert len(bench.moved()) == len(bench.booked(router)) == int(effect) + 1


def test_an_abandoned_payment_s_new_attempt_has_new_keys(bench: Bench) -> None:
    left_unknown(bench, "k", effect=False)
    bench.world.advance(HOUR)
    router = bench.router()
    router.recover_operations()
    used = {request.idempotency_key for request in bench.sent()}
    bench.world.requests.clear()
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert not used & {request.idempotency_key for request in bench.sent()}


def test_a_repeat_that_meets_recovery_is_one_payment(bench: Bench) -> None:
    left_unknown(bench, "k", effect=False)
    routers = [bench.router(clock=SystemClock()) for _ in range(4)]

    def settle(number: int) -> object:
        if number % 2:
            return routers[number].recover_operations()
        return routers[number].charge(BOT, 5, idempotency_key="k")

    in_threads(4, settle)
    assert len(bench.moved()) <= 1
    bench.world.advance(LEASE)
    last = bench.router()
    assert last.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(last) == [500]
