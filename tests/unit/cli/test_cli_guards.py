"""The commands by which people decide, against a ledger in which bots have asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.errors import ApprovalRequiredError, FrozenError, PolicyViolationError
from stripe_billing_router.sandbox import SANDBOX_API_BASE
from stripe_billing_router.sandbox.server import real_time_world
from stripe_billing_router.testing import sandbox_router
from tests.unit.cli.cli_helpers import refused, run

BOT = "finance:finance_router_bot"
RULES = """
policies:
  rules:
    large:
      approval_above: {usd: 100}
    spend:
      budgets: [{per: month, amount: 500, currency: usd}]
      calls: [{per: month, limit: 9}]
"""


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bot of a project whose rules want an approval above 100.00."""
    (tmp_path / "config").mkdir()
    (tmp_path / TEMPLATE_PATH).write_text(template() + RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_BASE", SANDBOX_API_BASE)
    with sandbox_router(real_time_world()) as made:
        yield made


def ask(router: BillingRouter) -> ApprovalRequiredError:
    with pytest.raises(ApprovalRequiredError) as caught:
        router.charge(BOT, 150, idempotency_key="k")
    return caught.value


def test_an_approval_is_listed_given_and_used(router: BillingRouter) -> None:
    told = ask(router)
    (waiting,) = json.loads(run("approvals", "list", "--json").out)
    assert (waiting["approval_id"], waiting["amount"]) == (told.approval_id, "150.00")
    assert "150.00 usd" in run("approvals", "list").out
    given = run("approvals", "approve", told.approval_id, "--by", "ann", "--note", "fine")
    assert (given.code, "150.00 usd" in given.out) == (0, True)
    assert json.loads(run("approvals", "list", "--json").out) == []
    assert router.charge(BOT, 150, idempotency_key="k").paid
    (used,) = json.loads(run("approvals", "list", "--state", "used", "--json").out)
    assert (used["decided_by"], used["note"]) == ("ann", "fine")
    assert "used" in refused("approvals", "approve", told.approval_id, "--by", "ann")


def test_an_approval_is_rejected(router: BillingRouter) -> None:
    told = ask(router)
    assert run("approvals", "reject", told.approval_id, "--by", "bob").code == 0
    with pytest.raises(PolicyViolationError, match="bob"):
        router.charge(BOT, 150, idempotency_key="k")
    assert "approvals list" in refused("approvals", "reject", "apr_none", "--by", "bob")
    assert run("approvals", "approve", told.approval_id).code == 2  # by whom?


def test_a_freeze_holds_until_it_is_lifted(router: BillingRouter) -> None:
    router.charge(BOT, 1)
    frozen = run("freeze", f"stripe:{BOT}", "--reason", "odd", "--by", "ann")
    assert BOT in frozen.out
    with pytest.raises(FrozenError, match="odd"):
        router.charge(BOT, 1)
    assert BOT in refused("unfreeze", "*", "--by", "ann")
    assert run("unfreeze", BOT, "--by", "ann").code == 0
    router.charge(BOT, 1)
    assert "scope" in refused("freeze", "finance", "--reason", "x", "--by", "ann")


def test_a_freeze_needs_no_routing_file_that_is_right(
    router: BillingRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a bot has to be stopped, nothing else that is broken may be in the way."""
    router.charge(BOT, 1)
    Path(TEMPLATE_PATH).write_text("policies: {rules: nonsense}")
    assert run("freeze", "*", "--reason", "stop", "--by", "ann").code == 0
    assert run("status", "--json").code == 0


def test_status_shows_freezes_questions_and_budgets(router: BillingRouter) -> None:
    router.charge(BOT, "12.50")
    ask(router)
    run("freeze", "finance:*", "--reason", "odd", "--by", "ann")
    found = json.loads(run("status", "--json").out)
    assert [(f["scope"], f["frozen_by"]) for f in found["freezes"]] == [("finance:*", "ann")]
    assert [a["amount"] for a in found["approvals"]] == ["150.00"]
    assert {(b["counter"], b["used"], b["limit"]) for b in found["budgets"]} == {
        (f"spend/money/month/usd/{BOT}", "12.50", "500.00"),
        (f"spend/calls/month/-/{BOT}", 1, 9),
    }
    shown = run("status").out
    assert "finance:*" in shown
    assert "12.50\t500.00" in shown
