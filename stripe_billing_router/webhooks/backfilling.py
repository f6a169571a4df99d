"""Fetches what was never delivered: Stripe keeps its events for 30 days."""

from __future__ import annotations

import datetime as dt

from ..engine import Queries
from ..errors import InvalidRequestError, WebhookError
from ..frozen import frozen
from ..redaction import shown
from .reading import event_of
from .receiving import Receiver


@frozen
class Backfilled:
    """How many events Stripe listed: `new` in the inbox, `known` to it, or `refused`."""

    new: int
    known: int
    refused: int


class Backfill:
    """Reads events from Stripe into the inbox. They are Stripe's own words: no signature needed."""

    def __init__(self, queries: Queries, receiver: Receiver) -> None:
        self._queries = queries
        self._receiver = receiver

    def since(self, since: object) -> Backfilled:
        """Store every event since a time (an aware datetime, or seconds since the epoch).

        What is stored stays stored if a page cannot be read; a further call goes over all again.
        """
        counts = {"new": 0, "known": 0, "refused": 0}
        for body in self._queries.events(None, {"gte": _seconds(since)}, {}):
            counts[self._stored(body)] += 1
        return Backfilled(**counts)

    def _stored(self, body: object) -> str:
        try:
            receipt = self._receiver.store(event_of(body))
        except WebhookError:
            return "refused"
        return "known" if receipt.duplicate else "new"


def _seconds(since: object) -> int:
    if isinstance(since, dt.datetime) and since.tzinfo is not None:
        return int(since.timestamp())
    if isinstance(since, int) and not isinstance(since, bool) and since.bit_length() < 63:
        return since
    raise InvalidRequestError(
        f"since is {shown(since)}; pass an aware datetime, or whole seconds since the epoch.",
        parameter="since",
    )
