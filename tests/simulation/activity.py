"""One call into a process, and what its caller was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import BillingError, OutcomeUnknownError
from stripe_billing_router.models import Result
from tests.simulation.house import Bill
from tests.simulation.processes import Process
from tests.simulation.schedule import Doing, Intent
from tests.simulation.truth import Effect

_LINES = {
    "create_checkout_session": [{"price": "price_once", "quantity": 1}],
    "checkout of a subscription": [{"price": "price_monthly", "quantity": 1}],
}


@dataclass(eq=False)
class Activity:
    """An ask of a bot, a recovery, a cancellation, or a decision of people.

    `opened` are the operations whose intent it wrote, `caused` what it brought about in Stripe.
    `sending_since_ms` is when it came to the gate of its last send, and `sent_last` the key of
    that. A call that was `interrupted` counts as one that `died`, though its process lives on.
    `frozen_before` are the freezes in force when it began; `frozen_then` those in force
    when it went on from its first rest after that send, for which it still `waits`. `bill` is what
    a refund gives a part of back.
    """

    doing: Doing
    process: Process
    began_ms: int
    began_by_wall_ms: int
    intent: Intent | None = None
    bill: Bill | None = None
    frozen_before: frozenset[str] = frozenset()
    frozen_then: frozenset[str] = frozenset()
    sent_last: str | None = None
    waits: bool = False
    opened: list[str] = field(default_factory=list)
    caused: list[Effect] = field(default_factory=list)
    sending_since_ms: int = 0
    result: Result | None = None
    error: BillingError | None = None
    died: bool = False
    interrupted: bool = False
    ended_ms: int | None = None

    @property
    def operation_id(self) -> str | None:
        """The operation that the caller was told of."""
        told = self.result or self.error
        return None if told is None else told.operation_id

    @property
    def over(self) -> bool:
        return self.ended_ms is not None

    @property
    def untold(self) -> bool:
        """Whether the caller has not heard what became of its call."""
        return self.died or isinstance(self.error, OutcomeUnknownError)

    def concerns(self, operation_id: str) -> bool:
        return operation_id in self.opened or self.operation_id == operation_id

    def __str__(self) -> str:
        return "died" if self.died else repr(self.result or self.error)


def ask(router: BillingRouter, intent: Intent, key: str | None, bill: str) -> Result:
    """Ask for an intent; `bill` is the payment of which a refund gives a part back."""
    customer, bot = intent.customer, intent.bot
    match intent.verb:
        case "charge by amount":
            return router.charge(bot, 5, customer_id=customer, idempotency_key=key)
        case "charge on session":
            return router.charge(bot, 5, customer_id=customer, on_session=True, idempotency_key=key)
        case "charge by price":
            return router.charge(bot, customer_id=customer, idempotency_key=key)
        case "refund":
            return router.refund(bot, bill, amount=4, idempotency_key=key)
        case "create_subscription":
            return _subscribe(router, intent, key)
        case "create_checkout_session" | "checkout of a subscription":
            return router.create_checkout_session(
                bot,
                _LINES[intent.verb],
                customer_id=customer,
                success_url="https://shop.example/thanks",
                idempotency_key=key,
            )
    return router.create_customer(bot, {"name": f"Customer {intent.number}"}, idempotency_key=key)


def _subscribe(router: BillingRouter, intent: Intent, key: str | None) -> Result:
    params: dict[str, Any] = {"payment_behavior": intent.variant} if intent.variant else {}
    return router.create_subscription(
        intent.bot,
        price_id="price_monthly",
        customer_id=intent.customer,
        idempotency_key=key,
        **params,
    )
