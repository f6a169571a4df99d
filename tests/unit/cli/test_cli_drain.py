"""`ledger drain`: by hand, what every commit does by itself once the database is back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SANDBOX_SECRET_KEY, World
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Away
from stripe_billing_router.testing import sandbox_router
from tests.unit.cli.cli_helpers import refused, run

BOT = "finance:finance_router_bot"
JOURNAL = Path("finance_logs", "stripe_ledger.jsonl")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose ledger was away during its second charge."""
    (tmp_path / "config").mkdir()
    (tmp_path / TEMPLATE_PATH).write_text(template())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_BASE", SANDBOX_API_BASE)
    monkeypatch.setenv("STRIPE_SECRET_KEY", SANDBOX_SECRET_KEY)  # the journal's lines are sealed
    with sandbox_router(World()) as router:
        router.charge(BOT, "19.99", idempotency_key="one")
        with monkeypatch.context() as away:
            away.setattr(SqlStore, "_database", _away)
            router.charge(BOT, 5)
    return tmp_path


def _away(_store: SqlStore) -> None:
    raise Away("the database is away")


def test_a_journal_is_drained_once(folder: Path) -> None:
    assert len(json.loads(run("ledger", "list", "--json").out)) == 1
    first = json.loads(run("ledger", "drain", "--json").out)
    assert first == {"drained": 2, "proven": [], "superseded": [], "skipped": []}
    assert run("ledger", "drain").out == "Drained 0 lines of the journal.\n"
    amounts = [entry["amount"] for entry in json.loads(run("ledger", "list", "--json").out)]
    assert amounts == ["19.99", "5.00"]


def test_a_line_that_was_settled_by_hand_is_left_out_and_told(folder: Path) -> None:
    told = run("ledger", "drain", "--skip", "3").out
    assert told.startswith("Drained 2 lines of the journal.\nskipped: op_")
    states = [o["state"] for o in json.loads(run("operations", "list", "--json").out)]
    assert sorted(states) == ["pending", "succeeded"]


def test_a_damaged_journal_says_where_and_what_to_do(folder: Path) -> None:
    text = JOURNAL.read_text()
    JOURNAL.write_text(text.replace('"amount_minor":500', '"amount_minor":400', 1))
    message = refused("ledger", "drain")
    assert "line 2" in message
    assert "copy" in message
    JOURNAL.write_text(text)
    assert json.loads(run("ledger", "drain", "--json").out)["drained"] == 2
