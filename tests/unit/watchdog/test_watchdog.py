"""The watchdog tells what is wrong, by its exit code too."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.sandbox import SANDBOX_API_BASE, Fault, World
from stripe_billing_router.stripe_watchdog import main, watch
from stripe_billing_router.testing import sandbox_router

BOT = "finance:finance_router_bot"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / TEMPLATE_PATH).write_text(template())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIPE_API_BASE", SANDBOX_API_BASE)
    return tmp_path


def test_clean_books_are_no_finding(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sandbox_router(World()) as router:
        router.charge(BOT, 5)
    assert main([]) == 0
    assert "Nothing to report" in capsys.readouterr().out


def test_an_operation_left_in_doubt_is_told_after_an_hour(project: Path) -> None:
    world = World()
    world.faults.add(Fault("cut", match="POST *", times=None))
    with sandbox_router(world) as router:
        with pytest.raises(OutcomeUnknownError) as told:
            router.charge(BOT, 5)
        assert watch(router.store) == []
        world.advance(3700)
        (found,) = watch(router.store)
    assert (found.check, found.subject) == ("stale_operation", told.value.operation_id)


def test_a_changed_row_is_told_and_fails_the_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sandbox_router(World()) as router:
        router.charge(BOT, 5)
    database = project / "finance_logs" / "stripe_ledger.db"
    with closing(sqlite3.connect(database)) as direct:
        (trigger,) = direct.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'stripe_ledger_no_update'"
        ).fetchone()
        direct.execute("DROP TRIGGER stripe_ledger_no_update")
        direct.execute("UPDATE stripe_ledger SET amount_minor = 1")
        direct.execute(trigger)
        direct.commit()
    assert main(["--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["check"], found["severity"]) == ("ledger_tampered", 5.0)


def test_what_cannot_run_says_why_and_exits_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stripe_billing_router.stripe_watchdog"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "stripe-billing-router init" in done.stderr
