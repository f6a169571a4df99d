"""The sanity layer: into the table, the ledger and the training data; counted where it repeats."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router import menace_sanity_layer, use_router
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.engine import SystemClock
from stripe_billing_router.errors import InvalidRequestError, LedgerUnavailableError
from stripe_billing_router.models import Anomaly
from stripe_billing_router.ports import Event
from stripe_billing_router.store import migrate
from stripe_billing_router.store.database import Database
from tests.integration.charge.charge_bench import BOT, Bench
from tests.integration.consequences.test_discrepancies import at_once

FACTS = {"bot_id": "stripe:finance:bot", "amount": Decimal("19.99"), "email": "Ann@Example.org"}


@pytest.fixture
def router(bench: Bench) -> Iterator[BillingRouter]:
    made = bench.router()
    with use_router(made):
        yield made


def recorded(event_type: str = "double_charge", facts: Any = FACTS, **more: Any) -> Anomaly:
    return menace_sanity_layer.record_payment_anomaly(event_type, facts, **more)


def training(bench: Bench) -> list[dict[str, Any]]:
    path = bench.folder / "training_data" / "stripe_anomalies.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_anomaly_is_in_the_table_and_in_the_bot_s_chain(router: BillingRouter) -> None:
    made = recorded(instruction="never charge twice", severity=2.5)
    assert (made.bot_id, made.severity, made.instruction) == (BOT, 2.5, "never charge twice")
    assert made.metadata == {"bot_id": BOT, "amount": "19.99", "email": "Ann@Example.org"}
    assert menace_sanity_layer.list_anomalies() == (made,)
    (entry,) = router.ledger.entries(bot_id=BOT)
    assert (entry.action_type, entry.error, entry.stream) == ("anomaly", 1, BOT)
    raw = json.loads(entry.raw_event_json or "")
    assert (raw["event_type"], raw["severity"]) == ("double_charge", 2.5)
    assert router.ledger.verify().ok


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_abcdefghijklmnop",
        "sk_test_abcdefghijklmnop",
        "sk_org_live_abcdefghijk",
        "pi_1_secret_abcdefgh",
        "whsec_abcdefghijklmnop",
        "hvs.CAESIJabcdefgh",
        "Bearer abcdefghijkl",
    ],
)
def test_no_secret_is_kept_wherever_it_stands(
    bench: Bench, router: BillingRouter, secret: str
) -> None:
    facts = {"note": f"got {secret}", "all": [secret], secret: 1, "inner": {"of": secret}}
    made = recorded(facts={**facts, "bot_id": BOT}, instruction=secret, export_training=True)
    router.discrepancies.record("key", bot_id=BOT, details=facts)
    (entry,) = router.ledger.entries()
    kept = (made, entry.raw_event_json, router.discrepancies.list(), training(bench))
    assert "[redacted]" in str(made)
    assert secret not in str(kept)


def test_what_belongs_to_no_bot_is_the_system_s(router: BillingRouter) -> None:
    recorded(facts={"bot_id": "not a bot"})
    recorded("audit", {})
    assert [e.stream for e in router.ledger.entries()] == ["_system", "_system"]


def test_an_event_that_is_no_error_has_none(router: BillingRouter) -> None:
    menace_sanity_layer.record_billing_event("refund_wave", {"bot_id": BOT})
    (entry,) = router.ledger.entries()
    assert (entry.action_type, entry.error) == ("anomaly", 0)


def test_equal_ones_are_counted_inside_the_window_and_only_there(
    router: BillingRouter, bench: Bench
) -> None:
    for _ in range(5):
        recorded()
    assert [(a.count, a.bot_id) for a in menace_sanity_layer.list_anomalies()] == [(5, BOT)]
    assert len(list(router.ledger.entries())) == 1
    recorded(facts={**FACTS, "amount": "20.00"})
    recorded(facts={**FACTS, "bot_id": "finance:other"})
    recorded("other")
    assert len(menace_sanity_layer.list_anomalies()) == 4
    bench.world.clock.advance(3601)
    assert recorded().count == 1
    assert len(list(router.ledger.entries())) == 5


def test_the_severity_is_the_same_at_every_run(router: BillingRouter, bench: Bench) -> None:
    """It neither halves nor grows, in one process, in the next, or in another order."""
    for _ in range(10):
        assert recorded(severity=3.0).severity == 3.0
    assert recorded(severity=1.0).severity == 3.0
    with use_router(bench.router()):
        assert recorded(severity=3.0).severity == 3.0
        bench.world.clock.advance(3601)
        assert recorded(severity=3.0).severity == 3.0


def test_an_instruction_is_kept_and_never_acted_on(router: BillingRouter) -> None:
    """ "do not ignore X" suppressed X."""
    for text in ("ignore this", "do not ignore this", "severity: 0", "suppress"):
        made = recorded(text, instruction=text, severity=4.0)
        assert (made.instruction, made.severity) == (text, 4.0)
    assert len(list(router.ledger.entries())) == 4


def test_anomalies_are_listed_newest_first_and_filtered(
    router: BillingRouter, bench: Bench
) -> None:
    for severity, bot in ((1.0, BOT), (3.0, "finance:other")):
        recorded(facts={"bot_id": bot}, severity=severity)
        bench.world.clock.advance(1)
    listed = menace_sanity_layer.list_anomalies
    assert [a.severity for a in listed()] == [3.0, 1.0]
    assert [a.severity for a in listed(min_severity=2)] == [3.0]
    assert [a.bot_id for a in listed(bot_id="stripe:finance:bot")] == [BOT]
    assert listed(event_type="none") == ()
    assert len(listed(limit=1)) == 1


def test_training_gets_each_once_and_nobody_s_data(router: BillingRouter, bench: Bench) -> None:
    facts = {
        **FACTS,
        "note": "write to ann@example.org, or bob@example.com",
        "customer_details": {"phone": "+1 555"},
        "nested": [{"name": "Ann Smith", "ann@example.org": 1}],
        "key": "sk_live_planted0000000000",
    }
    recorded(facts=facts)
    assert training(bench) == []
    for _ in range(3):
        recorded(facts=facts, export_training=True, instruction="ask ann@example.org")
    bench.world.clock.advance(3601)
    recorded(facts=facts, export_training=True)
    (line,) = training(bench)
    assert set(line) == {"source", "content", "timestamp"}
    content = json.loads(line["content"])
    assert (content["type"], content["bot_id"]) == ("double_charge", BOT)
    text = line["content"].lower()
    for planted in ("ann@", "bob@", "smith", "555", "planted"):
        assert planted not in text
    assert content["details"]["email"].startswith("sha256:")
    assert content["details"]["email"] in content["details"]["note"]
    assert abs(line["timestamp"] * 1000 - menace_sanity_layer.list_anomalies()[-1].first_ms) < 1
    assert menace_sanity_layer.list_anomalies()[-1].exported


def test_an_export_that_fails_is_told_and_tried_again(router: BillingRouter, bench: Bench) -> None:
    (bench.folder / "training_data").touch()
    with pytest.raises(OSError, match="exists"):
        recorded(export_training=True)
    assert len(list(router.ledger.entries())) == 1
    (bench.folder / "training_data").unlink()
    recorded(export_training=True)
    assert len(training(bench)) == 1


def test_the_codex_flag_is_in_the_table_and_in_the_training_line(
    router: BillingRouter, bench: Bench
) -> None:
    assert not recorded().codex
    assert recorded(write_codex=True, export_training=True).codex
    assert json.loads(training(bench)[0]["content"])["codex"] is True


def test_whatever_the_metadata_hold_becomes_json(router: BillingRouter) -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    made = recorded(
        facts={
            "when": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
            "set": {2, 1},
            "bytes": b"x",
            "nan": float("nan"),
            "huge": 10**400,
            "surrogate": "\ud800",
            5: None,
            "endless": endless,
            "object": object(),
        },
        instruction="nul \0 and \ud800",
    )
    assert made.metadata["when"] == "2026-01-02T00:00:00+00:00"
    assert made.metadata["set"] == [1, 2]
    assert made.instruction == "nul  and ?"


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_type": ""},
        {"event_type": "a\nb"},
        {"event_type": "x" * 256},
        {"event_type": 5},
        {"facts": []},
        {"severity": 5.1},
        {"severity": -1},
        {"severity": float("nan")},
        {"severity": "high"},
    ],
    ids=str,
)
def test_what_cannot_be_recorded_as_given_is_refused(
    router: BillingRouter, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        recorded(**wrong)
    assert menace_sanity_layer.list_anomalies() == ()


def test_without_a_database_the_caller_hears_of_it(bench: Bench) -> None:
    (bench.folder / "taken").touch()
    router = bench.router(ledger_url=f"sqlite:///{bench.folder}/taken/ledger.db")
    with use_router(router), pytest.raises(LedgerUnavailableError):
        recorded()


def test_on_every_database_equal_ones_at_once_are_one_with_one_entry(
    bench: Bench, database_url: str
) -> None:
    database = Database(database_url, SystemClock())
    migrate.upgrade(database)
    database.close()
    router = bench.router(ledger_url=database_url)
    layer = router.sanity_layer
    at_once(8, lambda: layer.record_payment_anomaly("x", FACTS, "Zoë ✓", severity=2.25))
    (only,) = layer.list_anomalies()
    assert (only.count, only.severity, only.instruction) == (8, 2.25, "Zoë ✓")
    claims = list[bool]()
    at_once(8, lambda: claims.append(router.store.anomalies.claim_export(only.id)))
    assert claims.count(True) == 1
    assert len(list(router.ledger.entries())) == 1
    assert router.ledger.verify().ok


def test_recording_and_charging_share_the_bot_s_chain(router: BillingRouter) -> None:
    work = [
        lambda: router.charge(BOT, "1.00", idempotency_key="a").id,
        lambda: recorded().id,
        lambda: recorded("b").id,
    ]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(list(router.ledger.entries(bot_id=BOT))) == 3
    assert router.ledger.verify().ok


def test_nothing_is_written_where_nobody_looks(
    router: BillingRouter, tmp_path: Path, bench: Bench
) -> None:
    """`data_home` is where a host wants what runs write."""
    elsewhere = tmp_path / "elsewhere"
    layer = bench.router(data_home=elsewhere).sanity_layer
    layer.record_payment_anomaly("x", {}, export_training=True)
    assert (elsewhere / "training_data" / "stripe_anomalies.jsonl").exists()
    assert not (bench.folder / "training_data").exists()


def test_observers_and_history_are_told_of_a_new_anomaly_once(bench: Bench) -> None:
    heard: list[Event] = []

    class Ear:
        def notify(self, event: Event) -> None:
            heard.append(event)

    with use_router(bench.router(observers=[Ear()])) as router:
        for _ in range(2):
            recorded("duplicate_charge", {"bot_id": BOT, "operation_id": "op_1"}, severity=4.0)
        (event,) = heard
        assert (event.name, event.severity, str(event.bot)) == ("anomaly.recorded", "warning", BOT)
        assert event.message.startswith("duplicate_charge, severity 4: One operation collected")
        assert event.operation_id == "op_1"
        assert [told.name for told in router.history(BOT)] == ["anomaly.recorded"]
