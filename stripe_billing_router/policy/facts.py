"""What a call is about to do, and what the rules demand of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..models import BotId, Reservation

_WITHOUT_AMOUNT = frozenset({"create_customer"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a call is about to do. `amount_minor` is None where it cannot be known."""

    bot: BotId
    verb: str
    region: str
    amount_minor: int | None
    currency: str | None

    @property
    def moves_money(self) -> bool:
        return moves_money(self.verb)


@dataclass(frozen=True, slots=True)
class Demands:
    """What the rules that match demand of a call that they do not refuse.

    `reservations` stand in the order of their counters, so that two transactions never wait for
    each other's. `approval` and `own_payment` are the names of the rules that ask for a person's
    approval, and that the refunded payment be the bot's own; None if none does.
    """

    reservations: tuple[Reservation, ...] = ()
    approval: str | None = None
    own_payment: str | None = None


def moves_money(verb: str) -> bool:
    """Return whether limits on amounts concern the verb: all but those that have no amount."""
    return verb not in _WITHOUT_AMOUNT
