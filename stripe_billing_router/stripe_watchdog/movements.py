"""A movement of money: what Stripe shows of it, beside what our books say."""

from __future__ import annotations

from collections.abc import Sequence

from ..frozen import frozen
from ..models import BookedEntry, BookedOperation, Shown


@frozen
class Facts:
    """What a finding is about, in the fields of `Finding`."""

    subject: str
    bot_id: str | None = None
    operation_id: str | None = None
    account_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    at_ms: int | None = None


_DONE = ("succeeded",)


@frozen
class Movement:
    """A movement of money in Stripe, or a failed attempt at one.

    `entries` are those of the ledger that carry one of its ids; `others` are those that its
    operation has beside them. `operation` is whose it is, None if it is nobody's of ours.
    """

    shown: Shown
    entries: tuple[BookedEntry, ...] = ()
    operation: BookedOperation | None = None
    others: tuple[BookedEntry, ...] = ()

    @property
    def recorded(self) -> tuple[BookedEntry, ...]:
        """The entries that say that this money has moved."""
        return tuple(entry for entry in self.entries if entry.succeeded)

    @property
    def ours(self) -> bool:
        return self.operation is not None or bool(self.entries)

    @property
    def under_way(self) -> bool:
        """Whether our own side may still be at it: then it is too early to judge."""
        return self.operation is not None and self.operation.under_way

    @property
    def moved(self) -> bool:
        """Whether Stripe shows money as moved, or as about to move."""
        return self.shown.status in ("succeeded", "pending", "requires_action")

    @property
    def settled(self) -> bool:
        """Whether what Stripe shows is final, and can be compared with one entry of the ledger."""
        final = ("succeeded", "failed", "canceled") if self.shown.kind == "refund" else _DONE
        return self.shown.status in final and not self.shown.renewal

    @property
    def operation_id(self) -> str | None:
        if self.operation is not None:
            return self.operation.operation_id
        named = next((entry.operation_id for entry in self.entries if entry.operation_id), None)
        return named or self.shown.operation_id

    @property
    def bot_id(self) -> str | None:
        if self.operation is not None:
            return self.operation.bot_id
        named = next((entry.bot_id for entry in self.entries if entry.bot_id), None)
        return named or self.shown.bot_id

    @property
    def facts(self) -> Facts:
        shown = self.shown
        return Facts(
            shown.payment if shown.status == "failed" and shown.kind != "refund" else shown.id,
            self.bot_id,
            self.operation_id,
            shown.destination,
            shown.collected_minor,
            shown.currency,
            shown.created_ms,
        )


def ids_of(entries: Sequence[BookedEntry]) -> list[str]:
    """Return the Stripe ids of entries, for details."""
    return sorted({entry.id for entry in entries})
