"""Each verb: success, decline, authentication, refusal by Stripe, replay and conflict."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.errors import (
    BillingError,
    IdempotencyConflictError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    StripeRequestError,
)
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.models import LedgerEntry
from stripe_billing_router.money import to_major
from stripe_billing_router.redaction import without_secrets
from tests.integration.verbs.verbs_bench import BOT, CARD, EMAIL, MEMBER, OTHER, YEN, Bench
from tests.integration.verbs.verbs_cases import (
    BY_PRICE,
    CASES,
    CHARGE,
    NEW_CUSTOMER,
    SUBSCRIPTION,
    Case,
    payment_before,
)

every_verb = pytest.mark.parametrize("case", CASES, ids=str)


def assert_row(bench: Bench, case: Case, **expected: Any) -> LedgerEntry:
    """The last row of the ledger: all ten fields, and those that are ours."""
    entry = bench.entry()
    wanted = {
        "action_type": case.action_type,
        "amount_minor": 0,
        "timestamp_ms": bench.world.clock.now_ms(),
        "user_email": case.user_email,
        "bot_id": case.bot,
        "destination_account": STRIPE_MASTER_ACCOUNT_ID,
        "error": 0,
        "stream": case.bot,
        **expected,
    }
    if "amount" not in wanted:
        minor, currency = wanted["amount_minor"], wanted["currency"]
        wanted["amount"] = None if minor is None else to_major(minor, currency)
    raw = wanted.pop("raw_event", None)
    assert {name: getattr(entry, name) for name in wanted} == wanted
    if raw is not None:
        assert json.loads(entry.raw_event_json or "") == raw
    assert bench.router.ledger.verify().ok
    return entry


@every_verb
def test_success_is_a_result_and_a_row_of_the_ledger(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    done = case.run(bench, paid, idempotency_key="k", metadata={"order": "7"})
    assert (done.state, done.status) == (case.state, case.status)
    assert (done.amount_minor, done.currency) == (case.amount_minor, case.currency)
    assert done.paid is bool(case.amount_minor)
    assert done["id"] == done.id
    assert done["metadata"]["order"] == "7"
    assert bench.world.get(done.id)["metadata"]["operation_id"] == done.operation_id
    assert_row(
        bench,
        case,
        id=done.id,
        amount_minor=case.amount_minor,
        currency=case.currency,
        operation_id=done.operation_id,
        status=case.state,
        raw_event=without_secrets(bench.wire.bodies[-1]),
        user_email=EMAIL if case is SUBSCRIPTION else case.user_email,
    )


@every_verb
def test_amounts_in_the_ledger_are_exact_decimals(bench: Bench, case: Case) -> None:
    case.run(bench, payment_before(bench))
    amount = bench.entry().amount
    if case.amount_minor is None:
        assert amount is None
    else:
        assert amount == Decimal(case.amount_minor) / 100
        assert "_secret_" not in str(bench.entry().raw_event_json)


@every_verb
def test_the_same_key_gives_the_same_result_and_no_second_effect(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    done = case.run(bench, paid, idempotency_key="k")
    rows, before = len(bench.entries()), bench.collected()
    posted = [line for line in bench.sent() if line.startswith("POST")]
    for _ in range(3):
        again = case.run(bench, paid, idempotency_key="k")
        assert (again.id, again.operation_id, again.to_dict()) == (
            done.id,
            done.operation_id,
            done.to_dict(),
        )
    assert [line for line in bench.sent() if line.startswith("POST")] == posted
    assert (len(bench.entries()), bench.collected()) == (rows, before)


@every_verb
def test_the_same_key_survives_a_restart(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    done = case.run(bench, paid, idempotency_key="k")
    before = bench.collected()
    again = case.call(bench.restarted(), paid, {"idempotency_key": "k"})
    assert (again.id, bench.collected()) == (done.id, before)


@every_verb
def test_the_same_key_finds_its_effect_even_if_the_ledger_was_lost(
    bench: Bench, case: Case
) -> None:
    paid = payment_before(bench)
    done = case.run(bench, paid, idempotency_key="k")
    before = bench.collected()
    router = bench.restarted("empty.db")
    again = case.call(router, paid, {"idempotency_key": "k"})
    assert (again.id, again.operation_id) == (done.id, done.operation_id)
    assert bench.collected() == before
    (entry,) = router.ledger.entries()
    assert (entry.id, entry.amount_minor) == (done.id, case.amount_minor)


@every_verb
def test_the_same_key_for_another_call_is_a_conflict(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    done = case.run(bench, paid, idempotency_key="k")
    bench.forget_requests()
    rows = len(bench.entries())
    with pytest.raises(IdempotencyConflictError) as told:
        case.run(bench, paid, idempotency_key="k", **case.other)
    assert (told.value.operation_id, told.value.idempotency_key) == (done.operation_id, "k")
    assert bench.sent() == []
    assert len(bench.entries()) == rows


@every_verb
def test_another_call_under_a_key_of_a_lost_ledger_is_a_conflict_and_changes_nothing(
    bench: Bench, case: Case
) -> None:
    paid = payment_before(bench)
    done = case.run(bench, paid, idempotency_key="k")
    before = bench.world.get(done.id)
    router = bench.restarted("empty.db")
    with pytest.raises(IdempotencyConflictError) as told:
        case.call(router, paid, {"idempotency_key": "k", **case.other})
    assert told.value.money == "unknown"
    assert bench.world.get(done.id) == before
    (entry,) = router.ledger.entries()
    assert (entry.error, entry.status, entry.amount_minor) == (1, "failed", 0)


@every_verb
def test_what_stripe_refuses_is_told_and_recorded(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    before = bench.collected()
    with pytest.raises(StripeRequestError) as told:
        case.run(bench, paid, idempotency_key="k", **case.wrong)
    error = told.value
    assert (error.money, error.http_status) == ("not_moved", 400)
    assert error.request_id == bench.world.requests[-1].request_id
    assert error.operation_id
    assert_row(
        bench,
        case,
        id=error.operation_id,
        currency=bench.entry().currency,
        amount=bench.entry().amount,
        error=1,
        operation_id=error.operation_id,
        status="failed",
        raw_event=bench.wire.bodies[-1],
    )
    assert bench.entry().amount in (None, 0)
    assert (bench.collected(), bench.collectable()) == (before, [])


@every_verb
def test_a_refusal_is_raised_again_without_a_request(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    with pytest.raises(StripeRequestError) as first:
        case.run(bench, paid, idempotency_key="k", **case.wrong)
    bench.forget_requests()
    with pytest.raises(StripeRequestError) as again:
        case.run(bench, paid, idempotency_key="k", **case.wrong)
    assert str(again.value) == str(first.value)
    assert bench.sent() == []
    assert case.run(bench, paid, idempotency_key="another key").state == case.state


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE, SUBSCRIPTION], ids=str)
def test_a_decline_is_told_recorded_and_leaves_nothing_to_collect(bench: Bench, case: Case) -> None:
    bench.world.set_outcome(CARD, "declined:insufficient_funds")
    with pytest.raises(PaymentDeclinedError) as told:
        case.run(bench, idempotency_key="k")
    error = told.value
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    assert error.money == "not_moved"
    assert not bench.collected()
    assert not bench.collectable()
    assert_row(
        bench,
        case,
        id=error.stripe_id or error.operation_id,
        currency="usd",
        error=1,
        operation_id=error.operation_id,
        status="failed",
        raw_event=without_secrets(bench.wire.bodies[-1]) if case is not BY_PRICE else None,
    )


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE, SUBSCRIPTION], ids=str)
def test_a_decline_is_told_again_under_its_key_and_a_new_key_tries_anew(
    bench: Bench, case: Case
) -> None:
    bench.world.set_outcome(CARD, "declined:expired_card")
    with pytest.raises(PaymentDeclinedError):
        case.run(bench, idempotency_key="k")
    bench.world.set_outcome(CARD, "succeeds")
    bench.forget_requests()
    with pytest.raises(PaymentDeclinedError) as again:
        case.run(bench, idempotency_key="k")
    assert (again.value.code, bench.sent()) == ("expired_card", [])
    assert case.run(bench, idempotency_key="k2").paid
    assert bench.collected() == [case.amount_minor]


def test_a_customer_whose_card_is_declined_is_not_created(bench: Bench) -> None:
    declined = {"type": "card_error", "code": "card_declined", "message": "It was declined."}
    bench.wire.forged["POST /v1/customers"] = (402, {"error": declined})
    with pytest.raises(PaymentDeclinedError) as told:
        NEW_CUSTOMER.run(bench, payment_method="pm_card_visa")
    assert told.value.code == "card_declined"
    entry = assert_row(
        bench,
        NEW_CUSTOMER,
        id=told.value.operation_id,
        currency=None,
        amount=None,
        error=1,
        operation_id=told.value.operation_id,
        status="failed",
    )
    assert entry.action_type == "customer"


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE], ids=str)
def test_authentication_needed_is_told_with_what_a_front_end_needs(
    bench: Bench, case: Case
) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as told:
        case.run(bench, idempotency_key="k")
    error = told.value
    assert error.stripe_id
    assert error.client_secret
    assert error.client_secret in {
        i["client_secret"] for i in bench.world.objects("payment_intent")
    }
    assert str(error.public_key).startswith("pk_live_")
    assert (error.money, bench.collected()) == ("not_moved", [])
    entry = assert_row(
        bench,
        case,
        id=error.stripe_id,
        currency="usd",
        error=1,
        operation_id=error.operation_id,
        status="requires_action",
    )
    assert error.client_secret not in str(entry.raw_event_json)
    assert error.client_secret not in f"{error} {error!r}"


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE], ids=str)
def test_while_it_waits_the_same_key_says_so_again_with_the_secret(
    bench: Bench, case: Case
) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as first:
        case.run(bench, idempotency_key="k")
    bench.forget_requests()
    with pytest.raises(PaymentActionRequiredError) as again:
        case.run(bench, idempotency_key="k")
    assert again.value.client_secret == first.value.client_secret
    assert [line.split()[0] for line in bench.sent()] == ["GET"]
    assert len(bench.entries()) == 1


@pytest.mark.parametrize("case", [CHARGE, BY_PRICE], ids=str)
def test_what_the_customer_finishes_is_found_paid_under_the_same_key(
    bench: Bench, case: Case
) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(PaymentActionRequiredError) as told:
        case.run(bench, idempotency_key="k")
    (payment,) = bench.world.objects("payment_intent")
    bench.world.complete_action(payment["id"], payment_method="pm_card_visa")
    done = case.run(bench, idempotency_key="k")
    assert (done.paid, done.amount_minor, done.operation_id) == (
        True,
        1999,
        told.value.operation_id,
    )
    assert_row(
        bench,
        case,
        id=done.id,
        amount_minor=1999,
        currency="usd",
        operation_id=done.operation_id,
        status="succeeded",
    )
    assert [entry.amount_minor for entry in bench.entries()] == [0, 1999]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rate_limit_is_no_result_and_the_same_key_may_try_again(bench: Bench, case: Case) -> None:
    paid = payment_before(bench)
    bench.fault("rate_limited", case.sends, times=None)
    with pytest.raises(BillingError) as told:
        case.run(bench, paid, idempotency_key="k")
    assert told.value.money == "not_moved"
    bench.world.faults.clear()
    assert case.run(bench, paid, idempotency_key="k").state == case.state


@every_verb
def test_an_answer_that_is_lost_is_asked_for_again_and_happens_once(
    bench: Bench, case: Case
) -> None:
    paid = payment_before(bench)
    for kind in ("cut", "truncated", "timeout"):
        bench.fault(kind, case.sends, effect=kind != "truncated")
    done = case.run(bench, paid)
    assert done.state == case.state
    kinds = {"charge": "payment_intent", "by_price": "invoice", "checkout": "checkout.session"}
    made = bench.world.objects(kinds.get(case.name, case.name))
    mine = [obj for obj in made if obj["metadata"].get("operation_id") == done.operation_id]
    assert len(mine) == 1


EMAILS: dict[str, tuple[str, Callable[[Bench], Any]]] = {
    "the route's goes before the call's": (
        EMAIL,
        lambda bench: bench.router.charge(BOT, 5, receipt_email="call@example.org"),
    ),
    "the call's, of a charge": (
        "call@example.org",
        lambda bench: bench.router.charge(YEN, 500, receipt_email="call@example.org"),
    ),
    "of a customer that was looked up for a card": (
        EMAIL,
        lambda bench: bench.router.charge(YEN, 500),
    ),
    "of Stripe's invoice": (EMAIL, lambda bench: bench.router.charge(YEN)),
    "of the first invoice of a subscription": (
        EMAIL,
        lambda bench: bench.router.create_subscription(MEMBER),
    ),
}


@pytest.mark.parametrize(("email", "call"), EMAILS.values(), ids=EMAILS.keys())
def test_the_ledger_knows_the_e_mail_that_anybody_has_named(
    bench: Bench, email: str, call: Callable[[Bench], Any]
) -> None:
    """The route's, else the call's, else what Stripe shows, without a request of its own."""
    call(bench)
    bench.world.advance(600)
    before = [line for line in bench.sent() if line.startswith("GET /v1/customers")]
    assert len(before) <= 1
    assert bench.entry().user_email == email


def test_a_customer_without_an_e_mail_has_none_in_the_ledger(bench: Bench) -> None:
    bench.router.charge(YEN, 500, customer_id=OTHER)
    assert bench.entry().user_email is None
