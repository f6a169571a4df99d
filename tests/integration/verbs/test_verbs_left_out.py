"""None where money is decided is no choice: it is what a missing field reads as."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import stripe_billing_router
from stripe_billing_router import use_router
from stripe_billing_router.aio import AsyncBillingRouter
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import InvalidAmountError, InvalidRequestError
from tests.integration.verbs.verbs_bench import BOT, CARD, MEMBER, MONTHLY, ONCE, Bench
from tests.integration.verbs.verbs_cases import SUCCESS_URL, payment_before

Pay = Callable[[BillingRouter, str], object]

AMOUNTS: dict[str, Pay] = {
    "charge": lambda r, _: r.charge(BOT, None),  # type: ignore[arg-type]
    "charge_by_name": lambda r, _: r.charge(BOT, amount=None),  # type: ignore[arg-type]
    "charge_beside_a_price": lambda r, _: r.charge(BOT, None, price_id=ONCE),  # type: ignore[arg-type]
    "refund": lambda r, paid: r.refund(BOT, paid, amount=None),  # type: ignore[arg-type]
}
PAYS: dict[str, tuple[str, Pay]] = {
    name: ("_".join(name.split("_")[1:]), pay)
    for name, pay in {
        "charge_price_id": lambda r, _: r.charge(BOT, price_id=None),
        "charge_quantity": lambda r, _: r.charge(BOT, price_id=ONCE, quantity=None),
        "charge_customer_id": lambda r, _: r.charge(BOT, 5, customer_id=None),
        "charge_payment_method_id": lambda r, _: r.charge(BOT, 5, payment_method_id=None),
        "charge_shipping_cost": lambda r, _: r.charge(BOT, shipping_cost=None),
        "subscribe_price_id": lambda r, _: r.create_subscription(MEMBER, price_id=None),
        "subscribe_quantity": lambda r, _: r.create_subscription(MEMBER, quantity=None),
        "subscribe_customer_id": lambda r, _: r.create_subscription(MEMBER, customer_id=None),
        "subscribe_trial_period_days": lambda r, _: r.create_subscription(
            MEMBER, trial_period_days=None
        ),
        "subscribe_cancel_at": lambda r, _: r.create_subscription(MEMBER, cancel_at=None),
        "checkout_customer_id": lambda r, _: page(r, customer_id=None),
        "checkout_discounts": lambda r, _: page(r, discounts=None),
        "checkout_subscription_data.trial_period_days": lambda r, _: page(
            r, price=MONTHLY, subscription_data={"trial_period_days": None}
        ),
        "checkout_line_items[0].quantity": lambda r, _: page(r, quantity=None),
        "checkout_line_items[0].price_data.unit_amount": lambda r, _: r.create_checkout_session(
            BOT,
            [{"price_data": {"currency": "usd", "unit_amount": None}, "quantity": 1}],
            success_url=SUCCESS_URL,
        ),
    }.items()
}


def page(router: BillingRouter, **given: Any) -> object:
    line = {"price": given.pop("price", ONCE), "quantity": given.pop("quantity", 1)}
    lines: list[dict[str, Any]] = [line]
    return router.create_checkout_session(BOT, lines, success_url=SUCCESS_URL, **given)


@pytest.mark.parametrize("pay", AMOUNTS.values(), ids=AMOUNTS.keys())
def test_an_amount_of_none_is_refused(bench: Bench, pay: Pay) -> None:
    paid = payment_before(bench)
    with pytest.raises(InvalidAmountError, match="amount is None") as told:
        pay(bench.router, paid)
    assert (told.value.parameter, told.value.money) == ("amount", "not_moved")
    assert (bench.sent(), bench.collected()) == ([], [5000])


@pytest.mark.parametrize(("parameter", "pay"), PAYS.values(), ids=PAYS.keys())
def test_none_is_refused_where_it_would_change_what_is_paid(
    bench: Bench, parameter: str, pay: Pay
) -> None:
    with pytest.raises(InvalidRequestError, match="None") as told:
        pay(bench.router, "")
    assert told.value.parameter == parameter
    assert bench.sent() == []
    assert bench.entries() == []


def test_what_is_left_out_is_the_route_s(bench: Bench) -> None:
    assert bench.router.charge(BOT).amount_minor == 1999
    paid = bench.router.charge(BOT, 50, payment_method_id=CARD)
    assert bench.router.refund(BOT, paid.id).amount_minor == 5000
    assert bench.router.create_subscription(MEMBER).amount_minor == 500


def test_none_where_nothing_is_paid_by_it_is_as_good_as_left_out(bench: Bench) -> None:
    paid = bench.router.charge(
        BOT, 5, None, receipt_email=None, metadata=None, overrides=None, idempotency_key=None
    )
    assert bench.router.refund(BOT, paid.id, reason=None).amount_minor == 500


def test_a_function_and_a_coroutine_refuse_it_too(bench: Bench) -> None:
    with use_router(bench.router), pytest.raises(InvalidAmountError):
        stripe_billing_router.charge(BOT, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidAmountError):
        asyncio.run(AsyncBillingRouter(bench.router).charge(BOT, None))  # type: ignore[arg-type]
    assert bench.sent() == []
