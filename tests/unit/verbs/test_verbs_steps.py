"""A step is its verb's own, or it is not sent, whoever wrote it down."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stripe_billing_router.models import ForeignStep, Step
from stripe_billing_router.providers.arguments import check_step
from stripe_billing_router.providers.stripe.verbs import VERBS

OWN: dict[str, Any] = {"amount": 500, "currency": "usd", "customer": "cus_1"}
ROW: Any = SimpleNamespace(amount_minor=500, currency="usd", customer_id="cus_1")


def check(verb: str, method: str, path: str, params: dict[str, Any]) -> None:
    step = Step("any", method, path, params, "any")  # type: ignore[arg-type]
    check_step(VERBS[verb], ROW, step, path, params)


@pytest.mark.parametrize(
    ("verb", "method", "path"),
    [
        ("charge", "post", "/v1/payment_intents"),
        ("charge", "post", "/v1/payment_intents/pi_1/cancel"),
        ("charge", "post", "/v1/invoices/in_1/pay"),
        ("refund", "post", "/v1/refunds"),
        ("create_subscription", "delete", "/v1/subscriptions/sub_1"),
        ("create_checkout_session", "post", "/v1/checkout/sessions/cs_live_1/expire"),
    ],
)
def test_what_a_verb_sends_passes(verb: str, method: str, path: str) -> None:
    check(verb, method, path, {**OWN, "metadata": {"account": "a name of the caller's"}})


@pytest.mark.parametrize(
    ("verb", "method", "path"),
    [
        ("charge", "post", "/v1/payouts"),
        ("charge", "post", "/v1/refunds"),
        ("charge", "get", "/v1/payment_intents"),
        ("charge", "delete", "/v1/payment_intents/pi_1"),
        ("charge", "post", "/v1/payment_intents/pi_1/capture"),
        ("charge", "post", "/v1/payment_intents/../payouts"),
        ("charge", "post", "/v1/payment_intents/pi_1/cancel?x=y"),
        ("charge", "post", "/v1/payment_intents\n"),
        ("refund", "post", "/v1/payment_intents"),
        ("create_customer", "post", "/v1/customers/cus_1"),
    ],
)
def test_what_a_verb_never_sends_is_refused(verb: str, method: str, path: str) -> None:
    with pytest.raises(ForeignStep):
        check(verb, method, path, OWN)


@pytest.mark.parametrize(
    "params",
    [
        {"amount": 999_999},
        {"currency": "kwd"},
        {"customer": "cus_2"},
        {"on_behalf_of": "acct_2"},
        {"payment_intent_data": {"transfer_data": {"destination": "acct_2"}}},
        {"line_items": [{"price_data": {"destination": "acct_2"}}]},
        {"api_key": "another"},
    ],
)
def test_what_is_not_the_operations_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ForeignStep):
        check("charge", "post", "/v1/payment_intents", {**OWN, **params})
