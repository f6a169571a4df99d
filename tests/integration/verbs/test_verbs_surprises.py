"""Answers that lack what they always have: never an effect that is denied, never a wrong amount."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.errors import BillingError, OutcomeUnknownError
from tests.integration.verbs.verbs_bench import BOT, CARD, MEMBER, Bench
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

GONE = object()
ODD: tuple[Any, ...] = (GONE, None, {}, True)

FIELDS = [
    (CHARGE, "id"),
    (CHARGE, "status"),
    (CHARGE, "currency"),
    (CHARGE, "amount_received"),
    (BY_PRICE, "id"),
    (BY_PRICE, "status"),
    (BY_PRICE, "currency"),
    (BY_PRICE, "amount_paid"),
    (REFUND, "id"),
    (REFUND, "currency"),
    (REFUND, "amount"),
    (SUBSCRIPTION, "id"),
    (SUBSCRIPTION, "status"),
    (SUBSCRIPTION, "currency"),
    (SUBSCRIPTION, "latest_invoice.amount_paid"),
    (CHECKOUT, "id"),
    (CHECKOUT, "status"),
    (CHECKOUT, "currency"),
    (NEW_CUSTOMER, "id"),
]
LAST = {"by_price": "/pay"}


def answer_with(bench: Bench, suffix: str, field: str, value: Any) -> None:
    """Let the last request of a call be answered with `value` in a field."""
    *way, name = field.split(".")

    def change(line: str, body: dict[str, Any]) -> None:
        if line.startswith("POST") and line.endswith(suffix) and "error" not in body:
            for step in way:
                body = body[step]
            if value is GONE:
                body.pop(name)
            else:
                body[name] = value

    bench.wire.change = change


@pytest.mark.parametrize(("case", "field"), FIELDS, ids=[f"{c}-{f}" for c, f in FIELDS])
def test_an_answer_without_what_it_always_has_leaves_the_outcome_unknown(
    bench: Bench, case: Case, field: str
) -> None:
    paid = payment_before(bench)
    rows = len(bench.entries())
    for number, value in enumerate(ODD):
        key = f"k{number}"
        answer_with(bench, LAST.get(case.name, ""), field, value)
        given = {"amount": "1.00"} if case is REFUND else {}
        with pytest.raises(OutcomeUnknownError) as told:
            case.run(bench, paid, idempotency_key=key, **given)
        assert told.value.money == "unknown"
        assert len(bench.entries()) == rows
        before = bench.collected()
        bench.wire.change = None
        done = case.run(bench, paid, idempotency_key=key, **given)
        assert done.operation_id == told.value.operation_id
        assert (done.state, done.paid) == (case.state, bool(case.amount_minor))
        assert bench.collected() == before
        rows += 1
        assert len(bench.entries()) == rows


@pytest.mark.parametrize("step", ["/invoices", "/invoiceitems", "/finalize"])
@pytest.mark.parametrize("value", [GONE, None, 5, ""])
def test_an_invoice_whose_step_names_no_id_goes_no_further(
    bench: Bench, step: str, value: Any
) -> None:
    answer_with(bench, step, "id", value)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, idempotency_key="k")
    assert bench.sent()[-1].endswith(step)
    assert not [item for item in bench.world.objects("invoiceitem") if item["invoice"] is None]
    bench.wire.change = None
    assert bench.router.charge(BOT, idempotency_key="k").paid
    assert bench.collected() == [1999]


@pytest.mark.parametrize("status", ["paid ", "overdue", "PAID", ""])
def test_an_invoice_of_a_status_that_is_not_known_is_unknown(bench: Bench, status: str) -> None:
    answer_with(bench, "/pay", "status", status)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT)


@pytest.mark.parametrize("status", ["running", "Active", ""])
def test_a_subscription_of_a_status_that_is_not_known_is_unknown(bench: Bench, status: str) -> None:
    answer_with(bench, "/subscriptions", "status", status)
    with pytest.raises(OutcomeUnknownError):
        bench.router.create_subscription(MEMBER)


def test_a_subscription_that_does_not_show_its_invoice_is_unknown(bench: Bench) -> None:
    answer_with(bench, "/subscriptions", "latest_invoice", "in_1")
    with pytest.raises(OutcomeUnknownError):
        bench.router.create_subscription(MEMBER)


@pytest.mark.parametrize("currency", ["zzz", "us", "", "USD"])
def test_a_currency_that_nobody_knows_is_no_amount(bench: Bench, currency: str) -> None:
    answer_with(bench, "", "currency", currency)
    if currency == "USD":
        assert bench.router.charge(BOT, 5).currency == "usd"
        return
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT, 5)
    with pytest.raises(OutcomeUnknownError):
        bench.router.charge(BOT)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    "error",
    [
        {},
        {"message": None},
        {"type": None, "code": 5, "message": ["x"], "param": {"a": 1}},
        {"type": "card_error"},
        {"type": "card_error", "payment_intent": "pi_1", "decline_code": 7},
        {"type": "idempotency_error"},
        {"code": "authentication_required"},
    ],
    ids=str,
)
def test_any_refusal_is_an_error_of_this_library(
    bench: Bench, case: Case, error: dict[str, Any]
) -> None:
    paid = payment_before(bench)
    before = bench.collected()
    bench.wire.forged[case.sends] = (402, {"error": error})
    with pytest.raises(BillingError) as told:
        case.run(bench, paid)
    assert told.value.money in ("not_moved", "unknown")
    assert bench.collected() == before
    assert bench.entry().amount_minor in (0, None)


@pytest.mark.parametrize(
    "payment",
    [
        {},
        {"id": None},
        {"id": "pi_1", "status": None},
        {"id": "pi_1", "status": "canceled"},
        {"id": "pi_1", "currency": "zzz", "status": "requires_payment_method"},
    ],
    ids=str,
)
def test_a_decline_whose_payment_cannot_be_read_is_not_taken_for_settled(
    bench: Bench, payment: dict[str, Any]
) -> None:
    error = {"type": "card_error", "code": "card_declined", "payment_intent": payment}
    bench.wire.forged["POST /v1/payment_intents"] = (402, {"error": error})
    with pytest.raises(BillingError) as told:
        bench.router.charge(BOT, 5)
    assert isinstance(told.value, OutcomeUnknownError) or told.value.money == "not_moved"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("GET /v1/invoices/", "status"),
        ("GET /v1/invoices/", "currency"),
        ("GET /v1/invoices/", "id"),
    ],
)
def test_what_waits_and_cannot_be_read_anew_is_an_error_and_keeps_waiting(
    bench: Bench, line: str, field: str
) -> None:
    bench.world.set_outcome(CARD, "authentication_required")
    with pytest.raises(BillingError) as waits:
        bench.router.charge(BOT, idempotency_key="k")

    def change(asked: str, body: dict[str, Any]) -> None:
        if asked.startswith(line):
            body[field] = None

    bench.wire.change = change
    with pytest.raises(BillingError) as told:
        bench.router.charge(BOT, idempotency_key="k")
    assert told.value.operation_id == waits.value.operation_id
    assert told.value.money == "unknown"
    bench.wire.change = None
    assert [entry.status for entry in bench.entries()] == ["requires_action"]
    assert bench.router.cancel(waits.value.operation_id or "").state == "canceled"


@pytest.mark.parametrize("confirmation", [None, "x", {}, {"client_secret": None}])
def test_without_a_secret_the_wait_is_told_all_the_same(bench: Bench, confirmation: Any) -> None:
    def change(line: str, body: dict[str, Any]) -> None:
        if line.endswith("/pay"):
            body["error"].pop("payment_intent")
        elif line.startswith("GET /v1/invoices/"):
            body["confirmation_secret"] = confirmation

    bench.world.set_outcome(CARD, "authentication_required")
    bench.wire.change = change
    with pytest.raises(BillingError) as told:
        bench.router.charge(BOT)
    assert getattr(told.value, "client_secret", "none") is None
    assert bench.sent()[-1] == "GET /v1/invoices/*"


def test_the_secret_of_an_invoice_is_found_even_if_the_refusal_does_not_tell(
    bench: Bench,
) -> None:
    def change(line: str, body: dict[str, Any]) -> None:
        if line.endswith("/pay"):
            body["error"].pop("payment_intent")

    bench.world.set_outcome(CARD, "authentication_required")
    bench.wire.change = change
    with pytest.raises(BillingError) as told:
        bench.router.charge(BOT)
    (payment,) = bench.world.objects("payment_intent")
    assert getattr(told.value, "client_secret", None) == payment["client_secret"]


@pytest.mark.parametrize("field", ["id", "status", "currency"])
def test_recovery_goes_on_past_an_answer_that_cannot_be_read(bench: Bench, field: str) -> None:
    bench.fault("cut", "POST /v1/*", effect=True, times=None)
    for call in (lambda: bench.router.charge(BOT), lambda: bench.router.create_customer(BOT, {})):
        with pytest.raises(OutcomeUnknownError):
            call()
    bench.world.faults.clear()
    bench.world.advance(3600)

    def change(line: str, body: dict[str, Any]) -> None:
        if line.startswith("GET /v1/invoices/"):
            body[field] = None

    bench.wire.change = change
    report = bench.router.recover_operations()
    assert (len(report.recorded), len(report.left)) == (1, 1)
    bench.wire.change = None
    assert len(bench.router.recover_operations().abandoned) == 1
    assert not bench.collectable()
