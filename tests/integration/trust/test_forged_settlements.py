"""Operations in doubt that a bot's login of the database declares over: nobody pays again."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text

from stripe_billing_router.engine.leases import me, running
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.sandbox import Fault
from tests.integration.guards.roles_bench import Border, border, run
from tests.integration.verbs.verbs_bench import BOT, PAYING

__all__ = ["border"]

SEALED = "outcome_seal = repeat('0', 48), lease_token = NULL"
OVER = {
    "succeeded": f"state = 'succeeded', {SEALED}",
    "failed": f"state = 'failed', {SEALED}",
    "canceled": f"state = 'canceled', {SEALED}",
    "abandoned": f"state = 'abandoned', outcome = '{{}}', generation = generation + 1, {SEALED}",
    "processing": "state = 'processing'",
}


def cut_off(border: Border) -> None:
    """Stripe has paid, and nobody knows."""
    border.world.faults.add(Fault("cut", match=PAYING, times=None, effect=True))
    with border.router() as router, pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    border.world.faults.clear()


def declare(border: Border, *changes: str) -> None:
    sets = [f"UPDATE stripe_operations SET {change}" for change in changes]
    run(border.urls["stripe_bots"], *sets)


def is_paid_once(border: Border) -> None:
    with border.router() as router, pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert len(border.world.objects("payment_intent")) == 1


@pytest.mark.parametrize("state", list(OVER))
def test_what_was_in_doubt_is_over_under_a_seal_only(border: Border, state: str) -> None:
    cut_off(border)
    declare(border, OVER[state])
    is_paid_once(border)


def test_no_detour_leads_out_of_doubt(border: Border) -> None:
    cut_off(border)
    taken = "lease_token = 'x', lease_owner = 'y', lease_until_ms = 9999999999999"
    declare(border, f"state = 'pending', {taken}", "blocks_until_ms = 1", OVER["failed"])
    is_paid_once(border)


def test_what_was_in_doubt_is_not_under_way_again(border: Border) -> None:
    """Whoever runs on the same host can show what shows that a call runs."""
    cut_off(border)
    with border.owner.connect() as connection:
        query = text("SELECT operation_id FROM stripe_operations")
        operation_id = str(connection.execute(query).scalar_one())
    taken = f"lease_token = 'x', lease_owner = '{me()}', lease_until_ms = 9999999999999"
    with running(operation_id):
        declare(border, f"state = 'pending', {taken}")
        is_paid_once(border)


def test_what_a_call_left_behind_is_over_under_a_seal_only(border: Border) -> None:
    """Its process died as Stripe paid; nobody has called it in doubt yet."""
    cut_off(border)
    run(
        border.owner_url,
        "ALTER TABLE stripe_operations DISABLE TRIGGER stripe_operations_guard",
        "UPDATE stripe_operations SET state = 'pending', lease_token = 'x', "
        "lease_until_ms = 9999999999999, started_ms = started_ms - 6000",
        "ALTER TABLE stripe_operations ENABLE TRIGGER stripe_operations_guard",
    )
    declare(border, OVER["failed"])
    is_paid_once(border)


def test_the_mark_of_a_doubt_is_not_taken_away(border: Border) -> None:
    cut_off(border)
    declare(border, OVER["processing"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        declare(border, "doubted_until_ms = NULL")
    is_paid_once(border)


def test_what_recovery_found_to_have_failed_is_paid_by_an_equal_call(border: Border) -> None:
    border.world.faults.add(Fault("cut", match=PAYING, times=None, effect=False))
    with border.router() as router, pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    border.world.faults.clear()
    border.world.advance(24 * 3600)
    with border.router() as router:
        assert len(router.recover_operations().abandoned) == 1
        assert router.charge(BOT, 5).paid


def test_a_payment_that_its_customer_made_keeps_no_equal_one_away(border: Border) -> None:
    with border.router() as router:
        waiting = router.charge(BOT, 7, on_session=True)
        router.cancel(str(waiting.operation_id))
        assert router.charge(BOT, 7, on_session=True).state == "requires_action"
