"""The process dies, here or there; another one on the same ledger asks again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest

from stripe_billing_router.engine import leases
from stripe_billing_router.errors import (
    BillingError,
    OperationInProgressError,
    OutcomeUnknownError,
    PaymentDeclinedError,
)
from stripe_billing_router.models import CloseOperation, OperationState, Write
from stripe_billing_router.store import FallbackStore
from tests.integration.charge.charge_bench import BOT, CARD, LEASE, Bench, Commits, Died, Wire

Crash = Callable[[Bench, Commits, "str | None"], None]


def _before_the_request(bench: Bench, commits: Commits, key: str | None) -> None:
    _dies(bench, key, Wire(bench.world, before=_die_at_post))


def _after_the_effect(bench: Bench, commits: Commits, key: str | None) -> None:
    _dies(bench, key, Wire(bench.world, after=_die_at_post))


def _die_at_post(method: str, _url: str) -> None:
    if method == "POST":
        raise Died


def _dies(bench: Bench, key: str | None, http: Wire) -> None:
    with pytest.raises(Died):
        bench.router(http_client=http).charge(BOT, 5, idempotency_key=key)


def _commit(number: int, when: str) -> Crash:
    def crash(bench: Bench, commits: Commits, key: str | None) -> None:
        router = bench.router()
        commits.fail(number, when, Died())
        with pytest.raises(Died):
            router.charge(BOT, 5, idempotency_key=key)
        commits.mend()

    return crash


IN_DOUBT = {
    "after-the-intent": (_commit(1, "after"), 0),
    "before-the-request": (_before_the_request, 0),
    "after-the-effect": (_after_the_effect, 1),
    "before-the-outcome": (_commit(2, "before"), 1),
}
EVERYWHERE = {
    "before-the-intent": (_commit(1, "before"), 0),
    **IN_DOUBT,
    "after-the-outcome": (_commit(2, "after"), 1),
}


@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_keyed_charge_that_died_is_completed_once(
    bench: Bench, commits: Commits, where: str
) -> None:
    crash, effects = EVERYWHERE[where]
    crash(bench, commits, "k")
    assert len(bench.moved()) == effects
    bench.world.advance(LEASE)
    router = bench.router()
    done = router.charge(BOT, 5, idempotency_key="k")
    assert done.paid
    assert bench.moved() == bench.booked(router) == [500]
    assert bench.states() == ["succeeded"]
    assert router.ledger.verify().ok


@pytest.mark.parametrize("where", IN_DOUBT)
def test_a_keyless_charge_that_died_is_not_charged_again(
    bench: Bench, commits: Commits, where: str
) -> None:
    crash, effects = IN_DOUBT[where]
    crash(bench, commits, None)
    bench.world.advance(LEASE)
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router().charge(BOT, 5)
    assert told.value.operation_id == bench.operations()[0]["operation_id"]
    assert len(bench.moved()) == effects


@pytest.mark.parametrize(
    "where", ["before-the-request", "after-the-effect", "before-the-outcome", "after-the-outcome"]
)
def test_a_keyless_charge_that_was_interrupted_is_not_charged_again_at_once(
    bench: Bench, commits: Commits, where: str
) -> None:
    crash, effects = EVERYWHERE[where]
    crash(bench, commits, None)
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(BOT, 5)
    assert len(bench.moved()) == effects


def test_where_nothing_is_in_doubt_a_keyless_charge_is_a_new_one(
    bench: Bench, commits: Commits
) -> None:
    crash, effects = EVERYWHERE["before-the-intent"]
    crash(bench, commits, None)
    router = bench.router()
    assert router.charge(BOT, 5).paid
    assert len(bench.moved()) == len(bench.booked(router)) == effects + 1


@pytest.mark.parametrize("where", IN_DOUBT)
def test_a_keyed_charge_asked_for_at_once_is_in_progress_or_completed(
    bench: Bench, commits: Commits, where: str
) -> None:
    crash, _ = IN_DOUBT[where]
    crash(bench, commits, "k")
    with suppress(OperationInProgressError, OutcomeUnknownError):
        assert bench.router().charge(BOT, 5, idempotency_key="k").paid
    assert len(bench.moved()) <= 1


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on this process has the identity of one that has ended; undo by calling it."""
    here = leases.me().rsplit(":", 2)[0]
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr(leases, "me", lambda: f"{here}:{gone.pid}:1")
    monkeypatch.setattr(FallbackStore, "commit", _dies_with_its_process(FallbackStore.commit))
    return monkeypatch.undo


@pytest.mark.parametrize("where", ["before-the-request", "after-the-effect"])
def test_the_lease_of_a_dead_process_is_taken_at_once(
    bench: Bench, commits: Commits, dead: Callable[[], None], where: str
) -> None:
    crash, _ = IN_DOUBT[where]
    crash(bench, commits, "k")
    dead()
    before = bench.world.clock.elapsed()
    router = bench.router()
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.world.clock.elapsed() - before < 1
    assert bench.moved() == bench.booked(router) == [500]


@pytest.mark.parametrize("where", ["before-the-request", "after-the-effect"])
def test_the_keyless_charge_of_a_dead_process_is_not_charged_again_at_once(
    bench: Bench, commits: Commits, dead: Callable[[], None], where: str
) -> None:
    crash, effects = IN_DOUBT[where]
    crash(bench, commits, None)
    dead()
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(BOT, 5)
    assert len(bench.moved()) == effects


@pytest.mark.parametrize("where", ["before-the-request", "after-the-effect"])
def test_the_keyless_charge_of_a_container_that_died_is_not_charged_again_at_once(
    bench: Bench, commits: Commits, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A restarted container has a process namespace of its own: nothing can be proven about the
    one before it, and its lease has not run out yet."""
    crash, effects = IN_DOUBT[where]
    with monkeypatch.context() as elsewhere:
        boot = leases.me().partition(":")[0]
        elsewhere.setattr(leases, "me", lambda: f"{boot}:4026532000:1:1")
        elsewhere.setattr(FallbackStore, "commit", _dies_with_its_process(FallbackStore.commit))
        crash(bench, commits, None)
    with pytest.raises(BillingError) as told:
        bench.router().charge(BOT, 5)
    assert told.value.money == "unknown"
    assert len(bench.moved()) == effects


def _dies_with_its_process(real: Callable[..., None]) -> Callable[..., None]:
    """A process that is gone writes nothing more, not even that it is in doubt."""

    def commit(store: FallbackStore, *writes: Write) -> None:
        if any(isinstance(w, CloseOperation) and w.outcome is None for w in writes):
            raise Died
        real(store, *writes)

    return commit


DECLINED = {
    "after-the-intent": _commit(1, "after"),
    "after-the-decline": _after_the_effect,
    "before-the-decline-is-stored": _commit(2, "before"),
    "after-the-decline-is-stored": _commit(2, "after"),
    "before-the-outcome": _commit(3, "before"),
}


@pytest.mark.parametrize("where", DECLINED)
def test_a_declined_charge_that_died_leaves_nothing_payable(
    bench: Bench, commits: Commits, where: str
) -> None:
    bench.world.set_outcome(CARD, "declined:lost_card")
    DECLINED[where](bench, commits, "k")
    bench.world.set_outcome(CARD, "succeeds")
    bench.world.advance(LEASE)
    router = bench.router()
    if where == "after-the-intent":
        assert router.charge(BOT, 5, idempotency_key="k").paid
        return
    with pytest.raises(PaymentDeclinedError) as told:
        router.charge(BOT, 5, idempotency_key="k")
    assert told.value.decline_code == "lost_card"
    assert [p["status"] for p in bench.world.objects("payment_intent")] == ["canceled"]
    assert bench.states() == ["failed"]
    assert bench.moved() == bench.booked(router) == []
    assert len(list(router.ledger.entries())) == 1


@pytest.mark.parametrize("where", DECLINED)
def test_every_death_leaves_a_row_for_recovery(bench: Bench, commits: Commits, where: str) -> None:
    bench.world.set_outcome(CARD, "declined:lost_card")
    DECLINED[where](bench, commits, None)
    (row,) = bench.operations()
    assert row["state"] in (OperationState.PENDING, OperationState.UNKNOWN)
    assert row["lease_owner"] == leases.me()


def test_a_crash_twice_over_is_still_one_payment(bench: Bench, commits: Commits) -> None:
    _after_the_effect(bench, commits, "k")
    bench.world.advance(LEASE)
    _after_the_effect(bench, commits, "k")
    bench.world.advance(LEASE)
    router = bench.router()
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


def test_a_crash_while_an_abandoned_charge_is_sent_again_is_one_payment(
    bench: Bench, commits: Commits
) -> None:
    router = bench.router()
    bench.fault("refused", times=None)
    with pytest.raises(BillingError):
        router.charge(BOT, 5, idempotency_key="k")
    bench.world.faults.clear()
    _after_the_effect(bench, commits, "k")
    bench.world.advance(LEASE)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(router) == [500]


class Suspended:
    """A clock by which the process sleeps much longer than it meant to: the host was suspended."""

    def __init__(self, bench: Bench, wake: Callable[[], object]) -> None:
        self._clock = bench.world.clock
        self._wake = wake
        self.now_ms = self._clock.now_ms
        self.elapsed = self._clock.elapsed

    def sleep(self, seconds: float) -> None:
        self._clock.advance(seconds)
        self._wake()


def test_a_sleeper_that_wakes_after_a_day_sends_nothing(bench: Bench) -> None:
    """Its lease is gone and Stripe may have forgotten the key."""
    router = bench.warm(clock=Suspended(bench, lambda: bench.world.advance(25 * 3600)))
    bench.fault("cut", effect=True)
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert len(bench.sent()) == 1
    assert bench.moved() == [500]


def test_a_sleeper_that_wakes_when_another_has_taken_over_sends_nothing(bench: Bench) -> None:
    another = bench.warm()

    def take_over() -> None:
        bench.world.advance(LEASE)
        assert another.charge(BOT, 5, idempotency_key="k").paid

    sleeper = bench.router(clock=Suspended(bench, take_over))
    bench.fault("unavailable")
    with pytest.raises(OutcomeUnknownError):
        sleeper.charge(BOT, 5, idempotency_key="k")
    assert len(bench.sent()) == 2
    assert bench.moved() == bench.booked(another) == [500]
    assert bench.states() == ["succeeded"]


def test_a_sleeper_whose_lease_nobody_took_goes_on(bench: Bench) -> None:
    router = bench.warm(clock=Suspended(bench, lambda: bench.world.advance(LEASE)))
    bench.fault("unavailable")
    assert router.charge(BOT, 5).paid
    assert bench.moved() == bench.booked(router) == [500]


def test_the_keeper_of_a_lost_lease_does_not_lose_a_payment(bench: Bench) -> None:
    """A slow send succeeds after another process took over and gave up in doubt."""
    slow = bench.warm()

    def another_gives_up() -> None:
        bench.world.advance(LEASE)
        bench.fault("refused", times=None)
        with pytest.raises(OutcomeUnknownError):
            bench.router().charge(BOT, 5, idempotency_key="k")
        bench.world.faults.clear()

    bench.fault("call", effect=True, call=another_gives_up)
    assert slow.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == [500]
    assert bench.states() == ["succeeded"]
    assert bench.booked(slow) == [500]


def test_two_that_finish_the_same_payment_book_it_once(bench: Bench) -> None:
    slow = bench.warm()

    def another_finishes() -> None:
        bench.world.advance(LEASE)
        assert bench.router().charge(BOT, 5, idempotency_key="k").paid

    bench.fault("call", effect=True, call=another_finishes)
    assert slow.charge(BOT, 5, idempotency_key="k").paid
    assert bench.moved() == bench.booked(slow) == [500]
    assert bench.states() == ["succeeded"]
