"""One run of the watchdog: reads Stripe and the ledger, and says what does not agree."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from ..frozen import frozen
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import DEFAULT_PROVIDER, BookedEntry, BotId, Shown
from ..policy import limit_of
from ..store import Workspace
from . import surveying
from .cases import (
    BrokenStream,
    Case,
    Claim,
    Dispute,
    Endpoint,
    KeyAccount,
    OpenOperation,
    RoutedObject,
    SetBack,
    Takings,
    View,
)
from .findings import Finding
from .judging import Judge
from .limits import DAY_MS, Limits
from .matching import Books, matched
from .movements import Movement
from .planning import PlannedSource, ReadPlan, planned
from .reading import Reads, read_sources
from .second_look import SecondLook
from .takings import Sums

_PAGE = 1000
"""Objects that are matched together."""

_MONEY = (Movement, Claim, Takings)


class Surroundings(surveying.Table, Protocol):
    """What a run works with: a `BillingRouter` has it all."""

    @property
    def listings(self) -> Reads: ...
    @property
    def store(self) -> surveying.AnyStore: ...


@frozen
class Progress:
    """How far a run is. `stage` is a source or `matching`; `done` counts objects."""

    stage: str
    done: int


@frozen
class DaySum:
    """What one day (`2026-11-20`, UTC) collected less what it gave back, in minor units."""

    day: str
    currency: str
    ledger_minor: int
    stripe_minor: int


class Inspection:
    """One run. `findings()` does all the work; the rest is known when it has ended.

    `workspace` is a SQLite file for what has been read so far: a run that was interrupted and is
    started again with the same file and `since_ms` goes on where it stopped, with the window it
    had. The file is gone after a whole run. Without one, a temporary file is used.

    `verified` says up to where the ledger was verified before; after `findings()`, up to where now.
    """

    def __init__(
        self,
        router: Surroundings,
        limits: Limits,
        *,
        workspace: Path | None = None,
        progress: Callable[[Progress], None] | None = None,
        verified: surveying.Verified | None = None,
    ) -> None:
        self._router = router
        self._reads = router.listings
        self._limits = limits
        self._path = workspace
        self._progress = progress
        self.verified = verified
        self._sums = Sums()
        self._until_ms: int | None = limits.until_ms
        self._saw_stripe = False

    def plan(self) -> ReadPlan:
        """Return what the run is going to read, from the ledger's size; asks Stripe nothing."""
        store, limits = self._router.store, self._limits
        now_ms = store.now_ms()
        until_ms = limits.until_ms or now_ms
        in_window = store.books.payments(limits.since_ms, until_ms)
        in_month = store.books.payments(now_ms - 30 * DAY_MS, now_ms)
        routed = len(surveying.named_by_routes(self._router))
        return planned(limits, until_ms, in_window, in_month, routed)

    def findings(self) -> Generator[Finding]:
        """Yield every finding once, in no order. Raises BillingError if it cannot run."""
        with tempfile.TemporaryDirectory(prefix="stripe-watchdog-") as folder:
            workspace = Workspace(self._path or Path(folder) / "workspace.db")
            try:
                yield from self._findings(workspace)
            except BaseException:
                workspace.close()
                raise
            workspace.remove()

    def days(self) -> Sequence[DaySum]:
        """Return ledger and Stripe by day and currency, oldest first; after `findings()`."""
        return [
            DaySum(sums.day, sums.currency, sums.ledger_minor, sums.stripe_minor)
            for sums in self._sums.days()
        ]

    @property
    def saw_stripe(self) -> bool:
        """Whether Stripe was looked at; not with a key that is not the master account's."""
        return self._saw_stripe

    @property
    def until_ms(self) -> int:
        """Where the window ends; of an interrupted run, where it ended then."""
        if self._until_ms is None:
            raise RuntimeError("the window is open until findings() has begun; read them first")
        return self._until_ms

    @property
    def next_since_ms(self) -> int:
        """Where the next run has to begin, so that what was under way at this one is looked at.

        What has not settled by now has to be compared with its balance transaction then.
        """
        return self.until_ms - self._limits.settlement_lag_ms - DAY_MS

    def _findings(self, workspace: Workspace) -> Iterator[Finding]:
        store, now_ms = self._router.store, self._router.store.now_ms()
        foreign = self._reads.discrepancy()
        now_ms = now_ms if foreign else self._reads.now_ms() or now_ms
        # Stripe counts in whole seconds: the one that is not over belongs to the window.
        until_ms = self._limits.until_ms or (now_ms // 1000 + 1) * 1000
        until_ms = workspace.window(STRIPE_MASTER_ACCOUNT_ID, self._limits.since_ms, until_ms)
        workspace.forget_reports()
        self._until_ms = until_ms
        judge = Judge(View(self._limits, now_ms, self._routed()), workspace.report)
        if foreign is not None:
            account = KeyAccount(foreign.kind, foreign.account_id, foreign.expected_account_id)
            yield from judge.findings(account)
        else:
            yield from self._of_stripe(judge, workspace)
            self._saw_stripe = True
        yield from _judged(judge, OpenOperation, lambda: surveying.open_operations(store))
        yield from _judged(judge, BrokenStream, self._broken_streams)
        yield from _judged(judge, SetBack, self._set_back)

    def _broken_streams(self) -> Iterator[BrokenStream]:
        broken, self.verified = surveying.verified(self._router.store, self.verified)
        yield from broken

    def _set_back(self) -> Iterator[SetBack]:
        limits = partial(limit_of, self._limits.budgets)
        yield from map(SetBack, self._router.store.set_back(self._limits.since_ms, limits))

    def _routed(self) -> frozenset[str]:
        return frozenset(
            str(BotId(domain, category, name)) for domain, _, category, name in self._router.routes
        )

    def _of_stripe(self, judge: Judge, workspace: Workspace) -> Iterator[Finding]:
        reads = self._reads
        if any(judge.looks_at(case) for case in (*_MONEY, Dispute)):
            read_sources(reads, workspace, self._limits, self.until_ms, self._tell)
        if any(judge.looks_at(case) for case in _MONEY):
            yield from self._of_money(judge, workspace)
        for page in workspace.open_disputes(_PAGE):
            for row in page:
                yield from judge.findings(surveying.dispute(row))
        yield from _judged(judge, Endpoint, lambda: surveying.endpoints(reads))
        yield from _judged(
            judge, RoutedObject, lambda: surveying.routed_objects(reads, self._router)
        )

    def _of_money(self, judge: Judge, workspace: Workspace) -> Iterator[Finding]:
        books, limits = self._router.store.books, self._limits
        for refused in books.refused_payments(limits.since_ms - DAY_MS, self.until_ms, limit=_PAGE):
            operation_id, named = refused
            workspace.put_refused((name, operation_id) for name in named)
        second = SecondLook(self._reads, workspace)
        done = 0
        for pages in (workspace.charges, workspace.refunds, workspace.failures):
            for page in pages(_PAGE):
                yield from self._of_page(judge, page, second)
                done += len(page)
                self._tell("matching", done)
        yield from self._of_claims(judge, workspace, second, done)
        for takings in self._sums.days():
            yield from judge.findings(takings)

    def _of_page(
        self, judge: Judge, page: Sequence[Shown], second: SecondLook
    ) -> Iterator[Finding]:
        books = self._router.store.books
        for first in matched(books, page):
            movement = first
            if not judge.is_fine(first):
                now = second.at(first.shown)
                if now is None:
                    continue
                (movement,) = matched(books, [now])
                if not judge.is_fine(movement):
                    second.in_vain()
                    yield from judge.findings(movement)
            self._sums.add(movement)

    def _of_claims(
        self, judge: Judge, workspace: Workspace, second: SecondLook, done: int
    ) -> Iterator[Finding]:
        books, limits = self._router.store.books, self._limits
        after = None
        while page := books.collected(limits.since_ms, self.until_ms, after=after, limit=_PAGE):
            collected = workspace.collected([entry.id for entry in page])
            owned = _owned(books, page)
            for entry in page:
                known = entry.id in collected or self._confirmed(entry)
                claim = Claim(entry, known or second.finds(entry.id), entry.sequence in owned)
                if not claim.collected:
                    self._sums.add_orphan(claim)
                yield from judge.findings(claim)
            after = (page[-1].timestamp_ms, page[-1].sequence)
            done += len(page)
            self._tell("matching", done)

    def _confirmed(self, entry: BookedEntry) -> bool:
        """Say whether a person has confirmed it, under a seal: other providers have no lists."""
        made = self._router.store.maker_of(entry.id)
        if made is None or made.provider == DEFAULT_PROVIDER or made.outcome is None:
            return False
        told = made.outcome
        says = entry.operation_id, entry.amount_minor, entry.currency
        return told.paid and says == (made.operation_id, told.amount_minor, told.currency)

    def _tell(self, stage: str, done: int) -> None:
        if self._progress is not None:
            self._progress(Progress(stage, done))


def _owned(books: Books, page: Sequence[BookedEntry]) -> set[int]:
    """Return the numbers of the entries that name no operation, or one that is their bot's."""
    named = {entry.operation_id for entry in page if entry.operation_id is not None}
    bots = {found.operation_id: found.bot_id for found in books.operations_named(named)}
    return {
        entry.sequence
        for entry in page
        if entry.operation_id is None or bots.get(entry.operation_id) == entry.bot_id
    }


def _judged(judge: Judge, about: type, cases: Callable[[], Iterator[Case]]) -> Iterator[Finding]:
    """Look at cases, which are read only if a check that is asked for looks at such."""
    if judge.looks_at(about):
        for case in cases():
            yield from judge.findings(case)


__all__ = ["DaySum", "Inspection", "PlannedSource", "Progress", "ReadPlan", "Surroundings"]
