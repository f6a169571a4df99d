"""Whatever fails of what follows a failed check, the rest follows, and the caller is told."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from stripe_billing_router.errors import AccountMismatchError
from tests.integration.charge.charge_bench import BOT, Bench
from tests.integration.consequences.conftest import FOREIGN, Project

TARGETS = ("database", "alert file", "rollback hook", "sanity layer")
COMBINATIONS = [
    broken for count in range(len(TARGETS) + 1) for broken in itertools.combinations(TARGETS, count)
]


class Layer:
    """A host's sanity layer: it remembers, or fails."""

    def __init__(self, fails: bool) -> None:
        self.fails = fails
        self.anomalies: list[tuple[str, Mapping[str, Any], float]] = []

    def record_payment_anomaly(
        self, event_type: str, metadata: Mapping[str, Any], *, severity: float
    ) -> None:
        if self.fails:
            raise RuntimeError("the sanity layer is away")
        self.anomalies.append((event_type, metadata, severity))


def failing(bot_id: str, reason: str) -> None:
    raise OSError("the host's hook is away")


def break_database(bench: Bench) -> None:
    """A record finds no table; a database that is gone would let no call get so far."""
    with closing(sqlite3.connect(bench.database)) as connection:
        connection.execute("DROP TABLE stripe_discrepancies")


@pytest.mark.parametrize("broken", COMBINATIONS, ids=lambda broken: ", ".join(broken) or "nothing")
def test_the_others_follow_and_the_caller_gets_the_mismatch(
    project: Project, broken: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    if "database" in broken:
        break_database(project.bench)
    if "alert file" in broken:
        project.alerts_file.mkdir(parents=True)
    hooks = [failing, project.hook] if "rollback hook" in broken else [project.hook]
    layer = Layer("sanity layer" in broken)
    router = project.router(rollback_hooks=hooks, menace_sanity_layer=layer)

    with pytest.raises(AccountMismatchError) as raised:
        router.charge(BOT, 5)

    assert (raised.value.account_id, raised.value.money) == (FOREIGN, "not_moved")
    if "database" not in broken:
        (record,) = router.discrepancies.list()
        assert (record.kind, record.bot_id, record.account_id) == ("route_account", BOT, FOREIGN)
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]
    assert len(told) == 1
    assert FOREIGN in told[0]
    if "alert file" not in broken:
        (alert,) = project.alerts()
        assert (alert["name"], alert["severity"]) == ("critical_discrepancy", 5)
        assert (alert["account_id"], alert["bot_id"]) == (FOREIGN, BOT)
    assert project.heard == [(BOT, "the route names another account")]
    assert router.routes[("stripe", "default", "finance", "bot")].account_id is None
    if "sanity layer" not in broken:
        ((event_type, metadata, severity),) = layer.anomalies
        assert (event_type, severity) == ("account_mismatch", 5.0)
        assert (metadata["account_id"], metadata["bot_id"]) == (FOREIGN, BOT)
    failures = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(failures) == len(broken)
    assert project.bench.world.requests == []


def test_our_own_sanity_layer_writes_to_the_ledger_although_the_record_fails(
    project: Project,
) -> None:
    """The same database, but only the table of discrepancies is gone."""
    with closing(sqlite3.connect(project.bench.database)) as connection:
        connection.execute("DROP TABLE stripe_discrepancies")
    router = project.router()
    with pytest.raises(AccountMismatchError):
        router.charge(BOT, 5)
    (entry,) = router.ledger.entries(bot_id=BOT)
    assert (entry.action_type, entry.error, entry.destination_account) == ("mismatch", 1, FOREIGN)
    assert router.ledger.verify().ok
    (anomaly,) = router.sanity_layer.list_anomalies()
    assert (anomaly.event_type, anomaly.severity) == ("account_mismatch", 5.0)


def test_a_hook_that_leaves_and_a_log_that_fails_stop_nothing(project: Project) -> None:

    def leave(bot_id: str, reason: str) -> None:
        raise SystemExit(3)

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("no space left on the log's disk")

    project.alerts_file.mkdir(parents=True)
    handler, logger = Full(), logging.getLogger("stripe_billing_router")
    logger.addHandler(handler)
    try:
        router = project.router(rollback_hooks=[leave, project.hook])
        with pytest.raises(AccountMismatchError):
            router.charge(BOT, 5)
    finally:
        logger.removeHandler(handler)
    assert len(router.discrepancies.list()) == 1
    assert len(router.sanity_layer.list_anomalies()) == 1
    assert project.heard == [(BOT, "the route names another account")]


def test_a_folder_that_cannot_be_made_stops_nothing_but_the_file(project: Project) -> None:
    (project.bench.folder / "finance_logs").touch()
    router = project.router(rollback_hooks=[project.hook])
    with pytest.raises(AccountMismatchError):
        router.charge(BOT, 5)
    assert len(router.discrepancies.list()) == len(router.sanity_layer.list_anomalies()) == 1
    assert len(project.heard) == 1


def test_a_consequence_that_fails_a_check_itself_does_not_go_round_in_circles(
    project: Project,
) -> None:
    errors: list[AccountMismatchError] = []

    def charge_again(bot_id: str, reason: str) -> None:
        try:
            router.charge("finance:foreign", 5)
        except AccountMismatchError as error:
            errors.append(error)

    router = project.router(rollback_hooks=[charge_again])
    for times in (1, 2):
        with pytest.raises(AccountMismatchError):
            router.charge("finance:foreign", 5)
        assert len(errors) == times
    (record,) = router.discrepancies.list()
    assert record.count == 2


def test_after_the_rollback_the_bot_bills_by_the_file_again(project: Project) -> None:
    router = project.router()
    rule = {"business_category": "finance", "bot_name": "bot", "key": "plan", "value": "x"}
    router.register_override({**rule, "route": {"price_id": "price_x"}})
    with pytest.raises(AccountMismatchError):
        router.charge(BOT, 5)
    assert router.charge(BOT, 5).paid
    assert router.overrides == {}


def test_the_alert_names_the_real_foreign_account(project: Project) -> None:
    """The key's account, as Stripe tells it, and not one that a route names."""
    other = "sk_live_ofSomebodyElse0000000"
    project.bench.world.add_key(other, account="acct_the0real0one")
    router = project.bench.router(secret_key=other)
    with pytest.raises(AccountMismatchError):
        router.charge(BOT, 5)
    (alert,) = project.alerts()
    (record,) = router.discrepancies.list()
    (anomaly,) = router.sanity_layer.list_anomalies()
    accounts = (alert["account_id"], record.account_id, anomaly.metadata["account_id"])
    assert set(accounts) == {"acct_the0real0one"}
    assert "acct_the0real0one" in alert["message"]


def test_equal_mismatches_are_counted_and_every_one_is_alerted(project: Project) -> None:
    router = project.bench.router()
    for _ in range(3):
        with pytest.raises(AccountMismatchError):
            router.charge("finance:foreign", 5)
    (record,) = router.discrepancies.list()
    (anomaly,) = router.sanity_layer.list_anomalies()
    assert (record.count, anomaly.count) == (3, 3)
    assert len(list(router.ledger.entries())) == 1
    assert len(project.alerts()) == 3
