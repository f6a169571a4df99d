"""Bank transfers: only a person's word ends them, and only a key-holder can write it down."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stripe_billing_router.cli.app import app
from stripe_billing_router.client import BillingRouter, assembly_of
from stripe_billing_router.errors import (
    ConfigurationError,
    InvalidAmountError,
    InvalidRequestError,
    OutcomeUnknownError,
    PaymentDeclinedError,
)
from stripe_billing_router.models import OperationState, Result
from stripe_billing_router.providers.manual.verbs import reference
from stripe_billing_router.stripe_watchdog.inspection import Inspection
from stripe_billing_router.stripe_watchdog.limits import DAY_MS, Limits
from tests.integration.charge.charge_bench import BOT, Bench
from tests.integration.providers.ways import MANUAL, ROUTES, WIRED, confirm


def _states(router: BillingRouter) -> list[OperationState]:
    return [operation.state for operation in router.store.operations(bot_id=WIRED)]


def test_a_transfer_sends_no_request_and_costs_two_commits(bench: Bench, commits: object) -> None:
    router = bench.router()
    result = router.charge(WIRED, 20)
    confirm(router, result)
    assert bench.world.requests == []
    made: list[tuple[str, ...]] = commits.made  # type: ignore[attr-defined]
    assert [kinds[0] for kinds in made] == ["OpenOperation", "CloseOperation", "CloseOperation"]


def test_the_payer_gets_a_reference_that_a_bank_can_check(bench: Bench) -> None:
    result = bench.router().charge(WIRED, 20, "a book")
    assert result["reference"] == reference(str(result.operation_id).removeprefix("op_"))
    moved = f"{result['reference'][4:]}{result['reference'][:4]}"
    assert int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1
    assert (result.status, result.paid, result["description"]) == ("processing", False, "a book")


def test_only_the_whole_amount_is_a_confirmation(bench: Bench) -> None:
    router = bench.router()
    result = router.charge(WIRED, 20)
    for wrong in ("19.99", "20.01", "0", "a lot"):
        with pytest.raises(InvalidAmountError):
            confirm(router, result, wrong)
    assert confirm(router, result, "20.00").paid
    with pytest.raises(InvalidRequestError, match="only one that waits"):
        confirm(router, result)
    (entry,) = [e for e in router.ledger.entries(bot_id=WIRED) if e.status == "succeeded"]
    assert "Ms Book" in str(entry.raw_event_json)


def test_a_payment_of_stripes_is_not_for_people_to_confirm(bench: Bench) -> None:
    router = bench.router()
    waits = router.charge(BOT, 20, on_session=True)
    with pytest.raises(InvalidRequestError, match="stripe itself tells"):
        confirm(router, waits)


def test_what_nobody_paid_is_canceled_and_its_key_says_so(bench: Bench) -> None:
    router = bench.router()
    result = router.charge(WIRED, 20, idempotency_key="k")
    assert router.cancel(str(result.operation_id)).state == "canceled"
    assert router.cancel(str(result.operation_id)).state == "canceled"
    with pytest.raises(PaymentDeclinedError):
        router.charge(WIRED, 20, idempotency_key="k")
    with pytest.raises(InvalidRequestError):
        confirm(router, result)


def test_who_cancels_too_late_gets_what_a_person_has_confirmed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, faster = bench.router(), bench.router()
    result = router.charge(WIRED, 20)
    follower = assembly_of(router).follower
    real = follower._moved_on

    def overtaken(*given: object) -> object:
        confirm(faster, result)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(follower, "_moved_on", overtaken)
    assert router.cancel(str(result.operation_id)).paid
    assert _states(router) == [OperationState.SUCCEEDED]


def test_a_row_that_somebody_has_marked_as_paid_is_not_believed(bench: Bench) -> None:
    """It is asked of the ledger whether a transfer is known, and a row proves nothing of itself."""
    router = bench.router()
    result = router.charge(WIRED, 20, idempotency_key="k")
    with closing(sqlite3.connect(bench.database)) as connection, connection:
        connection.execute(
            "UPDATE stripe_operations SET state = 'succeeded', outcome = "
            "replace(replace(outcome, 'processing', 'succeeded'), 'false', 'true')"
        )
    with pytest.raises(OutcomeUnknownError):
        bench.router().charge(WIRED, 20, idempotency_key="k")
    with pytest.raises(InvalidRequestError):
        bench.router().refund(WIRED, str(result.id))


def test_a_row_that_somebody_has_sent_to_another_provider_is_not_settled(bench: Bench) -> None:
    router = bench.router()
    paid = router.charge(BOT, 20, on_session=True, idempotency_key="k")
    with closing(sqlite3.connect(bench.database)) as connection, connection:
        connection.execute("UPDATE stripe_operations SET api_version = 'manual/1'")
    with pytest.raises((OutcomeUnknownError, InvalidRequestError)):
        confirm(bench.router(), paid)
    with pytest.raises(OutcomeUnknownError):
        bench.router().cancel(str(paid.operation_id))


def test_another_bots_payment_is_none_to_refund(bench: Bench) -> None:
    router = bench.router()
    payment = MANUAL.paid(bench, router)
    with pytest.raises(InvalidRequestError, match="no payment of"):
        router.refund(MANUAL.other, payment)
    with pytest.raises(InvalidRequestError, match="left of the payment"):
        router.refund(WIRED, payment, amount=21)


@pytest.mark.parametrize(
    "given",
    [{"price_id": "price_1"}, {"on_session": True}, {"payment_method_id": "pm_1"}, {"wait": "no"}],
)
def test_what_means_nothing_to_a_bank_is_refused(bench: Bench, given: dict[str, Any]) -> None:
    router = bench.router()
    with pytest.raises(InvalidRequestError, match="means nothing where a bank transfer pays"):
        router.charge(WIRED, 20, **given)
    with pytest.raises(InvalidAmountError):
        router.charge(WIRED, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="amount is missing"):
        router.charge(WIRED)


def test_what_it_cannot_do_is_said_before_anything_is_sent(bench: Bench) -> None:
    router = bench.router()
    with pytest.raises(InvalidRequestError, match="it can charge, refund"):
        router.create_customer(WIRED, {"name": "x"})
    with pytest.raises(InvalidRequestError, match="no balance that can be read"):
        router.get_balance(WIRED)
    assert bench.world.requests == []


def test_an_operation_stays_with_the_provider_that_was_asked(bench: Bench) -> None:
    """A domain whose routes use another one by now: who was asked before is asked again."""
    result = bench.router().charge(WIRED, 20, idempotency_key="k")
    bench.config.write_text(ROUTES.replace("{wire: manual}", "{wire: stripe}"))
    router = bench.router()
    assert router.charge(WIRED, 20, idempotency_key="k").id == result.id
    assert confirm(router, result).paid
    assert router.charge(WIRED, 20).id.startswith("pi_")


def test_one_that_nobody_confirms_is_told_in_the_end(bench: Bench) -> None:
    router = bench.router()
    router.charge(WIRED, 20)
    bench.world.advance(16 * DAY_MS // 1000)
    inspection = Inspection(router, Limits(since_ms=router.store.now_ms() - DAY_MS))
    assert "stale_operation" in [finding.check for finding in inspection.findings()]


def test_an_entry_that_only_looks_like_a_transfer_is_found(bench: Bench) -> None:
    router = bench.router()
    payment = MANUAL.paid(bench, router)
    with closing(sqlite3.connect(bench.database)) as connection, connection:
        connection.execute(
            "UPDATE stripe_operations SET outcome = replace(outcome, 'Ms Book', 'nobody')"
        )
    inspection = Inspection(router, Limits(since_ms=router.store.now_ms() - DAY_MS))
    found = [finding.subject for finding in inspection.findings() if "orphan" in finding.check]
    assert found == [payment]


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("{wire: cash}", ".wire"),
        ("[wire]", ""),
        ("{stripe: 5}", ".stripe"),
    ],
)
def test_a_provider_that_there_is_not_is_a_fault_of_the_file(
    bench: Bench, section: str, fault: str
) -> None:
    bench.config.write_text(ROUTES.replace("{wire: manual}", section))
    with pytest.raises(ConfigurationError) as raised:
        bench.router()
    assert [path for path, _ in raised.value.faults] == [f"providers{fault}"]


def test_a_person_confirms_on_the_command_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    router = bench.router()
    result: Result = router.charge(WIRED, 20)
    monkeypatch.setattr("stripe_billing_router.cli.operations.BillingRouter", lambda _: router)
    asked = ["operations", "confirm", str(result.operation_id), "--by", "Ms Book"]
    wrong = CliRunner().invoke(app, [*asked, "--amount", "2"])
    assert wrong.exit_code != 0
    done = CliRunner().invoke(app, [*asked, "--amount", "20"])
    assert done.exit_code == 0, done.output
    assert "succeeded: 20.00 usd" in done.stdout


def test_an_operation_of_a_provider_that_there_is_not_is_in_doubt(bench: Bench) -> None:
    router = bench.router()
    router.charge(WIRED, 20, idempotency_key="k")
    with closing(sqlite3.connect(bench.database)) as connection, connection:
        connection.execute("UPDATE stripe_operations SET api_version = 'cash/1'")
    with pytest.raises(OutcomeUnknownError, match="no provider 'cash'"):
        bench.router().charge(WIRED, 20, idempotency_key="k")
    bench.world.advance(5 * 3600)
    assert bench.router().recover_operations().recorded == ()
