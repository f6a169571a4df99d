"""Putting together what Stripe shows and what the ledger and the operations say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from ..models import BookedEntry, BookedOperation, Shown
from .movements import Movement


class Books(Protocol):
    """What is asked of ledger and operations: `store.Books`."""

    def entries_named(self, ids: Collection[str]) -> list[BookedEntry]: ...
    def entries_of(self, operation_ids: Collection[str]) -> list[BookedEntry]: ...
    def operations_named(self, operation_ids: Collection[str]) -> list[BookedOperation]: ...


def matched(books: Books, page: Sequence[Shown]) -> list[Movement]:
    """Return a page of movements with what is ours, in at most three queries.

    What the ledger has under one of its ids needs no more questions. For the rest, the operation
    is read before its entries: one that is over has its entry by then, for both are one commit.
    """
    by_id = _grouped(books.entries_named({name for shown in page for name in shown.ids}))
    found = [_with_entries(shown, by_id) for shown in page]
    open_ = [movement for movement in found if not movement.recorded]
    if not open_:
        return found
    operations = {o.operation_id: o for o in books.operations_named(_operation_ids(open_))}
    by_operation: dict[str, list[BookedEntry]] = {}
    for entry in books.entries_of(operations):
        by_operation.setdefault(str(entry.operation_id), []).append(entry)
    return [
        movement if movement.recorded else _with_operation(movement, operations, by_operation)
        for movement in found
    ]


def _grouped(entries: Iterable[BookedEntry]) -> dict[str, list[BookedEntry]]:
    by_id: dict[str, list[BookedEntry]] = {}
    for entry in entries:
        by_id.setdefault(entry.id, []).append(entry)
    return by_id


def _with_entries(shown: Shown, by_id: Mapping[str, list[BookedEntry]]) -> Movement:
    entries: tuple[BookedEntry, ...] = ()
    for name in shown.ids:
        if name in by_id:
            entries += tuple(by_id[name])
    return Movement(shown, entries)


def _operation_ids(movements: Iterable[Movement]) -> set[str]:
    named = {movement.shown.operation_id for movement in movements}
    named |= {entry.operation_id for movement in movements for entry in movement.entries}
    return {name for name in named if name is not None}


def _with_operation(
    movement: Movement,
    operations: Mapping[str, BookedOperation],
    by_operation: Mapping[str, list[BookedEntry]],
) -> Movement:
    shown = movement.shown
    candidates = [*(entry.operation_id for entry in movement.entries), shown.operation_id]
    found = [operations[name] for name in candidates if name and name in operations]
    owner = next((operation for operation in found if _may_own(operation, shown)), None)
    if owner is None:
        return movement
    theirs = by_operation.get(owner.operation_id, [])
    known = {entry.sequence for entry in movement.entries}
    late = [e for e in theirs if e.id in shown.ids and e.sequence not in known]
    others = tuple(entry for entry in theirs if entry.id not in shown.ids)
    return Movement(shown, (*movement.entries, *late), owner, others)


def _may_own(operation: BookedOperation, shown: Shown) -> bool:
    """Metadata is easily copied: what gives money back is no operation's that collects it."""
    return (operation.moves == "out") == (shown.kind == "refund")
