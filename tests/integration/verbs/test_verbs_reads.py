"""What reads and changes nothing: balance, events, explain, and the check at start-up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import (
    BillingError,
    ConfigurationError,
    FrozenError,
    InvalidRequestError,
    RouteNotFoundError,
    StripeRequestError,
    StripeUnavailableError,
)
from stripe_billing_router.hashing import key_fingerprint
from stripe_billing_router.master_account import STRIPE_MASTER_ACCOUNT_ID
from stripe_billing_router.models import BotId
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SANDBOX_SECRET_KEY
from tests.integration.verbs.verbs_bench import BOT, CUSTOMER, DAY, EURO, YEN, Bench

# -- get_balance --------------------------------------------------------------------------------


def fund(currency: str, amount: Any) -> dict[str, Any]:
    return {"currency": currency, "amount": amount, "source_types": {"card": amount}}


def test_the_balance_is_exact_and_by_currency(bench: Bench) -> None:
    bench.wire.forged["GET /v1/balance"] = (
        200,
        {
            "object": "balance",
            "available": [fund("usd", 12345), fund("jpy", 1000), fund("kwd", 1230)],
            "pending": [fund("usd", -5), fund("isk", 500), fund("eur", 0)],
        },
    )
    balance = bench.router.get_balance(BOT)
    shown = {code: str(amount) for code, amount in balance.available.items()}
    assert shown == {"usd": "123.45", "jpy": "1000", "kwd": "1.230"}
    assert balance.pending == {"usd": Decimal("-0.05"), "isk": Decimal(5), "eur": Decimal(0)}
    assert balance["available"][1]["amount"] == 1000
    assert repr(balance) == "Balance(123.45 usd, 1000 jpy, 1.230 kwd available, sandbox)"


def test_currencies_are_not_added_together_and_parts_of_one_are(bench: Bench) -> None:
    funds = [fund("usd", 100), fund("eur", 100), fund("usd", 50)]
    bench.wire.forged["GET /v1/balance"] = (200, {"object": "balance", "available": funds})
    balance = bench.router.get_balance(BOT)
    assert balance.available == {"usd": Decimal("1.50"), "eur": Decimal("1.00")}
    assert balance.pending == {}


def test_the_balance_shows_what_was_collected_until_it_is_available(bench: Bench) -> None:
    bench.router.charge(BOT, "100.00")
    bench.router.charge(YEN, 1000)
    waits = bench.router.get_balance(BOT).pending
    assert waits == {"usd": Decimal("96.80"), "jpy": Decimal(941)}
    bench.world.advance(3 * DAY)
    assert bench.router.get_balance(BOT).available == waits


def test_reading_the_balance_writes_nothing(bench: Bench) -> None:
    bench.router.get_balance(BOT)
    assert not bench.entries()
    assert bench.sent() == ["GET /v1/balance"]


@pytest.mark.parametrize(
    "body",
    [
        {"available": [{"amount": 1}]},
        {"available": [{"amount": None, "currency": "usd"}]},
        {"available": [{"amount": "1", "currency": "usd"}]},
        {"available": [fund("zzz", 1)]},
        {"available": 5},
        {"available": [5]},
        {"available": {"usd": 1}},
    ],
)
def test_a_balance_that_cannot_be_read_is_no_balance(bench: Bench, body: dict[str, Any]) -> None:
    bench.wire.forged["GET /v1/balance"] = (200, {"object": "balance", **body})
    with pytest.raises(StripeUnavailableError):
        bench.router.get_balance(BOT)


def test_a_bot_that_is_stopped_may_not_read_the_balance(bench: Bench) -> None:
    class Stop:
        def check_bot(self, bot: BotId) -> None:
            raise FrozenError(f"{bot} is frozen; ask a person.", scope=str(bot))

        def check_intent(self, _intent: Any) -> list[Any]:
            return []

    with pytest.raises(FrozenError):
        bench.restarted(guards=[Stop()]).get_balance(BOT)
    assert not bench.sent()


def test_a_bot_without_a_route_may_not_read_the_balance(bench: Bench) -> None:
    for bot in ("finance:nobody", "nobody:finance:bot"):
        with pytest.raises(RouteNotFoundError):
            bench.router.get_balance(bot)
    with pytest.raises(RouteNotFoundError):
        bench.router.get_balance(BOT, overrides={"plan": "none"})
    assert not bench.sent()


def test_a_restricted_key_that_may_not_read_the_balance_is_told(bench: Bench) -> None:
    bench.world.add_key(SANDBOX_SECRET_KEY, denied={"balance"})
    with pytest.raises(StripeRequestError) as told:
        bench.router.get_balance(BOT)
    assert told.value.http_status == 403


# -- iter_master_events -------------------------------------------------------------------------


def customers(bench: Bench, number: int) -> None:
    for count in range(number):
        bench.world.add_customer(f"cus_{count}")
        bench.world.advance(1)


def test_events_come_newest_first_over_all_pages(bench: Bench) -> None:
    customers(bench, 250)
    bench.forget_requests()
    events = list(bench.router.iter_master_events(event_types=["customer.created"]))
    names = [event["data"]["object"]["id"] for event in events[:250]]
    assert names == [f"cus_{count}" for count in reversed(range(250))]
    assert len({event["id"] for event in events}) == len(events) > 250
    assert bench.sent() == ["GET /v1/events"] * 3
    assert {request.params["limit"] for request in bench.world.requests} == {"100"}


def test_pages_are_read_only_when_they_are_needed(bench: Bench) -> None:
    customers(bench, 150)
    bench.forget_requests()
    assert len(list(islice(bench.router.iter_master_events(), 100))) == 100
    assert bench.sent() == ["GET /v1/events"]


def test_events_may_be_chosen_by_type_and_time(bench: Bench) -> None:
    before = bench.world.clock.now()
    bench.world.advance(60)
    paid = bench.router.charge(BOT, 5)
    bench.world.advance(60)
    bench.world.add_customer("cus_late")
    chosen = bench.router.iter_master_events(
        event_types=("payment_intent.succeeded", "customer.created"),
        created={"gt": before, "lt": before + 120},
    )
    (event,) = chosen
    assert event["data"]["object"]["id"] == paid.id
    (event,) = bench.router.iter_master_events(created=before + 120)
    assert event["type"] == "customer.created"
    one = bench.router.iter_master_events(event_types="charge.succeeded")
    assert [event["type"] for event in one] == ["charge.succeeded"]


def test_events_may_be_read_on_from_one(bench: Bench) -> None:
    customers(bench, 5)
    newest, *older = bench.router.iter_master_events(event_types=["customer.created"])
    rest = bench.router.iter_master_events(
        event_types=["customer.created"], starting_after=newest["id"]
    )
    assert [event["id"] for event in rest] == [event["id"] for event in older]


@pytest.mark.parametrize(
    "given",
    [
        {"event_types": []},
        {"event_types": ["x"] * 21},
        {"event_types": [5]},
        {"event_types": 5},
        {"event_types": {"a": "b"}},
        {"created": "yesterday"},
        {"created": 1.5},
        {"created": True},
        {"created": {"since": 1}},
        {"created": {"gte": "x"}},
        {"created": {"gte": 10**30}},
        {"created": [1]},
        {"ending_before": "evt_1"},
        {"limit": 5},
        {"type": "x"},
        {"types": ["x"]},
        {"expand": ["data.data"]},
        {"stripe_account": "acct_other"},
        {"stripe_context": "acct_other"},
        {"api_key": "x"},
        {"starting_aftr": "evt_1"},
    ],
    ids=str,
)
def test_a_question_for_events_that_stripe_does_not_know_is_refused_at_once(
    bench: Bench, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        bench.router.iter_master_events(**given)
    assert not bench.sent()


@pytest.mark.parametrize(
    "body",
    [{}, {"data": None}, {"data": {}}, {"data": [5]}, {"data": [{}]}, {"data": [{"id": None}]}],
)
def test_a_page_of_events_that_cannot_be_read_ends_in_an_error(
    bench: Bench, body: dict[str, Any]
) -> None:
    bench.wire.forged["GET /v1/events"] = (200, {"object": "list", "has_more": True, **body})
    with pytest.raises(StripeUnavailableError):
        list(bench.router.iter_master_events())


def test_a_question_that_stripe_refuses_is_told(bench: Bench) -> None:
    with pytest.raises(StripeRequestError):
        list(bench.router.iter_master_events(starting_after="evt_none"))


# -- explain ------------------------------------------------------------------------------------


def test_explain_says_what_applies_and_sends_nothing(bench: Bench) -> None:
    told = bench.router.explain(EURO)
    assert (told.bot_id, told.verb, told.region, told.currency) == (
        EURO,
        "charge",
        "default",
        "eur",
    )
    assert told.route["price_id"] == "price_once"
    assert told.account_id == STRIPE_MASTER_ACCOUNT_ID
    assert (told.key_source, told.key_allowed) == ("code", True)
    assert told.key_fingerprint == key_fingerprint(SANDBOX_SECRET_KEY)
    assert SANDBOX_SECRET_KEY not in repr(told)
    assert told.to_dict()["route"]["currency"] == "eur"
    assert not bench.world.requests


def test_explain_applies_overrides_and_strategies(bench: Bench) -> None:
    bench.router.register_override(
        {
            "business_category": "finance",
            "bot_name": "bot",
            "key": "plan",
            "value": "pro",
            "route": {"price_id": "price_pro", "currency": "CHF"},
        }
    )

    class Partner:
        def apply(self, bot_id: str, route: Any) -> dict[str, str]:
            return {**route, "customer_id": "cus_partner"}

    bench.router.register_strategy(Partner())
    told = bench.router.explain("stripe:finance:bot", "refund", overrides={"plan": "pro"})
    assert (told.bot_id, told.overrides, told.currency) == (BOT, {"plan": "pro"}, "chf")
    assert (told.route["price_id"], told.route["customer_id"]) == ("price_pro", "cus_partner")
    assert not bench.world.requests


@pytest.mark.parametrize("verb", ["get_balance", "chrge", "", None, 5, ["charge"], {}])
def test_explain_knows_money_verbs_only(bench: Bench, verb: Any) -> None:
    with pytest.raises(InvalidRequestError, match="charge, refund"):
        bench.router.explain(BOT, verb)


def test_explain_says_that_a_key_is_not_allowed(bench: Bench) -> None:
    router = bench.restarted(environ={"STRIPE_ALLOWED_SECRET_KEYS": "sk_live_another0000000000000"})
    assert router.explain(BOT).key_allowed is False


# -- verify_router ------------------------------------------------------------------------------

FAULTY = """
stripe:
  default:
    finance:
      bot: {product_id: prod_1, price_id: price_1, customer_id: cus_1}
      foreign: {product_id: p, price_id: price_1, customer_id: cus_1, account_id: acct_somebody}
"""


def test_a_router_that_is_fit_is_silent(bench: Bench) -> None:
    bench.router.verify_router()
    bench.router.verify_router([BOT, EURO])
    bench.router.verify_router(BOT)
    assert not bench.collected()
    assert not bench.entries()


def test_every_fault_is_told_at_once(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(FAULTY)
    (tmp_path / "blocked").write_text("a file where a folder should be")
    bench.world.add_key("sk_live_foreign00000000000000", account="acct_elsewhere")
    router = bench.restarted("blocked/ledger.db", secret_key="sk_live_foreign00000000000000")
    with pytest.raises(ConfigurationError) as told:
        router.verify_router([BOT, "finance:nobody", "not a bot", 5])  # type: ignore[list-item]
    faults = dict(told.value.faults)
    assert set(faults) == {
        "ledger",
        "account",
        "stripe.default.finance.foreign",
        "'finance:nobody'",
        "'not a bot'",
        "5",
    }
    assert "acct_elsewhere" in faults["account"]
    assert "acct_somebody" in faults["stripe.default.finance.foreign"]
    for path in faults:
        assert path in str(told.value)
    assert "sk_live" not in str(told.value)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (None, "keys"),
        ("sk_test_sandbox0000000000000", "keys"),
        ("sk_live_revoked0000000000000", "account"),
    ],
)
def test_a_key_that_does_not_work_is_told(bench: Bench, key: str | None, path: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        bench.restarted(secret_key=key).verify_router([BOT])
    assert [fault[0] for fault in told.value.faults] == [path]


def test_a_router_that_may_not_use_its_key_is_told(bench: Bench) -> None:
    router = bench.restarted(environ={"STRIPE_ALLOWED_SECRET_KEYS": "sk_live_another0000000000000"})
    with pytest.raises(ConfigurationError) as told:
        router.verify_router()
    assert [path for path, _ in told.value.faults] == ["account"]


def test_with_the_sandbox_s_pin_nothing_is_sent_to_stripe_itself(
    bench: Bench, tmp_path: Path
) -> None:
    router = BillingRouter(
        tmp_path / "routing.yaml",
        secret_key=SANDBOX_SECRET_KEY,
        ledger_url=f"sqlite:///{tmp_path}/none/yet.db",
        http_client=bench.wire,
        environ={},
    )
    calls: list[Callable[[], object]] = [
        lambda: router.verify_router([BOT]),
        lambda: router.get_balance(BOT),
        lambda: router.iter_master_events(),
        lambda: router.refund(BOT, "pi_1"),
        lambda: router.cancel("op_1"),
        lambda: router.create_subscription(BOT),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match="sandbox"):
            call()
    assert not bench.world.requests
    assert not (tmp_path / "none").exists()
    assert SANDBOX_API_BASE not in repr(router)


def test_reads_that_find_nothing_out_are_told_as_such(bench: Bench) -> None:
    bench.world.faults.clear()
    for match in ("GET /v1/balance", "GET /v1/events"):
        bench.fault("unavailable", match, times=None)
    for call in (
        lambda: bench.router.get_balance(BOT),
        lambda: list(bench.router.iter_master_events()),
    ):
        with pytest.raises(StripeUnavailableError) as told:
            call()
        assert told.value.money == "not_moved"


@pytest.mark.parametrize(
    "body",
    [
        {"object": "price", "id": "price_odd"},
        {"object": "price", "id": "price_odd", "currency": "zzz"},
        {"object": "price", "id": "price_odd", "currency": None},
        {"object": "price", "currency": "usd"},
        {"object": "price", "id": "price_odd", "currency": "usd", "currency_options": [1]},
        {"object": "price", "id": "price_odd", "currency": "usd", "currency_options": {"eur": 1}},
    ],
)
def test_a_price_that_cannot_be_read_is_not_billed(bench: Bench, body: dict[str, Any]) -> None:
    bench.wire.forged["GET /v1/prices/price_odd"] = (200, body)
    with pytest.raises(BillingError) as told:
        bench.router.charge(BOT, price_id="price_odd")
    assert told.value.money == "not_moved"
    assert not bench.entries()


@pytest.mark.parametrize(
    "payments",
    [
        {},
        {"data": None},
        {"data": [{}]},
        {"data": [{"payment": None}]},
        {"data": [{"payment": {"type": "payment_record", "payment_record": "pr_1"}}]},
        {"data": [{"payment": {"payment_intent": {"id": "pi_1"}}}]},
        {"data": [{"payment": {"payment_intent": "seti_1"}}]},
        {"data": [{"payment": {"charge": "ch_1"}}, {"payment": {"charge": "ch_2"}}]},
        {"data": []},
    ],
    ids=str,
)
def test_a_payment_of_an_invoice_that_cannot_be_read_is_not_given_back(
    bench: Bench, payments: dict[str, Any]
) -> None:
    bench.wire.forged["GET /v1/invoice_payments"] = (200, {"object": "list", **payments})
    with pytest.raises(BillingError) as told:
        bench.router.refund(BOT, "in_1")
    assert told.value.money == "not_moved"
    assert not bench.entries()


def test_a_customer_that_was_deleted_is_told_before_anything_is_written(bench: Bench) -> None:
    bench.dashboard.v1.customers.delete(CUSTOMER)
    with pytest.raises(StripeRequestError, match=CUSTOMER):
        bench.router.charge(BOT, 5)
    assert not bench.entries()
