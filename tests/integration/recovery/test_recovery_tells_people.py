"""What can be neither found nor excluded, and what is proven after all, is kept for people."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from stripe_billing_router.errors import OutcomeUnknownError
from tests.integration.recovery.recovery_bench import HOUR, RecoveryBench
from tests.integration.verbs.verbs_bench import BOT, CARD, Bench, Wire
from tests.integration.verbs.verbs_cases import CHARGE, SUBSCRIPTION


def test_what_is_escalated_is_one_open_discrepancy_however_often_recovery_runs(
    stage: RecoveryBench,
) -> None:
    stage.bench.world.set_outcome(CARD, "declined:lost_card")
    stage.bench.fault("server_error", SUBSCRIPTION.sends, effect=True)
    with pytest.raises(OutcomeUnknownError) as unknown:
        stage.ask(SUBSCRIPTION, "", None)
    for _ in range(3):
        stage.bench.world.advance(HOUR)
        (operation_id,) = stage.recover().escalated
    (record,) = stage.router().discrepancies.list(state="open")
    assert (record.kind, record.operation_id, record.count) == ("escalated", operation_id, 3)
    assert operation_id == unknown.value.operation_id
    assert record.details["verb"] == "create_subscription"
    alerts = (stage.bench.folder / "finance_logs" / "alerts.jsonl").read_text()
    assert alerts.count('"name":"operation.escalated"') == 3


@pytest.mark.parametrize("key", ["k", None], ids=["keyed", "keyless"])
def test_what_is_found_to_have_gone_elsewhere_has_its_consequences(
    stage: RecoveryBench, key: str | None
) -> None:
    """The bot that would have been told died before it was."""
    stage.crash(CHARGE, "", key)
    stage.bench.wire.change = divert
    stage.recover()
    router = stage.router()
    (record,) = router.discrepancies.list()
    assert (record.kind, record.account_id, record.bot_id) == ("destination", FOREIGN, BOT)
    alerts = (stage.bench.folder / "finance_logs" / "alerts.jsonl").read_text()
    assert alerts.count('"name":"critical_discrepancy"') == 1
    (anomaly,) = router.sanity_layer.list_anomalies()
    assert anomaly.operation_id == record.operation_id
    stage.recover()
    assert router.discrepancies.list() == (record,)


FOREIGN = "acct_somebody0else"


def divert(line: str, body: dict[str, Any]) -> None:
    """Let every payment intent that Stripe shows be another account's."""
    for shown in (body, *body.get("data", ())):
        if shown.get("object") == "payment_intent":
            shown["transfer_data"] = {"destination": FOREIGN}


class GivenUp(Wire):
    """A wire on which a payment takes so long that the operation has been given up meanwhile."""

    database = ""

    def request(self, method, url, headers, post_data=None):  # type: ignore[no-untyped-def,override]
        answer = super().request(method, url, headers, post_data)
        if method.upper() == "POST":
            with closing(sqlite3.connect(self.database)) as connection, connection:
                connection.execute(
                    "UPDATE stripe_operations SET state = 'abandoned', lease_token = NULL"
                )
        return answer


def test_what_was_abandoned_and_is_proven_after_all_is_a_discrepancy(bench: Bench) -> None:
    wire = GivenUp(bench.world)
    wire.database = str(bench.folder / "ledger.db")
    router = bench.restarted(http_client=wire)
    assert router.charge(BOT, 5).paid
    (record,) = router.discrepancies.list()
    assert (record.kind, record.bot_id) == ("proven", BOT)
    assert "abandoned" in record.details["what"]
    (operation,) = router.store.operations()
    assert (operation.operation_id, operation.state) == (record.operation_id, "succeeded")
