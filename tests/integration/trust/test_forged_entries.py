"""Entries of the ledger that a bot added: they decide about no money."""

from __future__ import annotations

import pytest

from stripe_billing_router.errors import LedgerTamperedError, PolicyViolationError
from stripe_billing_router.models import Policies, PolicyRule
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
    add_entry(forger, paid, str(done.id), currency="'kwd'", stream="'finance:forged'")
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


OWN = Policies((PolicyRule("own", own_payments_only=True),))


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"operation_id": "'op_forged'"},
        {"status": "'paid'"},
        {
            "id": "'pi_x'",
            "raw_event_json": """'{"id": "pi_x", "payment_intent": "' || :id || '"}'""",
        },
    ],
    ids=["own operation", "no operation", "renewal", "mentioned"],
)
def test_an_entry_makes_nobodys_payment_a_bots_own(forger: Forger, forged: dict[str, str]) -> None:
    theirs = forger.router().charge("finance:other", 50)
    own = forger.router().charge(BOT, 1)
    place = {"stream_sequence": "99", **forged}
    add_entry(forger, str(theirs.id), str(own.id), **place)
    with pytest.raises(PolicyViolationError):
        forger.router(policies=OWN).refund(BOT, str(theirs.id))
    assert forger.router(policies=OWN).refund(BOT, str(own.id)).paid


def test_an_own_payment_of_the_version_before_is_read_from_stripe(forger: Forger) -> None:
    """Nothing of it bears a seal; Stripe shows whose it is."""
    own = forger.router().charge(BOT, 50)
    unsealed = {"seal": None, "outputs_seal": None, "outcome_seal": None}
    forger.change(str(own.operation_id), **unsealed)
    assert forger.router(policies=OWN).refund(BOT, str(own.id)).amount_minor == 5000


def test_of_entries_without_end_about_one_object_not_all_are_looked_at(
    forger: Forger, bench: Bench
) -> None:
    own, paid = forger.router().charge(BOT, 50), paid_elsewhere(bench)
    for number in range(100):
        place = {"sequence": f"sequence + {1000 + number}", "stream_sequence": str(number + 1)}
        named = {"operation_id": f"'op_{number}'", "stream": "'finance:forged'"}
        add_entry(forger, paid, str(own.id), **place, **named)
    store = forger.router().store
    with pytest.raises(LedgerTamperedError, match=paid):
        store.maker_of(paid)
    assert store.operation_of(paid) == "op_0"
    given = forger.router().refund(BOT, paid, amount=1)
    assert (given.amount_minor, given.currency) == (100, "usd")


def add_entry(forger: Forger, stripe_id: str, like: str, **columns: str) -> None:
    """Add an entry as a bot can, like that of `like`, about another object."""
    names = (
        "sequence id action_type amount amount_minor currency timestamp_ms user_email bot_id "
        "destination_account raw_event_json error operation_id status stream stream_sequence salt "
        "user_email_commitment raw_event_commitment previous_hash entry_hash"
    ).split()
    values = {"sequence": "sequence + 1000000", "id": ":id", "stream_sequence": "1", **columns}
    shown = ", ".join(values.get(name, name) for name in names)
    query = f"INSERT INTO stripe_ledger ({', '.join(names)}) SELECT {shown} "
    query += "FROM stripe_ledger WHERE id = :of"
    forger.run(query, {"id": stripe_id, "of": like})
