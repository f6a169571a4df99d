"""An answer is believed if it is about this request, in words that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stripe_billing_router.errors import OutcomeUnknownError, StripeUnavailableError
from tests.integration.verbs.verbs_bench import BOT, CARD, CUSTOMER, MEMBER, OTHER, Bench
from tests.integration.verbs.verbs_cases import (
    BY_PRICE,
    CASES,
    CHARGE,
    CHECKOUT,
    NEW_CUSTOMER,
    REFUND,
    SUBSCRIPTION,
    Case,
    payment_before,
)

STRANGE = {"metadata.operation_id": "op_of_another", "currency": "eur", "customer": OTHER}
ABOUT_ANOTHER: list[tuple[Case, str, str, Any]] = [
    *((CHARGE, "/payment_intents", field, value) for field, value in STRANGE.items()),
    (CHARGE, "/payment_intents", "amount", 2000),
    (CHARGE, "/payment_intents", "metadata", {}),
    *((BY_PRICE, "/invoices", field, value) for field, value in STRANGE.items()),
    *((BY_PRICE, "/invoiceitems", field, value) for field, value in STRANGE.items()),
    (BY_PRICE, "/invoiceitems", "amount", 1),
    (BY_PRICE, "/invoiceitems", "quantity", 7),
    (BY_PRICE, "/invoiceitems", "invoice", "in_another"),
    *((BY_PRICE, "/finalize", field, value) for field, value in STRANGE.items()),
    (BY_PRICE, "/finalize", "id", "in_another"),
    (BY_PRICE, "/finalize", "total", 2999),
    *((BY_PRICE, "/pay", field, value) for field, value in STRANGE.items()),
    (BY_PRICE, "/pay", "id", "in_another"),
    (BY_PRICE, "/pay", "total", 1),
    (REFUND, "/refunds", "metadata.operation_id", "op_of_another"),
    (REFUND, "/refunds", "currency", "eur"),
    (REFUND, "/refunds", "amount", 5000),
    (REFUND, "/refunds", "payment_intent", "pi_another"),
    *((SUBSCRIPTION, "/subscriptions", field, value) for field, value in STRANGE.items()),
    (SUBSCRIPTION, "/subscriptions", "items.data.0.quantity", 2),
    (SUBSCRIPTION, "/subscriptions", "items.data.0.price.id", "price_another"),
    *((CHECKOUT, "/sessions", field, value) for field, value in STRANGE.items()),
    (CHECKOUT, "/sessions", "amount_total", 5),
    (CHECKOUT, "/sessions", "mode", "subscription"),
    (NEW_CUSTOMER, "/customers", "metadata.operation_id", "op_of_another"),
]
IMPOSSIBLE: list[tuple[Case, str, str, Any]] = [
    (CHARGE, "/payment_intents", "application_fee_amount", float("nan")),
    (CHARGE, "/payment_intents", "metadata.more", float("inf")),
    (CHARGE, "/payment_intents", "amount_received", 2**63),
    (CHARGE, "/payment_intents", "amount_received", -1),
    (CHARGE, "/payment_intents", "id", "pi_" + 253 * "a"),
    (CHARGE, "/payment_intents", "id", "pi_\x1b[2J"),
    (CHARGE, "/payment_intents", "transfer_data", {"destination": "acct_" + 251 * "a"}),
    (BY_PRICE, "/pay", "amount_paid", 10**30),
    (REFUND, "/refunds", "id", "re_\x00"),
    (SUBSCRIPTION, "/subscriptions", "latest_invoice.amount_paid", 2**63),
    (CHECKOUT, "/sessions", "id", "cs_" + 5000 * "a"),
    (NEW_CUSTOMER, "/customers", "id", "cus_\u00e9"),
]
CONTRADICTORY: list[tuple[Case, str, str, Any]] = [
    (CHARGE, "/payment_intents", "amount_received", 2000),
    (CHARGE, "/payment_intents", "amount_received", 0),
    (BY_PRICE, "/finalize", "status", "paid"),
    (BY_PRICE, "/pay", "amount_paid", 2000),
    (BY_PRICE, "/pay", "amount_paid", 0),
    (SUBSCRIPTION, "/subscriptions", "latest_invoice.amount_paid", 501),
    (SUBSCRIPTION, "/subscriptions", "latest_invoice.amount_paid", 0),
    (CHECKOUT, "/sessions", "payment_status", "paid"),
]
UNKNOWN_WORDS: list[tuple[Case, str, str]] = [
    (CHARGE, "/payment_intents", "status"),
    (BY_PRICE, "/invoices", "status"),
    (BY_PRICE, "/finalize", "status"),
    (BY_PRICE, "/pay", "status"),
    (REFUND, "/refunds", "status"),
    (SUBSCRIPTION, "/subscriptions", "status"),
    (SUBSCRIPTION, "/subscriptions", "latest_invoice.status"),
    (CHECKOUT, "/sessions", "status"),
    (CHECKOUT, "/sessions", "payment_status"),
]


def put(body: Any, field: str, value: Any) -> None:
    *way, name = field.split(".")
    for step in way:
        body = body[int(step)] if step.isdigit() else body[step]
    body[name] = value


def answer(bench: Bench, method: str, suffix: str, field: str, value: Any) -> None:
    """From now on, answer requests to paths that end so with another value in a field."""

    def change(line: str, body: dict[str, Any]) -> None:
        if line.startswith(method) and line.endswith(suffix) and "error" not in body:
            put(body, field, value)

    bench.wire.change = change


def stays_in_doubt(bench: Bench, case: Case) -> None:
    """The call ends in doubt, whatever the answer says, and the same key finds the truth later."""
    paid, change = "pi_none", bench.wire.change
    if case is REFUND:
        bench.wire.change = None
        paid = payment_before(bench)
        bench.wire.change = change
    rows = len(bench.entries())
    given = {"amount": "1.00"} if case is REFUND else {}
    with pytest.raises(OutcomeUnknownError) as told:
        case.run(bench, paid, idempotency_key="k", **given)
    assert told.value.money == "unknown"
    assert len(bench.entries()) == rows
    bench.wire.change = None
    done = case.run(bench, paid, idempotency_key="k", **given)
    assert done.operation_id == told.value.operation_id
    assert (done.state, done.paid) == (case.state, bool(case.amount_minor))
    assert len(bench.entries()) == rows + 1
    moved = [5000] if case is REFUND else [case.amount_minor] if case.amount_minor else []
    assert bench.collected() == moved


@pytest.mark.parametrize(
    ("case", "suffix", "field", "value"),
    ABOUT_ANOTHER,
    ids=[f"{case}{suffix}-{field}={value}" for case, suffix, field, value in ABOUT_ANOTHER],
)
def test_an_answer_about_something_else_is_neither_success_nor_failure(
    bench: Bench, case: Case, suffix: str, field: str, value: Any
) -> None:
    answer(bench, "POST", suffix, field, value)
    stays_in_doubt(bench, case)


@pytest.mark.parametrize(
    ("case", "suffix", "field", "value"),
    IMPOSSIBLE,
    ids=[f"{case}{suffix}-{field}-{n}" for n, (case, suffix, field, _) in enumerate(IMPOSSIBLE)],
)
def test_what_no_database_could_hold_is_no_answer(
    bench: Bench, case: Case, suffix: str, field: str, value: Any
) -> None:
    """It is in doubt until Stripe answers as it does, and nothing of it enters the journal."""
    answer(bench, "POST", suffix, field, value)
    stays_in_doubt(bench, case)
    assert not list(bench.folder.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("case", "suffix", "field", "value"),
    CONTRADICTORY,
    ids=[f"{case}{suffix}-{field}={value}" for case, suffix, field, value in CONTRADICTORY],
)
def test_an_answer_that_contradicts_itself_is_not_guessed(
    bench: Bench, case: Case, suffix: str, field: str, value: Any
) -> None:
    answer(bench, "POST", suffix, field, value)
    stays_in_doubt(bench, case)


@pytest.mark.parametrize(
    "settled",
    [
        {"amount_paid": 0, "amount_paid_off_stripe": 1999},
        {"amount_paid": 0, "pre_payment_credit_notes_amount": 1999},
        {"amount_paid": 0, "amount_due": 0},
        {"amount_paid": 999, "amount_due": 999},
        {"amount_paid": 2100, "amount_overpaid": 101},
    ],
    ids=str,
)
def test_an_invoice_collects_what_was_not_settled_otherwise(
    bench: Bench, settled: dict[str, int]
) -> None:
    def change(line: str, body: dict[str, Any]) -> None:
        if line.endswith("/pay"):
            body.update(settled)

    bench.wire.change = change
    charge = bench.router.charge(BOT)
    paid = settled["amount_paid"]
    assert (charge.state, charge.amount_minor, charge.paid) == ("succeeded", paid, paid > 0)


@pytest.mark.parametrize("by_price", [False, True])
@pytest.mark.parametrize(("field", "value"), [("amount", 2000), ("currency", "eur")])
def test_the_refund_of_a_whole_payment_is_no_more_than_the_payment(
    bench: Bench, by_price: bool, field: str, value: Any
) -> None:
    paid = bench.router.charge(BOT) if by_price else bench.router.charge(BOT, "19.99")
    answer(bench, "POST", "/refunds", field, value)
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router.refund(BOT, paid.id, idempotency_key="k")
    assert told.value.money == "unknown"
    bench.wire.change = None
    done = bench.router.refund(BOT, paid.id, idempotency_key="k")
    assert (done.amount_minor, done.currency) == (1999, "usd")


def test_the_rest_of_a_payment_is_a_whole_refund(bench: Bench) -> None:
    paid = bench.router.charge(BOT, "19.99")
    bench.router.refund(BOT, paid.id, amount=5)
    assert bench.router.refund(BOT, paid.id).amount_minor == 1499


@pytest.mark.parametrize(
    ("case", "suffix", "field"),
    UNKNOWN_WORDS,
    ids=[f"{case}{suffix}-{field}" for case, suffix, field in UNKNOWN_WORDS],
)
def test_a_status_that_is_not_known_is_not_guessed(
    bench: Bench, case: Case, suffix: str, field: str
) -> None:
    answer(bench, "POST", suffix, field, "perhaps")
    stays_in_doubt(bench, case)


def test_a_decline_of_somebody_else_s_payment_is_not_ours_and_cancels_nothing(
    bench: Bench,
) -> None:
    theirs = bench.dashboard.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    error = {"type": "card_error", "code": "card_declined", "payment_intent": theirs.to_dict()}
    bench.wire.forged["POST /v1/payment_intents"] = (402, {"error": error})
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, 5, idempotency_key="k")
    assert bench.world.get(theirs.id)["status"] == "requires_payment_method"
    bench.wire.forged.clear()
    assert bench.router.charge(BOT, 5, idempotency_key="k").paid


def test_a_payment_that_was_declined_and_does_not_say_canceled_is_not_over(bench: Bench) -> None:
    bench.world.set_outcome(CARD, "declined:card_declined")
    answer(bench, "POST", "/cancel", "status", "perhaps")
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, 5)


WAITING: dict[str, Callable[[Bench], Any]] = {
    "charge": lambda bench: bench.router.charge(BOT, 5, on_session=True, idempotency_key="k"),
    "checkout": lambda bench: CHECKOUT.run(bench, idempotency_key="k"),
    "subscription": lambda bench: bench.router.create_subscription(
        MEMBER, payment_behavior="default_incomplete", idempotency_key="k"
    ),
}
READ_ANEW = [
    *((name, "id", "xx_another") for name in WAITING),
    *((name, "metadata.operation_id", "op_of_another") for name in WAITING),
    *((name, "currency", "eur") for name in WAITING),
    *((name, "customer", OTHER) for name in WAITING),
    ("charge", "amount", 4),
    ("checkout", "amount_total", 4),
    ("charge", "status", "perhaps"),
    ("checkout", "status", "perhaps"),
    ("subscription", "status", "perhaps"),
]


@pytest.mark.parametrize("end", [False, True], ids=["asked_again", "cancelled"])
@pytest.mark.parametrize(("name", "field", "value"), READ_ANEW, ids=str)
def test_what_is_read_of_another_object_moves_nothing_on(
    bench: Bench, name: str, field: str, value: Any, end: bool
) -> None:
    waits = WAITING[name](bench)
    answer(bench, "", "", field, value)
    with pytest.raises(OutcomeUnknownError) as told:
        bench.router.cancel(waits.operation_id) if end else WAITING[name](bench)
    assert (told.value.operation_id, told.value.money) == (waits.operation_id, "unknown")
    assert [entry.status for entry in bench.entries()] == ["requires_action"]
    bench.wire.change = None
    assert bench.router.cancel(waits.operation_id).state == "canceled"


def test_an_invoice_that_waits_is_not_mistaken_for_another(bench: Bench) -> None:
    method = bench.world.add_payment_method(customer=CUSTOMER, outcome="processing")
    key: dict[str, Any] = {"payment_method_id": method, "idempotency_key": "k"}
    assert bench.router.charge(BOT, **key).state == "processing"
    for field, value in {"id": "in_another", **STRANGE}.items():
        answer(bench, "GET", "", field, value)
        with pytest.raises(OutcomeUnknownError):
            bench.router.charge(BOT, **key)
    assert [entry.status for entry in bench.entries()] == ["processing"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_recovery_takes_no_other_object_for_the_one_in_doubt(bench: Bench, case: Case) -> None:
    """Metadata is what anybody may have written: it points, and proves nothing."""
    paid = payment_before(bench)
    bench.fault("cut", case.sends, effect=True, times=None)
    given = {"amount": "1.00"} if case is REFUND else {}
    with pytest.raises(OutcomeUnknownError):
        case.run(bench, paid, **given)
    bench.world.faults.clear()
    rows = len(bench.entries())

    def change(line: str, body: dict[str, Any]) -> None:
        for item in body.get("data", ()):
            item["currency"] = "eur"

    if case is not NEW_CUSTOMER:  # which has nothing but its metadata to be known by
        bench.wire.change = change
        bench.world.advance(3600)
        report = bench.router.recover_operations()
        assert len(report.escalated) == 1
        assert len(bench.entries()) == rows
    bench.wire.change = None
    report = bench.router.recover_operations()
    assert len(report.recorded) + len(report.abandoned) == 1
    assert not [found for found in bench.collectable() if case is not CHECKOUT]


def test_a_price_or_a_customer_that_stripe_confuses_is_not_billed(bench: Bench) -> None:
    bench.world.advance(600)
    calls: dict[str, dict[str, Any]] = {"/price_once": {}, "/cus_one": {"amount": 5}}
    for suffix, amount in calls.items():
        answer(bench, "GET", suffix, "id", "xx_another")
        with pytest.raises(StripeUnavailableError, match="cannot be read") as told:
            bench.router.charge(BOT, **amount)
        assert told.value.money == "not_moved"
    assert bench.collected() == []


def renewed_and_asked_again(bench: Bench, invoices: Callable[[list[Any]], list[Any]]) -> Any:
    """Read a subscription anew that shows a later invoice; its first is looked for in a list."""
    bench.world.add_payment_method("pm_d", customer=CUSTOMER, outcome="processing", default=True)
    assert bench.router.create_subscription(MEMBER, idempotency_key="k").state == "processing"
    bench.router.create_subscription(MEMBER, customer_id=OTHER)
    every = [dict(invoice) for invoice in bench.world.objects("invoice")]

    def change(line: str, body: dict[str, Any]) -> None:
        if line.startswith("GET /v1/subscriptions/"):
            body["latest_invoice"]["billing_reason"] = "subscription_cycle"
        if line == "GET /v1/invoices":
            body["data"] = invoices(every)

    bench.wire.change = change
    return bench.router.create_subscription(MEMBER, idempotency_key="k")


@pytest.mark.parametrize("listed", ["another's", "none"])
def test_a_first_invoice_of_another_subscription_is_not_ours(bench: Bench, listed: str) -> None:
    def invoices(every: list[Any]) -> list[Any]:
        return [one for one in every if one["status"] == "paid"] if listed == "another's" else []

    with pytest.raises(OutcomeUnknownError):
        renewed_and_asked_again(bench, invoices)
    bench.wire.change = None
    assert bench.router.create_subscription(MEMBER, idempotency_key="k").state == "processing"


def test_recovery_gives_nothing_up_after_a_list_of_another_customer(bench: Bench) -> None:
    bench.fault("cut", "POST /v1/payment_intents", effect=True, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, 5)
    bench.world.faults.clear()
    bench.world.advance(26 * 3600)

    def change(line: str, body: dict[str, Any]) -> None:
        for item in body.get("data", ()):
            item["customer"], item["metadata"] = OTHER, {}

    bench.wire.change = change
    assert len(bench.router.recover_operations().escalated) == 1
    bench.wire.change = None
    assert len(bench.router.recover_operations().recorded) == 1
    assert [entry.amount_minor for entry in bench.entries()] == [500]


def test_a_payment_that_an_invoice_does_not_have_is_not_given_back(bench: Bench) -> None:
    bench.router.charge(BOT)
    (invoice,) = bench.world.objects("invoice")
    for field, value in {"invoice": "in_another", "status": "open"}.items():
        answer(bench, "GET", "/invoice_payments", f"data.0.{field}", value)
        with pytest.raises(StripeUnavailableError, match="cannot be read"):
            bench.router.refund(BOT, invoice["id"])
    assert bench.world.objects("refund") == []


def test_events_of_another_type_are_not_the_ones_asked_for(bench: Bench) -> None:
    bench.router.charge(BOT, 5)
    answer(bench, "GET", "/events", "data.0.type", "payout.paid")
    with pytest.raises(StripeUnavailableError):
        list(bench.router.iter_master_events(event_types="payment_intent.succeeded"))
