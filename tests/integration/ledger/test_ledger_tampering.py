"""Nothing can be done to the ledger's rows that its verification would not find and name."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from stripe_billing_router.store import Verification
from stripe_billing_router.store.dialects.base import KEPT
from tests.integration.ledger.attacks import Named, Victim

NUMBERS = {"sqlite": 1000, "postgres": 60, "mysql": 60}
ENTRIES = 40


@pytest.mark.parametrize("database", NUMBERS)
def test_every_attack_is_found_and_named(request: pytest.FixtureRequest, database: str) -> None:
    victim = Victim(request.getfixturevalue(f"{database}_url"), Random(database), ENTRIES)
    try:
        assert victim.ledger.verify(victim.kept).ok
        for number in range(NUMBERS[database]):
            done = victim.attack()
            found = victim.ledger.verify(victim.kept)
            assert names(found, done), f"attack {number}, {done}: {found}"
            victim.restore()
        assert victim.ledger.verify(victim.kept).ok
    finally:
        victim.close()


def test_what_is_of_another_type_is_named_like_any_other_change(sqlite_url: str) -> None:
    """SQLite keeps whatever it is given, and the walk must not stop there."""
    victim = Victim(sqlite_url, Random(0), ENTRIES // 2)
    try:
        for column, literal in product(KEPT, ("'sNaN'", "x'00'", "1.5")):
            done = victim.put(column, literal)
            found = victim.ledger.verify(victim.kept)
            assert names(found, done) or column.startswith("stream"), f"{done}: {found}"
            assert not found.ok
            victim.restore()
    finally:
        victim.close()


def names(found: Verification, done: Named) -> bool:
    """Whether the verification names the attacked row, or the one that no longer follows it."""
    return any(
        broken.stream == done.stream and broken.stream_sequence in done.places
        for broken in found.broken
    )
