"""What is put together: by every id, in the right order, and not by copied metadata."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest

from stripe_billing_router.models import BookedEntry, BookedOperation, Shown
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.stripe_watchdog.matching import matched

SHOWN = Shown("charge", "ch_1", "pi_1", 0, "succeeded", 5, "usd", ("pi_1", "in_1"), "op_1")
ENTRY = BookedEntry(1, "pi_1", "charge", 5, "usd", 0, "a:b", None, "op_1", "succeeded")
OPERATION = BookedOperation("op_1", "a:b", "charge", "succeeded", "acct_1")


class Books:
    """Entries and operations in a list; `meanwhile` happens after operations were read."""

    def __init__(
        self,
        entries: list[BookedEntry],
        operations: list[BookedOperation],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self.entries = entries
        self.operations = operations
        self.meanwhile = meanwhile
        self.asked: list[str] = []

    def entries_named(self, ids: Collection[str]) -> list[BookedEntry]:
        self.asked.append("entries_named")
        return [entry for entry in self.entries if entry.id in ids]

    def entries_of(self, operation_ids: Collection[str]) -> list[BookedEntry]:
        self.asked.append("entries_of")
        return [entry for entry in self.entries if entry.operation_id in operation_ids]

    def operations_named(self, operation_ids: Collection[str]) -> list[BookedOperation]:
        self.asked.append("operations_named")
        found = [o for o in self.operations if o.operation_id in operation_ids]
        self.meanwhile()
        return found


@pytest.mark.parametrize("known_as", ["pi_1", "in_1"])
def test_what_the_ledger_has_under_any_id_takes_one_query(known_as: str) -> None:
    books = Books([replace(ENTRY, id=known_as)], [OPERATION])
    (movement,) = matched(books, [SHOWN])
    assert [entry.id for entry in movement.recorded] == [known_as]
    assert books.asked == ["entries_named"]


@pytest.mark.parametrize("state", ["pending", "succeeded"])
def test_an_entry_that_is_written_while_the_operation_is_read(state: str) -> None:
    """One that is over has its entry in the ledger by the time that is read."""
    books = Books([], [replace(OPERATION, state=state)])
    books.meanwhile = lambda: books.entries.append(ENTRY)
    (movement,) = matched(books, [SHOWN])
    assert movement.recorded == (ENTRY,)


def test_an_entry_is_not_counted_twice() -> None:
    failed = replace(ENTRY, status="failed")
    (movement,) = matched(Books([failed], [OPERATION]), [SHOWN])
    assert (movement.entries, movement.others) == ((failed,), ())


def test_other_entries_of_the_operation_stand_beside() -> None:
    other = replace(ENTRY, id="pi_0", sequence=2)
    (movement,) = matched(Books([other], [OPERATION]), [SHOWN])
    assert (movement.entries, movement.others) == ((), (other,))


def test_an_operation_that_nobody_knows_owns_nothing() -> None:
    (movement,) = matched(Books([], []), [SHOWN])
    assert not movement.ours


@pytest.mark.parametrize(
    ("kind", "verb", "owned"),
    [
        ("charge", "charge", True),
        ("charge", "create_subscription", True),
        ("charge", "create_checkout_session", True),
        ("charge", "refund", False),
        ("refund", "refund", True),
        ("refund", "charge", False),
        ("failure", "charge", True),
    ],
)
def test_copied_metadata_makes_no_owner_of_another_kind(kind: Any, verb: str, owned: bool) -> None:
    books = Books([], [replace(OPERATION, verb=verb, moves=VERBS[verb].moves)])
    (movement,) = matched(books, [replace(SHOWN, kind=kind)])
    assert movement.ours is owned
