"""The command with Stripe behind a real socket."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from stripe_billing_router.config.template import watchdog_template
from stripe_billing_router.errors import OutcomeUnknownError
from stripe_billing_router.hashing import Seals
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault
from stripe_billing_router.store import Sealing
from stripe_billing_router.stripe_watchdog import main
from stripe_billing_router.stripe_watchdog.lock import only_run
from stripe_billing_router.stripe_watchdog.register import Register
from stripe_billing_router.training import load
from tests.integration.watchdog_run.conftest import BOT, Project, Watch


def test_clean_books_are_no_finding(project: Project, watch: Watch) -> None:
    project.charge()
    done = watch()
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Nothing to report")
    assert project.marker() is not None


def test_what_bypassed_the_router_is_found_told_and_written_down(
    project: Project, watch: Watch
) -> None:
    project.charge()
    charge = project.bypass()
    flags = ("--export-training", "--write-codex", "--since", "1500000000")
    done = watch("--json", *flags, "--report", "report.html")
    assert done.code == 1
    (found,) = done.json["findings"]
    assert (found["check"], found["subject"], found["new"]) == ("unauthorized_charge", charge, True)
    (line,) = [line for line in project.audit() if line["event"] == "finding"]
    assert line["finding"] == {name: value for name, value in found.items() if name != "new"}
    (example,) = load(project.file("training_data/stripe_anomalies.jsonl"))
    assert example.anomaly["subject"] == charge
    assert (example.anomaly["type"], example.anomaly["codex"]) == ("unauthorized_charge", True)
    with project.router() as router:
        assert [anomaly.codex for anomaly in router.sanity_layer.list_anomalies()] == [True]
    assert charge in project.file("report.html").read_text()
    assert watch("--json").json["new"] == 0


def test_fail_on_leaves_less_severe_findings_to_people(project: Project, watch: Watch) -> None:
    project.bypass()
    assert watch("--fail-on", "3.6").code == 0
    assert watch("--fail-on", "3.5").code == 1


def test_backfill_puts_what_was_never_delivered_into_the_inbox(
    project: Project, watch: Watch
) -> None:
    project.charge()
    assert watch().code == 0
    assert [line for line in project.audit() if line["event"] == "backfilled"] == []
    assert watch("--backfill").code == 0
    assert watch("--backfill", "--dry-run").code == 0
    (line,) = [line for line in project.audit() if line["event"] == "backfilled"]
    with closing(sqlite3.connect(project.file("finance_logs/stripe_ledger.db"))) as direct:
        ((stored,),) = direct.execute("SELECT count(*) FROM stripe_inbox")
    assert line["new"] == stored > 0


def test_only_runs_one_check(project: Project, watch: Watch) -> None:
    project.bypass()
    assert watch.findings("--only", "unknown_webhook") == []
    assert watch.findings("--only", "unauthorized_charge")[0][0] == "unauthorized_charge"
    assert "did you mean missing_charge?" in watch("--only", "mising_charge").err


def test_a_changed_row_is_told_and_fails_the_run(project: Project, watch: Watch) -> None:
    project.charge()
    with closing(sqlite3.connect(project.file("finance_logs/stripe_ledger.db"))) as direct:
        (trigger,) = direct.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'stripe_ledger_no_update'"
        ).fetchone()
        direct.execute("DROP TRIGGER stripe_ledger_no_update")
        direct.execute("UPDATE stripe_ledger SET user_email = 'x'")
        direct.execute("UPDATE stripe_ledger SET error = 1")
        direct.execute(trigger)
        direct.commit()
    assert "ledger_tampered" in {check for check, _ in watch.findings()}


def tampered(watch: Watch, *arguments: str) -> bool:
    return "ledger_tampered" in {check for check, _ in watch.findings(*arguments)}


def change(project: Project, place: int) -> None:
    """Change an entry as the owner of the database could, and put the trigger back."""
    with closing(sqlite3.connect(project.file("finance_logs/stripe_ledger.db"))) as connection:
        query = "SELECT sql FROM sqlite_master WHERE name = 'stripe_ledger_no_update'"
        ((trigger,),) = connection.execute(query).fetchall()
        connection.execute("DROP TRIGGER stripe_ledger_no_update")
        change = "UPDATE stripe_ledger SET status = 'failed' WHERE stream_sequence = ?"
        connection.execute(change, (place,))
        connection.execute(trigger)
        connection.commit()


def age_the_mark(project: Project, milliseconds: int) -> None:
    path = project.file("finance_logs/stripe_watchdog_state.json")
    state = json.loads(path.read_text())
    sealing = Sealing(lambda: Seals([SANDBOX_SECRET_KEY]))
    memory = Register(project.folder, state["account_id"], state["api_base"], sealing)
    known = memory.load()
    assert known.verified is not None
    aged = replace(known.verified, whole_ms=known.verified.whole_ms - milliseconds)
    memory.finish(known.marker_ms, known.open, aged)


def test_what_is_new_in_the_ledger_is_verified_by_the_next_run(
    project: Project, watch: Watch
) -> None:
    for _ in range(2):
        project.charge()
        assert not tampered(watch)
    project.charge()
    change(project, 3)
    assert tampered(watch)


def test_the_mark_of_a_verification_is_believed_under_its_seal_only(
    project: Project, watch: Watch
) -> None:
    """Who tampers with the ledger writes into the file that it was verified a moment ago."""
    project.charge()
    project.charge()
    assert not tampered(watch)
    change(project, 1)
    assert not tampered(watch)
    path = project.file("finance_logs/stripe_watchdog_state.json")
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "verified_whole_ms": state["verified_whole_ms"] + 1}))
    assert tampered(watch)


def test_what_is_old_in_the_ledger_is_verified_on_demand(project: Project, watch: Watch) -> None:
    project.charge()
    project.charge()
    assert not tampered(watch)
    change(project, 1)
    assert not tampered(watch)
    assert tampered(watch, "--verify-all")
    assert tampered(watch)  # it is not settled by not being looked at


@pytest.mark.parametrize("hours", [24, -1])
def test_what_is_old_in_the_ledger_is_verified_once_a_day(
    project: Project, watch: Watch, hours: int
) -> None:
    """A mark from the future is not believed."""
    project.charge()
    project.charge()
    assert not tampered(watch)
    change(project, 1)
    age_the_mark(project, hours * 3_600_000)
    assert tampered(watch)


def test_a_ledger_that_was_exchanged_for_an_older_one_is_found(
    project: Project, watch: Watch
) -> None:
    ledger, kept = project.file("finance_logs/stripe_ledger.db"), project.file("kept.db")
    project.charge()
    with closing(sqlite3.connect(ledger)) as old, closing(sqlite3.connect(kept)) as copy:
        old.backup(copy)
    project.charge()
    assert not tampered(watch)
    with closing(sqlite3.connect(ledger)) as old, closing(sqlite3.connect(kept)) as copy:
        copy.backup(old)
    assert tampered(watch)


def test_operations_in_doubt_are_recovered_first(project: Project, watch: Watch) -> None:
    project.world.faults.add(
        Fault("cut", match="POST /v1/payment_intents", effect=True, times=None)
    )
    with project.router() as router, pytest.raises(OutcomeUnknownError):
        router.charge(BOT, 5, idempotency_key="k")
    project.world.faults.clear()
    done = watch("--json")
    recovered = done.json["recovered"]
    assert len([ids for ids in recovered.values() if ids]) == 1, recovered
    assert project.audit()[0]["event"] == "recovered"
    assert (done.code, done.json["findings"]) == (0, [])


def test_an_outage_is_no_clean_run(project: Project, watch: Watch) -> None:
    """Exit code 2, the marker stays, and the run after it finds everything."""
    charge = project.bypass()
    assert watch("--json").code == 1
    marker = project.marker()
    later = project.bypass()
    project.world.faults.add(Fault("server_error", match="GET *", times=None))
    broken = watch()
    assert (broken.code, broken.out) == (2, "")
    assert project.marker() == marker
    assert project.audit()[-1]["event"] == "run_failed"
    project.world.faults.clear()
    found = watch("--json").json
    assert {(one["subject"], one["new"]) for one in found["findings"]} == {
        (charge, False),
        (later, True),
    }


def test_a_second_run_at_the_same_time_says_so(project: Project, watch: Watch) -> None:
    with only_run(project.folder):
        done = watch()
    assert (done.code, done.out) == (2, "")
    assert "Another run of the watchdog is at work" in done.err


def test_a_plan_is_printed_and_nothing_is_asked_of_stripe(project: Project, watch: Watch) -> None:
    project.charge()
    before = len(project.world.requests)
    done = watch("--plan")
    assert done.code == 0
    assert "charges" in done.out
    assert "requests" in done.out
    assert watch("--plan", "--json").json["requests"] > 0
    assert len(project.world.requests) == before
    assert project.marker() is None


def test_a_listed_url_or_id_is_a_known_endpoint(
    project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = ["https://one.example/hook", "https://two.example/hook", "https://three.example/hook"]
    ids = [project.add_endpoint(url) for url in urls]
    known = watchdog_template().replace(
        "authorized_webhooks: []", f"authorized_webhooks: [{urls[0]}, {ids[1]}]"
    )
    project.file("config/stripe_watchdog.yaml").write_text(known)
    assert watch.findings() == [("unknown_webhook", ids[2])]
    monkeypatch.setenv("STRIPE_ALLOWED_WEBHOOKS", f" {urls[2]}, ")
    assert watch.findings() == []


def test_a_webhook_that_is_nearly_a_listed_one_is_unknown(project: Project, watch: Watch) -> None:
    """What is not to be reported is compared whole, not looked for inside of others."""
    made = project.add_endpoint("https://one.example/hook/other")
    project.file("config/stripe_watchdog.yaml").write_text(
        "authorized_webhooks: [https://one.example/hook]"
    )
    assert watch.findings() == [("unknown_webhook", made)]


def test_every_fault_of_the_file_is_told_at_once(project: Project, watch: Watch) -> None:
    path = project.file("other.yaml")
    path.write_text("aproved_workflows: []\ntolerances: {amount: x, ballance: 1}")
    done = watch("--config", "other.yaml")
    assert done.code == 2
    for fault in ("approved_workflows?", "tolerances.amount", "did you mean balance?"):
        assert fault in done.err
    path.write_text("severities: {mising_charge: 3}")
    assert "did you mean missing_charge?" in watch("--config", "other.yaml").err


def test_a_file_that_was_named_has_to_be_there(
    project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watch().code == 0
    assert watch("--config", "nowhere.yaml").code == 2
    monkeypatch.setenv("STRIPE_WATCHDOG_CONFIG", "nowhere.yaml")
    done = watch()
    assert done.code == 2
    assert "STRIPE_WATCHDOG_CONFIG" in done.err


def test_what_cannot_be_written_is_no_clean_run(project: Project, watch: Watch) -> None:
    project.file("blocked").write_text("a file, not a folder")
    for option in ("--audit-log", "--report"):
        project.bypass()
        done = watch(option, "blocked/x")
        assert done.code == 2
        assert "blocked" in done.err
        assert project.marker() is None
    assert watch().code == 1


def test_a_fault_of_our_own_is_not_taken_for_findings(
    project: Project, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "stripe_billing_router.stripe_watchdog.watching.Run.result"
    monkeypatch.setattr(broken, lambda _: 1 // 0)
    done = watch()
    assert done.code == 2
    assert "ZeroDivisionError" in done.err


def test_a_dry_run_leaves_no_trace(project: Project, watch: Watch) -> None:
    project.bypass()
    done = watch("--dry-run")
    assert done.code == 1
    assert "A dry run" in done.out
    left = {path.name for path in project.file("finance_logs").iterdir()}
    assert {name for name in left if "watchdog" in name} == set()


@pytest.mark.parametrize("typed", ["{}", "--{}", "--json={}"])
def test_a_key_typed_as_an_option_is_not_repeated(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([typed.format("sk_live_sandboxTyped42Typed42")])
    said = capsys.readouterr().err
    assert "Typed42" not in said
    assert "[redacted]" in said


@pytest.mark.parametrize("wrong", [["--fail-on", "9"], ["--sinse", "1h"], ["--report", ""], ["x"]])
def test_wrong_options_exit_with_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(wrong)
    assert left.value.code == 2
