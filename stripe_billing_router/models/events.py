"""What hosts are told about money."""

from __future__ import annotations

from ..frozen import frozen


@frozen
class BillingEvent:
    """Something that happened to a bot's money. Nothing in it is personal data.

    `name` is dotted, such as `operation.succeeded`. `sequence` counts the events of one bot from
    1, without gaps; `bot_id` is None for what belongs to no bot. `id` is the same however often
    the event is delivered. `action` is the ledger's action type, `amount_minor` is in minor
    units, `at_ms` in milliseconds since the epoch. `error` says that somebody should look.
    """

    id: str
    name: str
    bot_id: str | None
    sequence: int
    at_ms: int
    action: str
    operation_id: str | None
    stripe_id: str | None
    amount_minor: int | None
    currency: str | None
    error: bool = False


@frozen
class EventDraft:
    """An event of a domain's that has no number yet.

    `stream` is the bot it is about, in canonical form, or whatever else the domain numbers events
    by, in ASCII. `name` is dotted, such as `credits.granted`; `at_ms` is the transaction's time
    unless it is given. No personal data.
    """

    stream: str
    name: str
    action: str
    operation_id: str | None = None
    stripe_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    error: bool = False
    at_ms: int | None = None
