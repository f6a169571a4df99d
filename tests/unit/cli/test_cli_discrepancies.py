"""The commands about discrepancies, against a ledger that knows some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.sandbox import SANDBOX_API_BASE, World
from stripe_billing_router.testing import sandbox_router
from tests.unit.cli.cli_helpers import refused, run

BOT = "finance:finance_router_bot"
FOREIGN = "acct_somebody0else"


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of the newer of two discrepancies in a project's ledger."""
    (tmp_path / "config").mkdir()
    (tmp_path / TEMPLATE_PATH).write_text(template())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_BASE", SANDBOX_API_BASE)
    world = World()
    with sandbox_router(world) as router:
        router.discrepancies.record("escalated", operation_id="op_1")
        world.advance(1)
        made = router.discrepancies.record("key_account", bot_id=BOT, account_id=FOREIGN)
    return made.id


def test_discrepancies_are_listed_newest_first_and_filtered(known: str) -> None:
    listed = json.loads(run("discrepancies", "list", "--json").out)
    assert [(one["id"] == known, one["kind"]) for one in listed] == [
        (True, "key_account"),
        (False, "escalated"),
    ]
    assert FOREIGN in run("discrepancies", "list", "--bot", BOT).out
    assert known not in run("discrepancies", "list", "--state", "resolved").out
    assert json.loads(run("discrepancies", "list", "--state", "acknowledged", "--json").out) == []


def test_a_person_acknowledges_and_resolves(known: str) -> None:
    seen = json.loads(run("discrepancies", "acknowledge", known, "--by", "Ann", "--json").out)
    assert (seen["state"], seen["acknowledged_by"]) == ("acknowledged", "Ann")
    assert "already acknowledged" in refused("discrepancies", "acknowledge", known, "--by", "Bob")
    done = run("discrepancies", "resolve", known, "--by", "Bob", "--note", "a wrong key")
    assert "resolved_by\tBob" in done.out
    shown = json.loads(run("discrepancies", "show", known, "--json").out)
    assert (shown["state"], shown["note"]) == ("resolved", "a wrong key")
    assert shown["opened"].endswith("Z")
    assert "note\ta wrong key" in run("discrepancies", "show", known).out


def test_one_that_is_not_there_and_nobody_s_name_are_refused(known: str) -> None:
    assert "discrepancies list" in refused("discrepancies", "show", "disc_none")
    assert "discrepancies list" in refused("discrepancies", "resolve", "disc_none", "--by", "Ann")
    assert "names nobody" in refused("discrepancies", "resolve", known, "--by", " ")
    assert run("discrepancies", "acknowledge", known).code == 2
