"""A run that is broken off anywhere and started again finds the same, and reads nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.errors import LedgerUnavailableError, StripeRequestError
from stripe_billing_router.ports import Discrepancy, Page
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import Limits
from stripe_billing_router.stripe_watchdog.reading import Reads
from tests.integration.watchdog.plants import PLANTS
from tests.integration.watchdog.traffic import drive
from tests.integration.watchdog.watchdog_bench import DAY, Bench

Found = list[tuple[str, str]]


class Killed(BaseException):
    """The end of a process, wherever it is."""


class Cut:
    """Stripe in pages of three; the process is killed at the request number `dies_at`."""

    def __init__(self, reads: Reads, dies_at: int | None = None) -> None:
        self._reads = reads
        self._dies_at = dies_at
        self.pages: list[tuple[str, str | None]] = []

    def discrepancy(self) -> Discrepancy | None:
        return self._reads.discrepancy()

    def now_ms(self) -> int | None:
        return self._reads.now_ms()

    def page(self, kind: str, query: Mapping[str, Any], after: str | None = None) -> Page:
        if len(self.pages) == self._dies_at:
            raise Killed
        if "created" in query:
            self.pages.append((kind, after))
            query = {**query, "limit": 3}
        return self._reads.page(kind, query, after)

    def one(self, kind: str, object_id: str) -> Mapping[str, Any] | None:
        return self._reads.one(kind, object_id)


class Around:
    """A router whose Stripe is read through something else."""

    def __init__(self, bench: Bench, reads: Reads) -> None:
        self.listings = reads
        self.store = bench.router.store
        self.routes = bench.router.routes
        self.overrides = bench.router.overrides


@pytest.fixture
def planted(bench: Bench) -> Bench:
    drive(bench, 18)
    for name in ("unauthorized_charge", "missing_refund", "orphan_ledger_entry", "unknown_webhook"):
        PLANTS[name](bench)
    bench.world.advance(4 * DAY)
    bench.router.recover_operations()
    return bench


def _run(bench: Bench, reads: Reads, workspace: Path, limits: Limits | None = None) -> Found:
    inspection = Inspection(Around(bench, reads), limits or bench.limits(), workspace=workspace)
    return sorted((finding.check, finding.subject) for finding in inspection.findings())


def test_killed_at_any_page_and_run_again(planted: Bench, tmp_path: Path) -> None:
    whole = Cut(planted.router.listings)
    expected = _run(planted, whole, tmp_path / "whole.db")
    assert len(expected) == 4
    assert len(whole.pages) > 15
    for dies_at in range(0, len(whole.pages), 3):
        workspace = tmp_path / f"{dies_at}.db"
        first = Cut(planted.router.listings, dies_at)
        with pytest.raises(Killed):
            _run(planted, first, workspace)
        second = Cut(planted.router.listings)
        assert _run(planted, second, workspace) == expected
        assert first.pages + second.pages == whole.pages
        assert not workspace.exists()


def test_broken_off_between_two_findings(planted: Bench, tmp_path: Path) -> None:
    workspace, reads = tmp_path / "w.db", Cut(planted.router.listings)
    findings = Inspection(Around(planted, reads), planted.limits(), workspace=workspace).findings()
    told = [next(findings), next(findings)]
    findings.close()
    before = len(reads.pages)
    again = _run(planted, reads, workspace)
    assert {(finding.check, finding.subject) for finding in told} < set(again)
    assert len(again) == 4
    assert len(reads.pages) == before


def test_a_run_that_goes_on_keeps_its_window(planted: Bench, tmp_path: Path) -> None:
    workspace = tmp_path / "w.db"
    began = planted.world.clock.now_ms()
    with pytest.raises(Killed):
        _run(planted, Cut(planted.router.listings, 5), workspace)
    planted.world.advance(DAY)
    PLANTS["unauthorized_charge"](planted)
    around = Around(planted, Cut(planted.router.listings))
    inspection = Inspection(around, planted.limits(), workspace=workspace)
    assert len(list(inspection.findings())) == 4
    assert abs(inspection.until_ms - began) < 2000
    assert len(planted.found()) == 5


def test_another_window_starts_afresh(planted: Bench, tmp_path: Path) -> None:
    workspace = tmp_path / "w.db"
    with pytest.raises(Killed):
        _run(planted, Cut(planted.router.listings, 9), workspace)
    planted.since_ms -= 1000
    reads = Cut(planted.router.listings)
    assert len(_run(planted, reads, workspace)) == 4
    whole = Cut(planted.router.listings)
    _run(planted, whole, tmp_path / "whole.db")
    assert reads.pages == whole.pages


def test_a_page_that_begins_after_an_object_that_is_gone(planted: Bench, tmp_path: Path) -> None:
    """A draft invoice may be deleted between two runs; its source is read anew."""

    class Forgetful(Cut):
        def page(self, kind: str, query: Mapping[str, Any], after: str | None = None) -> Page:
            if after is not None and not self.pages:
                self.pages.append((kind, after))
                raise StripeRequestError("No such object: run again.", http_status=400)
            return super().page(kind, query, after)

    workspace = tmp_path / "w.db"
    with pytest.raises(Killed):
        _run(planted, Cut(planted.router.listings, 2), workspace)
    assert len(_run(planted, Forgetful(planted.router.listings), workspace)) == 4


def test_a_workspace_that_is_damaged_starts_afresh(planted: Bench, tmp_path: Path) -> None:
    workspace = tmp_path / "w.db"
    workspace.write_bytes(b"not a database" * 1000)
    assert len(_run(planted, Cut(planted.router.listings), workspace)) == 4


def test_a_workspace_that_cannot_be_made_is_told(planted: Bench, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError, match="may be written"):
        _run(planted, Cut(planted.router.listings), tmp_path / "nowhere" / "w.db")
