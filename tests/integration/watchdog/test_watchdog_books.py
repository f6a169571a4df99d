"""The same findings whatever database holds the ledger; memory that does not grow with a window."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import watchdog as benchmark
from stripe_billing_router.errors import BillingError
from stripe_billing_router.models import AppendEntry, EntryDraft
from stripe_billing_router.stripe_watchdog import inspection
from stripe_billing_router.stripe_watchdog.checks import CHECKS
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import Limits
from tests.integration.watchdog.plants import PLANTS, Expected
from tests.integration.watchdog.traffic import drive
from tests.integration.watchdog.watchdog_bench import BOT, DAY, MEMBER, Bench, new_bench

ROUND = [name for name in PLANTS if name != "ledger_tampered"]  # which is SQLite's own here


def test_every_database_gives_the_same(database_url: str, tmp_path: Path) -> None:
    bench = new_bench(tmp_path, 5, database_url)
    bench.router.store.upgrade()
    expected: list[Expected] = []
    for name in ROUND:
        drive(bench, 1)
        expected.append(PLANTS[name](bench))
    bench.world.advance(4 * DAY)
    bench.router.recover_operations()
    found = [(finding.check, finding.subject) for finding in bench.found()]
    bench.router.close()
    assert sorted(found) == sorted(expected)


def test_a_failed_charge_is_known_by_stripes_answer_in_the_ledger(bench: Bench) -> None:
    """A subscription that is refused at once leaves a failed charge that names nobody."""
    PLANTS["unauthorized_failure"](bench)
    charge = bench.world.objects("charge")[-1]
    (finding,) = bench.found()
    assert finding.subject == charge["payment_intent"]
    error = {"error": {"type": "card_error", "charge": charge["id"]}}
    bench.world.set_outcome("pm_member", "declined:insufficient_funds")
    with bench.rewriting(lambda entry: replace(entry, raw_event=error)), suppress(BillingError):
        bench.router.create_subscription(MEMBER)
    assert bench.found() == []


def _peak(folder: Path, payments: int) -> int:
    path = folder / f"{payments}.db"
    url = f"sqlite:///{path}"
    if not path.exists():
        benchmark.fill(url, payments, payments * 2)
    stripe, store = benchmark.MadeUp(payments), benchmark.new_store(url)
    around = benchmark.Surroundings(stripe, store)
    only = frozenset(check.id for check in CHECKS) - {"ledger_tampered"}
    approved = frozenset({benchmark.BOT})
    limits = Limits(benchmark.SINCE_MS, benchmark.NOW_MS, approved_workflows=approved, only=only)
    tracemalloc.start()
    tracemalloc.reset_peak()
    assert list(Inspection(around, limits).findings()) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    store.close()
    return peak


def test_memory_grows_with_the_page_and_not_with_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _peak(tmp_path, 10)
    large = _peak(tmp_path, 1600)
    monkeypatch.setattr(inspection, "_PAGE", 100)
    small = _peak(tmp_path, 1600)
    assert small < large / 2
    assert small < _peak(tmp_path, 400) * 1.6


@pytest.mark.parametrize("kind", ["charge", "subscription"])
def test_an_entry_of_a_renewal_that_never_was_is_found(bench: Bench, kind: str) -> None:
    forge(bench, id="in_invented", action_type=kind, status="paid")
    assert found(bench) == [("orphan_ledger_entry", "in_invented")]


@pytest.mark.parametrize("changes", [{"operation_id": "op_invented"}, {"bot_id": BOT}])
def test_an_entry_of_somebody_elses_subscription_is_found(
    bench: Bench, changes: dict[str, str]
) -> None:
    """Stripe knows the subscription; no operation of the bot made it."""
    name = forge(bench, **changes)
    assert ("orphan_ledger_entry", name) in found(bench)


def forge(bench: Bench, **changes: Any) -> str:
    """Add an entry like that of a subscription, in the next place of its chain."""
    kept: list[EntryDraft] = []

    def keep(entry: EntryDraft) -> EntryDraft:
        kept.append(entry)
        return entry

    with bench.rewriting(keep):
        bench.router.create_subscription(MEMBER)
    forged = replace(kept[-1], **changes)
    bench.router.store.commit(AppendEntry(forged))
    return forged.id


def found(bench: Bench) -> list[Expected]:
    return [(finding.check, finding.subject) for finding in bench.found()]
