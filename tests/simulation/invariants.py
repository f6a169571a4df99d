"""What has to be true once everything has settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from stripe_billing_router.store import StripeLedger
from tests.simulation.forged import PAYOUTS, STOLEN
from tests.simulation.guard_invariants import GuardsEnd
from tests.simulation.simulation import Simulation
from tests.simulation.truth import Effect, effects, kept_payable, overpaid_back, payable

_NOTHING_HAPPENED = frozenset({"failed", "abandoned", "canceled"})
_SETTLED = _NOTHING_HAPPENED | {"succeeded", "awaiting_approval"}

_Row = dict[str, Any]


def violations(simulation: Simulation) -> list[str]:
    """Return everything that was, or is, not as it has to be; [] if all is well."""
    return [*simulation.watch.violations, *_End(simulation).violations()]


class _End:
    """The rows, and Stripe, after a schedule has been played."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._world = simulation.world
        self._watch = simulation.watch
        self._rows = self._read_rows()
        self._effects = self._read_effects()

    def _read_rows(self) -> dict[str, _Row]:
        found = self._simulation.bed.rows.execute("SELECT * FROM stripe_operations")
        return {row["operation_id"]: dict(row) for row in found}

    def _read_effects(self) -> dict[str, list[Effect]]:
        found: dict[str, list[Effect]] = defaultdict(list)
        for effect in effects(self._world):
            if effect.operation_id is not None:
                found[effect.operation_id].append(effect)
        return found

    def violations(self) -> Iterator[str]:
        yield from self._doubled()
        yield from self._unknown_to_the_ledger()
        for row in self._rows.values():
            if row["operation_id"] not in self._watch.escalated:
                yield from self._unsettled(row)
                yield from self._misrecorded(row)
        for operation_id in self._watch.escalated - self._watch.stuck - set(self._watch.forged):
            yield f"{operation_id} was escalated"
        yield from self._forgeries()
        yield from self._left_payable()
        for charge in overpaid_back(self._world):
            yield f"more was given back of {charge} than was collected"
        yield from GuardsEnd(self._simulation, self._rows, self._effects).violations()
        for broken in StripeLedger(self._simulation.bed.database).verify().broken:
            yield f"the ledger does not verify: {broken}"

    def _forgeries(self) -> Iterator[str]:
        """Nothing comes of a row that somebody without a key wrote, and people hear of it."""
        query = "SELECT operation_id FROM stripe_discrepancies WHERE kind = 'unsealed'"
        heard = {row[0] for row in self._simulation.bed.rows.execute(query)}
        for operation_id, way in self._watch.forged.items():
            # Under a stolen seal it is its own step that gives it away, if it comes to that.
            if way != "step" and operation_id not in heard:
                yield f"{operation_id} was forged, and nobody has heard of it"
        for found in self._effects.values():
            for effect in found:
                if effect.minor == STOLEN:
                    yield f"{effect} is what a forged row asked for"
        if any(request.path == PAYOUTS for request in self._world.requests):
            yield "a payout was asked for"

    def _doubled(self) -> Iterator[str]:
        """An operation has one effect, and so has a call with a key, wherever it is asked for."""
        for operation_id, found in self._effects.items():
            yield from _more_than_one(operation_id, found)
        for intent in self._simulation.schedule.intents:
            if intent.key is not None:
                asks = [ask for ask in self._watch.asks if ask.intent is intent]
                opened = sorted({operation_id for ask in asks for operation_id in ask.opened})
                together = [effect for id_ in opened for effect in self._effects.get(id_, ())]
                yield from _more_than_one(intent.key, together)

    def _unknown_to_the_ledger(self) -> Iterator[str]:
        if not self._watch.ledger_lost:
            for operation_id in self._effects.keys() - self._rows.keys():
                yield f"{self._effects[operation_id]}: nothing tells of {operation_id}"

    def _unsettled(self, row: _Row) -> Iterator[str]:
        if row["state"] not in _SETTLED and not self._is_kept_payable(row):
            yield f"{row['operation_id']} ({row['verb']}) is {row['state']} for ever"

    def _misrecorded(self, row: _Row) -> Iterator[str]:
        operation_id, state = row["operation_id"], row["state"]
        found = self._effects.get(operation_id, [])
        if self._waits_for_its_bot(row):
            return
        if state in (*_NOTHING_HAPPENED, "awaiting_approval") and found:
            yield f"{operation_id} is {state}, but there is {found}"
        if state == "succeeded" and not found:
            yield f"{operation_id} succeeded, but nothing has happened"
        moved, booked = sum(effect.minor for effect in found), self._booked(operation_id)
        if booked is None and not self._watch.guards.seen.attempts[operation_id]:
            return  # people were asked, and it was never begun
        if booked != moved:
            yield f"{operation_id} is booked with {booked}, but moved {moved}"

    def _waits_for_its_bot(self, row: _Row) -> bool:
        """After a lost ledger, what happened before is found once the bot asks again as it was
        told to, or looks as it was told to."""
        conflict = '"kind":"conflict"' in (row["outcome"] or "")
        return self._watch.ledger_lost and (row["state"] == "abandoned" or conflict)

    def _booked(self, operation_id: str) -> int | None:
        """Return the sum of an operation's ledger entries; None if it has none."""
        query = "SELECT amount_minor FROM stripe_ledger WHERE operation_id = ?"
        rows = self._simulation.bed.rows.execute(query, (operation_id,))
        found = [row[0] or 0 for row in rows]
        return sum(found) if found else None

    def _left_payable(self) -> Iterator[str]:
        for what, operation_id in payable(self._world):
            row = self._rows.get(operation_id or "")
            if row is None and self._watch.ledger_lost:
                continue
            if row is not None and self._may_be_payable(row):
                continue
            yield f"{what} of {operation_id} is left payable"

    def _may_be_payable(self, row: _Row) -> bool:
        escalated = row["operation_id"] in self._watch.escalated
        return escalated or self._waits_for_its_bot(row) or self._is_kept_payable(row)

    def _is_kept_payable(self, row: _Row) -> bool:
        return row["state"] == "processing" and row["operation_id"] in kept_payable(self._world)


def _more_than_one(name: str, found: Sequence[Effect]) -> Iterator[str]:
    for kind, number in Counter(effect.kind for effect in found).items():
        if number > 1:
            yield f"{name} has had {number} effects of the kind {kind}: {found}"
