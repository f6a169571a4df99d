"""What the routes name, as Stripe has it."""

from __future__ import annotations

from ..examination import refuse
from ..facts import Facts


def prices(facts: Facts) -> str:
    """Every route's price exists in Stripe, is active, and is in the route's currency."""
    return _as_stripe_has_them(facts, "price")


def customers(facts: Facts) -> str:
    """Every route's customer exists in Stripe, and can pay in the route's currency."""
    return _as_stripe_has_them(facts, "customer")


def _as_stripe_has_them(facts: Facts, kind: str) -> str:
    refuse(f"{one.path}: {one.message}" for one in facts.drift if one.check.startswith(kind))
    return f"Stripe has every {kind} that a route names"
