"""The two providers as the contract needs them: who pays by them, and what ends a payment well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stripe_billing_router.client import BillingRouter, assembly_of
from stripe_billing_router.models import Result
from tests.integration.charge.charge_bench import BOT, CUSTOMER, ROUTING, Bench

WIRED = "wire:finance:bot"
ROUTES = f"""{ROUTING}
wire:
  default:
    finance:
      bot: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER}}}
      other: {{product_id: prod_1, price_id: price_1, customer_id: {CUSTOMER}}}
providers: {{wire: manual}}
"""


@dataclass(frozen=True)
class Way:
    """One provider: a bot whose routes use it, another one, and what ends its payments well."""

    name: str
    bot: str
    other: str
    settle: Callable[[Bench, BillingRouter, Result], object]

    def paid(self, bench: Bench, router: BillingRouter, amount: str = "20", **more: object) -> str:
        """Make a payment that is done, and return its id."""
        result = router.charge(self.bot, amount, **more)  # type: ignore[arg-type]
        self.settle(bench, router, result)
        return str(result.id)


def confirm(router: BillingRouter, result: Result, amount: str | None = None) -> Result:
    """Have a person say that a transfer has come, all of it."""
    asked = amount or str(result.raw["amount"] / 100)
    desk = assembly_of(router).canceller
    return desk.confirm(str(result.operation_id), asked, "Ms Book", "statement 7")


STRIPE = Way("stripe", BOT, "finance:other", lambda bench, router, result: None)
MANUAL = Way(
    "manual", WIRED, "wire:finance:other", lambda _, router, result: confirm(router, result)
)
WAYS = [STRIPE, MANUAL]
