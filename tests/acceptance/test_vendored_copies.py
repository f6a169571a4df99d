"""Copies of the package in a host's repository: pinned to a live account, or inside a package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stripe_billing_router
from stripe_billing_router.cli.pinning import pin
from tests.integration.charge.charge_bench import ROUTING

PACKAGE = Path(stripe_billing_router.__file__).parent
LIVE = "acct_1AbCdEfGh2IjKlMn"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "stripe_billing_router.yaml").write_text(ROUTING)
    return tmp_path


def copied(folder: Path, account: str | None = None) -> None:
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    if account is not None:
        pin(folder / PACKAGE.name, account)


def ran(folder: Path, script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


UNASKED = """
from stripe_billing_router import ConfigurationError, charge
from stripe_billing_router.testing import sandbox

try:
    with sandbox():
        print(charge("finance:bot", 5))
except ConfigurationError as error:
    print(error)
"""

ASKED = """
import asyncio, logging, sys, threading
from contextvars import copy_context
from stripe_billing_router import (
    BillingRouter, ConfigurationError, aio, charge, get_balance, get_router, set_router, use_router
)
from stripe_billing_router.testing import sandbox

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="log %(message)s")
BOT = "finance:bot"

def in_a_thread(work):
    said = []
    thread = threading.Thread(target=lambda: said.append(work()))
    thread.start()
    thread.join()
    return said[0]

def its_router():
    try:
        return get_router()
    except ConfigurationError as error:
        return str(error)

with sandbox(despite_live_pin=True) as box:
    assert get_router() is box.router
    assert "router of another thread" in in_a_thread(its_router)
    context = copy_context()
    assert in_a_thread(lambda: context.run(get_router)) is box.router
    print(charge(BOT, 5), asyncio.run(aio.charge(BOT, 6)), get_balance(BOT), box.router)
    with use_router(BillingRouter()) as inner:
        assert get_router() is inner
    assert get_router() is box.router

live = BillingRouter()
set_router(live)
assert not repr(live).endswith(", sandbox)")
with sandbox(despite_live_pin=True) as box:
    assert get_router() is box.router
    assert in_a_thread(get_router) is live
assert get_router() is live
"""


def test_a_live_copy_refuses_a_sandbox_that_nobody_asked_for_by_name(project: Path) -> None:
    copied(project, LIVE)
    said = ran(project, UNASKED)
    assert LIVE in said
    assert "sandbox(despite_live_pin=True)" in said
    assert "Charge(" not in said


def test_a_live_copy_s_sandbox_says_so_and_is_no_other_thread_s(project: Path) -> None:
    copied(project, LIVE)
    lines = ran(project, ASKED).splitlines()
    shown, logged = lines[-1], [line for line in lines if line.startswith("log ")]
    assert [what for what in ("Charge(5.00 usd", "Charge(6.00 usd", "Balance(") if what in shown]
    assert shown.count("sandbox)") == 4
    calls = [line for line in logged if "call.ended" in line]
    assert len(calls) == 3
    assert all(line.startswith("log sandbox call.ended") for line in calls)
