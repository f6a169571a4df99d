"""Counters that somebody without a key has set back: they are added up from what is sealed."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from stripe_billing_router.errors import BillingError, LedgerTamperedError
from stripe_billing_router.hashing import keyed_operation_id
from stripe_billing_router.models import BotId, Counted
from stripe_billing_router.policy import counter_limits
from stripe_billing_router.stripe_watchdog.checks import CHECKS
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import Limits
from tests.integration.guards.guards_bench import CALLS, MONEY, GuardsBench, budget
from tests.integration.guards.roles_bench import RULES, Border, border, run
from tests.integration.recovery.conftest import paid, stage
from tests.integration.recovery.recovery_bench import RecoveryBench
from tests.integration.verbs.verbs_bench import BOT, MEMBER

__all__ = ["border", "paid", "stage"]

ALL = "UPDATE stripe_budgets SET used = 0"
SEALED = "outcome_seal = repeat('0', 48), lease_token = NULL"


@pytest.fixture
def guards(stage: RecoveryBench) -> GuardsBench:
    return GuardsBench(stage)


def write(guards: GuardsBench, *statements: str) -> None:
    def work(opened: object) -> None:
        for statement in statements:
            opened.connection.execute(text(statement))  # type: ignore[attr-defined]

    guards.bench.router.store._sql.transact(work)


def found(guards: GuardsBench) -> list[tuple[str, int, int]]:
    store = guards.bench.router.store
    return [(c.counter, c.used, c.held) for c in store.set_back(store.now_ms())]


MONEY_ONLY = f"{ALL} WHERE counter = '{MONEY}'"


@pytest.mark.parametrize(
    "more",
    [
        "",
        "UPDATE stripe_reservations SET amount = 0 WHERE kind = 'money'",
        "UPDATE stripe_reservations SET state = 'released' WHERE kind = 'money'",
        "UPDATE stripe_reservations SET state = 'past' WHERE kind = 'money'",
    ],
)
def test_a_counter_that_was_set_back_is_found(guards: GuardsBench, more: str) -> None:
    guards.router(budget()).charge(BOT, 30)
    write(guards, *filter(None, (MONEY_ONLY, more)))
    assert found(guards) == [(MONEY, 0, 3000)]


def test_an_operation_that_is_not_proven_to_have_failed_holds_its_part(guards: GuardsBench) -> None:
    guards.router(budget()).charge(BOT, 30)
    write(
        guards,
        MONEY_ONLY,
        "UPDATE stripe_reservations SET state = 'released' WHERE kind = 'money'",
        "UPDATE stripe_operations SET state = 'failed', outcome_seal = 'x'",
    )
    assert found(guards) == [(MONEY, 0, 3000)]


@pytest.mark.parametrize(("kind", "window"), [("money", "1"), ("restore", "window_start_ms")])
def test_what_an_operation_seems_to_hold_as_it_begins_is_refused(
    border: Border, kind: str, window: str
) -> None:
    """It would be paid without having taken its part, and nobody would find that."""
    begins = keyed_operation_id(BotId.parse(BOT), "charge", "k")
    held = (
        f"INSERT INTO stripe_reservations SELECT '{begins}', counter, {window}, rule, '{kind}', "
        "999999, currency, 'reserved', 1, NULL FROM stripe_reservations"
    )
    with border.router() as router:
        router.charge(BOT, 10)
        run(border.urls["stripe_bots"], held)
        with pytest.raises(LedgerTamperedError) as caught:
            router.charge(BOT, 15, idempotency_key="k")
    assert caught.value.money == "not_moved"
    assert len(border.world.objects("payment_intent")) == 1


def test_a_payment_is_no_refund_because_a_row_says_so(guards: GuardsBench) -> None:
    router = guards.router(budget())
    router.charge(BOT, 30)
    other = router.charge(MEMBER, 30)
    write(
        guards,
        f"INSERT INTO stripe_reservations SELECT '{other.operation_id}', counter, "
        "window_start_ms, rule, 'restore', 3000, currency, 'settled', 1, operation_id "
        f"FROM stripe_reservations WHERE counter = '{MONEY}'",
        f"UPDATE stripe_reservations SET amount = 0 WHERE counter = '{MONEY}'",
        MONEY_ONLY,
    )
    assert found(guards) == [(MONEY, 0, 3000)]


@pytest.mark.parametrize("kind", ["calls", "money"])
def test_a_row_that_holds_less_than_nothing_hides_no_other(guards: GuardsBench, kind: str) -> None:
    guards.router(budget()).charge(BOT, 30)
    write(
        guards,
        "INSERT INTO stripe_reservations SELECT 'op_x', counter, window_start_ms, rule, "
        f"'{kind}', -999999, currency, 'settled', 1, NULL FROM stripe_reservations "
        f"WHERE counter = '{MONEY}'",
        MONEY_ONLY,
    )
    ((counter, used, held),) = found(guards)
    assert (counter, used) == (MONEY, 0)
    assert held >= 3000


def test_a_call_counts_whatever_a_row_says_of_it(guards: GuardsBench) -> None:
    guards.router(budget()).charge(BOT, 30)
    write(
        guards,
        "UPDATE stripe_reservations SET amount = 0, state = 'released' WHERE kind = 'calls'",
        f"{ALL} WHERE counter = '{CALLS}'",
    )
    assert found(guards) == [(CALLS, 0, 1)]


def test_what_was_declined_and_refunded_is_no_difference(guards: GuardsBench) -> None:
    router = guards.router(budget(refunds_restore=True))
    payment = router.charge(BOT, 30)
    router.refund(BOT, payment.id, amount=10)
    guards.bench.world.set_outcome("pm_one", "declined:lost_card")
    with pytest.raises(BillingError):
        router.charge(BOT, 5)
    assert guards.used() == 2000
    assert found(guards) == []


def test_a_check_of_the_watchdog_says_so() -> None:
    assert "budget_set_back" in {check.id for check in CHECKS}


def test_a_counter_that_was_put_up_again_is_found_by_its_limit(border: Border) -> None:
    """It was set back, more was paid than the rule lets, and then it said so."""
    with border.router() as router:
        for _ in range(5):
            router.charge(BOT, 39)
        run(border.urls["stripe_bots"], ALL)
        router.charge(BOT, 39)
        run(border.urls["stripe_bots"], "UPDATE stripe_budgets SET used = 23400")
        limits = Limits(router.store.now_ms() - 1, budgets=counter_limits(RULES.rules))
        found = list(Inspection(router, limits).findings())
    (told,) = [finding for finding in found if finding.check == "budget_set_back"]
    assert told.details == {"used": 23400, "held": 23400, "limit": 20000}


@pytest.mark.parametrize(
    "freeing",
    [
        (),
        (
            f"UPDATE stripe_operations SET state = 'failed', {SEALED} "
            "WHERE state = 'requires_action'",
            "UPDATE stripe_reservations SET state = 'released' WHERE state = 'reserved'",
        ),
    ],
    ids=["directly", "by an operation"],
)
def test_a_bots_login_that_frees_its_budget_is_found(
    border: Border, freeing: tuple[str, ...]
) -> None:
    with border.router() as router:
        router.charge(BOT, 10)
        router.charge(BOT, 20, on_session=True)
    run(border.urls["stripe_bots"], *freeing, ALL)
    with border.router("stripe_operators") as people:
        (missing,) = people.store.set_back(people.store.now_ms())
    assert isinstance(missing, Counted)
    assert (missing.used, missing.held) == (0, 3000)
