"""Entries of the ledger that a bot added: they decide about no money."""

from __future__ import annotations

import pytest

from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, HttpRequest
from tests.integration.charge.charge_bench import BOT, CARD, CUSTOMER, Bench
from tests.integration.trust.forging import Forger


@pytest.mark.parametrize("own", [False, True], ids=["made elsewhere", "own"])
def test_the_currency_of_a_refund_is_the_payments_whatever_an_entry_says(
    forger: Forger, bench: Bench, own: bool
) -> None:
    """In dinars, 1.00 would be a thousand cents."""
    done = forger.router().charge(BOT, 50)
    paid = str(done.id) if own else paid_elsewhere(bench)
    forger.run(
        "INSERT INTO stripe_ledger SELECT sequence + 1000000, :id, action_type, amount, "
        "amount_minor, 'kwd', timestamp_ms, user_email, bot_id, destination_account, "
        "raw_event_json, error, operation_id, status, 'finance:forged', 1, salt, "
        "user_email_commitment, raw_event_commitment, previous_hash, entry_hash "
        "FROM stripe_ledger WHERE id = :of",
        {"id": paid, "of": str(done.id)},
    )
    given = forger.router().refund(BOT, paid, amount=1)
    assert (given.amount_minor, given.currency) == (100, "usd")


def paid_elsewhere(bench: Bench) -> str:
    body = (
        f"amount=5000&currency=usd&customer={CUSTOMER}&confirm=true&off_session=true"
        f"&payment_method={CARD}&automatic_payment_methods[enabled]=true"
        "&automatic_payment_methods[allow_redirects]=never"
    )
    headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
    sent = HttpRequest.to("POST", "/v1/payment_intents", headers, body)
    return str(bench.world.handle(sent).json()["id"])
