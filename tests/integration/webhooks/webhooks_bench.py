"""A bench for webhooks: a world whose events are delivered, a router, and its inbox."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stripe

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import InvalidRequestError
from stripe_billing_router.models import InboxEvent, LedgerEntry, Operation
from stripe_billing_router.ports import Discrepancy, Event
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SandboxHTTPClient, World
from stripe_billing_router.webhooks import Progress, Receipt, Webhooks, webhooks_of
from tests.integration.verbs.verbs_bench import (
    BOT,
    DASHBOARD_KEY,
    EURO,
    ROUTING,
    YEN,
    Wire,
    new_router,
    new_world,
)

SECRET = "whsec_bench000000000000000000"

__all__ = ["BOT", "EURO", "ROUTING", "SECRET", "YEN", "Ears", "WebhooksBench", "webhooks_bench"]


class Ears:
    """Hears everything: events, and the reactions to a failed check."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reactions: list[Discrepancy] = []

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def react(self, discrepancy: Discrepancy) -> None:
        self.reactions.append(discrepancy)

    def names(self) -> list[str]:
        return [event.name for event in self.events]


@dataclass
class WebhooksBench:
    """Events are delivered by hand; what was delivered is remembered."""

    world: World
    folder: Path
    wire: Wire
    router: BillingRouter
    ears: Ears
    delivered: list[str] = field(default_factory=list)

    @property
    def webhooks(self) -> Webhooks:
        return webhooks_of(self.router)

    @property
    def dashboard(self) -> stripe.StripeClient:
        """The SDK, as people and other systems of the same account use it."""
        return stripe.StripeClient(
            DASHBOARD_KEY,
            http_client=SandboxHTTPClient(self.world),
            base_addresses={"api": SANDBOX_API_BASE},
        )

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What has happened, oldest first, of these types if some are named."""
        found = self.world.objects("event")
        return [event for event in found if not types or event["type"] in types]

    def deliver(self, *types: str) -> list[Receipt]:
        """Deliver what has happened and was not delivered yet, in order."""
        new = [e["id"] for e in self.events(*types) if e["id"] not in self.delivered]
        self.delivered += new
        return [self.redeliver(event_id) for event_id in new]

    def redeliver(self, event_id: str) -> Receipt:
        payload, headers = self.world.delivery(event_id, secret=SECRET)
        return self.webhooks.receive(payload, headers["Stripe-Signature"])

    def work(self) -> Progress:
        """Work on what is due now."""
        return self.webhooks.process_pending(1000)

    def drain(self, rounds: int = 40) -> None:
        """Work, and let time go by, until nothing waits any more."""
        for _ in range(rounds):
            self.work()
            due = self.router.store.inbox.next_due_ms()
            if due is None:
                return
            self.world.clock.advance(max(0, due - self.world.clock.now_ms()) / 1000 + 0.001)

    def row(self, event: dict[str, Any]) -> InboxEvent:
        found = self.webhooks.event(event["id"])
        assert found is not None
        return found

    def states(self) -> Counter[str]:
        return Counter(str(event.state) for event in self.webhooks.events(limit=10_000))

    def operation(self, operation_id: str | None) -> Operation:
        found = self.router.store.operation(str(operation_id))
        assert found is not None
        return found

    def entries(self) -> list[LedgerEntry]:
        return list(self.router.ledger.entries())

    def sums(self) -> Counter[tuple[str, str | None]]:
        """Minor units by action type and bot."""
        found: Counter[tuple[str, str | None]] = Counter()
        for entry in self.entries():
            found[(entry.action_type, entry.bot_id)] += entry.amount_minor or 0
        return found

    def payment_of_invoice(self, invoice_id: str) -> str:
        paid = self.dashboard.v1.invoice_payments.list({"invoice": invoice_id}).data[0]
        return str(paid.payment.payment_intent)

    def charge_of(self, payment_id: str) -> str:
        return str(self.world.get(payment_id)["latest_charge"])

    def close(self) -> None:
        self.router.close()


def webhooks_bench(folder: Path, url: str, **changes: Any) -> WebhooksBench:
    folder.joinpath("routing.yaml").write_text(ROUTING)
    world, ears = new_world(), Ears()
    wire = Wire(world)
    environ = {"STRIPE_WEBHOOK_SECRET": SECRET}
    settings: dict[str, Any] = {"environ": environ, "observers": [ears], "reactions": [ears]}
    router = new_router(folder, url, world, wire, **{**settings, **changes})
    with suppress(InvalidRequestError):
        router.charge(EURO)
    made = WebhooksBench(world, folder, wire, router, ears)
    made.delivered = [event["id"] for event in world.objects("event")]
    return made
