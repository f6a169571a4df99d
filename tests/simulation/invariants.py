"""What has to be true once everything has settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.simulation.simulation import Simulation
from tests.simulation.truth import Effect, effects, overpaid_back, payable

_NOTHING_HAPPENED = frozenset({"failed", "abandoned", "canceled"})
_SETTLED = _NOTHING_HAPPENED | {"succeeded", "processing"}


def violations(simulation: Simulation) -> list[str]:
    """Return everything that is not as it has to be; [] if all is well."""
    return [*simulation.violations, *_at_the_end(simulation)]


def _at_the_end(simulation: Simulation) -> Iterator[str]:
    rows = _rows(simulation)
    by_operation = _by_operation(simulation)
    yield from _unsettled(simulation, rows)
    for operation_id, found in by_operation.items():
        yield from _doubled(operation_id, found)
        if operation_id not in rows and not simulation.ledger_lost:
            yield f"{found} belong to {operation_id}, which nothing tells of"
    yield from _keys_that_paid_twice(simulation, by_operation)
    for operation_id, row in rows.items():
        if operation_id not in simulation.escalated:
            yield from _misrecorded(simulation, row, by_operation.get(operation_id, []))
    yield from _left_payable(simulation, rows)
    yield from (f"more was given back than collected of {id_}" for id_ in overpaid_back(simulation.world))
    yield from _broken_chain(simulation)


def _rows(simulation: Simulation) -> dict[str, dict[str, Any]]:
    query = "SELECT * FROM stripe_operations"
    return {row["operation_id"]: dict(row) for row in simulation.bed.rows.execute(query)}


def _by_operation(simulation: Simulation) -> dict[str, list[Effect]]:
    found: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects(simulation.world):
        if effect.operation_id is not None:
            found[effect.operation_id].append(effect)
    return found


def _unsettled(simulation: Simulation, rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    for operation_id, row in rows.items():
        if row["state"] not in _SETTLED and operation_id not in simulation.escalated:
            yield f"{operation_id} ({row['verb']}) is {row['state']} for ever"
    for operation_id in simulation.escalated - simulation.stuck:
        yield f"{operation_id} was escalated"


def _doubled(operation_id: str, found: list[Effect]) -> Iterator[str]:
    for kind, number in Counter(effect.kind for effect in found).items():
        if number > 1:
            yield f"{operation_id} has had {number} effects of the kind {kind}: {found}"


def _keys_that_paid_twice(
    simulation: Simulation, by_operation: dict[str, list[Effect]]
) -> Iterator[str]:
    """A call with a key is one, however often and wherever it is asked for."""
    for intent in simulation.schedule.intents:
        asks = [ask for ask in simulation.asks if ask.intent is intent and intent.key]
        opened = {operation_id for ask in asks for operation_id in ask.opened}
        found = [effect for id_ in sorted(opened) for effect in by_operation.get(id_, [])]
        for violation in _doubled(f"{intent.key}", found):
            yield violation


def _misrecorded(
    simulation: Simulation, row: dict[str, Any], found: list[Effect]
) -> Iterator[str]:
    operation_id, state = row["operation_id"], row["state"]
    told_to_repeat = state == "abandoned" or '"kind":"conflict"' in (row["outcome"] or "")
    if simulation.ledger_lost and told_to_repeat:
        return  # what happened before the loss will be found when the caller does as it was told
    if state in _NOTHING_HAPPENED and found:
        yield f"{operation_id} is {state}, but there is {found}"
    if state == "succeeded" and not found:
        yield f"{operation_id} succeeded, but nothing has happened"
    if state == "processing":
        return
    moved = sum(effect.minor for effect in found)
    booked = _booked(simulation, operation_id)
    if booked != moved:
        yield f"{operation_id} is booked with {booked}, but moved {moved}"


def _left_payable(
    simulation: Simulation, rows: dict[str, dict[str, Any]]
) -> Iterator[str]:
    for what, operation_id in payable(simulation.world):
        row = rows.get(operation_id or "", {"state": "unknown"})
        if simulation.ledger_lost and operation_id not in rows:
            continue
        if row["state"] != "processing" and operation_id not in simulation.escalated:
            yield f"{what} of {operation_id} is left payable"


def _booked(simulation: Simulation, operation_id: str) -> int | None:
    """Return the sum of an operation's ledger entries; None if it has none."""
    query = "SELECT amount_minor FROM stripe_ledger WHERE operation_id = ?"
    found = [row[0] or 0 for row in simulation.bed.rows.execute(query, (operation_id,))]
    return sum(found) if found else None


def _broken_chain(simulation: Simulation) -> Iterator[str]:
    process = simulation.survivor()
    checked = process.router.ledger.verify()
    for broken in checked.broken:
        yield f"the ledger does not verify: {broken}"
