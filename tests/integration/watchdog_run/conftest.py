"""A project folder whose Stripe is a sandbox on the loopback interface."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.config.template import TEMPLATE_PATH, template
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, World
from stripe_billing_router.sandbox.server import SandboxServer, real_time_world, serving
from stripe_billing_router.stripe_watchdog import main
from stripe_billing_router.testing import furnish_routes

BOT = "finance:finance_router_bot"


@dataclass
class Project:
    """A folder, a served sandbox with what the routes name in it, and how to reach both."""

    folder: Path
    world: World
    server: SandboxServer
    environment: Mapping[str, str] = field(default_factory=dict)

    def router(self) -> BillingRouter:
        return BillingRouter(environ=self.environment, recover_at_start=False)

    def charge(self, amount: int = 5, *, bot: str = BOT) -> str:
        """Charge through the router; returns the payment's id."""
        with self.router() as router:
            return router.charge(bot, amount).id

    def bypass(self, amount: int = 700) -> str:
        """Charge past the router; returns the charge's id."""
        made = self.dashboard.v1.payment_intents.create(
            params={
                "amount": amount,
                "currency": "usd",
                "customer": "cus_finance_router",
                "payment_method": "pm_of_cus_finance_router",
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        return str(made.latest_charge)

    def add_endpoint(self, url: str) -> str:
        """Add a webhook endpoint; returns its id."""
        made = self.dashboard.v1.webhook_endpoints.create(
            params={"url": url, "enabled_events": ["*"]}
        )
        return made.id

    @property
    def dashboard(self) -> stripe.StripeClient:
        """The SDK, as somebody uses it who goes around the router."""
        return stripe.StripeClient(SANDBOX_SECRET_KEY, base_addresses={"api": self.server.api_base})

    def file(self, name: str) -> Path:
        return self.folder / name

    def audit(self) -> list[dict[str, Any]]:
        path = self.file("finance_logs/stripe_watchdog_audit.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]

    def marker(self) -> int | None:
        path = self.file("finance_logs/stripe_watchdog_state.json")
        return json.loads(path.read_text())["marker_ms"] if path.exists() else None


@dataclass
class Watched:
    """What a run in this process gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Watch:
    """`stripe-watchdog` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Watched:
        self._capsys.readouterr()
        code = main(list(arguments))
        told = self._capsys.readouterr()
        return Watched(code, told.out, told.err)

    def findings(self, *arguments: str) -> Sequence[tuple[str, str]]:
        found = self(*arguments, "--json").json["findings"]
        return [(one["check"], one["subject"]) for one in found]


@pytest.fixture
def watch(capsys: pytest.CaptureFixture[str]) -> Watch:
    return Watch(capsys)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    (tmp_path / "config").mkdir()
    # An outage is told at once, instead of after half a minute.
    patient, at_once = "retry_for: 30 ", "retry_for: 0 "
    assert patient in template()
    (tmp_path / TEMPLATE_PATH).write_text(template().replace(patient, at_once))
    world = real_time_world()
    with serving(world) as server:
        environment = {
            "STRIPE_ROUTER_HOME": str(tmp_path),
            "STRIPE_API_BASE": server.api_base,
            "STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY,
        }
        project = Project(tmp_path, world, server, environment)
        with project.router() as router:
            furnish_routes(world, router.routes, router.overrides)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield project
