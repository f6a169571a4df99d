"""What a call is about to do, and what the rules demand of it."""

from __future__ import annotations

from ..frozen import frozen
from ..models import BotId, Declared, Reservation


@frozen
class Facts:
    """What a call is about to do. `amount_minor` is None where it cannot be known."""

    bot: BotId
    verb: Declared
    region: str
    amount_minor: int | None
    currency: str | None

    @property
    def moves_money(self) -> bool:
        return self.verb.moves != "none"


@frozen
class Demands:
    """What the rules that match demand of a call that they do not refuse.

    `reservations` stand in the order of their counters, so that two transactions never wait for
    each other's. `approval` and `own_payment` are the names of the rules that ask for a person's
    approval, and that the refunded payment be the bot's own; None if none does.
    """

    reservations: tuple[Reservation, ...] = ()
    approval: str | None = None
    own_payment: str | None = None
