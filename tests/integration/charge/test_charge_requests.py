"""What a charge sends, what it has written before, and what it holds open meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from stripe_billing_router.errors import (
    BillingError,
    InvalidAmountError,
    InvalidRequestError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
)
from tests.integration.charge.charge_bench import BOT, CARD, CREATE, CUSTOMER, Bench, Wire


def test_a_charge_is_one_request_in_steady_state(bench: Bench) -> None:
    router = bench.warm()
    for _ in range(5):
        assert router.charge(BOT, "19.99").paid
    assert [f"{r.method} {r.path}" for r in bench.world.requests] == [CREATE] * 5
    assert bench.moved() == bench.booked(router) == [1999] * 5


def test_the_first_charge_reads_account_and_customer_once(bench: Bench) -> None:
    router = bench.router()
    router.charge(BOT, 5)
    router.charge("finance:other", 5)
    assert [f"{r.method} {r.path}" for r in bench.world.requests] == [
        "GET /v1/account",
        f"GET /v1/customers/{CUSTOMER}",
        CREATE,
        CREATE,
    ]


def test_a_route_with_its_own_payment_method_needs_no_customer(bench: Bench) -> None:
    bench.router().charge("finance:card", 5)
    assert [f"{r.method} {r.path}" for r in bench.world.requests] == ["GET /v1/account", CREATE]


@pytest.mark.parametrize("keyed", [True, False])
def test_the_intent_is_durable_before_stripe_hears_of_it(bench: Bench, keyed: bool) -> None:
    seen: list[dict[str, Any]] = []

    def look(method: str, _url: str) -> None:
        if method == "POST":
            seen.extend(bench.operations())

    router = bench.router(http_client=Wire(bench.world, before=look))
    done = router.charge(BOT, "12.34", idempotency_key="k" if keyed else None)
    (intent,) = seen
    assert intent["operation_id"] == done.operation_id
    assert (intent["state"], intent["amount_minor"], intent["currency"]) == ("pending", 1234, "usd")
    assert '"amount":1234' in intent["steps"]


def test_no_transaction_is_open_while_stripe_is_asked(bench: Bench) -> None:
    asked: list[str] = []

    def write(method: str, _url: str) -> None:
        with closing(sqlite3.connect(bench.database, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        asked.append(method)

    router = bench.router(http_client=Wire(bench.world, before=write, after=write))
    bench.world.set_outcome(CARD, "declined:insufficient_funds")
    with pytest.raises(BillingError):
        router.charge(BOT, 5)
    assert asked.count("GET") == 4
    assert asked.count("POST") == 4


def test_outcome_and_ledger_entry_appear_together(bench: Bench) -> None:
    router = bench.router()
    done = router.charge(BOT, "19.99", "a thing", metadata={"order": "7"}, idempotency_key="k")
    (row,) = bench.operations()
    (entry,) = router.ledger.entries()
    assert row["state"] == entry.status == done.state == "succeeded"
    assert (entry.id, entry.operation_id) == (done.id, done.operation_id)
    assert (entry.amount, entry.amount_minor, entry.currency) == (Decimal("19.99"), 1999, "usd")
    assert (entry.bot_id, entry.error, entry.action_type) == (BOT, 0, "charge")
    assert router.ledger.verify().ok


def test_stripe_learns_whose_operation_it_is(bench: Bench) -> None:
    done = bench.router().charge("stripe:finance:bot", 5, metadata={"order": "7"})
    (payment,) = bench.world.objects("payment_intent")
    assert payment["metadata"] == {
        "order": "7",
        "operation_id": done.operation_id,
        "bot_id": "finance:bot",
    }


@pytest.mark.parametrize(
    ("bot", "amount", "minor"),
    [
        (BOT, 19.99, 1999),
        (BOT, "19.99", 1999),
        (BOT, Decimal("19.990"), 1999),
        (BOT, 1.1, 110),
        (BOT, 4.35, 435),
        (BOT, 7, 700),
        ("finance:yen", 1000, 1000),
        ("finance:yen", "1000.00", 1000),
        ("finance:dinar", "1.230", 1230),
    ],
)
def test_the_amount_reaches_stripe_to_the_cent(
    bench: Bench, bot: str, amount: Any, minor: int
) -> None:
    router = bench.router()
    done = router.charge(bot, amount)
    (request,) = bench.sent()
    assert request.params["amount"] == str(minor)
    assert done.amount_minor == minor
    assert bench.moved() == bench.booked(router) == [minor]


@pytest.mark.parametrize(
    "amount",
    ["19.999", 0, -5, "-5", float("inf"), float("nan"), True, "1e3", "1,000", "١٢", 10**12, None],
)
def test_an_amount_that_cannot_be_charged_exactly_sends_nothing(bench: Bench, amount: Any) -> None:
    router = bench.router()
    given = {} if amount is None else {"amount": amount}
    if amount is None:
        given = {"amount": [1]}
    with pytest.raises(InvalidAmountError) as told:
        router.charge(BOT, **given)
    assert told.value.money == "not_moved"
    assert bench.sent() == bench.operations() == []


def test_three_decimal_amounts_that_stripe_would_round_are_refused(bench: Bench) -> None:
    with pytest.raises(InvalidAmountError):
        bench.router().charge("finance:dinar", "1.234")
    assert bench.operations() == []


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [({"ammount": 10}, "amount"), ({"amount": 10, "descripton": "x"}, "description")],
)
def test_a_misspelt_argument_is_refused_with_a_suggestion(
    bench: Bench, arguments: dict[str, Any], suggestion: str
) -> None:
    router = bench.router()
    with pytest.raises(InvalidRequestError) as told:
        router.charge(BOT, **arguments)
    assert told.value.suggestion == suggestion
    assert bench.untouched()


SMUGGLED = [
    {"api_key": "x"},
    {"stripe_account": "acct_other"},
    {"stripe_version": "2020-01-01"},
    {"on_behalf_of": "acct_other"},
    {"transfer_data": {"destination": "acct_other"}},
    {"application_fee_amount": 100},
    {"transfer_group": "g"},
    {"capture_method": "manual"},
    {"payment_method_options": {"card": {"capture_method": "manual"}}},
    {"confirm": False},
    {"confirmation_method": "manual"},
    {"confirmation_token": "ctoken_1"},
    {"currency": "jpy"},
    {"customer": "cus_other"},
    {"customer_account": "acct_other"},
    {"payment_method": "pm_other"},
    {"payment_method_data": {"type": "card"}},
    {"automatic_payment_methods": {"enabled": False}},
    {"off_session": False},
    {"error_on_requires_action": True},
    {"mandate": "mandate_1"},
    {"return_url": "https://example.org"},
    {"expand": ["customer"]},
    {"headers": {"Stripe-Account": "acct_other"}},
    {"max_network_retries": 5},
    {"content_type": "multipart/form-data"},
    {"base": "files"},
    {"usage": ["x"]},
    {"stripe_context": "acct_other"},
    {"secret_key": "x"},
    {"metadata": {"operation_id": "op_1"}},
    {"metadata": {"bot_id": "finance:other"}},
    {"metadata": {"destination_account": "acct_other"}},
]


@pytest.mark.parametrize("params", SMUGGLED, ids=lambda p: "-".join(p))
def test_what_the_router_decides_cannot_be_passed(bench: Bench, params: dict[str, Any]) -> None:
    router = bench.router()
    with pytest.raises(InvalidRequestError):
        router.charge(BOT, 5, **params)
    assert bench.untouched()


def test_amount_and_price_exclude_each_other(bench: Bench) -> None:
    router = bench.router()
    for wrong in ({"price_id": "price_1"}, {"quantity": 2}):
        with pytest.raises(InvalidRequestError):
            router.charge(BOT, 10.0, None, **wrong)
    assert bench.untouched()


def test_a_charge_that_moved_nothing_is_not_a_charge(bench: Bench) -> None:
    router = bench.router()
    with pytest.raises(PaymentActionRequiredError):
        router.charge("finance:poor", 5)
    (entry,) = router.ledger.entries()
    assert (entry.amount_minor, entry.status) == (0, "requires_action")
    assert bench.moved() == []


def test_the_route_s_card_is_not_used_for_another_customer(bench: Bench) -> None:
    bench.world.add_customer("cus_two", default_payment_method="pm_two")
    bench.router().charge("finance:card", 5, customer_id="cus_two")
    (request,) = bench.sent()
    assert (request.params["customer"], request.params["payment_method"]) == ("cus_two", "pm_two")


def test_a_notice_from_stripe_does_not_break_a_charge(bench: Bench) -> None:
    bench.fault("headers", headers={"Stripe-Notice": "this API version is old"})
    assert bench.router().charge(BOT, 5).paid
    assert bench.moved() == [500]


def test_a_card_that_stripe_says_is_gone_is_looked_up_again(bench: Bench) -> None:
    router = bench.warm()
    bench.world.add_payment_method("pm_new", customer=CUSTOMER, default=True)
    detached = router.charge(BOT, 5)
    assert detached.paid
    _detach(bench, CARD)
    with pytest.raises(BillingError):
        router.charge(BOT, 6)
    assert router.charge(BOT, 6).paid
    assert bench.sent()[-1].params["payment_method"] == "pm_new"


def _detach(bench: Bench, method: str) -> None:
    import stripe

    from stripe_billing_router.sandbox import (
        SANDBOX_API_BASE,
        SANDBOX_SECRET_KEY,
        SandboxHTTPClient,
    )

    client = stripe.StripeClient(
        SANDBOX_SECRET_KEY,
        http_client=SandboxHTTPClient(bench.world),
        base_addresses={"api": SANDBOX_API_BASE},
    )
    client.v1.payment_methods.detach(method)


def test_a_charge_on_postgres_is_one_request_and_one_row(postgres_bench: Bench) -> None:
    router = postgres_bench.warm()
    done = router.charge(BOT, "19.99", idempotency_key="k")
    again = router.charge(BOT, "19.99", idempotency_key="k")
    assert (again.id, len(postgres_bench.world.requests)) == (done.id, 1)
    assert postgres_bench.moved() == postgres_bench.booked(router) == [1999]
    assert router.ledger.verify().ok


def test_no_postgres_transaction_is_open_while_stripe_is_asked(postgres_bench: Bench) -> None:
    postgres_bench.url += "&application_name=charging"
    asked: list[int] = []

    def count(_method: str, _url: str) -> None:
        with psycopg.connect(_plain(postgres_bench.url), autocommit=True) as other:
            found = other.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'charging' "
                "AND pid <> pg_backend_pid() AND state <> 'idle'"
            ).fetchone()
        assert found is not None
        asked.append(int(found[0]))

    http = Wire(postgres_bench.world, before=count, after=count)
    router = postgres_bench.router(http_client=http)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert asked == [0] * 6


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_a_doubt_on_postgres_blocks_and_is_resolved(postgres_bench: Bench) -> None:
    router = postgres_bench.warm()
    postgres_bench.fault("cut", effect=True, times=None)
    for key in ("k", None):
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5, idempotency_key=key)
    postgres_bench.world.faults.clear()
    with pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5)
    assert router.charge(BOT, 5, idempotency_key="k").paid
    assert postgres_bench.moved() == [500, 500]
    assert postgres_bench.booked(router) == [500]
