"""What the routes name, as Stripe has it."""

from __future__ import annotations

from collections.abc import Callable

from ....errors import StripeRequestError
from ....models.findings import Finding
from ..examination import Concern, Skipped, refuse
from ..facts import Facts


def prices(facts: Facts) -> str:
    """Every route's price exists in Stripe, is active, and is in the route's currency."""
    return _as_stripe_has_them(facts, "price")


def customers(facts: Facts) -> str:
    """Every route's customer exists in Stripe, and can pay in the route's currency."""
    return _as_stripe_has_them(facts, "customer")


def bank_debits(facts: Facts) -> str:
    """Where bank debits are used, webhooks tell what a bank has said."""
    if facts.webhook_secrets:
        return "webhooks tell what a bank has said"
    used = [f"{one.path}: {one.message}" for one in _readable(lambda: facts.bank_debits)]
    if facts.no_ledger_yet is None and facts.ledger.waits_for_banks:
        used.append("the ledger has operations that a bank is at")
    if not used:
        return "no route is paid by bank debit"
    listed = "\n".join(used)
    raise Concern(
        f"{listed}\nWithout webhooks, recovery and the watchdog find out hours later what a bank "
        "has paid or refused; set STRIPE_WEBHOOK_SECRET to receive them."
    )


def _readable(find: Callable[[], tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """A restricted key need not be allowed to read payment methods."""
    try:
        return find()
    except StripeRequestError as error:
        raise Skipped(str(error)) from None


def _as_stripe_has_them(facts: Facts, kind: str) -> str:
    refuse(f"{one.path}: {one.message}" for one in facts.drift if one.check.startswith(kind))
    return f"Stripe has every {kind} that a route names"
