"""One of everything that the watchdog is there to find. Each plant returns what is to be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import stripe
from sqlalchemy import update

from stripe_billing_router.errors import BillingError
from stripe_billing_router.models import AppendEntry, EntryDraft, Reservation, Spend
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.store.schema import budgets
from tests.integration.watchdog.watchdog_bench import (
    BOT,
    CUSTOMER,
    HOOK,
    HOUR,
    MEMBER,
    ROGUE,
    Bench,
)

Expected = tuple[str, str]
"""Check and subject."""

FOREIGN = "acct_1ForeignAccount"


def _amount(bench: Bench) -> str:
    return f"{bench.random.randint(100, 900)}.{bench.random.randint(0, 99):02}"


def _charged(bench: Bench, bot: str = BOT) -> Any:
    """A routed payment, by amount or by price."""
    key = f"planted-{bench.random.random()}"
    if bot == BOT and bench.random.random() < 0.3:
        return bench.router.charge(bot, idempotency_key=key)
    return bench.router.charge(bot, _amount(bench), idempotency_key=key)


def _taken(bench: Bench, card: str = "pm_card_visa", **more: Any) -> dict[str, Any]:
    """A payment that somebody takes with the SDK."""
    asked: Any = {
        "amount": bench.random.randint(100, 90_000),
        "currency": "usd",
        "customer": CUSTOMER,
        "payment_method": card,
        "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        **more,
    }
    with suppress(stripe.CardError):
        bench.dashboard.v1.payment_intents.create(params=asked)
    return bench.world.objects("charge")[-1]


def unauthorized_charge(bench: Bench) -> Expected:
    names = bench.random.choice([{}, {"operation_id": "op_invented", "bot_id": BOT}])
    return "unauthorized_charge", _taken(bench, metadata=names)["id"]


def unauthorized_refund(bench: Bench) -> Expected:
    charge = bench.charge_of(_charged(bench).id)
    made = bench.dashboard.v1.refunds.create(params={"charge": charge["id"], "amount": 50})
    return "unauthorized_refund", made.id


def unauthorized_failure(bench: Bench) -> Expected:
    charge = _taken(bench, "pm_card_chargeDeclined")
    assert charge["status"] == "failed"
    return "unauthorized_failure", charge["payment_intent"]


def missing_charge(bench: Bench) -> Expected:
    with bench.rewriting(lambda entry: None):
        made = _charged(bench)
    return "missing_charge", bench.charge_of(made.id)["id"]


def missing_refund(bench: Bench) -> Expected:
    made = _charged(bench)
    with bench.rewriting(lambda entry: None):
        return "missing_refund", bench.router.refund(BOT, made.id).id


def missing_failure_log(bench: Bench) -> Expected:
    with bench.rewriting(lambda entry: None), suppress(BillingError):
        bench.router.charge(BOT, _amount(bench), payment_method_id="pm_declined")
    return "missing_failure_log", bench.world.objects("charge")[-1]["payment_intent"]


def unapproved_workflow(bench: Bench) -> Expected:
    return "unapproved_workflow", bench.charge_of(_charged(bench, ROGUE).id)["id"]


def unknown_webhook(bench: Bench) -> Expected:
    return "unknown_webhook", _endpoint(bench, "https://listener.example/events")


def disabled_webhook(bench: Bench) -> Expected:
    endpoint = _endpoint(bench, bench.random.choice([HOOK, HOOK + "/"]))
    bench.dashboard.v1.webhook_endpoints.update(endpoint, params={"disabled": True})
    return "disabled_webhook", endpoint


def _endpoint(bench: Bench, url: str) -> str:
    made = bench.dashboard.v1.webhook_endpoints.create(params={"url": url, "enabled_events": ["*"]})
    return str(made.id)


def revenue_mismatch(bench: Bench) -> Expected:
    """The same entry twice, each rightly chained: every row holds, and the sum does not."""
    kept: list[EntryDraft] = []
    with bench.rewriting(_kept_in(kept)):
        charge = bench.charge_of(_charged(bench).id)
    bench.router.store.commit(AppendEntry(kept[-1]))
    day = datetime.fromtimestamp(charge["created"], UTC).date()
    return "revenue_mismatch", f"{day} usd"


def _kept_in(kept: list[EntryDraft]) -> Callable[[EntryDraft], EntryDraft]:
    def keep(entry: EntryDraft) -> EntryDraft:
        kept.append(entry)
        return entry

    return keep


def account_mismatch(bench: Bench) -> Expected:
    if bench.random.random() < 0.5:
        with bench.rewriting(lambda entry: replace(entry, destination_account=FOREIGN)):
            return "account_mismatch", str(_charged(bench).operation_id)
    made = _charged(bench)
    charge = bench.inside("charge", bench.charge_of(made.id)["id"])
    charge["transfer_data"] = {"amount": None, "destination": FOREIGN}
    return "account_mismatch", str(made.operation_id)


def amount_mismatch(bench: Bench) -> Expected:
    if bench.random.random() < 0.3:
        made = _charged(bench)
        with bench.rewriting(_one_more):
            return "amount_mismatch", bench.router.refund(BOT, made.id).id
    if bench.random.random() < 0.3:
        refund = bench.router.refund(BOT, _charged(bench).id)
        bench.world.fail_refund(refund.id)
        return "amount_mismatch", refund.id
    with bench.rewriting(_one_more):
        return "amount_mismatch", bench.charge_of(_charged(bench).id)["id"]


def _one_more(entry: EntryDraft) -> EntryDraft:
    return replace(entry, amount_minor=(entry.amount_minor or 0) + 1)


def currency_mismatch(bench: Bench) -> Expected:
    with bench.rewriting(lambda entry: replace(entry, currency="eur")):
        return "currency_mismatch", bench.charge_of(_charged(bench).id)["id"]


def duplicate_charge(bench: Bench) -> Expected:
    made = _charged(bench)
    names = {"operation_id": made.operation_id, "bot_id": BOT}
    return "duplicate_charge", _taken(bench, metadata=names)["id"]


def orphan_ledger_entry(bench: Bench) -> Expected:
    kept: list[EntryDraft] = []
    with bench.rewriting(_kept_in(kept)):
        _charged(bench)
    prefix = bench.random.choice(["pi_", "in_", "re_", "sub_"])
    kind = {"pi_": "charge", "in_": "charge", "re_": "refund", "sub_": "subscription"}[prefix]
    invented = f"{prefix}invented{bench.random.randrange(10**9)}"
    entry = replace(kept[-1], id=invented, action_type=kind, operation_id="op_invented")
    bench.router.store.commit(AppendEntry(entry))
    return "orphan_ledger_entry", invented


def stale_operation(bench: Bench) -> Expected:
    bench.world.faults.add(Fault("cut", match="POST *", times=None))
    with suppress(BillingError):
        bench.router.charge(BOT, _amount(bench))
    bench.world.faults.clear()
    (left,) = bench.router.store.operations(limit=1)
    bench.world.advance(2 * HOUR)
    return "stale_operation", left.operation_id


def balance_mismatch(bench: Bench) -> Expected:
    charge = bench.charge_of(_charged(bench).id)
    booked = bench.inside("balance_transaction", charge["balance_transaction"])
    if bench.random.random() < 0.5:
        bench.world.state().remove(booked)
    else:
        booked["amount"] -= 1
    return "balance_mismatch", charge["id"]


def dispute_opened(bench: Bench) -> Expected:
    return "dispute_opened", bench.world.open_dispute(bench.charge_of(_charged(bench).id)["id"])


def ledger_tampered(bench: Bench) -> Expected:
    """A row of a stream that nothing else is planted in."""
    bench.router.create_subscription(MEMBER, idempotency_key=f"planted-{bench.random.random()}")
    column = bench.random.choice(["timestamp_ms = 7", "user_email = 'x'", "entry_hash = 'x'"])
    bench.tamper(
        f"UPDATE stripe_ledger SET {column} WHERE sequence = "
        f"(SELECT max(sequence) FROM stripe_ledger WHERE bot_id = '{MEMBER}')"
    )
    return "ledger_tampered", MEMBER


def budget_set_back(bench: Bench) -> Expected:
    """Somebody has a counter forget a payment."""
    paid = _charged(bench)
    part = Reservation("all", f"all/money/day/usd/{paid.id}", "money", "day", 700, 10_000, "usd")
    bench.router.store.commit(Spend(str(paid.operation_id), part))
    (usage,) = bench.router.store.budgets([part.counter])
    forget = update(budgets).where(budgets.c.counter == part.counter).values(used=1)
    bench.router.store._sql.transact(lambda opened: opened.connection.execute(forget))
    return "budget_set_back", usage.counter


def route_drift(bench: Bench) -> Expected:
    if bench.random.random() < 0.5:
        bench.dashboard.v1.prices.update("price_drift", params={"active": False})
        return "route_drift", "price_drift"
    with suppress(stripe.InvalidRequestError):
        bench.dashboard.v1.customers.delete("cus_drift")
    return "route_drift", "cus_drift"


PLANTS: Mapping[str, Callable[[Bench], Expected]] = {
    plant.__name__: plant
    for plant in (
        missing_charge,
        missing_refund,
        missing_failure_log,
        unauthorized_charge,
        unauthorized_refund,
        unauthorized_failure,
        unapproved_workflow,
        unknown_webhook,
        disabled_webhook,
        revenue_mismatch,
        account_mismatch,
        amount_mismatch,
        currency_mismatch,
        duplicate_charge,
        orphan_ledger_entry,
        balance_mismatch,
        dispute_opened,
        ledger_tampered,
        budget_set_back,
        route_drift,
    )
}
"""What can be planted amid traffic; `stale_operation` comes last, for recovery would settle it."""
