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
    with use_router(box.router):
        assert in_a_thread(get_router) is live
    try:
        set_router(box.router)
    except ConfigurationError as error:
        assert "one thread" in str(error)
    assert in_a_thread(get_router) is live
    context = copy_context()
assert get_router() is live
assert "sandbox of this thread, or task, is over" in context.run(its_router)

left = sandbox(despite_live_pin=True)
left.__enter__()
in_a_thread(lambda: left.__exit__(None, None, None))
assert "is over" in its_router()
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


LEDGER = """
import sys
sys.modules["stripe_billing_router"] = None  # nothing may find another copy by name

from host import stripe_billing_router as billing
from host.stripe_billing_router.testing import sandbox
from host.stripe_billing_router.client import BillingRouter

with sandbox(ledger_url="sqlite:///new.db") as box:
    assert billing.charge("finance:bot", 5).paid
    assert billing.StripeLedger is type(box.ledger)
    assert box.ledger.verify().ok
    print(len(list(box.ledger.entries())))
assert [n for n in sys.modules if n.split(".")[0] == "stripe_billing_router"] == [
    "stripe_billing_router"
]
"""

TWO_COPIES = """
import logging, sys, threading
sys.modules["stripe_billing_router"] = None

from one import stripe_billing_router as one
from two import stripe_billing_router as two
from one.stripe_billing_router import testing as first
from two.stripe_billing_router import testing as second

heard = []
class Ear(logging.Handler):
    def emit(self, record):
        heard.append(record.name)
logging.getLogger("one").addHandler(Ear())
logging.getLogger("one").setLevel(logging.INFO)

failed = []
def opened(testing, name):
    try:
        for number in range(3):
            world = testing.World()
            url = f"sqlite:///{name}{number}.db"
            with testing.sandbox_router(world, ledger_url=url, data_home=".") as router:
                assert router.charge("finance:bot", 5).paid
    except BaseException as error:
        failed.append(repr(error))

threads = [
    threading.Thread(target=opened, args=(testing, f"{name}{number}-"))
    for number in range(2) for name, testing in (("one", first), ("two", second))
]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert failed == [], failed
assert heard and all(name.startswith("one.stripe_billing_router") for name in heard)

with first.sandbox() as box, second.sandbox() as other:
    assert one.get_router() is box.router and two.get_router() is other.router
    one.charge("finance:bot", 5)
    assert len(box.world.effects()) == 1 and other.world.effects() == []
    try:
        two.charge("finance:nobody", 5)
    except two.BillingError as error:
        assert not isinstance(error, one.BillingError)
print("held")
"""


def inside(project: Path, *packages: str) -> None:
    for package in packages:
        (project / package).mkdir()
        (project / package / "__init__.py").touch()
        copied(project / package)


def test_a_copy_inside_another_package_opens_a_new_ledger(project: Path) -> None:
    inside(project, "host")
    assert ran(project, LEDGER) == "1\n"


def test_two_copies_in_one_process_share_nothing(project: Path) -> None:
    """Not even while both make ledgers, each in several threads."""
    inside(project, "one", "two")
    assert ran(project, TWO_COPIES) == "held\n"
