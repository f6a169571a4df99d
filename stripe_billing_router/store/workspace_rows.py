"""Rows of the workspace's queries as what Stripe shows."""

from __future__ import annotations

from typing import Any

from ..models import Shown


def charge(row: Any) -> Shown:
    (_, charge, payment, created_ms, status, captured, currency, destination, *family) = row
    operation, bot, invoice, subscription, reason, session, other, *balance = family
    return Shown(
        "charge",
        charge,
        payment,
        created_ms,
        status,
        captured,
        currency,
        _ids(payment, invoice, subscription, session, other),
        operation,
        bot,
        destination,
        subscription is not None and reason != "subscription_create",
        balance[0],
        balance[1],
        bool(balance[2]),
    )


def refund(row: Any) -> Shown:
    (_, refund, payment, created_ms, status, amount, currency, operation, bot, *balance) = row
    return Shown(
        "refund",
        refund,
        payment or refund,
        created_ms,
        status,
        amount if status == "succeeded" else 0,
        currency,
        (refund,),
        operation,
        bot,
        None,
        False,
        None if balance[0] is None else -balance[0],
        balance[1],
        bool(balance[2]),
    )


def failure(row: Any) -> Shown:
    _, event, payment, created_ms, _, currency, *family = row
    operation, bot, invoice, subscription, reason, session, other = family
    return Shown(
        "failure",
        event,
        payment,
        created_ms,
        "failed",
        0,
        currency,
        _ids(payment, invoice, subscription, session, other),
        operation,
        bot,
        None,
        subscription is not None and reason != "subscription_create",
    )


def _ids(*ids: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in ids if name is not None))
