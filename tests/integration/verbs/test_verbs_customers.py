"""Customers: recorded as customers, with no amount."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from stripe_billing_router.errors import InvalidRequestError, OutcomeUnknownError
from tests.integration.verbs.verbs_bench import BOT, Bench

CREATE = "POST /v1/customers"


def test_a_customer_is_recorded_as_one_without_an_amount(bench: Bench) -> None:
    info = {"email": "new@example.org", "name": "New", "address": {"city": "Bern"}}
    done = bench.router.create_customer(BOT, info)
    made = bench.world.get(done.id)
    assert (made["email"], made["name"], made["address"]["city"]) == (
        "new@example.org",
        "New",
        "Bern",
    )
    assert (done.paid, done.amount, done.amount_minor, done.currency) == (False, None, None, None)
    entry = bench.entry()
    assert (entry.id, entry.action_type, entry.status) == (done.id, "customer", "succeeded")
    assert (entry.amount, entry.amount_minor, entry.currency) == (None, None, None)
    assert entry.user_email == "new@example.org"
    assert repr(done) == f"Customer({done.id}, sandbox)"


def test_a_customer_without_an_e_mail_address_is_recorded_under_the_route_s(bench: Bench) -> None:
    bench.router.create_customer(BOT, {"name": "New"})
    assert bench.entry().user_email == "someone@example.org"


def test_a_new_customer_can_be_charged(bench: Bench) -> None:
    customer = bench.router.create_customer(
        BOT,
        {"name": "New"},
        payment_method="pm_card_visa",
        invoice_settings={"default_payment_method": "pm_card_visa"},
    )
    assert bench.router.charge(BOT, "3.00", customer_id=customer.id).paid
    assert bench.router.charge(BOT, customer_id=customer.id).paid
    assert {effect["customer"] for effect in bench.world.effects()} == {customer.id}


def test_an_empty_customer_is_one_too(bench: Bench) -> None:
    assert bench.router.create_customer(BOT, {}).id.startswith("cus_")


@pytest.mark.parametrize(
    ("info", "given"),
    [
        (None, {}),
        ("a@example.org", {}),
        ([("email", "a@example.org")], {}),
        ({"email": 5}, {}),
        ({"email": {"a": "b"}}, {}),
        ({"email": "x" * 255}, {}),
        ({"emial": "a@example.org"}, {}),
        ({5: "x"}, {}),
        ({"name": "N"}, {"name": "M"}),
        ({"balance": -5000}, {}),
        ({"cash_balance": {"settings": {}}}, {}),
        ({"metadata": {"a": "b"}}, {}),
        ({"stripe_account": "acct_other"}, {}),
        ({"api_key": "x"}, {}),
        ({"expand": ["x"]}, {}),
        ({"name": "sk_live_" + "0" * 24}, {}),
        ({"name": "\0"}, {}),
        ({"name": "\ud800"}, {}),
        ({"description": b"x"}, {}),
        ({"description": Decimal("sNaN")}, {}),
        ({"preferred_locales": ["de", None]}, {}),
    ],
    ids=str,
)
def test_what_is_no_customer_is_refused_before_a_request(
    bench: Bench, info: Any, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        bench.router.create_customer(BOT, info, **given)
    assert not bench.sent()
    assert not bench.entries()


def test_a_misspelt_field_is_refused_with_a_suggestion(bench: Bench) -> None:
    with pytest.raises(InvalidRequestError) as told:
        bench.router.create_customer(BOT, {"emial": "a@example.org"})
    assert told.value.suggestion == "email"


@pytest.mark.parametrize("effect", [True, False])
def test_a_customer_cut_off_is_found_or_excluded(bench: Bench, effect: bool) -> None:
    bench.fault("cut", CREATE, effect=effect, times=None)
    with pytest.raises(OutcomeUnknownError):
        bench.router.create_customer(BOT, {"name": "New"})
    bench.world.faults.clear()
    bench.world.advance(3600)
    bench.router.recover_operations()
    assert bench.entry().status == ("succeeded" if effect else "abandoned")
    made = [c for c in bench.world.objects("customer") if c["name"] == "New"]
    assert len(made) == effect
