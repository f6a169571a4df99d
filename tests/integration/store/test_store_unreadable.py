"""Rows that somebody has written over: they are named, and stop nobody who reads the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Executable, insert, text

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.master_account import SANDBOX_ACCOUNT_ID
from stripe_billing_router.models import (
    AnomalyDraft,
    Approval,
    ApprovalState,
    EntryDraft,
    InboxEvent,
)
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.codec import approval_row
from stripe_billing_router.store.schema import approvals
from stripe_billing_router.store.transaction import SqlTransaction

ANYWHERE = (
    "approvals.state = 'x'",
    "approvals.currency = 'zzz'",
    "approvals.bot_id = 'x'",
    "discrepancies.details = '{'",
    "discrepancies.details = '7'",
    "discrepancies.state = 'x'",
    "anomalies.metadata = '{'",
    "anomalies.metadata = '[]'",
    "inbox.body = '{'",
    "inbox.body = '{}'",
    "inbox.applied = 'x'",
    "approvals.requested_ms = 9000000000000000000",
)
IN_SQLITE = (
    "approvals.amount_minor = 'much'",
    "approvals.requested_ms = 'x'",
    "approvals.note = x'00'",
    "discrepancies.count = 'x'",
    "anomalies.first_ms = x'00'",
    "anomalies.severity = 'high'",
    "inbox.attempts = 'x'",
    "inbox.created_ms = 'x'",
)
KEYS = {
    "approvals": "approval_id",
    "discrepancies": "id",
    "anomalies": "id",
    "inbox": "event_id",
}


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    made = SqlStore(
        database_url, SystemClock(), account_id=SANDBOX_ACCOUNT_ID, api_base=SANDBOX_API_BASE
    )
    made.upgrade()
    yield made
    made.close()


def fill(store: SqlStore) -> None:
    """Two rows of each kind."""
    asked = Approval(
        "", "op", "key", "finance:bot", "charge", "e", "i", "rule", 5, "usd", None,
        ApprovalState.PENDING, 1, 2**41,
    )  # fmt: skip
    for name in ("a", "b"):
        row = approval_row(replace(asked, approval_id=name))
        run(store, insert(approvals).values(row))
        store.discrepancies.record("key", bot_id=f"finance:{name}")
        store.anomalies.record(draft(name), entry(), 60.0)
        body = {"data": {"object": {"id": name}}}
        store.inbox.receive(InboxEvent(f"evt_{name}", "x.y", 1, None, name, None, body))


def draft(name: str) -> AnomalyDraft:
    return AnomalyDraft(name, "odd", None, None, {}, None, 1.0, codex=False)


def entry() -> EntryDraft:
    return EntryDraft("x", "anomaly", None, None, 1, None, None, None, {}, True, None, None)


READERS: dict[str, Callable[[SqlStore], Any]] = {
    "approvals": lambda store: [a.approval_id for a in store.approvals()],
    "discrepancies": lambda store: [d.id for d in store.discrepancies.list()],
    "anomalies": lambda store: [a.id for a in store.anomalies.list()],
    "inbox": lambda store: [e.event_id for e in store.inbox.events()],
}


@pytest.mark.parametrize("garbage", ANYWHERE + IN_SQLITE)
def test_a_row_that_cannot_be_read_is_named_and_left_out(
    store: SqlStore, garbage: str, caplog: pytest.LogCaptureFixture
) -> None:
    if garbage in IN_SQLITE and "sqlite" not in store._url:
        pytest.skip("its columns have types")
    fill(store)
    name, change = garbage.split(".", 1)
    *_, broken = sorted(READERS[name](store))
    write(store, f"UPDATE stripe_{name} SET {change} WHERE {KEYS[name]} = '{broken}'")
    with caplog.at_level(logging.WARNING):
        found = READERS[name](store)
    assert len(found) == 1
    assert broken not in found
    assert f"stripe_{name} '{broken}' cannot be read" in caplog.text


def test_an_event_that_cannot_be_read_stops_no_worker(store: SqlStore) -> None:
    fill(store)
    write(store, "UPDATE stripe_inbox SET body = '{' WHERE event_id = 'evt_a'")
    taken = store.inbox.take(10, "token", 60_000)
    assert [event.event_id for event in taken] == ["evt_b"]
    write(store, "UPDATE stripe_inbox SET due_ms = 1, body = '{' WHERE event_id = 'evt_b'")
    assert store.inbox.take(10, "token", 60_000) == []
    assert store.inbox.next_due_ms() is None


def test_what_cannot_be_read_keeps_nothing_from_being_recorded(store: SqlStore) -> None:
    fill(store)
    write(
        store,
        "UPDATE stripe_anomalies SET metadata = '{'",
        "UPDATE stripe_discrepancies SET details = '{'",
    )
    assert store.anomalies.record(draft("a"), entry(), 60.0).count == 1
    assert store.discrepancies.record("key", bot_id="finance:a").count == 1


def write(store: SqlStore, *statements: str) -> None:
    for statement in statements:
        run(store, text(statement))


def run(store: SqlStore, statement: Executable) -> None:
    def work(opened: SqlTransaction) -> None:
        opened.connection.execute(statement)

    store.transact(work)
