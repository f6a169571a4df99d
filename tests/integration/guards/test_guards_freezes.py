"""A frozen bot is refused at its next call, in every process, however its id is spelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stripe_billing_router import default, operators
from stripe_billing_router.errors import (
    BillingError,
    FrozenError,
    InvalidRequestError,
    OutcomeUnknownError,
)
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.sandbox.journal import RecordedRequest
from tests.integration.guards.guards_bench import GuardsBench
from tests.integration.verbs.verbs_bench import BOT, MEMBER, PAYING, Bench
from tests.integration.verbs.verbs_cases import BY_PRICE, CASES, CHARGE, CHECKOUT, Case

SCOPES = [
    "finance:bot",
    "stripe:finance:bot",
    "finance:*",
    "stripe:finance:*",
    "*:finance:*",
    "*:*:bot",
    "*:bot",
    "stripe:*:*",
    "*",
    "*:*:*",
]
OTHERS = ["finance:member", "acme:finance:bot", "billing:*", "acme:*:*", "finance:Bot", "*:member"]


@pytest.mark.parametrize("spelling", [BOT, f"stripe:{BOT}"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_frozen_bot_is_refused_in_another_process_however_it_is_spelled(
    guards: GuardsBench, scope: str, spelling: str
) -> None:
    """Seen elsewhere: `finance:x` is frozen, `stripe:finance:x` is not."""
    running = guards.bench.router
    running.charge(spelling, 1)
    guards.desk.freeze(scope, "looks odd", "ann")
    with pytest.raises(FrozenError, match="looks odd") as caught:
        running.charge(spelling, 1)
    assert (caught.value.money, caught.value.reason) == ("not_moved", "looks odd")
    assert guards.moved() == 1
    guards.desk.unfreeze(scope, "ann")
    running.charge(spelling, 1)


@pytest.mark.parametrize("scope", OTHERS)
def test_other_scopes_do_not_stop_it(guards: GuardsBench, scope: str) -> None:
    guards.desk.freeze(scope, "looks odd", "ann")
    assert guards.bench.router.charge(BOT, 1).paid


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_verb_of_a_frozen_bot_is_refused(guards: GuardsBench, paid: str, case: Case) -> None:
    """Seen elsewhere: "paused" is recorded and never consulted."""
    guards.desk.freeze("*", "stop", "ann")
    before = len(guards.operations())
    with pytest.raises(FrozenError):
        case.call(guards.bench.router, paid, {})
    assert guards.bench.sent() == []
    assert len(guards.operations()) == before


def test_its_balance_is_refused_too(guards: GuardsBench) -> None:
    guards.desk.freeze(BOT, "stop", "ann")
    with pytest.raises(FrozenError):
        guards.bench.router.get_balance(BOT)
    guards.bench.router.get_balance(MEMBER)


def test_a_stored_result_can_still_be_read_by_its_key(guards: GuardsBench) -> None:
    done = guards.bench.router.charge(BOT, 1, idempotency_key="k")
    guards.desk.freeze(BOT, "stop", "ann")
    assert guards.bench.router.charge(BOT, 1, idempotency_key="k").id == done.id


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE], ids=str)
def test_a_resend_is_stopped_and_stays_in_doubt(guards: GuardsBench, case: Case) -> None:
    def frozen_while_it_is_sent(request: RecordedRequest) -> bool:
        if request.method != "POST":
            return False
        guards.desk.freeze("finance:*", "stop", "ann")
        return True

    guards.bench.world.faults.add(Fault("cut", match=frozen_while_it_is_sent))
    with pytest.raises(OutcomeUnknownError):
        case.call(guards.bench.router, "pi_none", {"idempotency_key": "k"})
    with pytest.raises(FrozenError) as caught:
        case.call(guards.bench.router, "pi_none", {"idempotency_key": "k"})
    assert caught.value.money == "unknown"
    assert [op.state for op in guards.operations()] == ["unknown"]
    assert guards.moved() == 0


def test_recovery_completes_nothing_for_a_frozen_bot_and_settles_it(guards: GuardsBench) -> None:
    guards.stage.crash(CHARGE, "pi_none", "k", effect=False)
    guards.desk.freeze(BOT, "stop", "ann")
    assert len(guards.stage.recover().abandoned) == 1
    assert guards.moved() == 0


def test_recovery_records_what_a_frozen_bot_did(guards: GuardsBench) -> None:
    guards.stage.crash(CHARGE, "pi_none", None, effect=True)
    guards.desk.freeze(BOT, "stop", "ann")
    assert len(guards.stage.recover().recorded) == 1


@pytest.mark.parametrize("case", [CHECKOUT, CHARGE], ids=str)
def test_what_waits_can_be_cancelled_while_its_bot_is_frozen(
    guards: GuardsBench, case: Case
) -> None:
    given = {"on_session": True} if case is CHARGE else {}
    waiting = case.call(guards.bench.router, "pi_none", given)
    guards.desk.freeze("*", "stop", "ann")
    assert guards.bench.router.cancel(waiting.operation_id).state == "canceled"


def test_freezes_overlap_and_each_is_lifted_by_itself(guards: GuardsBench) -> None:
    guards.desk.freeze(BOT, "one", "ann")
    guards.desk.freeze("finance:*", "two", "bob")
    guards.desk.unfreeze(f"stripe:{BOT}", "ann")
    with pytest.raises(FrozenError, match="two"):
        guards.bench.router.charge(BOT, 1)
    with pytest.raises(InvalidRequestError, match=r"finance:\*"):
        guards.desk.unfreeze(BOT, "ann")
    history = guards.bench.router.store.freeze_history()
    assert {(f.scope, f.frozen_by, f.unfrozen_by) for f in history} == {
        (BOT, "ann", "ann"),
        ("finance:*", "bob", None),
    }


@pytest.mark.parametrize(
    "scope",
    ["", "finance", "finance:", "fin*:bot", "a:b:c:d", ":*", "**", "finance:bot ", None, 3, "a:b?"],
)
def test_a_scope_that_is_none_is_refused(guards: GuardsBench, scope: Any) -> None:
    with pytest.raises(InvalidRequestError):
        guards.desk.freeze(scope, "x", "ann")
    with pytest.raises(InvalidRequestError):
        guards.desk.unfreeze(scope, "x")


@pytest.mark.parametrize("text", ["", "  ", None, 3, "x" * 3000])
def test_who_and_why_are_demanded(guards: GuardsBench, text: Any) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: guards.desk.freeze("*", text, "ann"),
        lambda: guards.desk.freeze("*", "why", text),
        lambda: guards.desk.unfreeze("*", text),
        lambda: guards.desk.approve("apr_1", text),
        lambda: guards.desk.reject("apr_1", text),
    )
    for call in calls:
        with pytest.raises(InvalidRequestError):
            call()
    assert guards.bench.router.store.freezes() == []


def test_operators_act_on_the_default_router_and_observers_are_told(guards: GuardsBench) -> None:
    router = guards.stage.router()
    with default.use_router(router):
        frozen = operators.freeze(f"stripe:{BOT}", "why", by="ann")
        operators.unfreeze(BOT, by="bob")
    assert (frozen.scope, frozen.reason, frozen.frozen_by) == (BOT, "why", "ann")
    assert guards.stage.told.names == ["bot.frozen", "bot.unfrozen"]
    for name in ("freeze", "unfreeze", "approve", "reject"):
        assert not hasattr(router, name)


def test_a_freeze_that_cannot_be_read_stops_the_call(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise BillingError("away. Try again.")

    monkeypatch.setattr("stripe_billing_router.store.SqlStore.freezes", away)
    with pytest.raises(BillingError, match="away"):
        bench.router.charge(BOT, 1)
    assert bench.collected() == []
    assert PAYING not in bench.sent()
