"""The commands about operations and the ledger, against a ledger that a sandbox filled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stripe_billing_router.cli.app import app
from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.errors import PaymentDeclinedError
from stripe_billing_router.sandbox import SANDBOX_API_BASE, World
from stripe_billing_router.testing import sandbox_router

BOT = "finance:finance_router_bot"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a paid, a declined and a waiting operation in its ledger."""
    (tmp_path / "config").mkdir()
    (tmp_path / TEMPLATE_PATH).write_text(template())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_BASE", SANDBOX_API_BASE)
    world = World()
    with sandbox_router(world) as router:
        router.charge(BOT, "19.99", idempotency_key="one")
        world.advance(1)
        card = world.add_payment_method(customer="cus_finance_router", outcome="declined:lost_card")
        with pytest.raises(PaymentDeclinedError):
            router.charge(BOT, 5, payment_method_id=card)
        world.advance(1)
        router.charge(BOT, 7, on_session=True)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_operations_are_listed_newest_first_and_filtered(folder: Path) -> None:
    found = json.loads(run("operations", "list", "--json").stdout)
    assert [o["state"] for o in found] == ["requires_action", "failed", "succeeded"]
    assert found[1]["failure"]["decline_code"] == "lost_card"
    only = json.loads(run("operations", "list", "--state", "failed", "--json").stdout)
    assert [o["state"] for o in only] == ["failed"]
    assert json.loads(run("operations", "list", "--bot", "other:bot", "--json").stdout) == []
    assert "19.99 usd" in run("operations", "list").stdout


def test_one_operation_is_shown_whole_and_without_secrets(folder: Path) -> None:
    (waiting, *_) = json.loads(run("operations", "list", "--json").stdout)
    shown = run("operations", "show", waiting["operation_id"], "--json")
    assert json.loads(shown.stdout)["steps"][0]["params"]["amount"] == 700
    assert "_secret_" not in shown.stdout
    assert waiting["operation_id"] in run("operations", "show", waiting["operation_id"]).stdout
    missing = run("operations", "show", "op_none")
    assert missing.exit_code == 2
    assert "operations list" in missing.stderr


def test_the_ledger_is_listed_exported_and_verified(folder: Path) -> None:
    listed = json.loads(run("ledger", "list", "--json").stdout)
    assert [(e["amount"], e["status"], e["error"]) for e in listed] == [
        ("19.99", "succeeded", 0),
        ("0.00", "failed", 1),
        ("0.00", "requires_action", 0),
    ]
    exported = [json.loads(line) for line in run("ledger", "export").stdout.splitlines()]
    assert exported == listed
    assert "Entries: 3," in run("ledger", "verify").stdout


READING = (
    "status",
    "operations list",
    "ledger list",
    "ledger verify",
    "ledger heads",
    "ledger export",
    "approvals list",
    "discrepancies list",
    f"events history {BOT}",
    "webhooks dead-letters",
)


@pytest.mark.parametrize("command", READING)
def test_reading_works_whatever_the_api_base(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody talks to Stripe; a terminal need not have the bots' settings."""
    monkeypatch.delenv("STRIPE_API_BASE")
    read = run(*command.split())
    assert read.exit_code == 0, read.stderr


def test_a_bot_can_be_stopped_whatever_the_api_base(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    assert run("freeze", BOT, "--reason", "drill", "--by", "ann").exit_code == 0
    assert BOT in run("status").stdout


def test_kept_heads_are_verified_against(folder: Path) -> None:
    kept = folder / "heads.json"
    kept.write_text(run("ledger", "heads").stdout)
    assert run("ledger", "verify", "--heads", str(kept)).exit_code == 0
    kept.write_text(kept.read_text().replace('[3,"', '[4,"'))
    broken = run("ledger", "verify", "--heads", str(kept), "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["broken"][0]["stream_sequence"] == 4
    garbage = run("ledger", "verify", "--heads", str(folder / TEMPLATE_PATH))
    assert garbage.exit_code == 2
    assert "ledger heads" in garbage.stderr


def test_looking_at_a_ledger_does_not_make_one(folder: Path) -> None:
    (folder / "finance_logs" / "stripe_ledger.db").unlink()
    for command in (["operations", "list"], ["ledger", "list"], ["ledger", "verify"]):
        done = run(*command)
        assert done.exit_code == 2
        assert "no ledger" in done.stderr
    assert not (folder / "finance_logs" / "stripe_ledger.db").exists()
    assert json.loads(run("ledger", "upgrade", "--json").stdout) == {"ok": True}
    assert "up to date" in run("ledger", "upgrade").stdout


def test_check_tells_every_fault_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_BASE")
    done = run("check", "nobody:there", "--json")
    assert done.exit_code == 1
    checks = json.loads(done.stdout)["checks"]
    wrong = {one["check"] for one in checks if one["result"] == "problem"}
    assert {"master_account", "keys", "bots"} <= wrong
    assert run("check").exit_code == 1
