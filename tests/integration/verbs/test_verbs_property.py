"""Whatever is called, and with whatever: one key, one account, declared parameters, own keys.

Calls of all verbs are made up, with overrides, strategies (honest, broken and malicious),
metadata and parameters (valid, invalid, nested, smuggling); what arrives at Stripe is judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import BillingError, RouteConfigurationError
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID as MASTER
from stripe_billing_router.models import Route
from stripe_billing_router.providers.arguments import FORBIDDEN_ANYWHERE
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault
from stripe_billing_router.sandbox.journal import RecordedRequest
from stripe_billing_router.stripe_parameters import declared, unknown_names
from tests.integration.verbs.verbs_bench import BOT, EURO, MEMBER, MONTHLY, ONCE, POOR, YEN, Bench

OTHER_ACCOUNT = "acct_0ther0account000"
OTHER_KEY = "sk_live_0therkey0000000000000"

ENDPOINTS = {
    r"POST /v1/payment_intents": "PaymentIntentCreateParams",
    r"POST /v1/payment_intents/[^/]+/cancel": "PaymentIntentCancelParams",
    r"GET /v1/payment_intents/[^/]+": "PaymentIntentRetrieveParams",
    r"POST /v1/invoices": "InvoiceCreateParams",
    r"GET /v1/invoices/[^/]+": "InvoiceRetrieveParams",
    r"DELETE /v1/invoices/[^/]+": "InvoiceDeleteParams",
    r"POST /v1/invoices/[^/]+/finalize": "InvoiceFinalizeInvoiceParams",
    r"POST /v1/invoices/[^/]+/pay": "InvoicePayParams",
    r"POST /v1/invoices/[^/]+/void": "InvoiceVoidInvoiceParams",
    r"POST /v1/invoiceitems": "InvoiceItemCreateParams",
    r"DELETE /v1/invoiceitems/[^/]+": "InvoiceItemDeleteParams",
    r"GET /v1/invoice_payments": "InvoicePaymentListParams",
    r"POST /v1/refunds": "RefundCreateParams",
    r"GET /v1/refunds/[^/]+": "RefundRetrieveParams",
    r"POST /v1/subscriptions": "SubscriptionCreateParams",
    r"GET /v1/subscriptions/[^/]+": "SubscriptionRetrieveParams",
    r"DELETE /v1/subscriptions/[^/]+": "SubscriptionCancelParams",
    r"POST /v1/checkout/sessions": "checkout.SessionCreateParams",
    r"GET /v1/checkout/sessions/[^/]+": "checkout.SessionRetrieveParams",
    r"POST /v1/checkout/sessions/[^/]+/expire": "checkout.SessionExpireParams",
    r"POST /v1/customers": "CustomerCreateParams",
    r"GET /v1/customers/[^/]+": "CustomerRetrieveParams",
    r"GET /v1/prices/[^/]+": "PriceRetrieveParams",
    r"GET /v1/charges/[^/]+": "ChargeRetrieveParams",
    r"GET /v1/balance": "BalanceRetrieveParams",
    r"GET /v1/events": "EventListParams",
    r"GET /v1/account": "AccountRetrieveCurrentParams",
}


class Shifting(str):
    """Text that shows itself as another account's wherever it is printed or formatted."""

    __slots__ = ()

    def __str__(self) -> str:
        return OTHER_ACCOUNT

    def __format__(self, _spec: str) -> str:
        return OTHER_ACCOUNT

    def encode(self, *_: Any) -> bytes:
        return OTHER_ACCOUNT.encode()


class Strategy:
    """Code of a host: whatever `change` makes of a route."""

    def __init__(self, change: Callable[[Route], Any]) -> None:
        self._change = change

    def apply(self, bot_id: str, route: Route) -> Any:
        return self._change(route)


def _mutate(route: Route) -> Route:
    object.__setattr__(route, "customer_id", "cus_two")
    return route


def _raise(route: Route) -> Route:
    raise OSError(f"no strategy today for {route.customer_id} {OTHER_KEY}")


CHANGES: tuple[Callable[[Route], Any], ...] = (
    lambda route: route,
    lambda route: {**route, "customer_id": "cus_two"},
    lambda route: {**route, "currency": "chf"},
    lambda route: {**route, "account_id": OTHER_ACCOUNT},
    lambda route: {**route, "account_id": MASTER},
    lambda route: {**route, "secret_key": OTHER_KEY},
    lambda route: {**route, "api_key": OTHER_KEY},
    lambda route: {**route, "stripe_account": OTHER_ACCOUNT},
    lambda route: {**route, "customer_id": OTHER_ACCOUNT},
    lambda route: {**route, "customer_id": OTHER_KEY},
    lambda route: {**route, "customer_id": "cus_one?expand[]=x&stripe_account=" + OTHER_ACCOUNT},
    lambda route: {**route, "payment_method_id": "pm_one/../../../account"},
    lambda route: {**route, "customer_id": Shifting(route["customer_id"])},
    lambda route: {**route, "price_id": Shifting(route["price_id"])},
    lambda route: None,
    lambda route: OTHER_KEY,
    _mutate,
    _raise,
)

leaves = (
    st.sampled_from(
        [
            OTHER_ACCOUNT,
            OTHER_KEY,
            MASTER,
            "acct_",
            "x",
            "",
            "manual",
            "usd",
            "en",
            "auto",
            "a@example.org",
            "https://shop.example",
            ONCE,
            "pm_card_visa",
            "\0",
            "\ud800",
            "ключ",
            Shifting("x"),
        ]
    )
    | st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 3)
    | st.floats()
    | st.decimals()
    | st.binary(max_size=3)
)
SMUGGLED = sorted(FORBIDDEN_ANYWHERE | {"idempotency_key", "content_type", "base", "usage", "id"})
INNER = [*SMUGGLED, "metadata", "enabled", "description", "card", "name", "issuer", "a][b", "x"]
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(INNER) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
inside = st.dictionaries(st.sampled_from(INNER), leaves, min_size=1, max_size=2)

HARMLESS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "charge": {
        "customer_id": st.sampled_from([None, "cus_two", "cus_none", "cus_without_card"]),
        "payment_method_id": st.sampled_from([None, "pm_one", "pm_card_chargeDeclined"]),
        "statement_descriptor": st.just("SHOP"),
        "description": st.text(max_size=5),
    },
    "refund": {
        "amount": st.sampled_from(["1.00", 2, 0, 10_000]),
        "reason": st.sampled_from([None, "duplicate", "no"]),
        "instructions_email": st.just("a@example.org"),
    },
    "create_subscription": {
        "price_id": st.sampled_from([None, MONTHLY, MONTHLY, ONCE]),
        "customer_id": st.sampled_from([None, "cus_two", "cus_without_card"]),
        "quantity": st.sampled_from([None, 3]),
        "payment_behavior": st.sampled_from(["allow_incomplete", "default_incomplete"]),
        "trial_period_days": st.just(5),
        "description": st.text(max_size=5),
    },
    "create_checkout_session": {
        "success_url": st.just("https://shop.example"),
        "mode": st.sampled_from([None, None, "payment", "subscription"]),
        "customer_id": st.sampled_from([None, "cus_two"]),
        "client_reference_id": st.text(max_size=5),
        "payment_intent_data": st.just({"description": "x", "metadata": {"own": "1"}}),
        "locale": st.sampled_from(["de", "xx"]),
    },
    "create_customer": {
        "phone": st.just("1"),
        "payment_method": st.sampled_from(["pm_card_visa", "pm_none"]),
        "preferred_locales": st.just(["de"]),
    },
    "get_balance": {},
    "iter_master_events": {
        "event_types": st.sampled_from([None, ["charge.succeeded"], "invoice.paid"]),
        "created": st.sampled_from([None, 5, {"gte": 5}]),
        "delivery_success": st.booleans(),
    },
    "explain": {},
}
TYPES = {
    "charge": "PaymentIntentCreateParams",
    "refund": "RefundCreateParams",
    "create_subscription": "SubscriptionCreateParams",
    "create_checkout_session": "checkout.SessionCreateParams",
    "create_customer": "CustomerCreateParams",
    "iter_master_events": "EventListParams",
}
WHAT_TO_CHARGE: tuple[dict[str, Any], ...] = (
    {"amount": "19.99"},
    {"amount": 7.5},
    {"amount": 5, "on_session": True},
    {},
    {"quantity": 2},
    {"price_id": ONCE},
    {"price_id": "price_yen", "quantity": 3},
    {"amount": "0.10"},
    {"price_id": MONTHLY},
    {"amount": 5, "price_id": ONCE},
)
OWN = {"bot_id", "self", "overrides", "idempotency_key", "metadata", "payment_id", "line_items"}

wrong_line = st.dictionaries(st.sampled_from(["price", "quantity", *INNER]), nested, max_size=3)
wrong_line |= st.fixed_dictionaries({"quantity": st.just(1), "price_data": nested})
wrong_metadata = st.dictionaries(
    st.sampled_from([*INNER, "operation_id", "bot_id"]), leaves, min_size=1, max_size=2
)
wrong_overrides: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{"plan": "foreign"}, {"region": "eu"}, {"plan": "xx"}]
)
wrong_overrides |= st.dictionaries(
    st.sampled_from([*SMUGGLED, "plan", "region"]), leaves, min_size=1, max_size=2
)
FLAWS = (
    ("",) * 6
    + ("params",) * 5
    + (
        "overrides",
        "metadata",
        "bot_id",
        "key",
        "strategy",
        "line",
    )
)


@st.composite
def calls(draw: st.DrawFn, verb: str, paid: str, invoice: str) -> tuple[dict[str, Any], list[int]]:
    """What a verb is called with, and strategies: valid but for one flaw."""
    flaws = {draw(st.sampled_from(FLAWS))}
    given_ = _harmless(draw, verb, paid, invoice)
    if verb == "create_checkout_session" and "line" in flaws:
        given_["line_items"] = [draw(wrong_line)]
    money = verb in TYPES and verb != "iter_master_events"
    if money:
        given_["idempotency_key"] = draw(st.none() | st.text("abcdef", min_size=3))
        given_["metadata"] = draw(st.sampled_from([None, {"order": "7"}]))
        if "metadata" in flaws:
            given_["metadata"] = draw(wrong_metadata)
        if "key" in flaws:
            given_["idempotency_key"] = draw(st.sampled_from([OTHER_KEY, "", 5, "a\nb"]))
    if verb != "iter_master_events":
        given_["bot_id"] = MEMBER if verb == "create_subscription" else BOT
        given_["overrides"] = {"plan": "pro"} if draw(st.booleans()) and verb == "charge" else None
        if "bot_id" in flaws:
            given_["bot_id"] = draw(st.sampled_from([EURO, YEN, POOR, "x", "a:b", OTHER_KEY, None]))
        if "overrides" in flaws:
            given_["overrides"] = draw(wrong_overrides)
    if "line" in flaws and verb != "create_checkout_session" and given_:
        given_[draw(st.sampled_from(sorted(given_)))] = draw(nested)
    if "params" in flaws and verb in TYPES:
        pool = [*declared(TYPES[verb]), *SMUGGLED]
        more = draw(st.dictionaries(st.sampled_from(pool), inside | nested, min_size=1, max_size=1))
        given_ |= {name: value for name, value in more.items() if name not in OWN}
    every = st.lists(st.integers(0, len(CHANGES) - 1), min_size=1, max_size=2)
    return given_, draw(every) if "strategy" in flaws else []


def _harmless(draw: st.DrawFn, verb: str, paid: str, invoice: str) -> dict[str, Any]:
    known = HARMLESS[verb]
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=3)) if known else []
    given_ = {name: draw(known[name]) for name in names}
    if verb == "charge":
        given_ |= draw(st.sampled_from(WHAT_TO_CHARGE))
    if verb == "refund":
        given_.setdefault("amount", "0.01")
        given_["payment_id"] = draw(st.sampled_from([paid, paid, invoice, "ch_none", "x"]))
    if verb == "create_checkout_session":
        given_.setdefault("success_url", "https://shop.example")
        price = draw(st.sampled_from([ONCE, MONTHLY]))
        given_["line_items"] = [{"price": price, "quantity": 1}]
    if verb == "create_customer":
        given_["customer_info"] = draw(st.sampled_from([{}, {"name": "N"}, {"account": "x"}]))
    return given_


faults = st.none() | st.sampled_from(
    [
        Fault("cut", effect=True, match="POST *"),
        Fault("server_error", match="POST *", times=2),
        Fault("rate_limited", match="POST *", times=2),
        Fault("timeout", match="POST *", effect=True, times=3),
        Fault("unavailable", match="* /v1/*"),
    ]
)


def texts_of(value: Any) -> Iterator[str]:
    """Every name and value of a request's parameters."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
    else:
        yield str(value)


def names_of(value: Any) -> Iterator[str]:
    """Every name of a parameter, but for those inside metadata: they are the caller's own."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            if name != "metadata":
                yield from names_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_of(inner)


def judge(request: RecordedRequest) -> None:
    """One key, one account, and only what the SDK declares."""
    assert request.api_key == SANDBOX_SECRET_KEY
    assert request.headers["authorization"] == f"Bearer {SANDBOX_SECRET_KEY}"
    assert not {"stripe-account", "stripe-context"} & set(request.headers)
    line_ = f"{request.method} {request.path}"
    (type_name,) = [t for pattern, t in ENDPOINTS.items() if re.fullmatch(pattern, line_)]
    assert list(unknown_names(type_name, request.params)) == []
    others = {name: value for name, value in request.headers.items() if name != "authorization"}
    for text in (request.path, *texts_of(request.params), *texts_of(others)):
        assert "acct_" not in text.replace(MASTER, "")
        assert "sk_live_" not in text
    assert not (FORBIDDEN_ANYWHERE - {"expand"}) & set(names_of(request.params))
    if request.method == "POST":
        assert request.idempotency_key


def judge_keys(requests: list[RecordedRequest]) -> None:
    """A key of its own for each request; only a retry of the very same may repeat one."""
    seen: dict[str, tuple[str, Any]] = {}
    for request in requests:
        if request.idempotency_key is None:
            assert request.method != "POST"
            continue
        same = request.path, request.params
        assert seen.setdefault(request.idempotency_key, same) == same


def prepared(router: BillingRouter, changes: list[int]) -> None:
    for value, route in (
        ("pro", {"price_id": "price_two_currencies", "customer_id": "cus_two"}),
        ("foreign", {"account_id": OTHER_ACCOUNT}),
    ):
        router.register_override(
            {
                "business_category": "finance",
                "bot_name": "bot",
                "key": "plan",
                "value": value,
                "route": route,
            }
        )
    for number in changes:
        router.register_strategy(Strategy(CHANGES[number]))


@pytest.mark.parametrize("verb", HARMLESS)
def test_no_call_whatever_reaches_another_account_or_uses_another_key(
    bench: Bench, verb: str
) -> None:
    paid = bench.router.charge(BOT, 500).id
    invoice = bench.router.charge(BOT).id
    arrived: list[str] = []

    @settings(
        max_examples=70 if verb in STARTS else 15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(call=calls(verb, paid, invoice), fault=faults)
    def check(call: tuple[dict[str, Any], list[int]], fault: Fault | None) -> None:
        arguments, changes = call
        router = bench.restarted()
        prepared(router, changes)
        bench.forget_requests()
        bench.world.faults.clear()
        if fault is not None:
            bench.world.faults.add(fault)
        try:
            done = getattr(router, verb)(**arguments)
            if verb == "iter_master_events":
                list(done)
            elif verb not in ("explain", "get_balance") and done.state == "requires_action":
                router.cancel(done.operation_id)
        except BillingError as error:
            assert OTHER_KEY not in f"{error} {error!r} {vars(error)}"  # noqa: PT017
        finally:
            router.close()
        for request in bench.world.requests:
            judge(request)
        judge_keys(bench.world.requests)
        arrived.extend(f"{r.method} {r.path}" for r in bench.world.requests)

    check()
    if verb in STARTS:
        posts = [line_ for line_ in arrived if line_.startswith(STARTS[verb])]
        assert len(posts) >= 10, "too few calls got as far as Stripe to prove anything"
    assert bench.router.ledger.verify().ok
    assert OTHER_KEY not in str([entry.raw_event_json for entry in bench.entries()])


STARTS = {
    "charge": ("POST /v1/payment_intents", "POST /v1/invoices"),
    "refund": ("POST /v1/refunds",),
    "create_subscription": ("POST /v1/subscriptions",),
    "create_checkout_session": ("POST /v1/checkout/sessions",),
    "create_customer": ("POST /v1/customers",),
}


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_no_strategy_reaches_another_account_or_uses_another_key(bench: Bench, number: int) -> None:
    router = bench.restarted()
    router.register_strategy(Strategy(CHANGES[number]))
    for call in (
        lambda: router.charge(BOT, 5),
        lambda: router.charge(BOT),
        lambda: router.create_subscription(MEMBER),
        lambda: router.get_balance(BOT),
    ):
        try:
            call()
        except BillingError as error:
            assert OTHER_KEY not in str(error)  # noqa: PT017
    for request in bench.world.requests:
        judge(request)


def test_a_strategy_that_names_a_key_stops_the_call_before_anything_is_written(
    bench: Bench,
) -> None:
    bench.router.register_strategy(Strategy(lambda route: {**route, "secret_key": OTHER_KEY}))
    with pytest.raises(RouteConfigurationError) as told:
        bench.router.charge(BOT, 5)
    assert OTHER_KEY not in str(told.value)
    assert not bench.sent()
    assert not bench.entries()
