"""`**params`: what the SDK declares, less what the router decides; everything else is refused."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_billing_router.door import Door
from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.providers.arguments import FORBIDDEN_ANYWHERE
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.stripe_parameters import declared
from tests.unit.verbs.verbs_samples import ARGUMENTS, BY_PRICE, STEP_TYPES, Pretender, checked

every_verb = pytest.mark.parametrize("verb", VERBS)


def refusal(verb: str, params: dict[str, Any], **arguments: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as told:
        checked(verb, params, **arguments)
    assert told.value.money == "not_moved"
    return told.value


@pytest.mark.parametrize(
    ("verb", "wrong", "meant"),
    [
        ("charge", "ammount", "amount"),
        ("charge", "descripton", "description"),
        ("charge", "costumer_id", "customer_id"),
        ("charge", "recipt_email", "receipt_email"),
        ("refund", "ammount", "amount"),
        ("refund", "instruction_email", "instructions_email"),
        ("create_subscription", "quantitiy", "quantity"),
        ("create_subscription", "trial_period_day", "trial_period_days"),
        ("create_checkout_session", "sucess_url", "success_url"),
        ("create_checkout_session", "modes", "mode"),
        ("create_customer", "emails", "email"),
    ],
)
def test_a_misspelt_name_is_refused_with_what_was_meant(verb: str, wrong: str, meant: str) -> None:
    error = refusal(verb, {wrong: 10})
    assert (error.parameter, error.suggestion) == (wrong, meant)
    assert f"did you mean {meant!r}?" in str(error)


def test_a_misspelt_amount_does_not_bill_the_route_s_price() -> None:
    with pytest.raises(InvalidRequestError) as told:
        VERBS["charge"].check(BY_PRICE, {"ammount": 10})
    assert told.value.suggestion == "amount"


@pytest.mark.parametrize(
    ("verb", "params", "path", "meant"),
    [
        ("charge", {"shipping": {"adress": {}}}, "shipping.adress", "address"),
        (
            "create_subscription",
            {"payment_settings": {"save_default_payment": "x"}},
            "payment_settings.save_default_payment",
            "save_default_payment_method",
        ),
        (
            "create_checkout_session",
            {"phone_number_collection": {"enabld": True}},
            "phone_number_collection.enabld",
            "enabled",
        ),
        ("create_customer", {"tax_id_data": [{"tipe": "x"}]}, "tax_id_data.tipe", "type"),
    ],
)
def test_a_misspelt_name_inside_is_refused_too(
    verb: str, params: dict[str, Any], path: str, meant: str
) -> None:
    error = refusal(verb, params)
    assert (error.parameter, error.suggestion) == (path, meant)


@every_verb
@pytest.mark.parametrize(
    "name",
    sorted(
        FORBIDDEN_ANYWHERE | {"idempotency_key", "stripe_header", "base", "usage", "content_type"}
    ),
)
def test_no_verb_takes_a_key_an_account_or_an_option_of_the_sdk(verb: str, name: str) -> None:
    assert name in str(refusal(verb, {name: "x"}))


DECIDED = {
    "charge": """
        amount automatic_payment_methods confirm confirmation_method confirmation_token currency
        customer customer_account error_on_requires_action mandate mandate_data metadata off_session
        payment_method payment_method_data return_url use_stripe_sdk
    """,
    "refund": "charge currency customer metadata origin payment_intent",
    "create_subscription": """
        collection_method currency customer customer_account days_until_due default_payment_method
        default_source items metadata off_session
    """,
    "create_checkout_session": """
        after_expiration customer customer_account currency metadata setup_intent_data
    """,
    "create_customer": "balance cash_balance metadata test_clock",
}


@pytest.mark.parametrize(
    ("verb", "name"), [(verb, name) for verb, names in DECIDED.items() for name in names.split()]
)
def test_what_the_router_sets_itself_cannot_be_passed(verb: str, name: str) -> None:
    error = refusal(verb, {name: "x"})
    assert (error.parameter, "decided by the router" in str(error)) == (name, True)


@pytest.mark.parametrize(
    "name",
    """
    auto_advance automatically_finalizes_at collection_method currency customer customer_account
    days_until_due default_payment_method default_source discounts due_date effective_at
    from_invoice metadata pending_invoice_items_behavior subscription
    """.split(),
)
def test_what_the_router_sets_on_an_invoice_cannot_be_passed(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="decided by the router"):
        VERBS["charge"].check(BY_PRICE, {name: "x"})


def test_an_invoice_takes_an_invoice_s_parameters_and_a_payment_a_payment_s() -> None:
    VERBS["charge"].check(BY_PRICE, {"footer": "Thank you"})
    VERBS["charge"].check(ARGUMENTS["charge"], {"receipt_email": "a@example.org"})
    for given_, params in ((ARGUMENTS["charge"], "footer"), (BY_PRICE, "receipt_email")):
        with pytest.raises(InvalidRequestError, match="not a parameter"):
            VERBS["charge"].check(given_, {params: "x"})


@pytest.mark.parametrize(
    ("verb", "params"),
    [
        ("charge", {"payment_method_options": {"card": {"capture_method": "manual"}}}),
        ("charge", {"shipping": {"name": "acct_other", "address": {}}}),
        ("create_subscription", {"invoice_settings": {"issuer": {"type": "self"}}}),
        (
            "create_subscription",
            {"automatic_tax": {"enabled": True, "liability": {"account": "acct_other"}}},
        ),
        ("create_checkout_session", {"payment_intent_data": {"on_behalf_of": "acct_other"}}),
        (
            "create_checkout_session",
            {"payment_intent_data": {"transfer_data": {"destination": "acct_other"}}},
        ),
        ("create_checkout_session", {"subscription_data": {"application_fee_percent": 5}}),
        (
            "create_checkout_session",
            {"invoice_creation": {"enabled": True, "invoice_data": {"issuer": {"type": "self"}}}},
        ),
        ("create_customer", {"description": "acct_other"}),
    ],
)
def test_an_account_or_a_way_of_capture_is_refused_wherever_it_hides(
    verb: str, params: dict[str, Any]
) -> None:
    refusal(verb, params)


@pytest.mark.parametrize(
    ("verb", "params", "path"),
    [
        ("charge", {"statement_descriptor_suffix": ["a"]}, "statement_descriptor_suffix"),
        ("charge", {"receipt_email": {"to": "a@example.org"}}, "receipt_email"),
        ("charge", {"setup_future_usage": ["off_session"]}, "setup_future_usage"),
        (
            "charge",
            {"shipping": {"address": {"city": ["b"]}}},
            "shipping.address.city",
        ),
        ("refund", {"instructions_email": ["a@example.org"]}, "instructions_email"),
        ("create_subscription", {"trial_period_days": [7]}, "trial_period_days"),
        ("create_checkout_session", {"success_url": ["https://example.org"]}, "success_url"),
        ("create_customer", {"name": {"first": "a"}}, "name"),
    ],
)
def test_a_list_or_a_dict_is_no_single_value(verb: str, params: dict[str, Any], path: str) -> None:
    error = refusal(verb, params)
    assert error.parameter == path
    assert "no list" in str(error)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "x",
        ["x"],
        5,
        {"operation_id": "op_1"},
        {"bot_id": "finance:other"},
        {"excludes_operation_id": "op_1"},
        {"account": "x"},
        {"stripe_account": "x"},
        {"destination_account": "x"},
        {"anything": "acct_other"},
        {"a]": "x"},
        {"a[b": "x"},
        {"": "x"},
        {"x" * 41: "x"},
        {"x": "y" * 501},
        {"x": True},
        {"x": ["y"]},
        {"x": {"y": "z"}},
        {"x": "sk_live_" + "0" * 24},
        {str(number): "x" for number in range(49)},
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("inside", ["payment_intent_data", "subscription_data"])
def test_metadata_inside_is_checked_like_metadata(inside: str, metadata: Any) -> None:
    refusal("create_checkout_session", {inside: {"metadata": metadata}})


def test_metadata_of_what_is_sold_is_checked_too() -> None:
    data = {"currency": "usd", "unit_amount": 5, "product_data": {"name": "x"}}
    for wrong in ({"bot_id": "x"}, {"account": "acct_other"}):
        product = {**data["product_data"], "metadata": wrong}  # type: ignore[dict-item]
        lines = [{"price_data": {**data, "product_data": product}, "quantity": 1}]
        refusal("create_checkout_session", {}, line_items=lines)


def test_none_is_as_good_as_not_given_but_not_within_a_list() -> None:
    assert checked("charge", {"receipt_email": None}).params == {}
    assert checked("create_customer", {"name": None}).arguments["customer_info"] == {}
    refusal("create_customer", {"preferred_locales": ["de", None]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


often = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@every_verb
@often
@given(data=st.data())
def test_any_value_of_any_declared_parameter_is_checked_or_refused(
    verb: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(declared(STEP_TYPES[verb]))))
    try:
        call = checked(verb, {name: data.draw(json_values)})
    except InvalidRequestError as error:
        assert str(error).endswith((".", "?"))  # noqa: PT017 - one of two good ends
    else:
        assert "\0" not in str(call.asked())


@every_verb
@often
@given(name=st.text() | st.sampled_from(sorted(FORBIDDEN_ANYWHERE)))
def test_any_name_is_declared_or_refused(verb: str, name: str) -> None:
    try:
        checked(verb, {name: "x"})
    except InvalidRequestError:
        return
    assert name in declared(STEP_TYPES[verb])
    assert name not in FORBIDDEN_ANYWHERE


FORBIDDEN_NAMES = ("stripe_account", "transfer_data", "on_behalf_of", "application_fee_amount")


@every_verb
@pytest.mark.parametrize("name", FORBIDDEN_NAMES)
def test_a_forbidden_name_does_not_pass_as_another(verb: str, name: str) -> None:
    allowed = sorted(set(declared(STEP_TYPES[verb])) - FORBIDDEN_ANYWHERE)
    for seems in allowed[:3]:
        refusal(verb, {Pretender(name, seems): "acct_sandbox00000001"})


def test_nor_inside_of_another_or_as_metadata() -> None:
    for name in FORBIDDEN_NAMES:
        inside = {Pretender(name, "description"): "x"}
        refusal("create_checkout_session", {"payment_intent_data": inside})
    for name in ("operation_id", "bot_id", "account"):
        data = {"metadata": {Pretender(name, "order"): "acct_1"}}
        refusal("create_checkout_session", {"payment_intent_data": data})
    value = Pretender("acct_other", "order")
    refusal("create_checkout_session", {"payment_intent_data": {"metadata": {"order": value}}})
    refusal("create_customer", {"description": Pretender("sk_live_" + "0" * 24, "a customer")})


@every_verb
def test_what_is_let_through_is_plain_text(verb: str) -> None:
    for name in sorted(set(declared(STEP_TYPES[verb])) - FORBIDDEN_ANYWHERE):
        try:
            call = checked(verb, {Pretender(name, name): Pretender("x", "y")})
        except InvalidRequestError:
            continue
        asked = call.arguments.get("customer_info", call.params)
        assert [(type(k), type(v)) for k, v in asked.items()] == [(str, str)] * len(asked)
        assert "y" not in asked.values()


SHARED = {"self", "bot_id", "overrides", "idempotency_key", "metadata", "params"}


@every_verb
def test_a_verb_declares_the_arguments_of_the_router_s_method(verb: str) -> None:
    declared = VERBS[verb].arguments
    parameters = inspect.signature(getattr(Door, verb)).parameters
    own = {name: found for name, found in parameters.items() if name not in SHARED}
    assert tuple(own) == declared._fields
    hints = {name: found.annotation for name, found in own.items()}
    assert hints == {name: kind.__forward_arg__ for name, kind in declared.__annotations__.items()}
    defaults = {n: p.default for n, p in own.items() if p.default is not p.empty}
    assert defaults == declared._field_defaults
