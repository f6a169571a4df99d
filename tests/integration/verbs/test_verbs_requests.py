"""How many requests each verb sends once account and prices are known, and what they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY
from tests.integration.verbs.verbs_bench import BOT, MEMBER, ONCE, Bench

LINES = [{"price": ONCE, "quantity": 1}]
INVOICE = [
    "POST /v1/invoices",
    "POST /v1/invoiceitems",
    "POST /v1/invoices/*/finalize",
    "POST /v1/invoices/*/pay",
]

Calls = Callable[[BillingRouter, str], Any]

STEADY: dict[str, tuple[Calls, list[str]]] = {
    "charge": (lambda r, _: r.charge(BOT, "12.34"), ["POST /v1/payment_intents"]),
    "by_price": (lambda r, _: r.charge(BOT), INVOICE),
    "refund": (lambda r, paid: r.refund(BOT, paid, amount="0.01"), ["POST /v1/refunds"]),
    "subscription": (lambda r, _: r.create_subscription(MEMBER), ["POST /v1/subscriptions"]),
    "checkout": (
        lambda r, key: r.create_checkout_session(
            BOT, LINES, success_url="https://shop.example/thanks", idempotency_key=key + "c"
        ),
        ["POST /v1/checkout/sessions"],
    ),
    "customer": (lambda r, _: r.create_customer(BOT, {"name": "N"}), ["POST /v1/customers"]),
    "balance": (lambda r, _: r.get_balance(BOT), ["GET /v1/balance"]),
}


@pytest.mark.parametrize("name", STEADY)
def test_a_verb_in_steady_state_sends_no_more_than_it_needs(bench: Bench, name: str) -> None:
    call, needed = STEADY[name]
    paid = bench.router.charge(BOT, 50)
    bench.forget_requests()
    for number in range(3):
        call(bench.router, paid.id if name == "refund" else str(number))
    assert bench.sent() == needed * 3


@pytest.mark.parametrize("name", STEADY)
def test_every_request_carries_the_one_key_and_a_key_of_its_own(bench: Bench, name: str) -> None:
    call, _ = STEADY[name]
    paid = bench.router.charge(BOT, 50)
    call(bench.router, paid.id)
    for request in bench.world.requests:
        assert request.api_key == SANDBOX_SECRET_KEY
        assert not {"stripe-account", "stripe-context"} & set(request.headers)
    keys = [r.idempotency_key for r in bench.world.requests if r.method == "POST"]
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_the_first_call_also_reads_account_and_price(bench: Bench) -> None:
    bench.restarted().create_subscription(MEMBER)
    assert bench.sent() == ["GET /v1/account", "GET /v1/prices/*", "POST /v1/subscriptions"]


def test_a_price_is_read_again_only_after_minutes(bench: Bench) -> None:
    bench.router.create_subscription(MEMBER)
    bench.world.advance(299)
    bench.router.create_subscription(MEMBER)
    assert bench.sent() == ["POST /v1/subscriptions"] * 2
    bench.world.advance(2)
    bench.router.create_subscription(MEMBER)
    assert bench.sent()[2:] == ["GET /v1/prices/*", "POST /v1/subscriptions"]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("charge", ["payment_intent"]),
        ("by_price", ["invoice", "invoiceitem"]),
        ("refund", ["refund"]),
        ("subscription", ["subscription"]),
        ("checkout", ["checkout.session"]),
        ("customer", ["customer"]),
    ],
)
def test_whatever_is_created_says_whose_operation_it_is(
    bench: Bench, name: str, kinds: list[str]
) -> None:
    paid = bench.router.charge(BOT, 50)
    done = STEADY[name][0](bench.router, paid.id)
    for kind in kinds:
        metadata = bench.world.objects(kind)[-1]["metadata"]
        assert metadata["operation_id"] == done.operation_id
        assert metadata["bot_id"] == (MEMBER if name == "subscription" else BOT)


def test_nothing_that_is_sent_names_an_account(bench: Bench) -> None:
    paid = bench.router.charge(BOT, 50)
    for call, _ in STEADY.values():
        call(bench.router, paid.id)
    for request in bench.world.requests:
        assert "acct_" not in f"{request.path} {request.params} {dict(request.headers)}"
    assert {entry.destination_account for entry in bench.entries()} == {STRIPE_MASTER_ACCOUNT_ID}
