"""A bot whose call without a key is broken off, by Ctrl-C for one, while its process lives on: it
asks for the same again. Seldom enough by chance that nothing else stops the second payment."""

from __future__ import annotations

from random import Random

from tests.simulation.house import House
from tests.simulation.schedule import (
    Ask,
    Injection,
    Intent,
    Interrupted,
    NetworkFault,
    Recover,
    Schedule,
    Wait,
)

_OUTCOME = 1
"""Which commit of a call is that of its outcome: the one after the intent's."""


def at_an_interruption(seed: int, random: Random) -> Schedule:
    """Return a schedule that interrupts the call while it sends, or while its outcome is written,
    and asks again."""
    process = random.choice((0, 0, 1))
    return Schedule(
        seed=seed,
        intents=(Intent(0, random.choice(("charge by amount", "refund")), None, "succeeds"),),
        happenings=(Ask(0, 0), Wait(random.choice((0.0, 1.0, 130.0))), Ask(0, process), Recover(0)),
        injections=_injections(random),
        deaths_show=random.random() < 0.5,
        house=House(),
    )


def _injections(random: Random) -> tuple[Injection, ...]:
    struck = Interrupted()
    return random.choice(
        (
            (Injection("send.before", 0, struck, "ask", posts_only=True),),
            (Injection("send.after", 0, struck, "ask", posts_only=True),),
            (Injection("commit.before", _OUTCOME, struck, "ask"),),
            (Injection("commit.after", _OUTCOME, struck, "ask"),),
            (
                Injection("send.before", 0, NetworkFault("cut", True, 12), "ask", posts_only=True),
                Injection("sleep.before", 0, struck, "ask", follows=True),
            ),
        )
    )
