"""Ledgers and entries for benchmarks."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.models import EntryDraft
from stripe_billing_router.store import SqlStore

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
BODY = {"id": "pi_1", "object": "payment_intent", "amount": 1999, "description": "x" * 1400}


def new_store(url: str) -> SqlStore:
    """Return the store of a new ledger."""
    store = SqlStore(url, SystemClock(), account_id="acct_1", api_base="http://127.0.0.1")
    store.upgrade()
    return store


def entry(bot: str) -> EntryDraft:
    """Return an entry as a charge makes it."""
    operation = f"op_{uuid.uuid4().hex}"
    return EntryDraft(
        id=f"pi_{uuid.uuid4().hex}",
        action_type="charge",
        amount_minor=1999,
        currency="usd",
        timestamp_ms=time.time_ns() // 1_000_000,
        user_email=None,
        bot_id=bot,
        destination_account="acct_1",
        raw_event=BODY,
        error=False,
        operation_id=operation,
        status="succeeded",
    )


@contextmanager
def postgres_schema() -> Iterator[str | None]:
    """Yield the URL of a schema of its own in TEST_POSTGRES_URL, dropped afterwards; None if
    nothing answers there."""
    name = f"bench{uuid.uuid4().hex[:16]}"
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
    except SQLAlchemyError:
        yield None
        return
    url = make_url(POSTGRES).update_query_dict({"options": f"-csearch_path={name}"})
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        admin.dispose()
