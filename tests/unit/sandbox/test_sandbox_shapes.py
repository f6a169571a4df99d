"""Every answer of the sandbox is as the types of the pinned SDK say: names, kinds, nullability.

`conftest.py` compares the answers of every other test here as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import stripe

from stripe_billing_router.sandbox import Fault, HttpRequest, HttpResponse, World
from stripe_billing_router.sandbox.family import Route
from stripe_billing_router.sandbox.resources import FAMILIES
from stripe_billing_router.sandbox.routing import Router
from tests.unit.sandbox import left_out
from tests.unit.sandbox.sandbox_helpers import CARD, CUSTOMER, client_of, payment
from tests.unit.sandbox.sdk_types import ABSENT, PINNED, faults, found

pytestmark = pytest.mark.skipif(not PINNED, reason="the SDK is older than the one that is pinned")

ROUTES = [route for family in FAMILIES for route in family.routes]
PAGE = "https://x.example/"


class Answer(NamedTuple):
    """What was asked for, and what came back."""

    line: str
    status: int
    body: dict[str, Any]


@dataclass
class Day:
    """Everything that can be asked of the sandbox, asked at least once."""

    world: World = field(default_factory=lambda: World(redirect_methods=False))
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = client_of(self.world)
        self.router = Router(ROUTES)
        handle = self.world.handle

        def kept(request: HttpRequest) -> HttpResponse:
            response = handle(request)
            line = f"{request.method} {request.path}"
            self.answers.append(Answer(line, response.status, json.loads(response.body)))
            return response

        self.world.handle = kept  # type: ignore[method-assign]

    def do(self, line: str, **params: Any) -> Any:
        """Ask for `"METHOD /v1/path"` and return the object, or the error."""
        method, path = line.split()
        try:
            self.client.raw_request(method.lower(), path, **params)
        except stripe.StripeError:
            return self.answers[-1].body["error"]
        return self.answers[-1].body

    def id_of(self, line: str, **params: Any) -> str:
        return str(self.do(line, **params)["id"])

    def routes(self) -> dict[str, Route]:
        """Which routes have been answered with an object."""
        good = [answer for answer in self.answers if answer.status == 200]
        hit = [self.router.find(*answer.line.split())[0] for answer in good]
        return {f"{route.method} {route.pattern}": route for route in hit}


def _people(day: Day) -> None:
    world = day.world
    world.add_customer(CUSTOMER, email="one@example.org", default_payment_method=CARD)
    address = {"line1": "Street 1", "country": "US"}
    day.do(
        "POST /v1/customers",
        name="Two",
        metadata={"a": "b"},
        business_name="Two Ltd.",
        address=address,
        shipping=_SHIPPING,
        preferred_locales=["en"],
        invoice_settings={"custom_fields": [{"name": "n", "value": "v"}], "footer": "f"},
    )
    gone = day.id_of("POST /v1/customers", payment_method="pm_card_visa")
    day.do(f"POST /v1/customers/{gone}", individual_name="Three", email="three@example.org")
    day.do(f"DELETE /v1/customers/{gone}")
    day.do(f"GET /v1/customers/{gone}")
    day.do(f"GET /v1/customers/{CUSTOMER}", expand=["sources", "subscriptions"])
    day.do("GET /v1/customers", expand=["data.invoice_settings.default_payment_method"])
    day.do(f"GET /v1/customers/{CUSTOMER}/payment_methods")
    day.do(f"GET /v1/customers/{CUSTOMER}/payment_methods/{CARD}")
    method = day.id_of("POST /v1/payment_methods", type="card", card={"token": "tok_visa"})
    day.do(f"POST /v1/payment_methods/{method}/attach", customer=CUSTOMER)
    details = {"email": "one@example.org", "address": address}
    day.do(f"POST /v1/payment_methods/{method}", billing_details=details)
    day.do(f"GET /v1/payment_methods/{method}", expand=["customer"])
    day.do(f"POST /v1/payment_methods/{method}/detach")
    day.do("GET /v1/payment_methods", customer=CUSTOMER, type="card")
    for outcome in ("declined", "declined:expired_card", "authentication_required", "processing"):
        world.add_payment_method(_named(outcome), customer=CUSTOMER, outcome=outcome)


def _named(outcome: str) -> str:
    return "pm_" + outcome.replace(":", "_")


def _catalogue(day: Day) -> None:
    world = day.world
    world.add_price("price_once", unit_amount=500, currency_options={"eur": 450})
    world.add_price("price_monthly", unit_amount=700, interval="month")
    product = day.id_of(
        "POST /v1/products",
        name="P",
        marketing_features=[{"name": "m"}],
        package_dimensions={"height": 1, "length": 1, "weight": 1, "width": 1},
        default_price_data={"currency": "usd", "unit_amount": 1},
        expand=["default_price"],
    )
    day.do(f"POST /v1/products/{product}", description="d")
    day.do(f"GET /v1/products/{product}")
    day.do("GET /v1/products")
    day.do(f"DELETE /v1/products/{day.id_of('POST /v1/products', name='Q')}")
    price = day.id_of("POST /v1/prices", currency="usd", unit_amount=5, product=product)
    day.do(f"POST /v1/prices/{price}", nickname="n")
    day.do(f"GET /v1/prices/{price}", expand=["currency_options", "product", "tiers"])
    day.do("GET /v1/prices")


def _payments(day: Day) -> None:
    plain = {"amount": 1999, "currency": "usd", "customer": CUSTOMER}
    paid = day.do("POST /v1/payment_intents", **payment())
    day.do("POST /v1/payment_intents", **payment(expand=["latest_charge", "customer"]))
    held = day.id_of("POST /v1/payment_intents", **payment(capture_method="manual"))
    day.do(f"POST /v1/payment_intents/{held}/capture", amount_to_capture=900)
    late = day.id_of("POST /v1/payment_intents", **payment(payment_method="pm_processing"))
    day.world.settle_processing(late)
    day.do("POST /v1/refunds", payment_intent=late)
    late = day.id_of("POST /v1/payment_intents", **payment(payment_method="pm_processing"))
    day.world.settle_processing(late, succeed=False)
    waits = {**plain, "payment_method": "pm_authentication_required", "confirm": True}
    day.do("POST /v1/payment_intents", **waits)
    asked = day.id_of("POST /v1/payment_intents", **waits, return_url=PAGE)
    day.world.complete_action(asked, succeed=False)
    for bank in ("us_bank_account", "sepa_debit", "bacs_debit", "acss_debit", "au_becs_debit"):
        data = {"type": bank, "billing_details": {"name": "One"}}
        day.do("POST /v1/payment_intents", **payment(payment_method=None, payment_method_data=data))
    options = {"payment_method_options": {"card": {"request_three_d_secure": "any"}}}
    open_ = day.id_of("POST /v1/payment_intents", **plain, payment_method=CARD, **options)
    day.do(f"POST /v1/payment_intents/{open_}", description="d", shipping=_SHIPPING)
    day.do(f"POST /v1/payment_intents/{open_}/confirm")
    day.do(f"POST /v1/payment_intents/{day.id_of('POST /v1/payment_intents', **plain)}/cancel")
    day.do(f"GET /v1/payment_intents/{paid['id']}", expand=["latest_charge.balance_transaction"])
    day.do("GET /v1/payment_intents")
    charge = paid["latest_charge"]
    day.do(f"POST /v1/charges/{charge}", description="d")
    day.do(f"GET /v1/charges/{charge}", expand=["refunds", "payment_intent"])
    day.do("GET /v1/charges", limit=100)
    refund = day.id_of("POST /v1/refunds", payment_intent=paid["id"], amount=100)
    day.world.settle_refund(refund)
    day.do(f"GET /v1/refunds/{refund}", expand=["charge", "balance_transaction"])
    day.do(f"POST /v1/refunds/{refund}", metadata={"a": "b"})
    day.world.fail_refund(day.id_of("POST /v1/refunds", charge=charge, amount=100))
    day.do(f"GET /v1/charges/{charge}/refunds")
    day.do("GET /v1/refunds")


_SHIPPING = {"name": "One", "address": {"line1": "Street 1", "country": "US"}}


def _disputes(day: Day) -> None:
    for won in (True, False):
        charge = day.do("POST /v1/payment_intents", **payment())["latest_charge"]
        dispute = day.world.open_dispute(charge)
        day.do(f"POST /v1/disputes/{dispute}", evidence={"receipt": "file_1"}, submit=won)
        day.do(f"GET /v1/disputes/{dispute}", expand=["charge"])
        if won:
            day.world.close_dispute(dispute, won=True)
        else:
            day.do(f"POST /v1/disputes/{dispute}/close")
    day.do("GET /v1/disputes")


def _invoices(day: Day) -> None:
    def draft(**more: Any) -> str:
        made = day.id_of("POST /v1/invoices", customer=CUSTOMER, **more)
        pricing = {"price": "price_once"}
        day.do("POST /v1/invoiceitems", customer=CUSTOMER, invoice=made, pricing=pricing)
        return made

    extra = {"customer": CUSTOMER, "amount": 5, "currency": "usd"}
    item = day.id_of("POST /v1/invoiceitems", **extra)
    day.do(f"POST /v1/invoiceitems/{item}", description="d")
    day.do(f"GET /v1/invoiceitems/{item}", expand=["customer", "discounts"])
    day.do("GET /v1/invoiceitems")
    day.do(f"DELETE /v1/invoiceitems/{item}")
    more = {
        "custom_fields": [{"name": "n", "value": "v"}],
        "rendering": {"pdf": {"page_size": "a4"}},
        "payment_settings": {"payment_method_types": ["card"]},
    }
    paid, gone, lost, void = draft(**more), draft(), draft(), draft()
    day.do("POST /v1/invoiceitems", invoice=paid, **extra)
    day.do(f"POST /v1/invoices/{paid}", description="d")
    day.do(f"GET /v1/invoices/{paid}/lines", expand=["data.discounts"])
    day.do(f"DELETE /v1/invoices/{gone}")
    for invoice in (paid, lost, void):
        day.do(f"POST /v1/invoices/{invoice}/finalize")
    day.do(f"POST /v1/invoices/{paid}/pay", payment_method="pm_authentication_required")
    day.do(f"POST /v1/invoices/{paid}/pay", expand=["payments", "confirmation_secret"])
    day.do(f"POST /v1/invoices/{lost}/mark_uncollectible")
    day.do(f"POST /v1/invoices/{void}/void")
    day.do(f"GET /v1/invoices/{paid}", expand=["payments", "customer", "discounts", "lines"])
    day.do("GET /v1/invoices")
    payments = day.do("GET /v1/invoice_payments")["data"]
    day.do(f"GET /v1/invoice_payments/{payments[0]['id']}")


def _subscriptions(day: Day) -> None:
    plain = {"customer": CUSTOMER, "items": [{"price": "price_monthly"}]}
    running = day.do("POST /v1/subscriptions", **plain)
    day.do("POST /v1/subscriptions", **plain, payment_behavior="default_incomplete")
    day.do("POST /v1/subscriptions", **plain, trial_period_days=3)
    day.do(
        "POST /v1/subscriptions",
        **plain,
        collection_method="send_invoice",
        days_until_due=3,
        expand=["latest_invoice", "items.data.price"],
    )
    day.do(f"POST /v1/subscriptions/{running['id']}", cancel_at_period_end=True)
    day.do(f"GET /v1/subscriptions/{running['id']}", expand=["customer", "discounts"])
    day.do("GET /v1/subscriptions")
    day.do("GET /v1/subscription_items", subscription=running["id"])
    day.do(f"GET /v1/subscription_items/{running['items']['data'][0]['id']}")
    day.do(f"DELETE /v1/subscriptions/{running['id']}", cancellation_details={"comment": "c"})
    day.do(f"POST /v1/subscriptions/{running['id']}", metadata={"a": "b"})
    day.do(f"POST /v1/subscriptions/{running['id']}", description="d")


def _checkouts(day: Day) -> None:
    once = {"line_items": [{"price": "price_once", "quantity": 1}], "mode": "payment"}
    monthly = {"line_items": [{"price": "price_monthly", "quantity": 1}], "mode": "subscription"}
    for lines in (once, monthly):
        day.world.complete_checkout(
            day.id_of("POST /v1/checkout/sessions", success_url=PAGE, **lines)
        )
    inside = day.id_of("POST /v1/checkout/sessions", ui_mode="form", return_url=PAGE, **once)
    day.do(f"POST /v1/checkout/sessions/{inside}", metadata={"a": "b"})
    day.do(f"POST /v1/checkout/sessions/{inside}/expire")
    day.do("POST /v1/checkout/sessions", mode="setup", success_url=PAGE, customer=CUSTOMER)
    day.do(f"GET /v1/checkout/sessions/{inside}", expand=["line_items", "customer"])
    day.do(f"GET /v1/checkout/sessions/{inside}/line_items", expand=["data.price"])
    day.do("GET /v1/checkout/sessions", expand=["data.line_items"])


def _setups(day: Day) -> None:
    for method in (CARD, "pm_declined", "pm_authentication_required", "pm_processing"):
        made = {"customer": CUSTOMER, "payment_method": method, "confirm": True}
        last = day.do("POST /v1/setup_intents", **made)
    made = {"customer": CUSTOMER, "payment_method": "pm_authentication_required"}
    waits = day.id_of("POST /v1/setup_intents", **made, confirm=True, return_url=PAGE)
    day.world.complete_action(waits, succeed=False)
    day.do(f"GET /v1/setup_intents/{last['id']}", expand=["customer", "payment_method"])
    day.do("GET /v1/setup_intents")
    open_ = day.id_of("POST /v1/setup_intents", customer=CUSTOMER)
    day.do(f"POST /v1/setup_intents/{open_}", description="d")
    day.do(f"POST /v1/setup_intents/{open_}/confirm", payment_method=CARD)
    day.do(f"POST /v1/setup_intents/{day.id_of('POST /v1/setup_intents')}/cancel")


def _account(day: Day) -> None:
    own = day.id_of("GET /v1/account")
    day.do(f"GET /v1/accounts/{own}")
    day.do("GET /v1/balance")
    entries = day.do("GET /v1/balance_transactions", expand=["data.source"])["data"]
    day.do(f"GET /v1/balance_transactions/{entries[0]['id']}")
    made = day.id_of("POST /v1/webhook_endpoints", url=PAGE, enabled_events=["*"])
    day.do(f"POST /v1/webhook_endpoints/{made}", description="d")
    day.do(f"GET /v1/webhook_endpoints/{made}")
    day.do("GET /v1/webhook_endpoints")
    day.do(f"DELETE /v1/webhook_endpoints/{made}")


def _errors(day: Day) -> None:
    day.do("GET /v1/nothing")
    day.do("GET /v1/payment_intents/pi_none")
    day.do("POST /v1/payment_intents", amount=1)
    day.do("POST /v1/payment_intents", amount=1, currency="usd")
    day.do("POST /v1/payment_intents", ammount=1)
    for outcome in ("declined", "declined_expired_card", "authentication_required"):
        day.do("POST /v1/payment_intents", **payment(payment_method=f"pm_{outcome}"))
    behavior = {"payment_behavior": "error_if_incomplete", "items": [{"price": "price_monthly"}]}
    for outcome in ("declined", "authentication_required"):
        method = {"default_payment_method": f"pm_{outcome}"}
        day.do("POST /v1/subscriptions", customer=CUSTOMER, **behavior, **method)
    used = {"idempotency_key": "k"}
    day.do("POST /v1/customers", **used)
    day.do("POST /v1/products", name="P", **used)
    day.do("GET /v1/account", stripe_account="acct_other")
    for kind in ("server_error", "unavailable", "lock_timeout", "key_in_use", "rate_limited"):
        day.world.faults.add(Fault(kind))
        day.do("POST /v1/customers")
    day.client = client_of(day.world, "sk_live_unknown")
    day.do("GET /v1/account")
    day.client = client_of(day.world)


def _events(day: Day) -> None:
    page: dict[str, Any] = {"has_more": True}
    while page["has_more"]:
        after = {"starting_after": page["data"][-1]["id"]} if "data" in page else {}
        page = day.do("GET /v1/events", limit=100, **after)
    day.do(f"GET /v1/events/{page['data'][0]['id']}")


PARTS: list[Callable[[Day], None]] = [
    _people,
    _catalogue,
    _payments,
    _disputes,
    _invoices,
    _subscriptions,
    _checkouts,
    _setups,
    _account,
    _errors,
    _events,
]


@pytest.fixture(scope="module")
def day() -> Day:
    one = Day()
    for part in PARTS:
        part(one)
        one.world.advance(100)
    return one


def test_every_route_is_asked_and_answers(day: Day) -> None:
    every = {f"{route.method} {route.pattern}" for route in ROUTES}
    assert every - set(day.routes()) == {"POST /v1/refunds/{id}/cancel"}  # it can only refuse


def test_every_answer_is_as_the_sdk_s_types_say(day: Day) -> None:
    wrong = {(fault, answer.line) for answer in day.answers for fault in faults(answer.body)}
    assert wrong == set()


def test_every_kind_of_error_is_among_the_answers(day: Day) -> None:
    errors = [(a.status, a.body["error"]) for a in day.answers if "error" in a.body]
    assert {status for status, _ in errors} == {400, 401, 402, 403, 404, 409, 429, 500, 503}
    assert {error["type"] for _, error in errors} == {
        "api_error",
        "card_error",
        "idempotency_error",
        "invalid_request_error",
    }


def test_a_difference_is_noticed_wherever_it_is() -> None:
    world = World()
    body = client_of(world).v1.accounts.retrieve_current().to_dict()
    assert faults(body) == []
    wrong = {
        "charges_enabled": "yes",
        "type": "own",
        "metadata": {"a": 1},
        "business_profile": {**body["business_profile"], "mcc": 5, "mood": "good"},
        "settings": None,
        "country": None,
        "created": "now",
    }
    assert sorted(faults({**body, **wrong})) == [
        "Account.BusinessProfile.mcc is 5",
        "Account.BusinessProfile.mood is not declared",
        "Account.charges_enabled is 'yes'",
        "Account.created is 'now'",
        "Account.metadata.a is 1",
        "Account.type is 'own'",
    ]
    del body["id"], body["email"]
    assert sorted(faults(body)) == ["Account.email is left out", "Account.id is missing"]


def test_what_is_listed_as_left_out_is_known_to_the_sdk_and_left_out(day: Day) -> None:
    absent = {where for a in day.answers for where, what in found(a.body) if what == ABSENT}
    classes = {where.rpartition(".")[0] for where in absent}
    for listed in left_out.LEFT_OUT:
        cls, _, name = listed.rpartition(".")
        assert cls in classes if name == "*" else listed in absent, listed


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("invoice", ("payment_intent", "charge", "paid", "subscription")),
        ("payment_intent", ("charges", "invoice")),
        ("charge", ("invoice",)),
        ("subscription", ("current_period_end", "current_period_start")),
    ],
)
def test_fields_of_older_versions_are_gone(day: Day, kind: str, names: tuple[str, ...]) -> None:
    objects = day.world.objects(kind)
    assert objects
    for obj in objects:
        assert not set(names) & set(obj)
