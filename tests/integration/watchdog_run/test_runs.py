"""What people are told, and when the marker moves."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from stripe_billing_router.config import WatchdogConfig
from stripe_billing_router.config.watchdog import LogRotation
from stripe_billing_router.errors import (
    ConfigurationError,
    InvalidRequestError,
    OperationInProgressError,
)
from stripe_billing_router.stripe_watchdog.inspection import DaySum
from stripe_billing_router.stripe_watchdog.lock import only_run
from stripe_billing_router.stripe_watchdog.options import Options
from stripe_billing_router.training import load
from tests.integration.watchdog_run.watch_bench import Bench, World, charge, lines, webhook

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_same_anomaly_is_told_once_for_many_runs(bench: Bench) -> None:
    bench.world.findings = [charge(1), webhook()]
    results = [bench.run() for _ in range(3)]
    assert [result.total for result in results] == [2, 2, 2]
    assert [result.new for result in results] == [2, 0, 0]
    assert len(bench.anomalies.recorded) == len(bench.alerts) == len(bench.audited()) == 2


def test_severity_is_the_same_in_every_run(bench: Bench) -> None:
    bench.world.findings = [charge(1), webhook()]
    assert {bench.run().most_severe for _ in range(5)} == {3.5}


def test_what_is_gone_is_told_as_resolved_and_told_anew_when_it_comes_back(bench: Bench) -> None:
    bench.world.findings = [webhook()]
    bench.run()
    bench.world.findings = []
    (resolved,) = bench.run().resolved
    assert (resolved.check, resolved.subject) == ("unknown_webhook", "we_1")
    assert bench.run().resolved == []
    bench.world.findings = [webhook()]
    assert bench.run().new == 1
    assert len(bench.audited("resolved")) == 1
    assert len(bench.audited()) == 2


def test_what_has_left_the_window_is_neither_resolved_nor_forgotten(bench: Bench) -> None:
    bench.world.findings = [charge(1, bench.world.now_ms - 2 * HOUR)]
    bench.run()
    bench.world.now_ms += 2 * DAY
    result = bench.run()
    assert (result.total, result.resolved, result.open_before) == (0, [], 1)
    result = bench.run(Options(since="7d"))
    assert (result.total, result.new) == (1, 0)


def test_a_check_that_was_not_run_resolves_nothing(bench: Bench) -> None:
    bench.world.findings = [webhook()]
    bench.run()
    bench.world.findings = []
    assert bench.run(Options(only=frozenset({"unauthorized_charge"}))).resolved == []
    assert len(bench.run().resolved) == 1


def test_what_stays_is_told_again_after_the_suppression_window(bench: Bench) -> None:
    bench.config = WatchdogConfig(suppression_window=3600)
    bench.world.findings = [webhook()]
    told = []
    for _ in range(4):
        told.append(bench.run().new)
        bench.world.now_ms += 31 * MINUTE
    assert told == [1, 0, 1, 0]


def test_alerts_have_the_level_of_the_severity_and_the_name_of_the_check(bench: Bench) -> None:
    bench.world.findings = [charge(1, severity=4.0), webhook(), charge(2, severity=1.5)]
    bench.run()
    assert [(alert.name, alert.severity) for alert in bench.alerts] == [
        ("stripe_unauthorized_charge", "critical"),
        ("stripe_unknown_endpoint", "warning"),
        ("stripe_unauthorized_charge", "info"),
    ]


def test_the_first_run_looks_back_30_days_and_the_next_one_overlaps_the_last(bench: Bench) -> None:
    begin = bench.world.now_ms
    bench.run()
    bench.world.now_ms += DAY
    bench.run()
    first, second = bench.world.seen
    assert begin - 30 * DAY <= first.since_ms < begin - 30 * DAY + MINUTE
    assert first.until_ms is None
    assert second.since_ms == begin - HOUR
    assert bench.marker == begin + DAY


def test_a_run_that_breaks_leaves_the_marker_and_says_why(bench: Bench) -> None:
    bench.run()
    marker = bench.marker
    bench.world.now_ms += DAY
    bench.world.findings, bench.world.breaks_after = [charge(1), charge(2)], 1
    with pytest.raises(OSError, match="network is gone"):
        bench.run()
    assert bench.marker == marker
    assert bench.audit[-1]["event"] == "run_failed"
    bench.world.breaks_after = None
    result = bench.run()
    assert (result.total, result.new) == (2, 1)
    assert sorted(bench.audited()) == sorted(f.fingerprint for f in bench.world.findings)


def test_a_run_with_a_foreign_key_vouches_for_nothing(bench: Bench) -> None:
    """It tells of the key, and neither resolves anything nor moves the marker."""
    bench.world.findings = [webhook()]
    bench.run()
    marker = bench.marker
    bench.world.now_ms += DAY
    bench.world.findings, bench.world.key_is_ours = [], False
    assert bench.run().resolved == []
    assert bench.marker == marker


def test_a_first_run_that_was_cut_off_is_gone_on_with_from_the_same_begin(bench: Bench) -> None:
    bench.world.findings, bench.world.breaks_after = [charge(1)], 0
    with pytest.raises(OSError, match="network is gone"):
        bench.run()
    bench.world.now_ms += HOUR
    bench.world.breaks_after = None
    bench.run()
    assert bench.world.seen[0].since_ms == bench.world.seen[1].since_ms
    assert bench.world.workspaces[0] == bench.world.workspaces[1] is not None


@pytest.mark.parametrize(
    "options",
    [
        Options(dry_run=True),
        Options(only=frozenset({"missing_charge"})),
        Options(since="1h"),
        Options(until="1470m"),
    ],
    ids=["dry run", "only one check", "a gap before it", "into the past"],
)
def test_the_marker_does_not_move_past_what_nobody_looked_at(
    bench: Bench, options: Options
) -> None:
    bench.run()
    marker = bench.marker
    bench.world.now_ms += DAY
    bench.run(options)
    assert bench.marker == marker
    bench.run()
    assert bench.world.seen[-1].since_ms == (marker or 0) - HOUR


def test_a_dry_run_writes_nothing_and_needs_no_turn(bench: Bench) -> None:
    bench.world.findings = [charge(1)]
    with only_run(bench.home):
        before = {p: p.read_bytes() for p in bench.home.rglob("*") if p.is_file()}
        result = bench.run(Options(dry_run=True, export_training=True))
        after = {p: p.read_bytes() for p in bench.home.rglob("*") if p.is_file()}
    assert (result.total, result.new, result.recovered) == (1, 1, None)
    assert before.keys() >= {p for p in after if "ledger" not in p.name}
    assert not bench.anomalies.recorded
    assert not bench.alerts


def test_two_runs_at_once_are_one_and_a_refusal(bench: Bench) -> None:
    with only_run(bench.home), pytest.raises(OperationInProgressError, match="Another run"):
        bench.run()
    assert bench.run().total == 0


def test_all_timestamps_of_the_audit_log_sort_as_text(bench: Bench) -> None:
    bench.world.findings = [charge(1), webhook()]
    bench.run()
    bench.world.now_ms += DAY
    bench.run()
    times = [line["timestamp"] for line in bench.audit]
    assert times == sorted(times)
    assert {len(time) for time in times} == {24}
    assert {time[-1] for time in times} == {"Z"}
    (found,) = [line for line in bench.audit if line.get("finding", {}).get("at")]
    assert len(found["finding"]["at"]) == 24


def test_a_torn_last_line_is_repaired_and_said(bench: Bench) -> None:
    bench.run()
    path = bench.home / "finance_logs/stripe_watchdog_audit.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-20])
    bench.run()
    assert [line["event"] for line in bench.audit] == ["run_finished", "repaired", "run_finished"]


def test_the_audit_log_rotates_and_loses_nothing(bench: Bench) -> None:
    bench.config = WatchdogConfig(log_rotation=LogRotation(1000))
    told = []
    for number in range(12):
        bench.world.findings = [charge(number)]
        bench.run()
        told.append(charge(number).fingerprint)
    folder = bench.home / "finance_logs"
    packed = sorted(folder.glob("stripe_watchdog_audit.jsonl.*"))
    assert len(packed) > 3
    assert {path.suffix for path in packed} == {".gz"}
    found = [
        json.loads(line)
        for p in packed
        for line in gzip.decompress(p.read_bytes()).split(b"\n")
        if line
    ]
    path = folder / "stripe_watchdog_audit.jsonl"
    found += lines(path) if path.exists() else []
    assert sorted(f["fingerprint"] for f in found if f["event"] == "finding") == sorted(told)


def test_the_training_export_has_each_anomaly_once_and_no_address(bench: Bench) -> None:
    bench.world.findings = [charge(1), webhook()]
    for _ in range(2):
        bench.run(Options(export_training=True))
    path = bench.home / "training_data/stripe_anomalies.jsonl"
    assert "someone@example.org" not in path.read_text()
    examples = list(load(path))
    assert [example.source for example in examples] == ["stripe_watchdog"] * 2
    assert examples[0].anomaly["subject"] == "ch_1"
    assert examples[0].timestamp == 1_794_999_000


def test_findings_that_were_told_before_are_exported_when_asked_for(bench: Bench) -> None:
    bench.world.findings = [webhook()]
    bench.run()
    bench.run(Options(export_training=True))
    assert len(list(load(bench.home / "training_data/stripe_anomalies.jsonl"))) == 1


def test_the_result_is_published_before_the_marker_moves(bench: Bench) -> None:
    bench.world.days = [DaySum("2026-11-20", "usd", 1, 1)]
    markers: list[int | None] = []
    run = bench.made(Options(report=bench.home / "x.html"))
    run._job = replace(run._job, publish=lambda _: markers.append(bench.marker))
    assert run.result().days == bench.world.days
    assert markers == [None]


def test_another_account_or_api_base_knows_nothing_of_this_one(bench: Bench) -> None:
    bench.world.findings = [webhook()]
    bench.run()
    bench.environ["STRIPE_API_BASE"] = "http://127.0.0.1:9"
    assert bench.run().new == 1
    assert bench.world.seen[-1].since_ms // DAY == (bench.world.now_ms - 30 * DAY) // DAY


@pytest.mark.parametrize("planted", ["marker", "open", "journal"])
def test_what_the_files_say_is_believed_under_a_seal_only(bench: Bench, planted: str) -> None:
    """Who writes them would have nobody look, or nobody told."""
    bench.run()
    state = dict(bench.state or {})
    bench.world.findings = [webhook()]
    bench.run()
    told = (bench.state or {})["open"]
    folder = bench.home / "finance_logs"
    bound = {name: state[name] for name in ("account_id", "api_base")}
    if planted == "journal":
        ((fingerprint, one),) = told.items()
        begun = {**bound, "begun_ms": 1, "since_ms": 1}
        lines_of_it = [json.dumps(begun), json.dumps({"told": fingerprint, **one})]
        (folder / "stripe_watchdog_run.jsonl").write_text("\n".join(lines_of_it) + "\n")
    else:
        more = {"open": told} if planted == "open" else {"marker_ms": bench.world.now_ms - 1}
        state.update(more)
    (folder / "stripe_watchdog_state.json").write_text(json.dumps(state))
    assert bench.run().new == 1
    if planted != "journal":
        assert bench.world.seen[-1].since_ms // DAY == (bench.world.now_ms - 30 * DAY) // DAY


def test_a_damaged_state_stops_the_run(bench: Bench) -> None:
    bench.run()
    (bench.home / "finance_logs/stripe_watchdog_state.json").write_text('{"version": 1')
    with pytest.raises(ConfigurationError, match="move it away"):
        bench.run()


@pytest.mark.parametrize(
    "options",
    [Options(since="yesterday"), Options(since="1h", until="2h"), Options(until="2099-01-01")],
)
def test_a_window_that_makes_no_sense_is_refused(bench: Bench, options: Options) -> None:
    with pytest.raises(InvalidRequestError):
        bench.run(options)


def test_more_findings_than_anybody_reads_are_counted_and_the_worst_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe_billing_router.stripe_watchdog.tally.MOST_SHOWN", 3)
    bench.world = World([charge(n, severity=1.0 + n / 10) for n in range(10)])
    result = bench.run(Options(dry_run=True))
    assert result.total == 10
    assert [shown.finding.subject for shown in result.findings] == ["ch_9", "ch_8", "ch_7"]


def test_what_was_resolved_by_a_run_that_broke_is_new_when_it_comes_back(bench: Bench) -> None:
    def full(_: object) -> None:
        raise OSError("the disk is full")

    bench.world.findings = [webhook()]
    bench.run()
    bench.world.findings = []
    bench.world.now_ms += DAY
    run = bench.made()
    run._job = replace(run._job, publish=full)
    with pytest.raises(OSError, match="full"):
        run.result()
    bench.world.findings = [webhook()]
    bench.world.now_ms += DAY
    assert bench.run().new == 1
    assert len(bench.audited()) == 2
