"""Where a rule says so, a bot gives back only what the ledger shows that it collected itself."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.errors import ApprovalRequiredError, PolicyViolationError
from stripe_billing_router.models import PolicyRule
from tests.integration.guards.guards_bench import GuardsBench, approval_above, rules
from tests.integration.verbs.verbs_bench import BOT, CUSTOMER, MEMBER, YEN
from tests.integration.verbs.verbs_cases import SUCCESS_URL

OWN = rules(PolicyRule("own", own_payments_only=True))


def charge_of(guards: GuardsBench, payment_id: str) -> str:
    payments = guards.bench.world.objects("payment_intent")
    return str(next(p["latest_charge"] for p in payments if p["id"] == payment_id))


def test_its_own_payment_is_refunded_by_every_id_it_has(guards: GuardsBench) -> None:
    router = guards.router(OWN)
    payment = router.charge(BOT, "30.00")
    for name in (payment.id, charge_of(guards, payment.id)):
        assert router.refund(BOT, name, amount=1).paid
    assert router.refund(f"stripe:{BOT}", payment.id, amount=1).paid


def test_its_own_invoice_is_refunded(guards: GuardsBench) -> None:
    router = guards.router(OWN)
    invoice = router.charge(BOT)
    assert invoice.id.startswith("in_")
    assert router.refund(BOT, invoice.id).amount_minor == 1999


@pytest.mark.parametrize("by", ["payment", "charge"])
def test_another_bots_payment_is_not(guards: GuardsBench, paid: str, by: str) -> None:
    name = paid if by == "payment" else charge_of(guards, paid)
    with pytest.raises(PolicyViolationError, match="own") as caught:
        guards.router(OWN).refund(MEMBER, name)
    assert (caught.value.rule, caught.value.money) == ("own", "not_moved")


def test_a_payment_that_no_ledger_shows_is_not(guards: GuardsBench) -> None:
    foreign = guards.bench.dashboard.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "usd",
            "customer": CUSTOMER,
            "payment_method": "pm_one",
            "confirm": True,
            "off_session": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    with pytest.raises(PolicyViolationError):
        guards.router(OWN).refund(BOT, foreign.id)


def test_naming_another_payment_in_ones_own_does_not_make_it_ones_own(
    guards: GuardsBench, paid: str
) -> None:
    """A bot chooses some of the text in what Stripe tells of its payments."""
    router = guards.router(OWN)
    words: dict[str, Any] = {"id": paid, "latest_charge": charge_of(guards, paid)}
    router.charge(MEMBER, 1, paid, metadata=words)
    router.create_checkout_session(
        MEMBER, [{"price": "price_once", "quantity": 1}], success_url=SUCCESS_URL, metadata=words
    )
    for name in words.values():
        with pytest.raises(PolicyViolationError):
            router.refund(MEMBER, name)


def test_a_refund_is_no_payment_to_be_refunded(guards: GuardsBench, paid: str) -> None:
    """That somebody else's rules let a bot refund a payment once does not make it the bot's."""
    guards.bench.router.refund(MEMBER, paid, amount=1)
    with pytest.raises(PolicyViolationError):
        guards.router(OWN).refund(MEMBER, paid, amount=1)


def test_a_declined_payment_is_none(guards: GuardsBench) -> None:
    guards.bench.world.set_outcome("pm_one", "declined:lost_card")
    router = guards.router(OWN)
    with pytest.raises(Exception, match="declined"):
        router.charge(BOT, 5)
    (entry,) = guards.bench.entries()
    with pytest.raises(PolicyViolationError):
        router.refund(BOT, entry.id)


def test_a_whole_refund_counts_with_what_the_ledger_shows(guards: GuardsBench, paid: str) -> None:
    large = rules(PolicyRule("large", largest={"usd": 4999}))
    with pytest.raises(PolicyViolationError, match="50"):
        guards.router(large).refund(BOT, paid)
    assert guards.router(large).refund(BOT, paid, amount="49.99").paid


def test_a_whole_refund_is_approved_above_the_amount_of_its_payment(
    guards: GuardsBench, paid: str
) -> None:
    with pytest.raises(ApprovalRequiredError):
        guards.router(approval_above(4999)).refund(BOT, paid)
    assert guards.router(approval_above(5000)).refund(BOT, paid).paid


def debited(guards: GuardsBench) -> str:
    """Charge 50.00 by a debit that a bank takes days over, and return its id."""
    guards.bench.world.set_outcome("pm_one", "processing")
    return str(guards.bench.router.charge(BOT, 50, idempotency_key="debit").id)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not_told"])
def test_a_debit_that_was_processing_counts_with_what_was_collected(
    guards: GuardsBench, told: bool
) -> None:
    """Its first entry shows nothing collected, and may be the only one."""
    payment = debited(guards)
    guards.bench.world.settle_processing(payment)
    if told:
        assert guards.bench.router.charge(BOT, 50, idempotency_key="debit").paid
    large = rules(PolicyRule("large", largest={"usd": 4999}))
    with pytest.raises(PolicyViolationError, match="50" if told else "cannot be known"):
        guards.router(large).refund(BOT, payment)
    with pytest.raises(ApprovalRequiredError):
        guards.router(approval_above(4999)).refund(BOT, payment)
    assert guards.router(large).refund(BOT, payment, amount="49.99").paid


def test_its_currency_is_the_payments(guards: GuardsBench) -> None:
    payment = guards.bench.router.charge(YEN, 1000)
    large = rules(PolicyRule("large", largest={"usd": 10, "jpy": 999}))
    with pytest.raises(PolicyViolationError, match="1000 jpy"):
        guards.router(large).refund(YEN, payment.id)
