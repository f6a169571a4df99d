"""What happens to webhooks on their way: late, twice, in another order, or not at all."""

from __future__ import annotations

from ..frozen import frozen

_MINUTE, _HOUR = 60, 3600

RETRIED_AFTER = (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR) + (12 * _HOUR,) * 4
"""Seconds between an attempt that failed and the next one. After the last, Stripe gives up: the
whole takes a little less than three days."""


@frozen
class DeliveryPlan:
    """How the deliveries to one endpoint go. Equal seeds give equal deliveries.

    Chances are between 0 and 1. `duplicate`: an event is sent twice at once. `shuffle`: an event
    is overtaken by up to that many others that wait with it. `delay`: it comes up to so many
    seconds late. `drop`: an attempt does not arrive, and is repeated as after any failure.
    `repeat`: the receiver's 2xx is lost on its way, so that what was taken comes again. `lose`:
    nothing of the event ever arrives; only the Events API tells of it.
    """

    seed: int = 0
    duplicate: float = 0.0
    shuffle: int = 0
    delay: float = 0.0
    drop: float = 0.0
    repeat: float = 0.0
    lose: float = 0.0
