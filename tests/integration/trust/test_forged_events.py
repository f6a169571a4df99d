"""Rows of the inbox that nobody received: no money appears in the books because of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
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
