"""From a seed to the rules of a house: limits so small that two or three calls reach them."""

from __future__ import annotations

from random import Random
from typing import Any

from stripe_billing_router.models import Budget, CallLimit, PolicyRule, Window
from tests.simulation.house import House

_WITHOUT = 0.4
"""The share of schedules without rules."""

_KINDS = (
    ("budget",),
    ("shared budget",),
    ("calls",),
    ("approval",),
    ("approval",),
    ("budget", "shared budget"),
    ("budget", "calls"),
    ("approval", "budget"),
)


def house(random: Random) -> House:
    if random.random() < _WITHOUT:
        return House()
    return House(tuple(_RULES[kind](random) for kind in random.choice(_KINDS)))


def _budget(random: Random) -> PolicyRule:
    whose: dict[str, Any] = {"bot_name": random.choice(("bot", "*"))}
    return PolicyRule("small", budgets=(_limited(random, shared=False),), **whose)


def _shared_budget(random: Random) -> PolicyRule:
    return PolicyRule("together", budgets=(_limited(random, shared=True),))


def _limited(random: Random, *, shared: bool) -> Budget:
    per: Window = random.choice(("day", "day", "hour"))
    amount = random.choice((600, 1000, 1500, 2000))
    return Budget(per, amount, "usd", shared, refunds_restore=random.random() < 0.6)


def _calls(random: Random) -> PolicyRule:
    per: Window = random.choice(("day", "hour"))
    limit = CallLimit(per, random.choice((1, 2, 3)), shared=random.random() < 0.5)
    return PolicyRule("seldom", call_limits=(limit,))


def _approval(random: Random) -> PolicyRule:
    return PolicyRule("asked", approval_above={"usd": random.choice((300, 450, 900))})


_RULES = {
    "budget": _budget,
    "shared budget": _shared_budget,
    "calls": _calls,
    "approval": _approval,
}
