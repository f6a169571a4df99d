"""What a charge costs in steady state: what docs/performance.md says, counted and not timed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, event

import stripe_billing_router
from tests.integration.charge.charge_bench import BOT, Bench

COMMITS, STATEMENTS, REQUESTS = 2, 10, 1
FILES = 61
"""Files of the package that a warm charge enters: what somebody reads who follows one."""

_DOCUMENT = (Path(__file__).parents[3] / "docs/architecture.md").read_text()
_TABLE = _DOCUMENT.split("## A charge, in eight files")[1].split("A veto comes")[0]
STORY = re.findall(r"^\| `([a-z_/.]+)`", _TABLE, re.MULTILINE)


@pytest.fixture
def executed() -> Iterator[list[str]]:
    """What SQLite is asked to execute from now on. A trigger tells the statement once more."""
    seen: list[str] = []

    def told(statement: str) -> None:
        if not statement.startswith("--") and statement not in seen[-1:]:
            seen.append(statement)

    def listen(connection: Any, _record: Any) -> None:
        connection.set_trace_callback(told)

    event.listen(Engine, "connect", listen)
    yield seen
    event.remove(Engine, "connect", listen)


@pytest.mark.parametrize("key", [None, "k"], ids=["keyless", "keyed"])
def test_a_charge_is_two_commits_one_request_and_few_statements(
    bench: Bench, executed: list[str], key: str | None
) -> None:
    router = bench.warm()
    assert router.ledger.verify().ok  # opens the connection for reading, too
    executed.clear()
    assert router.charge(BOT, 5, idempotency_key=key).paid
    assert executed.count("COMMIT") == COMMITS
    borders = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"}
    statements = [text for text in executed if text not in borders]
    assert len(statements) == STATEMENTS, "\n".join(statements)
    assert len(bench.world.requests) == REQUESTS
    assert sum("stripe_freezes" in text for text in statements) == 1


def test_the_cost_of_a_charge_does_not_grow(bench: Bench, executed: list[str]) -> None:
    """Equal charges are looked for by index: an old one is not read again by every later one."""
    router = bench.warm()
    router.charge(BOT, 5)
    executed.clear()
    router.charge(BOT, 5)
    twins = next(text for text in executed if "input_hash" in text and "SELECT" in text[:6])
    with router.store._sql._database().read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {twins}").all()
    looked_up = [str(row[-1]) for row in plan if "stripe_operations" in str(row[-1])]
    assert len(looked_up) == 3
    assert all("input_hash=? AND" in text for text in looked_up), looked_up


def test_a_charge_enters_few_files_of_the_package(bench: Bench) -> None:
    router, root, seen = bench.warm(), Path(stripe_billing_router.__file__).parent, set[str]()
    router.charge(BOT, 5)

    def note(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call":
            seen.add(frame.f_code.co_filename)

    sys.setprofile(note)
    router.charge(BOT, 5)
    sys.setprofile(None)
    ours = {Path(name).relative_to(root).as_posix() for name in seen if name.startswith(f"{root}/")}
    entered = {name for name in ours if not name.startswith("sandbox/")}
    assert len(entered) <= FILES, sorted(entered)
    assert len(STORY) == 8
    assert set(STORY) <= entered
