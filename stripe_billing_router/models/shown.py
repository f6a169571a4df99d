"""What Stripe shows of one movement of money, its families' ids put together."""

from __future__ import annotations

from typing import Literal

from ..frozen import frozen


@frozen
class Shown:
    """A charge, a refund, or a failure that has no charge.

    `payment` is the payment intent, or the charge where there is none; `ids` are all ids under
    which the ledger may know it: charge, payment intent, invoice, subscription, session.
    `operation_id` and `bot_id` are what the metadata of these say. `collected_minor` is what was
    collected or given back, in minor units. A `renewal` is what Stripe collects by itself for a
    subscription's later periods. `balance_minor` is what its balance transaction moved, None if
    there is none; `converted` says that it was in another currency.
    """

    kind: Literal["charge", "refund", "failure"]
    id: str
    payment: str
    created_ms: int
    status: str
    collected_minor: int
    currency: str | None
    ids: tuple[str, ...]
    operation_id: str | None = None
    bot_id: str | None = None
    destination: str | None = None
    renewal: bool = False
    balance_minor: int | None = None
    balance_currency: str | None = None
    converted: bool = False
