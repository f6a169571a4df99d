"""Two processes that have both just heard from the database, which goes away, and a bot that asks
first the one, then the other. Seldom enough by chance, and the journal's own dangers lie there."""

from __future__ import annotations

from random import Random

from tests.simulation.house import House
from tests.simulation.schedule import (
    Ask,
    Crash,
    Happening,
    Injection,
    Intent,
    Interrupts,
    NetworkFault,
    Outage,
    Recover,
    Schedule,
    Wait,
    WritesRefused,
)

_CHARGE = Intent(0, "charge by amount", None, "succeeds")
_CUSTOMER = Intent(1, "create_customer", None, "succeeds")
_COMMITS_BEFORE = 4
"""Intent and outcome of a customer, in either process."""


def at_the_journal(seed: int, random: Random) -> Schedule:
    """Return a schedule in which the database goes away before the charge is written."""
    outage = Outage(random.choice((50.0, 200.0, 4000.0)))
    return Schedule(
        seed=seed,
        intents=(_CHARGE, _CUSTOMER),
        happenings=_happenings(random),
        injections=(
            Injection("commit.before", _COMMITS_BEFORE, outage, "ask"),
            _while_it_is_away(random),
        ),
        deaths_show=random.random() < 0.5,
        house=House(),
    )


def at_a_ledger_that_refuses(seed: int, random: Random) -> Schedule:
    """Return a schedule in which Stripe pays, its answer is lost, and the doubt cannot be written:
    the ledger is locked or read-only, or whoever waits for the answer presses Ctrl-C twice."""
    refusal = random.choice((Interrupts(2), WritesRefused(random.choice((20.0, 200.0, 4000.0)))))
    return Schedule(
        seed=seed,
        intents=(_CHARGE, _CUSTOMER),
        happenings=_happenings(random),
        injections=(
            Injection("send.before", 2, NetworkFault("cut", True, 12), "ask", posts_only=True),
            Injection("sleep.before", 0, refusal, "ask", follows=True),
        ),
        deaths_show=True,
        house=House(),
    )


def _happenings(random: Random) -> tuple[Happening, ...]:
    pause = Wait(random.choice((0.0, 1.0, 40.0)))
    again = Ask(0, random.choice((0, 1, 1)))
    later = Wait(random.choice((60.0, 700.0)))
    return Ask(1, 0), Ask(1, 1), Ask(0, 0), pause, again, Ask(1, 1), later, Recover(0)


def _while_it_is_away(random: Random) -> Injection:
    return random.choice(
        (
            Injection("send.after", 0, Crash(), "ask", posts_only=True, follows=True),
            Injection("journal.after", random.randrange(2), Crash(), follows=True),
            Injection("journal.before", random.randrange(2), Crash(tears=True), follows=True),
            Injection("send.before", 0, NetworkFault("cut", True, 12), "ask", True, follows=True),
        )
    )
