"""One file per family of Stripe's resources; a new one is one file and one line here."""

from __future__ import annotations

from ..family import Family
from . import (
    account,
    balance,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    invoice_items,
    invoice_payments,
    invoices,
    payment_intents,
    payment_methods,
    prices,
    products,
    refunds,
    setup_intents,
    subscriptions,
    webhook_endpoints,
)

FAMILIES: tuple[Family, ...] = (
    account.FAMILY,
    balance.FAMILY,
    charges.FAMILY,
    checkout_sessions.FAMILY,
    customers.FAMILY,
    disputes.FAMILY,
    events.FAMILY,
    invoice_items.FAMILY,
    invoice_payments.FAMILY,
    invoices.FAMILY,
    payment_intents.FAMILY,
    payment_methods.FAMILY,
    prices.FAMILY,
    products.FAMILY,
    refunds.FAMILY,
    setup_intents.FAMILY,
    subscriptions.FAMILY,
    webhook_endpoints.FAMILY,
)
