"""`deploy/postgres-roles.sql`: what a bot's role can do, and what it cannot."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from stripe_billing_router.client import BillingRouter, operators_desk
from stripe_billing_router.errors import (
    AccountMismatchError,
    ApprovalRequiredError,
    BillingError,
    FrozenError,
    LedgerUnavailableError,
    OutcomeUnknownError,
    PaymentDeclinedError,
    PolicyViolationError,
)
from stripe_billing_router.events import EventPump
from stripe_billing_router.models import Budget, Policies, PolicyRule
from stripe_billing_router.sandbox import Fault
from stripe_billing_router.store import SqlStore, StripeLedger
from stripe_billing_router.store.database import Away, Database
from stripe_billing_router.store.migrate import upgrade
from stripe_billing_router.store.schema import metadata
from stripe_billing_router.webhooks import webhooks_of
from tests.integration.guards.roles_bench import (
    GROUPS,
    ROUTE,
    SCRIPT,
    SECRET,
    Border,
    apply,
    border,
    run,
)
from tests.integration.outbox.outbox_bench import ListSink
from tests.integration.verbs.verbs_bench import BOT, MEMBER, PAYING

__all__ = ["border"]


@pytest.fixture
def busy(border: Border) -> Border:
    """A ledger in which a bot has paid, was declined, waits, and has asked for approvals."""
    world, router = border.world, border.router()
    with router:
        payment = router.charge(BOT, "30.00")
        router.refund(BOT, payment.id, amount=1)
        world.set_outcome("pm_one", "declined:lost_card")
        with pytest.raises(PaymentDeclinedError):
            router.charge(BOT, 5)
        world.set_outcome("pm_one", "succeeds")
        world.faults.add(Fault("refused", match=PAYING, times=None))
        with pytest.raises(BillingError):
            router.charge(BOT, 6)
        world.faults.clear()
        router.charge(BOT, 7, on_session=True)
        asked = [ask(router, amount) for amount in (50, 60, 70)]
        router.charge(BOT, 2)
        fail_a_check(router)
        router.discrepancies.record("key", bot_id=BOT)
        router.sanity_layer.record_payment_anomaly("x", {"bot_id": BOT})
    with border.router("stripe_operators") as people:
        desk = operators_desk(people)
        desk.approve(asked[0].approval_id, by="ann")
        desk.reject(asked[1].approval_id, by="ann")
        desk.freeze("acme:*:*", "why", by="ann")
    return border


def fail_a_check(router: BillingRouter) -> None:
    router.register_route("finance", "foreign", {**ROUTE, "account_id": "acct_other"})
    with pytest.raises(AccountMismatchError):
        router.charge("finance:foreign", 5)


def test_a_bots_doubt_is_told_and_an_operator_carries_it(border: Border) -> None:
    border.world.faults.add(Fault("cut", match="POST /v1/payment_intents", times=None))
    with border.router() as router:
        with pytest.raises(OutcomeUnknownError):
            router.charge(BOT, 5)
        assert [event.name for event in router.history(BOT)] == ["operation.unknown"]
        with pytest.raises(LedgerUnavailableError):
            EventPump(router.store.outbox, [ListSink()]).run_once()
    sink = ListSink()
    with border.router("stripe_operators") as people:
        EventPump(people.store.outbox, [sink]).run_once()
    assert [event.name for event in sink.got] == ["operation.unknown"]


def ask(router: BillingRouter, amount: int) -> ApprovalRequiredError:
    with pytest.raises(ApprovalRequiredError) as caught:
        router.charge(BOT, amount)
    return caught.value


def test_a_bots_role_is_enough_for_bots_and_an_operators_for_people(border: Border) -> None:
    with border.router() as bot, border.router("stripe_operators") as people:
        desk = operators_desk(people)
        payment = bot.charge(BOT, "30.00", idempotency_key="a")
        assert bot.charge(BOT, "30.00", idempotency_key="a").id == payment.id
        assert bot.refund(BOT, payment.id).paid
        assert bot.create_subscription(BOT, price_id="price_monthly").paid
        assert bot.create_customer(BOT, {"name": "x"}).id
        waiting = bot.charge(BOT, 7, on_session=True)
        assert bot.cancel(str(waiting.operation_id)).state == "canceled"
        told = ask(bot, 50)
        desk.approve(told.approval_id, by="ann", note="fine")
        assert bot.charge(BOT, 50, idempotency_key=told.idempotency_key).paid
        refused = ask(bot, 60)
        desk.reject(refused.approval_id, by="ann")
        with pytest.raises(PolicyViolationError):
            bot.charge(BOT, 60, idempotency_key=refused.idempotency_key)
        desk.freeze(BOT, "stop", by="ann")
        with pytest.raises(FrozenError):
            bot.charge(BOT, 1)
        desk.unfreeze(BOT, by="ann")
        assert bot.charge(BOT, 1).paid
        bot.recover_operations()
    ledger = Database(border.owner_url, border.world.clock)
    assert StripeLedger(ledger).verify().ok
    ledger.close()


def test_a_failed_check_has_its_consequences_in_a_bots_role(border: Border) -> None:
    border.lists("stripe_bots", "finance:foreign")
    with border.router() as bot, border.router("stripe_operators") as people:
        fail_a_check(bot)
        with pytest.raises(FrozenError) as frozen:
            bot.charge("finance:foreign", 5)
        assert frozen.value.scope == "finance:foreign"
        operators_desk(people).unfreeze("finance:foreign", by="ann")
        fail_a_check(bot)
        (anomaly,) = bot.sanity_layer.list_anomalies()
        (opened,) = people.discrepancies.list(state="open")
        assert (opened.account_id, opened.count, anomaly.count) == ("acct_other", 2, 2)
        with pytest.raises(LedgerUnavailableError):
            bot.discrepancies.resolve(opened.id, by="me")
        people.discrepancies.acknowledge(opened.id, by="ann")
        assert people.discrepancies.resolve(opened.id, by="ann", note="mine").resolved_by == "ann"


def test_webhooks_are_received_and_worked_in_a_role_of_their_own(border: Border) -> None:
    border.world.set_outcome("pm_one", "processing")
    with border.router() as bot:
        waiting = bot.charge(BOT, 7)
        border.world.settle_processing(waiting.id)
        (event,) = [
            found["id"]
            for found in border.world.objects("event")
            if found["type"] == "payment_intent.succeeded"
        ]
        payload, headers = border.world.delivery(event, secret=SECRET)
        with pytest.raises(LedgerUnavailableError):
            webhooks_of(bot).receive(payload, headers["Stripe-Signature"])
    with border.router("stripe_webhooks") as worker:
        assert not webhooks_of(worker).receive(payload, headers["Stripe-Signature"]).duplicate
        webhooks_of(worker).process_pending()
        operation = worker.store.operation(str(waiting.operation_id))
        assert operation is not None
        assert operation.state == "succeeded"


def test_what_was_written_while_the_database_was_away_is_drained_by_bots(
    border: Border, monkeypatch: pytest.MonkeyPatch
) -> None:
    with border.router() as bot:
        bot.charge(MEMBER, 1)

        def away(*_: object) -> None:
            raise Away("The ledger's database is away.")

        with monkeypatch.context() as outage:
            outage.setattr(SqlStore, "commit", away)
            payment = bot.charge(MEMBER, 2)
        assert bot.charge(MEMBER, 3).paid
        assert payment.id in {entry.id for entry in bot.ledger.entries()}


def test_the_script_knows_every_table(border: Border) -> None:
    granted = "SELECT has_table_privilege(:role, :table, 'SELECT')"
    with border.owner.connect() as connection:
        for table in metadata.sorted_tables:
            for role in GROUPS:
                parameters = {"role": role, "table": table.name}
                assert connection.execute(text(granted), parameters).scalar(), parameters


def test_neither_role_does_the_others_work(border: Border) -> None:
    with border.router() as bot, border.router("stripe_operators") as people:
        told = ask(bot, 50)
        for refused in (
            lambda: operators_desk(bot).approve(told.approval_id, by="me"),
            lambda: operators_desk(bot).freeze("*", "x", by="me"),
            lambda: people.charge(BOT, 1),
        ):
            with pytest.raises(LedgerUnavailableError, match="this login may not do it"):
                refused()


BOTS_MUST_NOT = """
UPDATE stripe_approvals SET state = 'approved';
UPDATE stripe_approvals SET state = 'used' WHERE state = 'pending';
UPDATE stripe_approvals SET state = 'used' WHERE state = 'rejected';
UPDATE stripe_approvals SET state = 'pending' WHERE state = 'approved';
UPDATE stripe_approvals SET state = 'approved' WHERE state = 'approved';
UPDATE stripe_approvals SET decided_by = 'ann';
UPDATE stripe_approvals SET effect_hash = 'other' WHERE state = 'approved';
UPDATE stripe_approvals SET operation_id = 'other' WHERE state = 'approved';
UPDATE stripe_approvals SET amount_minor = 1;
UPDATE stripe_approvals SET expires_ms = expires_ms + 1;
DELETE FROM stripe_approvals;
TRUNCATE stripe_approvals;
INSERT INTO stripe_approvals SELECT 'apr_x', operation_id, idempotency_key, bot_id, verb,
    effect_hash, input_hash, rule, amount_minor, currency, customer_id, 'approved',
    requested_ms, expires_ms, decided_ms, decided_by, note FROM stripe_approvals LIMIT 1;
INSERT INTO stripe_approvals SELECT 'apr_x', operation_id, idempotency_key, bot_id, verb,
    effect_hash, input_hash, rule, amount_minor, currency, customer_id, 'pending',
    requested_ms, expires_ms, 1, 'ann', note FROM stripe_approvals LIMIT 1;
INSERT INTO stripe_freezes VALUES ('frz_x', '*', 'x', 'x', 1);
UPDATE stripe_freezes SET unfrozen_ms = 1, unfrozen_by = 'x';
UPDATE stripe_freezes SET scope = 'other';
DELETE FROM stripe_freezes;
TRUNCATE stripe_freezes;
INSERT INTO stripe_freezes VALUES ('frz_x', 'finance:*', 'x', 'automated rollback', 1);
UPDATE stripe_discrepancies SET state = 'resolved';
UPDATE stripe_discrepancies SET resolved_by = 'x';
UPDATE stripe_discrepancies SET account_id = 'acct_x';
DELETE FROM stripe_discrepancies;
TRUNCATE stripe_discrepancies;
UPDATE stripe_anomalies SET metadata = '{}';
DELETE FROM stripe_anomalies;
TRUNCATE stripe_anomalies;
INSERT INTO stripe_inbox_objects VALUES ('pi_x', 'x', 1);
UPDATE stripe_inbox SET state = 'received';
DELETE FROM stripe_inbox;
UPDATE stripe_journal SET sequence = 1;
DELETE FROM stripe_journal;
TRUNCATE stripe_journal;
UPDATE stripe_ledger SET amount_minor = 1;
UPDATE stripe_ledger SET user_email = NULL, raw_event_json = NULL, salt = NULL;
DELETE FROM stripe_ledger;
TRUNCATE stripe_ledger CASCADE;
DELETE FROM stripe_ledger_heads;
TRUNCATE stripe_ledger_heads;
UPDATE stripe_ledger_heads SET stream_sequence = 1;
UPDATE stripe_ledger_heads SET stream_sequence = stream_sequence - 1;
UPDATE stripe_ledger_heads SET entry_hash = 'x';
UPDATE stripe_ledger_heads SET stream = 'x';
UPDATE stripe_ledger_heads SET event_sequence = event_sequence - 1;
UPDATE stripe_ledger_heads SET event_sequence = event_sequence + 1, entry_hash = 'x';
UPDATE stripe_outbox SET name = 'x';
DELETE FROM stripe_outbox;
UPDATE stripe_outbox_cursors SET sequence = 9;
INSERT INTO stripe_outbox_cursors VALUES ('x', 'x', 9, NULL, 0, 0, 0);
DELETE FROM stripe_operations;
TRUNCATE stripe_operations;
UPDATE stripe_operations SET bot_id = 'x';
UPDATE stripe_operations SET input_hash = 'x';
UPDATE stripe_operations SET idempotency_key = 'x';
UPDATE stripe_operations SET created_ms = 1;
UPDATE stripe_operations SET state = 'abandoned' WHERE state = 'succeeded';
UPDATE stripe_operations SET state = 'unknown' WHERE state = 'abandoned';
UPDATE stripe_operations SET outcome = NULL WHERE state = 'abandoned';
UPDATE stripe_operations SET state = 'pending', lease_token = 'x' WHERE state = 'abandoned';
UPDATE stripe_operations SET outcome = NULL WHERE state = 'failed';
UPDATE stripe_operations SET steps = '[]' WHERE state = 'requires_action';
UPDATE stripe_operations SET effect_hash = 'x' WHERE state = 'requires_action';
UPDATE stripe_operations SET state = 'abandoned' WHERE state = 'requires_action';
UPDATE stripe_operations SET steps = '[]', seal = repeat('0', 64) WHERE state = 'requires_action';
UPDATE stripe_operations SET amount_minor = 1 WHERE state = 'requires_action';
UPDATE stripe_operations SET state = 'failed' WHERE state = 'requires_action';
UPDATE stripe_operations SET state = 'canceled', outcome_seal = NULL
    WHERE state = 'requires_action';
UPDATE stripe_operations SET customer_id = 'cus_x' WHERE state = 'requires_action';
UPDATE stripe_operations SET started_ms = 1 WHERE state = 'requires_action';
UPDATE stripe_operations SET generation = 9;
UPDATE stripe_operations SET seal = NULL WHERE state = 'requires_action';
UPDATE stripe_operations SET steps = '[]' WHERE state = 'awaiting_approval';
UPDATE stripe_operations SET state = 'awaiting_approval', outcome = NULL, outcome_seal = NULL
    WHERE state = 'requires_action';
UPDATE stripe_operations SET state = 'pending', lease_token = 'x' WHERE state = 'awaiting_approval';
UPDATE stripe_operations SET state = 'unknown' WHERE state = 'awaiting_approval';
INSERT INTO stripe_approvals SELECT 'apr_x', operation_id, idempotency_key, bot_id, verb,
    effect_hash, input_hash, rule, amount_minor, currency, customer_id, 'pending',
    requested_ms, 9999999999999, NULL, NULL, NULL FROM stripe_approvals LIMIT 1;
INSERT INTO stripe_freezes VALUES ('frz_x', 'finance:member', 'x', 'automated rollback', 1);
INSERT INTO stripe_logins VALUES (session_user, 'finance:member');
INSERT INTO stripe_ledger_heads VALUES ('finance:victim', NULL, 7, repeat('0', 64), 0);
INSERT INTO stripe_ledger_heads VALUES ('finance:victim', NULL, 0, repeat('0', 64), 7);
UPDATE stripe_ledger_heads SET event_sequence = event_sequence + 1;
UPDATE stripe_ledger_heads SET event_sequence = event_sequence + 1,
    stream_sequence = stream_sequence + 1, sequence = sequence + 1, entry_hash = repeat('0', 64);
INSERT INTO stripe_outbox SELECT stream, sequence + 1000, 'evt_x', name, at_ms, action,
    operation_id, stripe_id, amount_minor, currency, error FROM stripe_outbox LIMIT 1;
INSERT INTO stripe_ledger SELECT sequence + 1000000, id, action_type, amount, amount_minor,
    currency, timestamp_ms, user_email, bot_id, destination_account, raw_event_json, error,
    operation_id, status, stream, stream_sequence + 1000, salt, user_email_commitment,
    raw_event_commitment, previous_hash, entry_hash FROM stripe_ledger LIMIT 1;
DELETE FROM stripe_budgets;
TRUNCATE stripe_budgets;
UPDATE stripe_budgets SET used = -1;
UPDATE stripe_budgets SET counter = 'x';
UPDATE stripe_budgets SET window_start_ms = 1;
INSERT INTO stripe_budgets VALUES ('x', 1, -1);
INSERT INTO stripe_budgets VALUES ('x', 1, 5);
DELETE FROM stripe_reservations;
TRUNCATE stripe_reservations;
UPDATE stripe_reservations SET operation_id = 'x';
UPDATE stripe_reservations SET state = 'released' WHERE state = 'reserved';
UPDATE stripe_reservations SET amount = 0 WHERE state = 'reserved';
UPDATE stripe_reservations SET state = 'released' WHERE state = 'settled';
UPDATE stripe_reservations SET state = 'past' WHERE state = 'settled';
UPDATE stripe_reservations SET state = 'reserved' WHERE state = 'settled';
UPDATE stripe_reservations SET window_start_ms = 1;
UPDATE stripe_reservations SET kind = 'restore';
UPDATE stripe_reservations SET state = 'reserved', kind = 'restore' WHERE state = 'released';
UPDATE stripe_reservations SET state = 'reserved', window_start_ms = 3600000
    WHERE state = 'released';
UPDATE stripe_discrepancies SET state = 'resolved', resolved_by = 'me';
UPDATE stripe_discrepancies SET kind = 'x', account_id = 'x', details = '{}';
DELETE FROM stripe_discrepancies;
TRUNCATE stripe_discrepancies;
UPDATE stripe_anomalies SET event_type = 'x', metadata = '{}';
DELETE FROM stripe_anomalies;
TRUNCATE stripe_anomalies;
UPDATE stripe_journal SET outcome = 'skipped';
DELETE FROM stripe_journal;
UPDATE stripe_binding SET account_id = 'acct_x';
DELETE FROM stripe_binding;
INSERT INTO stripe_binding VALUES (2, 'acct_x', 'x', 1);
UPDATE stripe_alembic_version SET version_num = 'x';
DELETE FROM stripe_alembic_version;
ALTER TABLE stripe_ledger DISABLE TRIGGER ALL;
ALTER TABLE stripe_approvals DISABLE ROW LEVEL SECURITY;
DROP TRIGGER stripe_ledger_no_change ON stripe_ledger;
DROP POLICY stripe_approvals_are_used ON stripe_approvals;
DROP TABLE stripe_freezes;
CREATE TABLE stripe_other (x int);
CREATE OR REPLACE FUNCTION stripe_ledger_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
    RETURN NEW; END';
SELECT setval('stripe_ledger_numbers', 1);
SET ROLE stripe_operators;
SET session_replication_role = replica;
GRANT stripe_operators TO stripe_bots;
"""

OPERATORS_MUST_NOT = """
UPDATE stripe_approvals SET state = 'used' WHERE state = 'approved';
UPDATE stripe_approvals SET state = 'approved', decided_by = 'ann' WHERE state = 'rejected';
UPDATE stripe_approvals SET state = 'approved', decided_by = NULL WHERE state = 'pending';
UPDATE stripe_approvals SET amount_minor = 1;
DELETE FROM stripe_approvals;
UPDATE stripe_freezes SET reason = 'x';
UPDATE stripe_freezes SET unfrozen_ms = 1;
DELETE FROM stripe_freezes;
UPDATE stripe_operations SET state = 'pending';
UPDATE stripe_operations SET steps = '[]';
UPDATE stripe_budgets SET used = 0;
DELETE FROM stripe_ledger;
DELETE FROM stripe_discrepancies;
UPDATE stripe_discrepancies SET state = 'open';
UPDATE stripe_discrepancies SET state = 'resolved';
UPDATE stripe_discrepancies SET count = 1;
DELETE FROM stripe_anomalies;
UPDATE stripe_anomalies SET severity = 0;
UPDATE stripe_ledger_heads SET entry_hash = 'x';
UPDATE stripe_outbox SET name = 'x';
SET ROLE stripe_bots;
"""


@pytest.mark.parametrize(
    ("group", "statements"),
    [("stripe_bots", BOTS_MUST_NOT), ("stripe_operators", OPERATORS_MUST_NOT)],
    ids=GROUPS,
)
def test_every_forbidden_statement_is_refused(busy: Border, group: str, statements: str) -> None:
    before = busy.content()
    engine = create_engine(busy.urls[group])
    for statement in filter(None, map(str.strip, statements.split(";\n"))):
        assert _changes(engine, statement) == 0, statement
        assert busy.content() == before, statement
    engine.dispose()


def test_a_listed_login_writes_for_its_own_bots_only(border: Border) -> None:
    rules = Policies((PolicyRule("spend", budgets=(Budget("day", 20000, "usd"),)),))
    with border.router(policies=rules) as router:
        router.charge(MEMBER, 1)
    border.lists("stripe_bots", BOT)
    with border.router(policies=rules) as router:
        assert router.charge(BOT, 2).paid
        with pytest.raises(LedgerUnavailableError):
            router.charge(MEMBER, 3)
    engine = create_engine(border.urls["stripe_bots"])
    before = border.content()
    for statement in (
        f"UPDATE stripe_ledger_heads SET event_sequence = event_sequence + 1 "
        f"WHERE stream = '{MEMBER}'",
        f"INSERT INTO stripe_ledger_heads VALUES ('x:y', NULL, 0, '{'0' * 64}', 0)",
        f"UPDATE stripe_operations SET state = 'unknown' WHERE bot_id = '{MEMBER}'",
        f"UPDATE stripe_budgets SET used = 0 WHERE counter LIKE '%/{MEMBER}'",
        f"UPDATE stripe_budgets SET used = 99999999 WHERE counter LIKE '%/{MEMBER}'",
        f"INSERT INTO stripe_budgets VALUES ('spend/money/day/usd/{MEMBER}', 1, 0)",
        f"UPDATE stripe_reservations SET amount = 0 WHERE counter LIKE '%/{MEMBER}'",
        "INSERT INTO stripe_reservations SELECT operation_id, 'x', window_start_ms, rule, kind, "
        "amount, currency, state, updated_ms, restores FROM stripe_reservations",
        f"INSERT INTO stripe_reservations SELECT o.operation_id, r.counter, r.window_start_ms, "
        f"r.rule, r.kind, 999999, r.currency, 'reserved', 1, NULL FROM stripe_operations o, "
        f"stripe_reservations r WHERE o.bot_id = '{BOT}' AND r.counter LIKE '%/{MEMBER}'",
    ):
        assert _changes(engine, statement) == 0, statement
        assert border.content() == before, statement
    engine.dispose()


def test_a_temporary_table_hides_no_table_from_the_guards(border: Border) -> None:
    """Of a listed login, whoever let it make temporary tables."""
    border.lists("stripe_bots", BOT)
    login = make_url(border.urls["stripe_bots"]).username
    with border.router("stripe_webhooks") as router:
        router.charge(MEMBER, 1)
    before = border.content()
    for statement in (
        "INSERT INTO stripe_freezes VALUES ('frz_x', '*', 'x', 'automated rollback', 1)",
        f"INSERT INTO stripe_outbox SELECT stream, sequence + 50, 'bev_x', name, at_ms, action, "
        f"operation_id, stripe_id, amount_minor, currency, error FROM stripe_outbox "
        f"WHERE stream = '{MEMBER}' LIMIT 1",
    ):
        with pytest.raises(psycopg.Error, match=r"row-level security|next number"):
            run(
                border.owner_url,
                "CREATE TEMPORARY TABLE stripe_logins (login name, bot_id text)",
                "INSERT INTO pg_temp.stripe_logins "
                f"VALUES ('{login}', '*'), ('{login}', '{MEMBER}')",
                "CREATE TEMPORARY TABLE stripe_ledger_heads AS SELECT * FROM stripe_ledger_heads",
                "UPDATE pg_temp.stripe_ledger_heads SET event_sequence = 1000",
                f"GRANT ALL ON pg_temp.stripe_logins, pg_temp.stripe_ledger_heads TO {login}",
                f"SET SESSION AUTHORIZATION {login}",
                statement,
                "SET CONSTRAINTS ALL IMMEDIATE",
            )
        assert border.content() == before, statement


def test_renewals_are_counted_by_webhooks_whose_login_is_listed(border: Border) -> None:
    """They are held under the name of their invoice, which is no operation's."""
    counted = (
        f"INSERT INTO stripe_reservations VALUES ('in_1', 'spend/money/day/usd/{BOT}', 0, 'spend', "
        "'money', 1, 'usd', 'settled', 1, NULL)"
    )
    for who in ("stripe_bots", "stripe_webhooks"):
        border.lists(who, BOT)
        engine = create_engine(border.urls[who])
        assert _changes(engine, counted) == (who == "stripe_webhooks")
        engine.dispose()


_TOLD = f"""
UPDATE stripe_ledger_heads SET event_sequence = event_sequence + 1 WHERE stream = '{BOT}';
INSERT INTO stripe_outbox (stream, sequence, id, name, at_ms, action, operation_id, stripe_id,
    amount_minor, currency, error) SELECT stream, event_sequence, 'bev_forged', '{{name}}', 1,
    'charge', 'op_x', 'pi_x', 99999900, 'usd', 0
    FROM stripe_ledger_heads WHERE stream = '{BOT}';
SET CONSTRAINTS ALL IMMEDIATE"""


@pytest.mark.parametrize(
    "name",
    [
        "operation.succeeded",
        "operation.failed",
        "operation.unknown",
        "payment.refunded",
        "subscription.paid",
    ],
)
def test_no_event_of_a_payment_that_never_was(border: Border, name: str) -> None:
    with border.router() as router:
        router.charge(BOT, 1)
    with pytest.raises(psycopg.Error, match="is told with an entry"):
        run(border.urls["stripe_bots"], *_TOLD.format(name=name).split(";"))
    sink = ListSink()
    with border.router("stripe_operators") as people:
        EventPump(people.store.outbox, [sink]).run_once()
    assert [event.amount_minor for event in sink.got] == [100]


def test_no_event_of_a_payment_whose_entry_says_otherwise(border: Border) -> None:
    with border.router() as router:
        router.charge(BOT, 7, on_session=True)
    told = f"""
UPDATE stripe_ledger_heads SET event_sequence = event_sequence + 1 WHERE stream = '{BOT}';
INSERT INTO stripe_outbox (stream, sequence, id, name, at_ms, action, operation_id, stripe_id,
    amount_minor, currency, error) SELECT stream, sequence + 1, 'bev_forged',
    'operation.succeeded', at_ms, action, operation_id, stripe_id, amount_minor, currency, error
    FROM stripe_outbox WHERE stream = '{BOT}';
SET CONSTRAINTS ALL IMMEDIATE"""
    with pytest.raises(psycopg.Error, match="is told with an entry"):
        run(border.urls["stripe_bots"], *told.split(";"))


def test_a_number_that_nobody_drew_keeps_nobody_from_appending(border: Border) -> None:
    """The heads of streams only go forward: after the largest number nothing would come."""
    with border.router() as router:
        router.charge(BOT, 1)
    columns = [column.name for column in metadata.tables["stripe_ledger"].c]
    forged = {
        "sequence": str(2**62),
        "stream_sequence": "stream_sequence + 1",
        "previous_hash": "entry_hash",
        "entry_hash": "repeat('0', 64)",
    }
    for number in (str(2**62), "nextval('stripe_ledger_numbers') + 1"):
        forged["sequence"] = number
        with pytest.raises(psycopg.Error, match=r"number of an entry is drawn|currval"):
            run(
                border.urls["stripe_bots"],
                f"INSERT INTO stripe_ledger ({', '.join(columns)}) SELECT "
                f"{', '.join(forged.get(name, name) for name in columns)} FROM stripe_ledger",
            )
    with border.router() as router:
        assert router.charge(BOT, 1).paid


def test_a_bots_login_makes_no_temporary_table(border: Border) -> None:
    with pytest.raises(psycopg.Error, match="permission denied to create temporary tables"):
        run(border.urls["stripe_bots"], "CREATE TEMPORARY TABLE stripe_logins (login name)")


def test_a_login_in_both_roles_decides_nothing(busy: Border) -> None:
    """It would approve what it asks for itself."""
    login = make_url(busy.urls["stripe_bots"]).username
    run(busy.owner_url, f"GRANT stripe_operators TO {login}")
    engine = create_engine(busy.urls["stripe_bots"])
    before = busy.content()
    for statement in (
        "UPDATE stripe_approvals SET state = 'approved', decided_by = 'me'",
        "INSERT INTO stripe_freezes VALUES ('frz_x', '*', 'x', 'me', 1)",
        "UPDATE stripe_freezes SET unfrozen_ms = 1, unfrozen_by = 'me'",
        "UPDATE stripe_discrepancies SET state = 'resolved', resolved_by = 'me'",
    ):
        assert _changes(engine, statement) == 0, statement
        assert busy.content() == before, statement
    engine.dispose()


def test_an_owner_who_may_not_create_roles_applies_the_script(border: Border) -> None:
    """The roles are there; what is missing is named where one is not."""
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    schema = f"s_{owner}"
    run(
        border.owner_url,
        f"CREATE ROLE {owner} LOGIN NOCREATEROLE",
        f"CREATE SCHEMA {schema} AUTHORIZATION {owner}",
    )
    url = make_url(border.owner_url).set(
        username=owner, query={"options": f"-csearch_path={schema}"}
    )
    try:
        database = Database(url.render_as_string(False), border.world.clock)
        upgrade(database)
        database.close()
        apply(url.render_as_string(False))
        missing = SCRIPT.read_text().replace("'stripe_webhooks'] LOOP", "'stripe_missing'] LOOP")
        with pytest.raises(psycopg.errors.RaiseException, match="stripe_missing is missing"):
            run(url.render_as_string(False), missing)
    finally:
        run(
            border.owner_url,
            f"DROP SCHEMA {schema} CASCADE",
            f"DROP OWNED BY {owner}",
            f"DROP ROLE {owner}",
        )


def test_the_script_can_be_applied_again(busy: Border) -> None:
    apply(busy.owner_url)
    with busy.router() as bot:
        assert bot.charge(BOT, 1).paid


def _changes(engine: Engine, statement: str) -> int:
    """Return how many rows a statement changes, and commits; 0 if it is refused."""
    try:
        with engine.begin() as connection:
            return connection.execute(text(statement)).rowcount
    except DBAPIError as error:
        refusal = str(error.orig)
        assert "syntax" not in refusal, refusal
        assert "does not exist" not in refusal, refusal
        return 0
