"""Rows of the inbox that nobody received, and events whose metadata names another operation: no
money appears in the books because of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from tests.integration.verbs.verbs_bench import CARD, CUSTOMER, DAY, MEMBER, MONTHLY, OTHER
from tests.integration.webhooks.webhooks_bench import BOT, WebhooksBench, webhooks_bench


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WebhooksBench]:
    url = request.getfixturevalue(request.param)
    if request.param == "postgres_url":
        database = Database(url, SystemClock())
        upgrade(database)
        database.close()
    made = webhooks_bench(tmp_path, url)
    yield made
    made.close()


def forge(inbox: WebhooksBench, event: dict[str, Any], **row: Any) -> None:
    """Put an event into the inbox as whoever may write to it can."""
    now_ms = inbox.router.store.now_ms()
    values = {
        "event_id": event["id"],
        "type": event["type"],
        "created_ms": event["created"] * 1000,
        "api_version": event["api_version"],
        "object_id": event["data"]["object"]["id"],
        "operation_id": None,
        "body": json.dumps(event, sort_keys=True, separators=(",", ":")),
        "state": "received",
        "attempts": 0,
        "received_ms": now_ms,
        "updated_ms": now_ms,
        "due_ms": now_ms,
        **row,
    }
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    run(inbox, f"INSERT INTO stripe_inbox ({names}) VALUES ({marks})", values)


def run(inbox: WebhooksBench, query: str, values: dict[str, Any]) -> None:
    engine = create_engine(inbox.router._parts.settings.ledger_url)
    with engine.begin() as connection:
        connection.execute(text(query), values)
    engine.dispose()


def dispute(inbox: WebhooksBench, paid: Any, **changes: Any) -> dict[str, Any]:
    body = {
        "id": "dp_made_up",
        "object": "dispute",
        "amount": 999_999,
        "currency": "usd",
        "payment_intent": paid.id,
        "charge": None,
        "metadata": {},
        "status": "needs_response",
    }
    event = dict(inbox.events()[-1])
    return {
        **event,
        "id": "evt_made_up",
        "type": "charge.dispute.funds_withdrawn",
        "data": {"object": {**body, **changes}},
    }


def test_an_event_that_nobody_received_changes_nothing(inbox: WebhooksBench) -> None:
    paid = inbox.router.charge(BOT, 5)
    forge(inbox, dispute(inbox, paid))
    before = inbox.sums()
    inbox.drain()
    assert inbox.sums() == before
    row = inbox.webhooks.event("evt_made_up")
    assert row is not None
    assert row.state == "dead"
    assert "webhook.unsealed" in inbox.ears.names()
    assert "unsealed" in {found.kind for found in inbox.router.discrepancies.list()}


def test_the_seal_of_another_event_does_not_serve(inbox: WebhooksBench) -> None:
    paid = inbox.router.charge(BOT, 5)
    inbox.deliver()
    genuine = inbox.row(inbox.events()[-1])
    forge(inbox, dispute(inbox, paid), seal=genuine.seal)
    before = inbox.sums()
    inbox.drain()
    assert inbox.sums() == before
    assert "webhook.unsealed" in inbox.ears.names()


def test_an_event_that_was_changed_is_read_from_stripe(inbox: WebhooksBench) -> None:
    """A payment that waits is not paid because its row of the inbox says so."""
    waits = inbox.router.charge(BOT, 5, on_session=True)
    created = inbox.events("payment_intent.created")[-1]
    inbox.deliver("payment_intent.created")
    paid = json.loads(json.dumps(created))
    paid["type"] = "payment_intent.succeeded"
    paid["data"]["object"] |= {"status": "succeeded", "amount_received": 500}
    changed = {
        "of": created["id"],
        "type": paid["type"],
        "body": json.dumps(paid, sort_keys=True, separators=(",", ":")),
    }
    run(inbox, "UPDATE stripe_inbox SET type = :type, body = :body WHERE event_id = :of", changed)
    heard: list[str] = []
    inbox.webhooks.on("*")(lambda event: heard.append(event.type))
    inbox.drain()
    assert inbox.operation(waits.operation_id).state == "requires_action"
    assert [entry.amount_minor for entry in inbox.entries() if entry.amount_minor] == []
    assert heard == ["payment_intent.created"]


def test_an_event_of_the_version_before_is_read_from_stripe_and_applied(
    inbox: WebhooksBench,
) -> None:
    paid = inbox.router.charge(BOT, 5)
    inbox.dashboard.v1.refunds.create({"payment_intent": paid.id, "amount": 200})
    inbox.deliver()
    run(inbox, "UPDATE stripe_inbox SET seal = NULL", {})
    inbox.drain()
    assert -200 in [entry.amount_minor for entry in inbox.entries()] or 200 in [
        entry.amount_minor for entry in inbox.entries()
    ]
    assert "webhook.unsealed" not in inbox.ears.names()


@pytest.mark.parametrize("verb", ["charge", "create_subscription"])
def test_a_subscription_made_elsewhere_is_no_bots_whatever_its_metadata_says(
    inbox: WebhooksBench, verb: str
) -> None:
    made = (
        inbox.router.charge(BOT, 1)
        if verb == "charge"
        else inbox.router.create_subscription(MEMBER)
    )
    inbox.deliver()
    inbox.drain()
    named = {"operation_id": str(made.operation_id), "bot_id": BOT if verb == "charge" else MEMBER}
    foreign = inbox.dashboard.v1.subscriptions.create(
        {"customer": OTHER, "items": [{"price": MONTHLY}], "metadata": named}
    )
    inbox.world.advance(40 * DAY)
    inbox.dashboard.v1.subscriptions.cancel(foreign.id)
    inbox.deliver()
    inbox.drain()
    theirs = [
        event["data"]["object"]["id"]
        for event in inbox.events("invoice.paid", "customer.subscription.deleted")
        if event["data"]["object"]["customer"] == OTHER
    ]
    assert theirs
    assert not {entry.id for entry in inbox.entries()} & set(theirs)


@pytest.mark.parametrize("bought", ["direct", "checkout"])
def test_a_renewal_of_a_row_without_its_seal_is_booked_as_stripe_shows_it(
    inbox: WebhooksBench, bought: str
) -> None:
    made = subscribed(inbox, in_checkout=bought == "checkout")
    settle(inbox)
    unseal = "UPDATE stripe_operations SET outcome_seal = :no WHERE operation_id = :of"
    run(inbox, unseal, {"no": "0" * 48, "of": str(made.operation_id)})
    before = sum(inbox.sums().values())
    inbox.world.advance(32 * DAY)
    settle(inbox)
    assert (before, sum(inbox.sums().values())) == (500, 1000)


def test_a_renewal_that_overtakes_its_session_waits_for_it(inbox: WebhooksBench) -> None:
    """The row of the session does not say yet which subscription came of it."""
    subscribed(inbox, in_checkout=True)
    inbox.world.advance(32 * DAY)
    renewed = [
        event["id"]
        for event in inbox.events("invoice.paid")
        if event["data"]["object"]["billing_reason"] == "subscription_cycle"
    ]
    for event_id in renewed:
        inbox.redeliver(event_id)
    inbox.work()
    assert len(renewed) == 1
    assert (inbox.states(), sum(inbox.sums().values())) == ({"waiting": 1}, 0)
    settle(inbox)
    assert sum(inbox.sums().values()) == 1000


def test_a_row_that_was_changed_is_not_paid_by_the_payment_that_it_names(
    inbox: WebhooksBench,
) -> None:
    """The event is genuine, and so is the payment: of somebody else."""
    waits = inbox.router.charge(BOT, 50, on_session=True)
    foreign = paid_elsewhere(inbox)
    of = str(waits.operation_id)
    outcome = "UPDATE stripe_operations SET outcome = replace(outcome, :own, :other), "
    outcome += "outputs = replace(outputs, :own, :other) WHERE operation_id = :of"
    run(inbox, outcome, {"own": waits.id, "other": foreign, "of": of})
    add_entry(inbox, foreign, str(waits.id))
    inbox.deliver("payment_intent.succeeded")
    inbox.drain()
    now = inbox.operation(of)
    assert now.state == "requires_action"
    assert ("operation.unsealed", of) in {(e.name, e.operation_id) for e in inbox.ears.events}


def test_one_payment_pays_one_operation_whatever_its_metadata_says(inbox: WebhooksBench) -> None:
    paid = inbox.router.charge(BOT, 50, idempotency_key="order-y")
    inbox.world.faults.add(Fault("cut", match="POST /v1/payment_intents", times=None))
    with pytest.raises(OutcomeUnknownError) as caught:
        inbox.router.charge(BOT, 50, idempotency_key="order-x")
    inbox.world.faults.clear()
    of = str(caught.value.operation_id)
    change = {"metadata": {"operation_id": of}}
    inbox.dashboard.v1.payment_intents.update(str(paid.id), change)  # type: ignore[arg-type]
    inbox.world.advance(3 * 3600)
    assert inbox.router.recover_operations().escalated == (of,)
    assert inbox.operation(of).outcome is None
    moved = [e.amount_minor for e in inbox.entries() if e.amount_minor and e.status == "succeeded"]
    assert sum(moved) == 5000


def subscribed(inbox: WebhooksBench, *, in_checkout: bool) -> Any:
    """A monthly subscription whose first payment is made."""
    if not in_checkout:
        return inbox.router.create_subscription(MEMBER)
    made = inbox.router.create_checkout_session(
        MEMBER, [{"price": MONTHLY, "quantity": 1}], success_url="https://example.org"
    )
    inbox.world.complete_checkout(made.id)
    return made


def settle(inbox: WebhooksBench) -> None:
    """Deliver what has happened, and work until nothing waits, by the database's clock as well."""
    inbox.deliver()
    inbox.drain(2)
    run(inbox, "UPDATE stripe_inbox SET due_ms = 0 WHERE state <> 'processed'", {})
    inbox.drain(2)


def paid_elsewhere(inbox: WebhooksBench) -> str:
    """A payment that another system of the same account has collected."""
    made = inbox.dashboard.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "usd",
            "customer": CUSTOMER,
            "payment_method": CARD,
            "confirm": True,
            "off_session": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return str(made.id)


def add_entry(inbox: WebhooksBench, stripe_id: str, like: str) -> None:
    """Add an entry as a bot can, that says that an object is what `like` is."""
    query = (
        "INSERT INTO stripe_ledger SELECT sequence + 1000000, :id, action_type, amount, "
        "amount_minor, currency, timestamp_ms, user_email, bot_id, destination_account, "
        "raw_event_json, error, operation_id, status, 'finance:forged', 1, salt, "
        "user_email_commitment, raw_event_commitment, previous_hash, entry_hash "
        "FROM stripe_ledger WHERE id = :of"
    )
    run(inbox, query, {"id": stripe_id, "of": like})
