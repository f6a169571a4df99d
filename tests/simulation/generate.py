"""From a seed to a schedule: small scenarios, so that one or two mishaps reach everything."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.simulation.at_an_interruption import at_an_interruption
from tests.simulation.at_the_bank import at_the_bank
from tests.simulation.at_the_journal import at_a_ledger_that_refuses, at_the_journal
from tests.simulation.forged import with_forged_rows
from tests.simulation.house import BOTS, SCOPES, House
from tests.simulation.rules import house
from tests.simulation.schedule import (
    DAY,
    HOUR,
    Ask,
    BankSettles,
    Cancel,
    CardChanges,
    CardIsReplaced,
    CommitBreaksOff,
    Crash,
    CustomerActs,
    CutOff,
    DatabaseAway,
    Decide,
    Doing,
    Freeze,
    Happening,
    Injection,
    Intent,
    Interrupts,
    Jump,
    LedgerIsLost,
    Mishap,
    NetworkFault,
    Outage,
    Owes,
    PointKind,
    Recover,
    RevokeKey,
    Schedule,
    Suspend,
    Unfreeze,
    Wait,
    WritesRefused,
)

PROCESSES = 2
_REFUNDS_OF_BOTS = 0.7
_TAKEN_OVER = 0.03
_AT_THE_JOURNAL = 0.03
_AT_THE_BANK = 0.08
_AT_A_LEDGER_THAT_REFUSES = 0.03
_WITH_FORGED_ROWS = 0.05
_AT_AN_INTERRUPTION = 0.03
_VERBS = {
    "charge by amount": 6,
    "charge by price": 6,
    "charge on session": 1,
    "refund": 3,
    "create_subscription": 3,
    "create_checkout_session": 2,
    "checkout of a subscription": 1,
    "create_customer": 1,
}
_OUTCOMES = {
    "succeeds": 10,
    "declined:insufficient_funds": 3,
    "authentication_required": 3,
    "processing": 2,
}
_BEHAVIORS = ("", "", "", "allow_incomplete", "default_incomplete")
_PAUSES = (1.0, 40.0, 130.0, 700.0, 1800.0, 2 * HOUR, 25 * HOUR)
_OUTAGES = (5.0, 5.0, 50.0, 200.0, 4000.0)
_NETWORK = (
    ("cut", True),
    ("cut", False),
    ("timeout", True),
    ("timeout", False),
    ("truncated", True),
    ("broken_body", True),
    ("server_error", True),
    ("server_error", False),
    ("unavailable", False),
    ("unavailable", True),
    ("lock_timeout", False),
    ("key_in_use", False),
    ("rate_limited", False),
    ("refused", False),
    ("connect_timeout", False),
    ("proxy_page", True),
    ("proxy_page", False),
)


def schedule(seed: int) -> Schedule:
    """Return the schedule of a seed, always the same one."""
    random = Random(seed)
    chance = random.random()
    if chance < _AT_THE_JOURNAL:
        return at_the_journal(seed, random)
    if chance < _AT_THE_JOURNAL + _AT_A_LEDGER_THAT_REFUSES:
        return at_a_ledger_that_refuses(seed, random)
    if chance > 1 - _WITH_FORGED_ROWS:
        return with_forged_rows(seed, random)
    if chance > 1 - _WITH_FORGED_ROWS - _AT_AN_INTERRUPTION:
        return at_an_interruption(seed, random)
    rules = house(random)
    chance = random.random()
    if chance < _AT_THE_BANK:
        return at_the_bank(seed, random, rules)
    if chance > 1 - _TAKEN_OVER:
        return _taken_over(seed, random, rules)
    numbers = range(random.choice((1, 2, 2, 3) if rules.has_budgets else (1, 1, 1, 2, 3)))
    wanted = [_intent(random, number) for number in numbers]
    intents = _with_refunds(Random(f"refunds {seed}"), wanted, rules)
    return Schedule(
        seed=seed,
        intents=intents,
        happenings=_happenings(random, intents, rules),
        injections=_injections(random, intents),
        deaths_show=random.random() < 0.5,
        house=rules,
    )


def _taken_over(seed: int, random: Random, rules: House) -> Schedule:
    """A bot dies, the recovery that takes its call up stands still, and another one takes over."""
    verb = random.choice(("charge by amount", "charge by amount", "charge by price"))
    meanwhile: tuple[Happening, ...] = Recover(1), Ask(0, 1)
    stands_still = Suspend(random.choice((130.0, 130.0, 700.0)), meanwhile[: random.choice((1, 2))])
    kind: PointKind = random.choice(("commit.after", "commit.after", "send.after"))
    return Schedule(
        seed=seed,
        intents=(Intent(0, verb, "key-0", "succeeds", bot=random.choice(BOTS)),),
        happenings=(Ask(0, 0), Wait(130.0), Recover(0), Ask(0, 0)),
        injections=(
            Injection("send.before", 0, Crash(), "ask", posts_only=True),
            Injection(kind, random.choice((0, 0, 1)), stands_still, "recover", follows=True),
        ),
        deaths_show=random.random() < 0.5,
        house=House() if rules.asks_people else rules,
    )


def _weighted(random: Random, weights: dict[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def _intent(random: Random, number: int) -> Intent:
    verb = _weighted(random, _VERBS)
    key = f"key-{number}" if random.random() < 0.55 else None
    outcome = _weighted(random, _OUTCOMES)
    variant = random.choice(_BEHAVIORS) if verb == "create_subscription" else ""
    return Intent(number, verb, key, outcome, variant, random.choice((*BOTS, BOTS[0])))


def _with_refunds(random: Random, intents: list[Intent], rules: House) -> tuple[Intent, ...]:
    """Have refunds where something can be given back, and most of them of what a bot collected
    itself, mostly the same bot."""
    found = list(intents)
    for intent in intents:
        refunds = intent.verb == "refund" or (rules.gives_back and random.random() < 0.15)
        if refunds and random.random() < _REFUNDS_OF_BOTS:
            number = len(found)
            verb = random.choice(("charge by amount", "charge by amount", "charge by price"))
            key = f"key-{number}" if intent.key else None
            bot = random.choice((intent.bot,) * 5 + BOTS)
            found[intent.number] = replace(intent, verb="refund", variant="", of=number)
            found.append(Intent(number, verb, key, "succeeds", bot=bot))
    return tuple(found)


# -- what happens from outside ------------------------------------------------------------------


def _happenings(random: Random, intents: tuple[Intent, ...], rules: House) -> tuple[Happening, ...]:
    refunded = {intent.of for intent in intents}
    wanted = [intent for intent in intents if intent.number not in refunded]
    lives = [_life(random, intent, rules) for intent in wanted]
    merged: list[Happening] = []
    while any(lives):
        merged.append(random.choice([life for life in lives if life]).pop(0))
    # What bots have spent and people have said is lost with the ledger.
    if not rules.rules and all(i.key for i in intents) and random.random() < 0.15:
        merged += [LedgerIsLost(), *(_asks(random, intent) for intent in intents)]
    return tuple(merged)


def _life(random: Random, intent: Intent, rules: House) -> list[Happening]:
    """One intent: asked for, perhaps again at once or later, and what people and banks do."""
    life: list[Happening] = [*_paid_for(random, intent, rules), _asks(random, intent)]
    if rules.rules and random.random() < 0.2:
        life.insert(0, Owes(intent.number, random.choice((60, 700, 50_000))))
        if "checkout" in intent.verb:
            life.append(CustomerActs(intent.number, succeed=True))
    if rules.asks_people and random.random() < 0.1:
        life += [Decide(approve=True), CardIsReplaced(intent.number), Wait(700.0)]
        life.append(_asks(random, intent))
    for _ in range(random.choice((0, 1, 1, 2)) + rules.asks_people):
        life += [*_between(random, intent, rules), _asks(random, intent)]
    return life + _between(random, intent, rules)


def _paid_for(random: Random, refund: Intent, rules: House) -> list[Happening]:
    """What a refund gives back is collected before, mostly in the same window."""
    if refund.of is None:
        return []
    paid: list[Happening] = [Ask(refund.of, random.choice((0, 0, 1)))]
    if rules.asks_people:
        paid += [Decide(approve=True), Ask(refund.of, 0)]
    if random.random() < 0.4:
        paid.append(Wait(random.choice((1.0, 2 * HOUR, 25 * HOUR))))
    return paid


def _between(random: Random, intent: Intent, rules: House) -> list[Happening]:
    found: list[Happening] = []
    if rules.asks_people and random.random() < 0.6:
        found.append(Decide(random.random() < 0.8))
    if random.random() < 0.5:
        found.append(Wait(random.choice(_PAUSES)))
    if random.random() < 0.3:
        found.append(Recover(random.randrange(PROCESSES)))
    if random.random() < 0.1:
        found.append(Outage(random.choice(_OUTAGES)))
    if random.random() < 0.3:
        found.append(_others(random, intent))
    if random.random() < 0.04:
        found.append(Unfreeze())
    return found


def _others(random: Random, intent: Intent) -> Happening:
    """What the customer, the bank or the bot's second thoughts bring."""
    succeed = random.random() < 0.6
    return random.choice(
        (
            Cancel(intent.number, random.randrange(PROCESSES)),
            CustomerActs(intent.number, succeed),
            BankSettles(intent.number, succeed),
            CardChanges(intent.number, _weighted(random, _OUTCOMES)),
            CardIsReplaced(intent.number),
        )
    )


def _asks(random: Random, intent: Intent) -> Ask:
    return Ask(intent.number, random.choice((0, 0, 1)), as_told=random.random() < 0.8)


# -- what goes wrong ----------------------------------------------------------------------------


def _injections(random: Random, intents: tuple[Intent, ...]) -> tuple[Injection, ...]:
    """One to three, anywhere; or one that leaves doubt, or the database that goes away, and
    another on its heels."""
    chance = random.random()
    if chance < 0.3:
        return _doubt(random), _on_its_heels(random, intents)
    if chance < 0.5:
        return _goes_away(random), _while_it_is_away(random, intents)
    return tuple(_injection(random, intents) for _ in range(random.choice((1, 1, 1, 2, 2, 3))))


def _doubt(random: Random) -> Injection:
    """A request of which nobody knows whether it had its effect."""
    kind, effect = random.choice(_NETWORK[:8])
    if random.random() < 0.6:
        return Injection(
            "send.before", random.randrange(3), NetworkFault(kind, effect, 1), "ask", True
        )
    point: PointKind = random.choice(("send.before", "send.after"))
    return Injection(point, random.randrange(3), Crash(), "ask", True)


def _goes_away(random: Random) -> Injection:
    """Before or after an intent is written, at a process that has heard from the database."""
    point: PointKind = random.choice(("commit.before", "commit.before", "send.before"))
    posts_only = point == "send.before"
    outage = Outage(random.choice(_OUTAGES))
    return Injection(point, random.randrange(2), outage, "ask", posts_only)


def _while_it_is_away(random: Random, intents: tuple[Intent, ...]) -> Injection:
    what = random.choice(("crash", "crash", "torn", "network", "suspend", "jump", "lost commit"))
    kind, mishap = _MAKERS[what](random, intents)
    if what in ("crash", "suspend") and random.random() < 0.6:
        kind = random.choice(("journal.before", "journal.after"))
    posts_only = kind == "send.before"
    return Injection(kind, random.randrange(5), mishap, None, posts_only, follows=True)


def _on_its_heels(random: Random, intents: tuple[Intent, ...]) -> Injection:
    what = random.choice(("key", "freeze", "jump", "cut off", "network", "suspend", "crash"))
    kind, mishap = _MAKERS[what](random, intents)
    posts_only = kind == "send.before"
    return Injection(kind, random.randrange(2), mishap, None, posts_only, follows=True)


def _injection(random: Random, intents: tuple[Intent, ...]) -> Injection:
    kind, mishap = _mishap(random, intents)
    doing: Doing | None = random.choice(("ask", "ask", "recover", None))
    sends = kind.startswith("send")
    posts_only = sends and random.random() < 0.8
    most = 14 if sends and not posts_only else 7
    return Injection(kind, int(random.triangular(0, most, 0)), mishap, doing, posts_only)


def _mishap(random: Random, intents: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    what = _weighted(
        random,
        {
            "crash": 34,
            "network": 30,
            "suspend": 16,
            "jump": 5,
            "lost commit": 5,
            "cut off": 4,
            "key": 4,
            "away": 8,
            "outage": 6,
            "refused": 8,
            "interrupts": 6,
            "torn": 2,
            "breaks off": 16,
            "freeze": 12,
        },
    )
    return _MAKERS[what](random, intents)


_ANYWHERE: tuple[PointKind, ...] = (
    "commit.before",
    "commit.after",
    "send.before",
    "send.after",
    "send.before",
    "send.after",
    "sleep.before",
    "journal.before",
    "journal.after",
)


def _crash(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return random.choice(_ANYWHERE), Crash()


def _lost_commit(_r: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return "commit.after", Crash(loses_commit=True)


def _network(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    kind, effect = random.choice(_NETWORK)
    return "send.before", NetworkFault(kind, effect, random.choice((1, 1, 1, 2, 3, 12)))


def _suspend(random: Random, intents: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    meanwhile: list[Happening] = []
    if random.random() < 0.4:
        meanwhile.append(_asks(random, random.choice(intents)))
    if random.random() < 0.3:
        meanwhile.append(Decide(random.random() < 0.7))
    meanwhile.append(Recover(random.randrange(PROCESSES)))
    if random.random() < 0.4:
        meanwhile.append(_asks(random, random.choice(intents)))
    seconds = random.choice((0.0, 0.0, 70.0, 130.0, HOUR, HOUR, HOUR))
    return random.choice(_ANYWHERE), Suspend(seconds, tuple(meanwhile))


def _jump(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    wall_only = random.random() < 0.5
    kinds: tuple[PointKind, ...] = ("commit.after", "send.after", "sleep.before")
    seconds = 25 * HOUR if not wall_only or random.random() < 0.7 else -DAY
    return random.choice(kinds), Jump(seconds, wall_only)


def _cut_off(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return random.choice(("send.before", "send.after")), CutOff(random.random() < 0.5)


def _key(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return random.choice(("send.before", "send.after")), RevokeKey(random.random() < 0.5)


def _away(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return random.choice(("commit.before", "send.after")), DatabaseAway(random.choice((1, 2, 6)))


def _refused(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    kind: PointKind = random.choice(("commit.before", "commit.after", "send.before", "send.after"))
    return kind, WritesRefused(random.choice(_OUTAGES))


def _interrupts(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return random.choice(("commit.before", "send.after")), Interrupts(random.choice((1, 2, 2, 3)))


def _outage(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    kind: PointKind = random.choice(("commit.before", "commit.after", "send.before", "send.after"))
    return kind, Outage(random.choice(_OUTAGES))


def _torn(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return "journal.before", Crash(tears=True)


def _breaks_off(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    return "commit.before", CommitBreaksOff(random.random() < 0.5)


def _freeze(random: Random, _: tuple[Intent, ...]) -> tuple[PointKind, Mishap]:
    kinds: tuple[PointKind, ...] = ("send.before", "send.after", "commit.after", "sleep.before")
    return random.choice(kinds), Freeze(random.choice(SCOPES))


_MAKERS = {
    "crash": _crash,
    "network": _network,
    "suspend": _suspend,
    "jump": _jump,
    "lost commit": _lost_commit,
    "cut off": _cut_off,
    "key": _key,
    "away": _away,
    "outage": _outage,
    "refused": _refused,
    "interrupts": _interrupts,
    "torn": _torn,
    "breaks off": _breaks_off,
    "freeze": _freeze,
}
