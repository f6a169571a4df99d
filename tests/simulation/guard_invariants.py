"""What has to be true of budgets and approvals once everything has settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from stripe_billing_router.models import Budget, window_start_ms
from tests.simulation.house import Part
from tests.simulation.simulation import Simulation
from tests.simulation.truth import Effect

_Row = dict[str, Any]
_Effects = Mapping[str, list[Effect]]


def guards_met(simulation: Simulation) -> Counter[str]:
    """Return how often bots met which guard, and what became of what they asked people."""
    met = Counter(type(ask.error).__name__ for ask in simulation.watch.asks if ask.error)
    rows = simulation.bed.rows
    met.update(
        f"approval {state}" for (state,) in rows.execute("SELECT state FROM stripe_approvals")
    )
    back = "SELECT state FROM stripe_reservations WHERE kind = 'restore'"
    met.update(f"restore {state}" for (state,) in rows.execute(back))
    return met


class GuardsEnd:
    """Budgets and approvals, compared with what really was collected."""

    def __init__(self, simulation: Simulation, rows: Mapping[str, _Row], effects: _Effects) -> None:
        self._house = simulation.schedule.house
        self._watch = simulation.watch.guards
        self._database = simulation.bed.rows
        self._rows = rows
        self._effects = effects
        self._restored = self._restorable()

    def violations(self) -> Iterator[str]:
        if self._house.has_budgets:
            for row in self._rows.values():
                yield from self._watch.holdings(row)
            yield from self._overspent()
            yield from self._miscounted()
            yield from self._missettled()
        if self._house.asks_people:
            for row in self._rows.values():
                yield from self._unapproved(row)

    def _overspent(self) -> Iterator[str]:
        """What was collected by the operations that began in a window, less what their bots gave
        back of it, stays within the limit; what was proven only after it had been given up counts
        beyond it: decision 17."""
        spent: Counter[tuple[str, int]] = Counter()
        limits: dict[tuple[str, int], int] = {}
        for row in self._rows.values():
            for part in self._house.parts(row["bot_id"], row["verb"]):
                if isinstance(part.limit, Budget) and part.kind == "money":
                    place = part.counter, window_start_ms(part.limit.per, row["started_ms"])
                    limits[place] = part.limit.amount_minor
                    spent[place] += self._spent(row, part)
        for place, limit in limits.items():
            if spent[place] > limit:
                yield f"{spent[place]} was spent of {place}, and {limit} is allowed"

    def _spent(self, row: _Row, part: Part) -> int:
        if row["operation_id"] in self._watch.seen.given_up:
            return 0
        return self._left(row["operation_id"], part.counter)

    def _left(self, operation_id: str, counter: str) -> int:
        """Return what an operation collected, less what refunds gave back of that."""
        return self._moved(operation_id, "payment") - self._restored[operation_id, counter]

    def _restorable(self) -> Counter[tuple[str, str]]:
        """Return what refunds have to give back, by the operation that was paid and counter."""
        found: Counter[tuple[str, str]] = Counter()
        for part in self._parts():
            if part["kind"] == "restore":
                paid_by = self._watch.seen.bills[part["operation_id"]].paid_by
                found[str(paid_by), part["counter"]] += self._moved(part["operation_id"], "refund")
        return found

    def _moved(self, operation_id: str, kind: str) -> int:
        return sum(e.minor for e in self._effects.get(operation_id, ()) if e.kind == kind)

    def _miscounted(self) -> Iterator[str]:
        """A counter is the sum of what is held and settled; each attempt at a call has counted."""
        money = self._sums()
        for row in self._database.execute("SELECT * FROM stripe_budgets"):
            place = row["counter"], row["window_start_ms"]
            counted = self._watch.seen.calls.get(place, money[place])
            if row["used"] != counted:
                yield f"{row['used']} is used of {place}, not {counted}"
            money.pop(place, None)
        for place, amount in money.items():
            if amount:
                yield f"{amount} is held of {place}, which is not counted"

    def _sums(self) -> Counter[tuple[str, int]]:
        money: Counter[tuple[str, int]] = Counter()
        for part in self._parts():
            if part["kind"] != "restore" and part["state"] in ("reserved", "settled"):
                money[part["counter"], part["window_start_ms"]] += part["amount"]
        return money

    def _missettled(self) -> Iterator[str]:
        """Settled is what was paid less what was given back, and given back what was refunded, to
        the cent."""
        for part in self._parts():
            if part["kind"] == "calls" or part["state"] != "settled":
                continue
            name = part["operation_id"]
            restores = part["kind"] == "restore"
            due = self._moved(name, "refund") if restores else self._left(name, part["counter"])
            if part["amount"] != due:
                yield f"{name} is settled with {part['amount']}, not {due}"

    def _parts(self) -> list[Any]:
        return self._database.execute("SELECT * FROM stripe_reservations").fetchall()

    def _unapproved(self, row: _Row) -> Iterator[str]:
        """Every attempt has used an approval of its own up, and every effect is what a person
        has approved."""
        name, found = row["operation_id"], self._effects.get(row["operation_id"], [])
        amount = max((effect.minor for effect in found), default=0)
        known = row["amount_minor"]
        asked = self._house.needs_approval(row["bot_id"], row["verb"], known)
        if not asked and not self._house.needs_approval(row["bot_id"], row["verb"], amount):
            return
        states = self._approvals(name)
        used = len(states["used"])
        attempts = self._watch.seen.attempts[name]
        if used != attempts:
            yield f"{name} was begun {attempts} times with {used} approvals"
        if found and row["effect_hash"] not in states["used"]:
            yield f"{found} of {name} is not what was approved"
        if attempts == 0 and (found or row["state"] not in ("awaiting_approval", "canceled")):
            yield f"{name} is {row['state']} without an approval, with {found}"

    def _approvals(self, operation_id: str) -> dict[str, list[str]]:
        """Return what was asked about an operation: effect hashes, by the approval's state."""
        query = "SELECT state, effect_hash FROM stripe_approvals WHERE operation_id = ?"
        found: dict[str, list[str]] = defaultdict(list)
        for state, effect_hash in self._database.execute(query, (operation_id,)):
            found[state].append(effect_hash)
        return found
