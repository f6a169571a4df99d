"""The lint and this very repository; and how long a large one takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from stripe_billing_router.usage_lint import examine
from tests.unit.usage_lint.lint_helpers import project

ROOT = Path(__file__).resolve().parents[3]

BOT = '''"""Bot number {number}: collects what finance is owed, and refunds what was too much."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal

from stripe_billing_router import PaymentDeclinedError, charge, refund

log = logging.getLogger(__name__)

DASHBOARD = "https://dashboard.stripe.com/payments/"
HEADERS = {{"Accept": "application/json", "User-Agent": f"bot/{number}"}}


@dataclass(frozen=True)
class Invoice:
    """One open invoice of a customer."""

    number: str
    amount: Decimal
    lines: tuple[str, ...] = ()

    def title(self) -> str:
        return "Invoice " + self.number + ", " + ", ".join(self.lines)


def collect(invoices: list[Invoice]) -> dict[str, str]:
    """Charge every invoice once; return the ids of the payments by invoice."""
    paid = {{}}
    for invoice in invoices:
        try:
            done = charge("finance:bot_{number}", invoice.amount, invoice.title())
        except PaymentDeclinedError as error:
            log.warning("invoice %s declined: %s", invoice.number, error.code)
            continue
        paid[invoice.number] = done.id
        log.info("see %s%s", DASHBOARD, done.id)
    return paid


def undo(paid: dict[str, str], number: str, amount: Decimal | None = None) -> bool:
    payment = paid.get(number)
    if payment is None:
        return False
    return refund("finance:bot_{number}", payment, amount=amount).state == "succeeded"
'''
AROUND = "\nfrom importlib import import_module\n\nimport_module('stripe')\n"
CONFIG = "name: bot_{number}\nretries: 3\nhelp: https://docs.stripe.com/api\n"


def test_this_repository_goes_through_the_router() -> None:
    report = examine([ROOT])
    assert [str(finding) for finding in report.findings] == []
    assert report.faults == ()
    assert report.files > 300


def test_a_thousand_files_take_less_than_five_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In processor time: what else the machine does meanwhile is not ours."""
    files: dict[str, str | bytes] = {}
    for number in range(900):
        text = BOT.format(number=number) + (AROUND if number % 100 == 0 else "")
        files[f"bots/group_{number % 30}/bot_{number}.py"] = text
    for number in range(100):
        files[f"config/bot_{number}.yaml"] = CONFIG.format(number=number)
    folder = project(tmp_path, files)
    wall, processor = time.perf_counter(), time.process_time()
    report = examine([folder])
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    with capsys.disabled():
        print(f"\nusage lint: 1,000 files in {processor:.2f} s of processor, {wall:.2f} s in all")
    assert (report.files, len(report.findings)) == (1000, 9)
    assert processor < 5
