"""A run from its begin to its end: recover, inspect, tell, move the marker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from typing import Any, Final

from ..client import BillingRouter, assembly_of
from ..config import Settings, WatchdogConfig
from ..errors import BillingError
from ..frozen import frozen
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import RecoveryReport
from ..policy import counter_limits
from ..training import TRAINING_FILE, TrainingFile
from ..webhooks import Backfilled
from .audit import AUDIT_LOG, AuditLog
from .describing import described
from .findings import Finding
from .inspection import Inspection, Progress
from .limits import Limits
from .lock import only_run
from .moments import iso, moment_ms
from .options import Options
from .outlets import Outlets
from .register import Memory, Register, Told
from .tally import Result, Tally
from .telling import Looking, Span, Teller, Telling
from .window import Window, choose

WORKSPACE: Final = "finance_logs/stripe_watchdog_workspace.db"
TRAINING_SOURCE: Final = "stripe_watchdog"
_EVENTS_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""How long Stripe lists an event."""


@frozen
class Job:
    """What a run has to do, and with what.

    `checks` are the ids of all checks, `inspect` makes an inspection, `backfill` fetches events
    since a time in seconds, and `publish` gets the result before the run counts as whole.
    """

    router: BillingRouter
    settings: Settings
    config: WatchdogConfig
    options: Options
    outlets: Outlets
    checks: frozenset[str]
    progress: Callable[[Progress], None]
    backfill: Callable[[int], Backfilled]
    publish: Callable[[Result], None]
    inspect: Callable[..., Inspection] = Inspection


class Run:
    """One run, whole or not at all: BillingError and OSError say why not."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._options = job.options
        self._home = job.settings.home
        self._begun_ms, self._begun = job.router.store.now_ms(), time.monotonic()
        account, sealing = STRIPE_MASTER_ACCOUNT_ID, job.router.store.sealing
        self._register = Register(self._home, account, job.settings.api_base, sealing)
        self._tally = Tally()

    def inspection(self, memory: Memory) -> tuple[Inspection, Window]:
        """Return what is going to look, and from when until when."""
        window = self._window(memory)
        options = self._options
        # Only an ordinary run is gone on with: another one may have looked at less.
        ordinary = not (options.dry_run or options.plan or options.only or options.until)
        made = self._job.inspect(
            self._job.router,
            _limits(self._job, window),
            workspace=self._home / WORKSPACE if ordinary else None,
            progress=self._job.progress,
            verified=None if options.verify_all else memory.verified,
        )
        return made, window

    def planned(self) -> Inspection:
        """Return an inspection to ask for its plan."""
        return self.inspection(self._register.load())[0]

    def result(self) -> Result:
        """Do it. Raises OperationInProgressError if another run is at work."""
        if self._options.dry_run:
            return self._look()
        with only_run(self._home):
            return self._tell()

    def _now_ms(self) -> int:
        """The database's time, asked for once."""
        return self._begun_ms + int((time.monotonic() - self._begun) * 1000)

    def _look(self) -> Result:
        memory = self._register.load()
        inspection, window = self.inspection(memory)
        looking = Looking(memory)
        self._take_all(inspection, looking, None)
        result = self._result(inspection, window, looking.unseen(), None, [], memory.marker_ms)
        self._job.publish(result)
        return result

    def _tell(self) -> Result:
        memory = self._register.load()
        inspection, window = self.inspection(memory)
        audit = self._audit()
        telling = self._telling(memory, audit)
        self._register.begin(memory.cut_off, self._begun_ms, window.since_ms)
        with _failure_written(audit):
            recovered = self._recover(audit)
            if self._options.backfill:
                self._fetch_events(audit, window)
            self._take_all(inspection, telling, self._training())
            span = self._span(inspection, window)
            resolved = list(telling.resolve(span)) if inspection.saw_stripe else []
            marker_ms = self._marker(memory, inspection, window)
            left = telling.unseen()
            result = self._result(inspection, window, left, recovered, resolved, marker_ms)
            self._job.publish(result)
            self._register.finish(marker_ms, telling.still_open(), inspection.verified)
        audit.write("run_finished", **_facts(result))
        audit.rotate(self._job.config.log_rotation.max_bytes)
        return result

    def _window(self, memory: Memory) -> Window:
        now_ms, options = self._now_ms(), self._options
        return choose(
            since_ms=None if options.since is None else moment_ms(options.since, now_ms),
            until_ms=None if options.until is None else moment_ms(options.until, now_ms),
            now_ms=now_ms,
            memory=memory,
            overlap_ms=int(self._job.config.overlap * 1000),
        )

    def _audit(self) -> AuditLog:
        path = self._options.audit_log or self._home / AUDIT_LOG
        audit = AuditLog(path, f"run_{os.urandom(8).hex()}", self._now_ms)
        audit.mend()
        return audit

    def _telling(self, memory: Memory, audit: AuditLog) -> Telling:
        return Telling(
            memory,
            self._register,
            audit,
            self._job.outlets,
            suppressed_ms=int(self._job.config.suppression_window * 1000),
            now_ms=self._now_ms,
        )

    def _training(self) -> TrainingFile | None:
        wanted = self._options.export_training
        return TrainingFile(self._home / TRAINING_FILE) if wanted else None

    def _recover(self, audit: AuditLog) -> RecoveryReport:
        progress = self._job.progress
        report = self._job.router.recover_operations(
            lambda done: progress(Progress("recovering operations", done))
        )
        if any(asdict(report).values()):
            audit.write("recovered", **asdict(report))
        return report

    def _fetch_events(self, audit: AuditLog, window: Window) -> None:
        """Put what was never delivered into the inbox; the host's workers apply it."""
        oldest_ms = max(window.since_ms, self._now_ms() - _EVENTS_KEPT_MS)
        audit.write("backfilled", **asdict(self._job.backfill(oldest_ms // 1000)))

    def _take_all(
        self, inspection: Inspection, teller: Teller, training: TrainingFile | None
    ) -> None:
        with closing(inspection.findings()) as findings:
            for finding in findings:
                is_new = teller.take(finding, inspection.until_ms)
                self._tally.add(finding, is_new=is_new)
                if training is not None:
                    training.append(TRAINING_SOURCE, self._example(finding), self._seconds(finding))

    def _example(self, finding: Finding) -> dict[str, Any]:
        shown = described(finding)
        return {"type": shown.pop("check"), **shown, "codex": self._options.write_codex}

    def _seconds(self, finding: Finding) -> int:
        return (self._now_ms() if finding.at_ms is None else finding.at_ms) // 1000

    def _span(self, inspection: Inspection, window: Window) -> Span:
        checks = self._options.only or self._job.checks
        return Span(window.since_ms, inspection.until_ms, checks)

    def _marker(self, memory: Memory, inspection: Inspection, window: Window) -> int | None:
        if self._options.only or not window.moves_marker or not inspection.saw_stripe:
            return memory.marker_ms
        return max(inspection.next_since_ms, memory.marker_ms or 0)

    def _result(
        self,
        inspection: Inspection,
        window: Window,
        open_before: int,
        recovered: RecoveryReport | None,
        resolved: list[Told],
        marker_ms: int | None,
    ) -> Result:
        return Result(
            since_ms=window.since_ms,
            until_ms=inspection.until_ms,
            findings=self._tally.shown(),
            counts=dict(self._tally.counts),
            new=self._tally.new,
            most_severe=self._tally.most_severe,
            resolved=resolved,
            open_before=open_before,
            recovered=recovered,
            days=inspection.days() if self._options.report else (),
            marker_ms=marker_ms,
            only=sorted(self._options.only),
            dry_run=self._options.dry_run,
        )


def _limits(job: Job, window: Window) -> Limits:
    config, tolerances = job.config, job.config.tolerances
    return Limits(
        since_ms=window.since_ms,
        until_ms=window.until_ms,
        authorized_webhooks=config.authorized_webhooks,
        approved_workflows=config.approved_workflows,
        allowed_accounts=config.allowed_accounts,
        revenue_tolerance_minor=tolerances.revenue,
        amount_tolerance_minor=tolerances.amount,
        balance_tolerance_minor=tolerances.balance,
        settlement_lag_ms=int(tolerances.settlement_lag * 1000),
        stale_after_ms=int(tolerances.stale_after * 1000),
        budgets=counter_limits(assembly_of(job.router).engine.policing.rules),
        severities=config.severities,
        only=job.options.only or None,
    )


@contextmanager
def _failure_written(audit: AuditLog) -> Iterator[None]:
    """Leave a line about why a run was not whole."""
    try:
        yield
    except (BillingError, OSError) as error:
        with suppress(OSError):
            audit.write("run_failed", error=type(error).__name__, message=str(error))
        raise


def _facts(result: Result) -> dict[str, object]:
    return {
        "since": iso(result.since_ms),
        "until": iso(result.until_ms),
        "findings": dict(result.counts),
        "new": result.new,
        "resolved": len(result.resolved),
        "marker": None if result.marker_ms is None else iso(result.marker_ms),
    }
