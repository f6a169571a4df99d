"""Something that a bank is at for days, and that it pays or refuses while nobody calls: recovery
has to find out. A refused debit may be collected after all. Seldom enough by chance."""

from __future__ import annotations

from random import Random

from tests.simulation.house import House
from tests.simulation.schedule import (
    HOUR,
    Ask,
    BankSettles,
    CommitBreaksOff,
    Crash,
    CustomerActs,
    Happening,
    Injection,
    Intent,
    NetworkFault,
    PointKind,
    Recover,
    Schedule,
    Suspend,
    Wait,
)

VERBS = (
    "charge by amount",
    "charge by price",
    "create_subscription",
    "create_checkout_session",
    "checkout of a subscription",
)


def at_the_bank(seed: int, random: Random, rules: House) -> Schedule:
    """Return a schedule in which the bank decides, and recovery follows it and is disturbed."""
    key = "key-0" if random.random() < 0.5 else None
    intent = Intent(0, random.choice(VERBS), key, "processing")
    return Schedule(
        seed=seed,
        intents=(intent,),
        happenings=_happenings(random),
        injections=tuple(_injection(random) for _ in range(random.choice((0, 1, 1, 2)))),
        deaths_show=random.random() < 0.5,
        house=House() if rules.asks_people else rules,
    )


def _happenings(random: Random) -> tuple[Happening, ...]:
    found: list[Happening] = [Ask(0, 0), CustomerActs(0, succeed=True), Ask(0, 1)]
    found += [BankSettles(0, random.random() < 0.3), Wait(random.choice((1.0, 5 * HOUR)))]
    if random.random() < 0.4:
        found.append(CustomerActs(0, random.random() < 0.7))
    found += [Wait(5 * HOUR), Recover(0), Wait(random.choice((60.0, 5 * HOUR))), Recover(1)]
    if random.random() < 0.5:
        found.append(Ask(0, random.randrange(2)))
    return tuple(found)


def _injection(random: Random) -> Injection:
    kinds: tuple[PointKind, ...] = ("send.before", "send.after", "commit.before", "commit.after")
    kind = random.choice(kinds)
    meanwhile: tuple[Happening, ...] = random.choice(
        ((Recover(1),), (CustomerActs(0, succeed=True),), (BankSettles(0, succeed=False),))
    )
    mishap = random.choice((Crash(), Crash(), Suspend(random.choice((0.0, HOUR)), meanwhile)))
    if kind == "send.before" and random.random() < 0.5:
        return Injection(kind, random.randrange(4), NetworkFault("cut", True, 3), "recover")
    if kind == "commit.before" and random.random() < 0.5:
        return Injection(
            kind, random.randrange(2), CommitBreaksOff(random.random() < 0.5), "recover"
        )
    return Injection(kind, random.randrange(5), mishap, "recover")
