"""`stripe-billing-router webhooks …`, against an inbox that a sandbox filled."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.cli import webhooks as command
from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.models import InboxState
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SANDBOX_SECRET_KEY
from stripe_billing_router.webhooks import Backfilled, Progress, handlers
from tests.integration.webhooks.webhooks_bench import BOT, SECRET, WebhooksBench
from tests.unit.cli.cli_helpers import refused, run

COMMAND = Path(sys.executable).with_name("stripe-billing-router")
HANDLERS = """
from stripe_billing_router import webhooks

@webhooks.on("payment_intent.succeeded")
def credit(event):
    print("credited", event.id, flush=True)
"""


@pytest.fixture
def project(bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a shell in the host's project."""
    monkeypatch.chdir(bench.folder)
    monkeypatch.setattr(handlers.SHARED, "_known", {})
    for name, value in environment(bench.folder).items():
        monkeypatch.setenv(name, value)
    return bench.folder


def environment(folder: Path) -> dict[str, str]:
    return {
        "STRIPE_ROUTING_CONFIG": str(folder / "routing.yaml"),
        "STRIPE_LEDGER_URL": f"sqlite:///{folder}/ledger.db",
        "STRIPE_API_BASE": SANDBOX_API_BASE,
        "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": SECRET,
    }


def paid(bench: WebhooksBench) -> Any:
    result = bench.router.charge(BOT, 5)
    bench.deliver("payment_intent.created", "charge.succeeded", "payment_intent.succeeded")
    return result


def dead(bench: WebhooksBench) -> str:
    """An event whose operation never turned up."""
    bench.dashboard.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "metadata": {"operation_id": "op_elsewhere"}}
    )
    bench.deliver()
    bench.drain(rounds=100)
    return bench.webhooks.events(states=[InboxState.DEAD])[0].event_id


def listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("webhooks", *arguments, "--json").out)
    return found


@pytest.mark.usefixtures("project")
def test_events_are_listed_and_filtered(bench: WebhooksBench) -> None:
    paid(bench)
    assert len(listed("list")) == 3
    assert [e["type"] for e in listed("list", "--type", "charge.succeeded")] == ["charge.succeeded"]
    assert listed("list", "--state", "dead") == []
    assert len(listed("list", "--limit", "2")) == 2
    heading, *rows = run("webhooks", "list").out.splitlines()
    assert heading.split("\t")[0] == "event"
    assert len(rows) == 3


@pytest.mark.usefixtures("project")
def test_one_event_is_shown_whole_and_without_secrets(bench: WebhooksBench) -> None:
    bench.router.charge(BOT, 5, on_session=True)
    (receipt,) = bench.deliver()
    ran = run("webhooks", "show", receipt.event_id, "--json")
    shown = json.loads(ran.out)
    assert (shown["state"], shown["body"]["id"]) == ("received", receipt.event_id)
    assert "_secret_" not in ran.out
    assert receipt.event_id in run("webhooks", "show", receipt.event_id).out
    assert "webhooks list" in refused("webhooks", "show", "evt_none")


@pytest.mark.usefixtures("project")
def test_dead_letters_are_shown_and_replayed(bench: WebhooksBench) -> None:
    assert run("webhooks", "dead-letters").code == 0
    event_id = dead(bench)
    ran = run("webhooks", "dead-letters", "--json")
    assert ran.code == 1
    (letter,) = json.loads(ran.out)
    assert (letter["event_id"], letter["attempts"]) == (event_id, 30)
    assert "op_elsewhere" in letter["error"]
    assert event_id in run("webhooks", "replay", event_id).out
    assert bench.webhooks.events(states=[InboxState.RECEIVED])[0].attempts == 0
    assert "no event" in refused("webhooks", "replay", "evt_none")


@pytest.mark.usefixtures("project")
def test_work_once_works_off_what_is_due(bench: WebhooksBench) -> None:
    paid(bench)
    assert run("webhooks", "work", "--once").out == "2 processed, 1 superseded\n"
    assert bench.states() == {"processed": 2, "superseded": 1}
    assert run("webhooks", "work", "--once").out == ""


def test_work_imports_the_host_s_handlers(bench: WebhooksBench, project: Path) -> None:
    paid(bench)
    (project / "our_handlers.py").write_text(HANDLERS)
    ran = run("webhooks", "work", "--once", "--import", "our_handlers")
    assert "credited evt_" in ran.out
    sys.path.remove(str(project))
    del sys.modules["our_handlers"]
    assert "cannot be imported" in refused("webhooks", "work", "--once", "--import", "no_such")


@pytest.mark.usefixtures("project")
def test_a_worker_gets_over_a_database_that_was_away(
    bench: WebhooksBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [LedgerUnavailableError("gone"), Progress(processed=1)]

    class Stub:
        def process_pending(self, limit: int) -> Progress:
            if not answers:
                signal.raise_signal(signal.SIGTERM)
                return Progress()
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return Progress(processed=1)

    monkeypatch.setattr(command, "webhooks_of", lambda router: Stub())
    before = signal.getsignal(signal.SIGTERM)
    ran = run("webhooks", "work", "--every", "0.05")
    assert (ran.code, ran.out, ran.err) == (0, "1 processed\n", "gone\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_worker_finishes_what_is_under_way_when_it_is_told_to_stop(
    bench: WebhooksBench, project: Path
) -> None:
    """As a service manager does it: SIGTERM, while a handler runs."""
    paid(bench)
    (project / "slow_handlers.py").write_text(
        HANDLERS.replace(
            'print("credited"', 'import sys; sys.stdin.read(1); print("credited"'
        ).replace("def credit(event):", "def credit(event):\n    print('begun', flush=True)")
    )
    worker = subprocess.Popen(
        [COMMAND, "webhooks", "work", "--import", "slow_handlers"],
        cwd=project,
        env={**os.environ, **environment(project)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    watchdog = threading.Timer(60, worker.kill)
    watchdog.start()
    assert worker.stdout.readline() == "begun\n"
    worker.send_signal(signal.SIGTERM)
    out, _ = worker.communicate("\n")
    watchdog.cancel()
    assert worker.returncode == 0
    assert out.startswith("credited evt_")
    assert bench.states() == {"processed": 2, "superseded": 1}


@pytest.mark.usefixtures("project")
def test_backfill_says_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dt.datetime] = []

    class Stub:
        def backfill(self, since: dt.datetime) -> Backfilled:
            asked.append(since)
            return Backfilled(new=2, known=1, refused=0)

    monkeypatch.setattr(command, "webhooks_of", lambda router: Stub())
    assert run("webhooks", "backfill", "--days", "2").out == "2 new, 1 known, 0 refused.\n"
    assert 1.99 < (dt.datetime.now(dt.UTC) - asked[0]) / dt.timedelta(days=1) < 2.01
