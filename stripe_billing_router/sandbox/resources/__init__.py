"""One file per family of Stripe's resources; a new one is one file and one line here."""

from __future__ import annotations

from ..family import Family
from . import (
    account,
    balance,
    charges,
    customers,
    events,
    payment_intents,
    payment_methods,
)

FAMILIES: tuple[Family, ...] = (
    account.FAMILY,
    balance.FAMILY,
    charges.FAMILY,
    customers.FAMILY,
    events.FAMILY,
    payment_intents.FAMILY,
    payment_methods.FAMILY,
)
