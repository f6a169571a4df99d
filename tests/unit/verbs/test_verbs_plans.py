"""What a verb plans: its steps, and the amount where it can be known beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from stripe_billing_router.errors import InvalidAmountError, InvalidRequestError
from stripe_billing_router.models import LEFT_OUT, Route
from stripe_billing_router.providers.stripe.verbs import stamped
from tests.unit.verbs.verbs_samples import BOT, LINES, planned

IN_EUROS = Route("prod_1", "price_once", "cus_1", currency="eur")
TAXED: dict[str, Any] = {"automatic_tax": {"enabled": True}}
DATA = {"currency": "EUR", "unit_amount": 250, "product_data": {"name": "x"}}


def amount(verb: str, params: dict[str, Any] | None = None, **arguments: Any) -> Any:
    plan = planned(verb, params, **arguments)
    return plan.amount_minor, plan.currency


def by_price(params: dict[str, Any] | None = None, **arguments: Any) -> Any:
    return amount("charge", params, amount=LEFT_OUT, **arguments)


def session(params: dict[str, Any] | None, *lines: dict[str, Any]) -> Any:
    return amount("create_checkout_session", params, line_items=list(lines) or LINES)


def test_amounts_are_known_before_anything_is_sent() -> None:
    assert amount("charge") == (1999, "usd")
    assert by_price() == (1999, "usd")
    assert by_price(quantity=1000) == (1_999_000, "usd")
    assert by_price(quantity=2, route=IN_EUROS) == (3700, "eur")
    assert amount("create_subscription", quantity=1000) == (500_000, "usd")
    assert amount("refund", amount="200") == (200, "jpy")
    assert session(None) == (3998, "usd")
    assert session(None, {"price_data": DATA, "quantity": 3}) == (750, "eur")
    assert amount("create_customer") == (None, None)


def test_an_amount_that_depends_on_the_quantity_is_not_known() -> None:
    assert by_price(price_id="price_tiered", quantity=2) == (None, "usd")
    assert amount("create_subscription", price_id="price_tiered_monthly") == (None, "usd")
    assert session(None, {"price": "price_tiered", "quantity": 1}) == (None, "usd")


@pytest.mark.parametrize(
    "params",
    [TAXED, {"default_tax_rates": ["txr_1"]}, {"shipping_cost": {"shipping_rate": "shr_1"}}],
)
def test_an_invoice_that_may_come_to_more_than_its_price_is_not_known(
    params: dict[str, Any],
) -> None:
    assert by_price(params) == (None, "usd")
    assert by_price({"footer": "x"}) == (1999, "usd")


@pytest.mark.parametrize(
    "params",
    [
        TAXED,
        {"add_invoice_items": [{"price": "price_once"}]},
        {"backdate_start_date": 1},
        {"billing_cycle_anchor": 1},
        {"trial_period_days": 5},
        {"pending_invoice_item_interval": {"interval": "day"}},
    ],
    ids=str,
)
def test_a_subscription_that_may_come_to_more_than_its_price_is_not_known(
    params: dict[str, Any],
) -> None:
    assert amount("create_subscription", params) == (None, "usd")
    assert amount("create_subscription", {"description": "x"}) == (500, "usd")


@pytest.mark.parametrize(
    "params",
    [
        TAXED,
        {"optional_items": [{"price": "price_once", "quantity": 1}]},
        {"shipping_options": [{"shipping_rate": "shr_1"}]},
        {"allow_promotion_codes": True},
        {"subscription_data": {"trial_period_days": 5}},
    ],
    ids=str,
)
def test_a_session_whose_customer_decides_how_much_is_not_known(params: dict[str, Any]) -> None:
    assert session(params) == (None, "usd")
    assert session({"success_url": "x"}) == (3998, "usd")


@pytest.mark.parametrize(
    "line",
    [
        {**LINES[0], "adjustable_quantity": {"enabled": True}},
        {**LINES[0], "tax_rates": ["txr_1"]},
        {"price_data": {**DATA, "unit_amount": "250"}, "quantity": 1},
        {"price_data": {**DATA, "unit_amount": -250}, "quantity": 1},
    ],
    ids=str,
)
def test_a_line_whose_amount_varies_is_not_known(line: dict[str, Any]) -> None:
    assert session(None, line)[0] is None


def test_lines_of_several_currencies_have_no_total() -> None:
    assert session(None, LINES[0], {"price_data": DATA, "quantity": 1}) == (None, None)


def test_an_invoice_is_four_requests_that_refer_to_each_other() -> None:
    draft, item, finalize, pay = planned("charge", amount=LEFT_OUT).steps
    assert [step.method for step in (draft, item, finalize, pay)] == ["post"] * 4
    assert item.params["invoice"] == {"$from": draft.name}
    assert "{invoice}" in finalize.path
    assert "{invoice}" in pay.path
    assert draft.params["auto_advance"] is finalize.params["auto_advance"] is False


def test_everything_that_is_created_is_stamped_and_only_that() -> None:
    stamp = {"operation_id": "op_1", "bot_id": "finance:bot"}
    plans = (planned("charge"), planned("charge", amount=LEFT_OUT), planned("refund"))
    for plan in plans:
        for step in (stamped(step, "op_1", BOT) for step in plan.steps):
            if "metadata" in step.params:
                assert step.params["metadata"] == {"order": "7", **stamp}
            else:
                assert step.name in ("finalize", "pay")


def test_a_session_stamps_what_it_will_create_and_keeps_what_was_given_for_it() -> None:
    given = {"payment_intent_data": {"description": "x", "metadata": {"own": "1"}}}
    (plain,) = planned("create_checkout_session", given).steps
    step = stamped(plain, "op_1", BOT)
    assert step.params["payment_intent_data"] == {
        "description": "x",
        "metadata": {"own": "1", "order": "7", "operation_id": "op_1", "bot_id": "finance:bot"},
    }
    assert "subscription_data" not in step.params


def test_a_plan_is_the_same_for_the_same_call() -> None:
    assert planned("charge", amount=LEFT_OUT) == planned("charge", amount=LEFT_OUT)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("charge", {"amount": LEFT_OUT, "price_id": "price_monthly"}),
        ("create_subscription", {"price_id": "price_once"}),
    ],
)
def test_a_price_of_the_other_kind_is_refused(verb: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as told:
        planned(verb, **arguments)
    assert told.value.parameter == "price_id"


def test_a_currency_that_the_price_has_not_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="price_once is in usd, the route in gbp"):
        planned(
            "charge", amount=LEFT_OUT, route=Route("prod_1", "price_once", "cus_1", currency="gbp")
        )


def test_half_a_yen_is_no_refund() -> None:
    with pytest.raises(InvalidAmountError):
        planned("refund", amount="0.5")
