"""Lines that somebody without a key wrote into the journal: nothing they say is believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from stripe_billing_router.client import operators_desk
from stripe_billing_router.errors import ApprovalRequiredError, BillingError
from stripe_billing_router.models import Policies, PolicyRule
from stripe_billing_router.store.journal.lines import Kind, Line, following
from tests.integration.charge.charge_bench import BOT, LEASE, Bench
from tests.integration.journal.journal_bench import Outage, journal_of
from tests.integration.trust.forging import STOLEN, Forger


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    made = Outage(monkeypatch)
    yield made
    made.end()


def lines(bench: Bench) -> list[Line]:
    return [Line(**json.loads(text)) for text in journal_of(bench).read_text().splitlines()]


def append(bench: Bench, body: dict[str, Any], kind: Kind = "writes") -> None:
    """Write a line as whoever may write the file can: chained to the last one, its seal reused."""
    last = lines(bench)[-1]
    forged = replace(following(last, kind, last.at_ms, body), seal=last.seal)
    with journal_of(bench).open("ab") as file:
        names = ("sequence", "kind", "at_ms", "body", "previous", "hash", "seal")
        file.write(json.dumps({n: getattr(forged, n) for n in names}).encode() + b"\n")


def test_an_intent_that_was_written_into_the_file_is_not_sent(
    sqlite_bench: Bench, outage: Outage
) -> None:
    forger = Forger(sqlite_bench)
    router = sqlite_bench.warm()
    outage.begin()
    router.charge(BOT, 5)
    body = json.loads(json.dumps(lines(sqlite_bench)[1].body))
    opening = next(w for w in body["writes"] if w["write"] == "OpenOperation")
    row = opening["operation"]
    row |= {
        "operation_id": forger.keyed_id(),
        "idempotency_key": "k",
        "amount_minor": STOLEN,
        "steps": forger.changed(row, amount=STOLEN),
    }
    append(sqlite_bench, {"operation_id": row["operation_id"], "writes": [opening]})
    outage.end()
    sqlite_bench.world.advance(LEASE)
    sqlite_bench.world.requests.clear()
    report = forger.recover()
    assert (report.escalated, report.completed) == ((forger.keyed_id(),), ())
    forger.call_is_refused()
    assert [r for r in sqlite_bench.world.requests if r.method != "GET"] == []
    assert sqlite_bench.moved() == [500]
    forger.people_are_told(forger.keyed_id())


def test_an_outcome_that_was_written_into_the_file_pays_for_nothing(
    sqlite_bench: Bench, outage: Outage
) -> None:
    """Neither the operation nor the ledger says that it is paid."""
    forger = Forger(sqlite_bench)
    operation_id = forger.interrupted()
    router = sqlite_bench.router()
    router.charge(BOT, 6)
    outage.begin()
    router.charge(BOT, 7)
    done = json.loads(json.dumps(lines(sqlite_bench)[2].body))
    close, entry = done["writes"]
    close |= {"operation_id": operation_id, "lease_token": None}
    entry["entry"]["operation_id"] = operation_id
    append(sqlite_bench, {"operation_id": operation_id, "writes": [close, entry]})
    outage.end()
    sqlite_bench.world.requests.clear()
    report = sqlite_bench.router(observers=(forger.told,)).store.drain()
    assert report.drained == 3
    assert "operation.escalated" in {event.name for event in forger.told.events}
    assert sqlite_bench.booked(router) == [600, 700]
    row = next(row for row in forger.rows() if row["operation_id"] == operation_id)
    assert row["state"] in ("pending", "unknown")
    assert row["outcome"] is None


@pytest.mark.parametrize("kind", ["drained", "draining"])
def test_lines_do_not_count_as_drained_because_a_line_says_so(
    sqlite_bench: Bench, outage: Outage, kind: Kind
) -> None:
    router = sqlite_bench.warm()
    outage.begin()
    router.charge(BOT, 5)
    append(sqlite_bench, {}, kind)
    outage.end()
    restarted = sqlite_bench.router()
    restarted.store.drain()
    assert sqlite_bench.booked(restarted) == [500]


def test_a_journal_of_the_version_before_is_looked_up(sqlite_bench: Bench, outage: Outage) -> None:
    """Its lines have no seals: what they tell is read from Stripe, and lost is nothing."""
    router = sqlite_bench.warm()
    outage.begin()
    done = router.charge(BOT, 5)
    old = lines(sqlite_bench)
    names = ("sequence", "kind", "at_ms", "body", "previous", "hash")
    journal_of(sqlite_bench).write_text(
        "".join(json.dumps({n: getattr(line, n) for n in names}) + "\n" for line in old)
    )
    outage.end()
    sqlite_bench.world.advance(LEASE)
    restarted = sqlite_bench.router()
    assert restarted.recover_operations().recorded == (done.operation_id,)
    assert sqlite_bench.booked(restarted) == [500]
    assert sqlite_bench.moved() == [500]


def spoil(bench: Bench, **changes: str) -> None:
    """Change the last line, or where nothing is given, add one that is none."""
    *before, last = journal_of(bench).read_text().splitlines()
    spoilt = [json.dumps({**json.loads(last), **changes})] if changes else [last, "x"]
    journal_of(bench).write_text("\n".join([*before, *spoilt, ""]))


@pytest.mark.parametrize("changes", [{}, {"seal": "\ud800"}, {"seal": "é" * 64}])
def test_people_decide_whatever_is_in_the_journal(
    sqlite_bench: Bench, outage: Outage, changes: dict[str, str]
) -> None:
    router = sqlite_bench.warm(policies=Policies((PolicyRule("x", approval_above={"usd": 900}),)))
    with pytest.raises(ApprovalRequiredError) as asked:
        router.charge(BOT, 10)
    outage.begin()
    router.charge(BOT, 5)
    spoil(sqlite_bench, **changes)
    outage.end()
    desk = operators_desk(sqlite_bench.router())
    assert desk.freeze(BOT, "thief", by="ann").scope == BOT
    desk.unfreeze(BOT, by="ann")
    assert desk.reject(asked.value.approval_id, by="ann").state == "rejected"
    with suppress(BillingError):
        sqlite_bench.router().charge(BOT, 6)
