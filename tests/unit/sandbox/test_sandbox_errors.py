"""Refusals look like Stripe's."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_billing_router.sandbox import (
    SANDBOX_SECRET_KEY,
    Fault,
    HttpRequest,
    HttpResponse,
    World,
)
from tests.unit.sandbox.sandbox_helpers import (
    CARD,
    CUSTOMER,
    client_of,
    error_of,
    new_world,
    payment,
)

FUZZED = new_world()
AUTHORIZED = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}


def post(world: World, path: str, form: str) -> HttpResponse:
    """Send a form as it is, past the SDK."""
    return world.handle(HttpRequest.to("POST", path, AUTHORIZED, form))


def refusal(params: Any) -> dict[str, Any]:
    """Return the error that a payment with these parameters gets; check that nothing moved."""
    world = new_world()
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client_of(world).v1.payment_intents.create(params)
    assert raised.value.http_status == 400
    assert world.effects() == []
    assert not world.requests[-1].executed
    return error_of(raised.value)


@pytest.mark.parametrize(
    ("wrong", "param", "message"),
    [
        ({"ammount": 1}, "ammount", "Received unknown parameter: ammount. Did you mean amount?"),
        (
            {"shipping": {"name": "x", "adress": "y"}},
            "shipping[adress]",
            "Received unknown parameter: shipping[adress]. Did you mean address?",
        ),
        ({"frob": 1, "nicate": 2}, "frob", "Received unknown parameters: frob, nicate"),
    ],
)
def test_an_unknown_parameter_is_named(wrong: dict[str, Any], param: str, message: str) -> None:
    error = refusal(payment(**wrong))
    assert (error["type"], error["code"], error["param"], error["message"]) == (
        "invalid_request_error",
        "parameter_unknown",
        param,
        message,
    )
    assert error["request_log_url"].startswith("https://dashboard.stripe.com/logs/req_")


def test_an_unknown_parameter_in_a_list_is_named_with_its_place() -> None:
    world = new_world()
    items: Any = [{"price": "p", "quantity": 1}, {"prise": "p"}]
    with pytest.raises(stripe.InvalidRequestError) as raised:
        client_of(world).v1.checkout.sessions.create({"mode": "payment", "line_items": items})
    assert raised.value.param == "line_items[1][prise]"


@pytest.mark.parametrize(
    ("missing", "param"),
    [
        ({"amount": None}, "amount"),
        ({"currency": None}, "currency"),
        ({"shipping": {"address": {"line1": "x"}}}, "shipping[name]"),
    ],
)
def test_a_missing_parameter_is_named(missing: dict[str, Any], param: str) -> None:
    error = refusal(payment(**missing))
    assert (error["code"], error["param"]) == ("parameter_missing", param)


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"amount": "19.99"}, "parameter_invalid_integer", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"amount": {"x": 1}}, "parameter_invalid_integer", "amount"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 29, "currency": "gbp"}, "amount_too_small", "amount"),
        ({"amount": 49, "currency": "jpy"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": 1050, "currency": "isk"}, "invalid_charge_amount", "amount"),
        ({"amount": 1234, "currency": "kwd"}, "invalid_charge_amount", "amount"),
        ({"currency": "usdd"}, None, "currency"),
        ({"confirm": "yes"}, None, "confirm"),
        ({"capture_method": "tomorrow"}, None, "capture_method"),
        ({"customer": ""}, "parameter_invalid_empty", "customer"),
        ({"description": ["a"]}, None, "description"),
        ({"metadata": {"k" * 41: "v"}}, None, "metadata"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {str(n): "v" for n in range(51)}}, None, "metadata"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
        ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
        ({"expand": ["amount"]}, None, "expand"),
        ({"expand": ["a.b.c.d.e"]}, None, "expand"),
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any], code: str | None, param: str) -> None:
    error = refusal(payment(**wrong))
    assert (error.get("code"), error["param"]) == (code, param)


@pytest.mark.parametrize(
    "right",
    [
        {"currency": "USD"},
        {"currency": "isk", "amount": 1000},
        {"currency": "kwd", "amount": 1230},
        {"metadata": {"k" * 40: "v" * 500}},
        {"metadata": {"0": "a", "1": "b"}},
        {"amount": 99_999_999},
    ],
)
def test_the_edge_of_what_is_allowed_is_allowed(right: dict[str, Any]) -> None:
    assert client_of(new_world()).v1.payment_intents.create(payment(**right)).status == "succeeded"


def test_some_parameters_need_confirmation() -> None:
    error = refusal(payment(confirm=None))
    assert error["param"] == "off_session"


def test_an_unknown_id_in_the_path_is_a_404() -> None:
    client = client_of(new_world())
    for call, noun, param in (
        (client.v1.payment_intents.retrieve, "payment_intent", "intent"),
        (client.v1.payment_intents.cancel, "payment_intent", "intent"),
        (client.v1.customers.retrieve, "customer", "id"),
        (client.v1.charges.retrieve, "charge", "id"),
        (client.v1.payment_methods.retrieve, "PaymentMethod", "id"),
        (client.v1.invoices.retrieve, "invoice", "id"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            call("nothing_1")
        assert raised.value.http_status == 404
        assert (raised.value.code, raised.value.param) == ("resource_missing", param)
        assert raised.value.user_message == f"No such {noun}: 'nothing_1'"


def test_an_unknown_url_is_a_404() -> None:
    response = post(new_world(), "/v1/frobs", "a=b")
    assert response.status == 404
    assert "Unrecognized request URL (POST: /v1/frobs)" in response.json()["error"]["message"]


def test_every_response_says_which_request_and_when() -> None:
    world = new_world(now_ms=1_800_000_000_123)
    headers = {**AUTHORIZED, "Idempotency-Key": "k", "Stripe-Version": "2026-10-28.endive"}
    response = world.handle(HttpRequest.to("POST", "/v1/customers", headers, ""))
    assert response.headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert response.headers["Request-Id"] == world.requests[-1].request_id
    assert response.headers["Idempotency-Key"] == "k"
    assert response.headers["Stripe-Version"] == "2026-10-28.endive"


def headers_of(world: World, form: str, *, key: str | None = "k") -> dict[str, str]:
    """Ask for a payment, and return the status and what Stripe says of a retry."""
    given = {"Idempotency-Key": key} if key else {}
    request = HttpRequest.to("POST", "/v1/payment_intents", {**AUTHORIZED, **given}, form)
    response = world.handle(request)
    names = ("Stripe-Should-Retry", "Original-Request", "Idempotent-Replayed")
    told = {name: response.headers[name] for name in names if name in response.headers}
    return {"status": str(response.status), **told}


PAYMENT = f"amount=1999&currency=usd&customer={CUSTOMER}&payment_method={CARD}&confirm=true"


@pytest.mark.parametrize(
    ("outcome", "form", "status"),
    [
        ("succeeds", PAYMENT, "200"),
        ("declined", PAYMENT, "402"),
        ("succeeds", "amount=500&currency=usd&confirm=true", "400"),
    ],
)
def test_what_was_executed_asks_for_no_retry_and_names_its_request(
    outcome: str, form: str, status: str
) -> None:
    world = new_world(redirect_methods=False)
    world.set_outcome(CARD, outcome)
    first = headers_of(world, form)
    original = world.requests[0].request_id
    told = {"status": status, "Stripe-Should-Retry": "false", "Original-Request": original}
    assert first == told
    assert headers_of(world, form) == {**told, "Idempotent-Replayed": "true"}
    assert headers_of(world, form, key=None) == {"status": status, "Stripe-Should-Retry": "false"}


@pytest.mark.parametrize("form", ["amount=x", "amount=1&currency=usd", PAYMENT + "&expand[]=x"])
def test_what_was_not_executed_says_nothing_of_a_retry(form: str) -> None:
    assert headers_of(new_world(), form) == {"status": "400"}
    world = new_world()
    for name in ("key_in_use", "rate_limited"):
        world.faults.add(Fault(name))
    assert headers_of(world, PAYMENT) == {"status": "409"}
    assert headers_of(world, PAYMENT) == {"status": "429"}


@pytest.mark.parametrize(
    "form",
    [
        "amount",
        "=",
        "&&&",
        "[a]=1",
        "amount[=1",
        "amount]=1",
        "a[b]=1&a=2",
        "a=1&a[b]=2",
        "a" + "[b]" * 5000 + "=1",
        "%ff%fe=%00",
        "metadata[]=1&metadata[]=2",
        "metadata=1",
        "shipping[][]=1",
        "expand=amount",
        "amount=" + "9" * 10_000,
        "payment_method_types[99999999999]=card",
    ],
)
def test_garbage_is_a_400(form: str) -> None:
    response = post(new_world(), "/v1/payment_intents", form)
    assert response.status == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@given(
    st.lists(
        st.tuples(
            st.sampled_from("amount currency metadata shipping expand confirm customer x".split()),
            st.lists(st.sampled_from(["", "0", "1", "address", "é", "[", "a b"]), max_size=3),
            st.sampled_from(["", "1", "true", "usd", "1999", "latest_charge", CUSTOMER, "é&"]),
        ),
        max_size=8,
    )
)
@settings(max_examples=200, deadline=None, database=None)
def test_no_form_breaks_the_sandbox(fields: list[tuple[str, list[str], str]]) -> None:
    form = "&".join(name + "".join(f"[{k}]" for k in keys) + "=" + v for name, keys, v in fields)
    response = post(FUZZED, "/v1/payment_intents", form)
    assert response.status in (200, 400)
    json.loads(response.body)


def test_a_body_that_is_no_text_is_a_400() -> None:
    world = new_world()
    response = world.handle(
        HttpRequest.to("POST", "/v1/payment_intents", AUTHORIZED, bytes(range(256)))
    )
    assert response.status == 400
