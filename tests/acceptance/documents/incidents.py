"""What has happened before each playbook of docs/operations/incidents.md."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from stripe_billing_router import AccountMismatchError, OutcomeUnknownError, use_router
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Away
from tests.acceptance.documents.ground import (
    BOT,
    at_work,
    connect,
    something_bypassed_the_door,
)
from tests.acceptance.documents.pages import sections
from tests.acceptance.documents.shell import Shell

FOREIGN_KEY = "sk_live_sandboxForeign0000"


@contextlib.contextmanager
def a_foreign_key(shell: Shell) -> Iterator[None]:
    """Somebody has put another account's key in."""
    with at_work(shell):
        shell.world.add_key(FOREIGN_KEY, account="acct_foreign0000001")
        shell.environment["STRIPE_SECRET_KEY"] = FOREIGN_KEY
        with shell.router() as router, contextlib.suppress(AccountMismatchError):
            router.charge(BOT, 5)
        shell.stands_for["acct_for…"] = "acct_foreign0000001"
        yield


@contextlib.contextmanager
def three_in_doubt(shell: Shell) -> Iterator[None]:
    """The line was cut three times, twice after the payment; only the last call has a key."""
    connect(shell)
    with shell.router() as router:
        for amount, happened, key in ((5, True, None), (6, False, None), (7, True, "order-7")):
            shell.world.faults.add(Fault("cut", effect=happened, match="POST *", times=None))
            with contextlib.suppress(OutcomeUnknownError):
                router.charge(BOT, amount, idempotency_key=key)
            shell.world.faults.clear()
    yield


@contextlib.contextmanager
def a_changed_row(shell: Shell) -> Iterator[None]:
    """Heads and a back-up were kept, one more charge was made, then a row was changed."""
    connect(shell)
    ledger = shell.folder / "finance_logs" / "stripe_ledger.db"
    with shell.router() as router:
        for amount in (10, 20, 30):
            router.charge(BOT, amount)
    shell("stripe-billing-router ledger heads > heads.json")
    shell(f"sqlite3 {ledger} '.backup backup.db'")
    with shell.router() as router:
        router.charge(BOT, "40.00", idempotency_key="order-1004")
    _tamper(ledger, "UPDATE stripe_ledger SET amount_minor = 1 WHERE stream_sequence = 2")
    (quickstart,) = (b for s in sections("docs/quickstart.md") for b in s.blocks if b.title)
    (shell.folder / "bot.py").write_text(quickstart.text)
    yield


def _tamper(ledger: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(ledger)) as owner:
        triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        found = owner.execute(triggers).fetchall()
        for name, _ in found:
            owner.execute(f"DROP TRIGGER {name}")
        owner.execute(statement)
        for _, definition in found:
            owner.execute(definition)
        owner.commit()


@contextlib.contextmanager
def an_outage(shell: Shell) -> Iterator[None]:
    """The database went away during a bot's second charge, and is still away."""
    with at_work(shell):
        with shell.router() as router:
            router.charge(BOT, 5)
            with patch.object(SqlStore, "_database", _away):
                router.charge(BOT, "7.50")
        there = f"sqlite:///{shell.folder}/finance_logs/stripe_ledger.db"
        shell.stands_for["postgresql+psycopg://bots@db.internal/billing"] = there
        shell.environment["STRIPE_LEDGER_URL"] = "postgresql+psycopg://bots@127.0.0.1:1/billing"
        yield


def _away(_store: SqlStore) -> None:
    raise Away("the database is away")


@contextlib.contextmanager
def a_thief(shell: Shell) -> Iterator[None]:
    """A charge that is to be refunded."""
    with something_bypassed_the_door(shell), shell.router() as router, use_router(router):
        yield
