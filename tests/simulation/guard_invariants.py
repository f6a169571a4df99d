"""What has to be true of budgets and approvals once everything has settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from stripe_billing_router.models import Budget, window_start_ms
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
        """What was collected by the operations that began in a window, less what refunds give
        back there, stays within the limit; what was proven only after it had been given up
        counts beyond it: decision 17."""
        spent: Counter[tuple[str, int]] = Counter()
        limits: dict[tuple[str, int], int] = {}
        for row in self._rows.values():
            for part in self._house.parts(row["bot_id"], row["verb"]):
                if isinstance(part.limit, Budget) and part.kind == "money":
                    place = part.counter, window_start_ms(part.limit.per, row["started_ms"])
                    limits[place] = part.limit.amount_minor
                    spent[place] += self._spent(row)
        for held in self._parts():
            if held["kind"] == "restore" and held["state"] == "settled":
                spent[held["counter"], held["window_start_ms"]] -= held["amount"]
        for place, limit in limits.items():
            if spent[place] > limit:
                yield f"{spent[place]} was spent of {place}, and {limit} is allowed"

    def _spent(self, row: _Row) -> int:
        if row["operation_id"] in self._watch.seen.given_up:
            return 0
        return self._moved(row["operation_id"], "payment")

    def _moved(self, operation_id: str, kind: str) -> int:
        return sum(e.minor for e in self._effects.get(operation_id, ()) if e.kind == kind)

    def _miscounted(self) -> Iterator[str]:
        """A counter is the sum of what is held and settled, from which refunds have taken what they
        give back; each attempt at a call has counted."""
        money = self._sums()
        for row in self._database.execute("SELECT * FROM stripe_budgets"):
            place = row["counter"], row["window_start_ms"]
            held = self._watch.seen.calls.get(place, money[place])
            if row["used"] != held:
                yield f"{row['used']} is used of {place}, not {held}"
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
        """Settled is what was paid, less what its refunds have given back, to the cent; a refund
        gives back no more than it paid."""
        parts, back = self._parts(), Counter[tuple[str, str]]()
        for part in parts:
            if part["kind"] == "restore" and part["state"] == "settled":
                back[part["restores"], part["counter"]] += part["amount"]
                refunded = self._moved(part["operation_id"], "refund")
                if part["amount"] > refunded:
                    yield f"{part['operation_id']} gave back {part['amount']}, not {refunded}"
        for part in parts:
            if part["kind"] == "money" and part["state"] == "settled":
                name = part["operation_id"]
                moved = self._moved(name, "payment") - back[name, part["counter"]]
                if part["amount"] != moved:
                    yield f"{name} is settled with {part['amount']}, not {moved}"

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
