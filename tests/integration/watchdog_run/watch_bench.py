"""A bench for runs: a project folder, an inspection that finds what it is told to, and outlets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.config import WatchdogConfig, load_settings
from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.ports import Event
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SANDBOX_SECRET_KEY
from stripe_billing_router.stripe_watchdog.findings import Finding
from stripe_billing_router.stripe_watchdog.inspection import DaySum, Inspection, Progress
from stripe_billing_router.stripe_watchdog.limits import Limits
from stripe_billing_router.stripe_watchdog.options import Options
from stripe_billing_router.stripe_watchdog.outlets import Outlets
from stripe_billing_router.stripe_watchdog.surveying import Verified
from stripe_billing_router.stripe_watchdog.tally import Result
from stripe_billing_router.stripe_watchdog.watching import Job, Run
from stripe_billing_router.webhooks import Backfilled

CHECKS = frozenset({"unauthorized_charge", "unknown_webhook", "disabled_webhook", "missing_charge"})


@dataclass
class World:
    """What there is to find, and when it is."""

    findings: Sequence[Finding] = ()
    now_ms: int = 1_795_000_000_000
    days: Sequence[DaySum] = ()
    breaks_after: int | None = None
    key_is_ours: bool = True
    seen: list[Limits] = field(default_factory=list)
    workspaces: list[Path | None] = field(default_factory=list)

    def inspect(
        self,
        router: BillingRouter,
        limits: Limits,
        *,
        workspace: Path | None = None,
        progress: Callable[[Progress], None] | None = None,
        verified: Verified | None = None,
    ) -> Inspection:
        self.seen.append(limits)
        self.workspaces.append(workspace)
        return StandIn(self, limits, verified)


class StandIn(Inspection):
    """Finds what its world has in the window, standing problems included."""

    def __init__(self, world: World, limits: Limits, verified: Verified | None) -> None:
        self._world = world
        self._limits = limits
        self.verified = verified

    def findings(self) -> Generator[Finding, None, None]:
        for number, finding in enumerate(self._world.findings):
            if number == self._world.breaks_after:
                raise OSError("the network is gone")
            at_ms = finding.at_ms
            in_window = at_ms is None or self._limits.since_ms <= at_ms < self.until_ms
            if in_window and self._limits.wants(finding.check):
                yield finding

    def days(self) -> Sequence[DaySum]:
        return self._world.days

    @property
    def saw_stripe(self) -> bool:
        return self._world.key_is_ours

    @property
    def until_ms(self) -> int:
        return self._limits.until_ms or self._world.now_ms

    @property
    def next_since_ms(self) -> int:
        return self.until_ms


@dataclass
class Anomalies:
    """Keeps what was recorded, as a database would."""

    now_ms: Callable[[], int]
    recorded: list[tuple[str, int]] = field(default_factory=list)

    def record(self, finding: Finding) -> None:
        self.recorded.append((finding.fingerprint, self.now_ms()))

    def holds(self, finding: Finding, since_ms: int) -> bool:
        return any(f == finding.fingerprint and at >= since_ms for f, at in self.recorded)


class Clock:
    """The world's time, for the router."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_ms(self) -> int:
        return self._world.now_ms

    def elapsed(self) -> float:
        return self._world.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


class Bench:
    """A project and its runs."""

    def __init__(self, home: Path, world: World | None = None) -> None:
        self.home = home
        self.world = world or World()
        self.config = WatchdogConfig()
        self.anomalies = Anomalies(lambda: self.world.now_ms)
        self.alerts: list[Event] = []
        self.published: list[Result] = []
        (home / "config").mkdir(exist_ok=True)
        (home / TEMPLATE_PATH).write_text(template())
        self.environ = {
            "STRIPE_ROUTER_HOME": str(home),
            "STRIPE_API_BASE": SANDBOX_API_BASE,
            "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        }
        self.router = BillingRouter(
            environ=self.environ, clock=Clock(self.world), recover_at_start=False
        )

    def run(self, options: Options | None = None) -> Result:
        return self.made(options).result()

    def made(self, options: Options | None = None) -> Run:
        return Run(
            Job(
                router=self.router,
                settings=load_settings(self.environ, self.home),
                config=self.config,
                options=options or Options(),
                outlets=Outlets(self.anomalies, self.alerts.append),
                checks=CHECKS,
                progress=lambda _: None,
                backfill=lambda since: Backfilled(new=0, known=0, refused=0),
                publish=self.published.append,
                inspect=self.world.inspect,
            )
        )

    @property
    def audit(self) -> list[dict[str, Any]]:
        """Every line, each of which has to be JSON."""
        path = self.home / "finance_logs/stripe_watchdog_audit.jsonl"
        return lines(path) if path.exists() else []

    @property
    def state(self) -> Mapping[str, Any] | None:
        path = self.home / "finance_logs/stripe_watchdog_state.json"
        return json.loads(path.read_text()) if path.exists() else None

    @property
    def marker(self) -> int | None:
        return None if self.state is None else self.state["marker_ms"]

    def all_audited(self, event: str = "finding") -> list[str]:
        """The same, with what was put away."""
        folder = self.home / "finance_logs"
        packed = folder.glob("stripe_watchdog_audit.jsonl.*.gz")
        texts = [gzip.decompress(path.read_bytes()).decode("ascii") for path in packed]
        found = [json.loads(line) for text in texts for line in text.splitlines()]
        return [one["fingerprint"] for one in found if one["event"] == event] + self.audited(event)

    def audited(self, event: str = "finding") -> list[str]:
        return [line["fingerprint"] for line in self.audit if line["event"] == event]


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def charge(number: int, at_ms: int | None = 1_794_999_000_000, severity: float = 3.5) -> Finding:
    return Finding(
        "unauthorized_charge",
        severity,
        f"ch_{number}",
        "Nobody here made it. Refund it.",
        amount_minor=1999,
        currency="usd",
        at_ms=at_ms,
        details={"receipt_email": "someone@example.org"},
    )


def webhook(name: str = "we_1") -> Finding:
    return Finding("unknown_webhook", 2.0, name, "It is not authorized. Remove it.")
