"""A database that many bots have used for long, and what every public call asks of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    String,
    cast,
    column,
    event,
    insert,
    literal,
    literal_column,
    select,
    text,
)

from stripe_billing_router import operators
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.default import use_router
from stripe_billing_router.errors import ApprovalRequiredError, BillingError
from stripe_billing_router.events import EventPump
from stripe_billing_router.models import InboxState, OperationState
from stripe_billing_router.sandbox import Fault, World
from stripe_billing_router.store.outbox_schema import cursors
from stripe_billing_router.store.schema import binding, heads, metadata
from stripe_billing_router.stripe_watchdog import main as watchdog
from stripe_billing_router.webhooks import webhooks_of
from tests.unit.cli.cli_helpers import run

ROWS, BOTS = 100_000, 50
OF_EACH_CALL = "stripe_operations stripe_ledger stripe_outbox stripe_reservations stripe_inbox"
BOT = "finance:bot"
LONG_AGO = 1_600_000_000_000
MANY = 5_000
"""Rows that a statement without a limit may be expected to read."""

GROWING = {table.name for table in metadata.sorted_tables} - {
    binding.name,  # one row
    heads.name,  # a row for each bot
    cursors.name,  # a row for each bot and sink
}

ROUTING = """
recovery: {retry_for: 0}
policies:
  rules:
    everyone:
      budgets: [{per: day, amount: 5000, currency: usd}]
      calls: [{per: hour, limit: 1000}]
      approval_above: {usd: 200}
stripe:
  default:
    finance:
      bot: {product_id: prod_1, price_id: price_1, customer_id: cus_1}
      member: {product_id: prod_1, price_id: price_monthly, customer_id: cus_1}
"""


def fill(connection: Connection) -> None:
    """Put ROWS rows into every table that grows. Each row is settled, old, and of one of BOTS."""
    digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    places = range(len(str(ROWS)) - 1)
    number = " + ".join(f"p{place}.d * {10**place}" for place in places)
    tables = " CROSS JOIN ".join(f"({digits}) p{place}" for place in places)
    query = text(f"SELECT 1 + {number} AS n FROM {tables}")
    numbers = query.columns(column("n", Integer)).subquery("numbers")
    for table in metadata.sorted_tables:
        if table.name in GROWING:
            seldom = table.name not in OF_EACH_CALL
            values = [_value(one, numbers.c.n) for one in table.columns]
            rows = select(*values).select_from(numbers)
            if seldom:
                rows = rows.where(numbers.c.n <= ROWS // 10)
            connection.execute(insert(table).from_select(list(table.columns), rows))
    streams = [
        {
            "stream": f"finance:bot_{n}",
            "stream_sequence": ROWS,
            "entry_hash": "h",
            "event_sequence": ROWS,
            "sequence": ROWS,
        }
        for n in range(BOTS)
    ]
    connection.execute(insert(heads), streams)


_STATES = {
    "stripe_operations": "succeeded",
    "stripe_ledger": "succeeded",
    "stripe_reservations": "settled",
    "stripe_approvals": "used",
    "stripe_discrepancies": "resolved",
    "stripe_inbox": "processed",
}
_NAMED: Mapping[str, Any] = {
    **dict.fromkeys(("due_ms", "lease_token", "idempotency_key", "open_key", "window_key")),
    **dict.fromkeys(("blocks_until_ms", "stripe_operations.outcome", "applied", "seal")),
    **dict.fromkeys(("steps", "outputs"), "[]"),
    **dict.fromkeys(("arguments", "metadata", "details", "raw_event_json", "body"), "{}"),
    **dict.fromkeys(("verb", "action", "action_type"), "charge"),
    "journal_id": "journal",
    "counter": "everyone/calls/hour/-/finance:bot",
    "currency": "usd",
    "kind": "spend",
    "type": "invoice.paid",
    "outcome": "drained",
}


def _value(column: Column[Any], n: Any) -> Any:
    name, table, kind = column.name, column.table.name, column.type
    number = cast(n, String(12))
    if name in ("state", "status"):
        return literal(_STATES[table])
    if name in ("bot_id", "stream", "scope"):
        return literal("finance:bot_") + cast(n % BOTS, String(12))
    for known in (f"{table}.{name}", name):
        if known in _NAMED and (column.nullable or _NAMED[known] is not None):
            return literal(_NAMED[known])
    if name in ("sequence", "stream_sequence"):
        return n
    if isinstance(kind, String):
        return literal(f"{name}_") + number
    return cast(n, BigInteger) * 1000 + LONG_AGO if name.endswith("_ms") else literal_column("1")


class Statements:
    """What drivers are asked to execute, each once: `{text as it is compared: text to explain}`."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def add(self, statement: str) -> None:
        verb = statement.lstrip("( ")[:6].upper()
        if verb.split()[0] not in ("SELECT", "WITH", "UPDATE", "DELETE") or not (
            set(re.findall(r"stripe_\w+", statement)) & GROWING
        ):
            return
        shape = re.sub(r"'(?:[^']|'')*'|(?<![\w$])-?\d+(?:\.\d+)?", "?", statement)
        self.seen.setdefault(re.sub(r"\(\?(?:, ?\?)*\)", "(?)", shape), statement)

    @contextmanager
    def collected(self) -> Iterator[None]:
        event.listen(Engine, "connect", self._listen)
        try:
            yield
        finally:
            event.remove(Engine, "connect", self._listen)

    def _listen(self, connection: Any, _record: Any) -> None:
        if isinstance(connection, psycopg.Connection):
            connection.cursor_factory = self._hearing(psycopg.Cursor, psycopg.ClientCursor)
            connection.server_cursor_factory = self._hearing(
                psycopg.ServerCursor, psycopg.ClientCursor
            )
        elif hasattr(connection, "cursorclass"):
            usual = connection.cursor

            def cursor(kind: Any = None) -> Any:
                kind = kind or connection.cursorclass
                return usual(self._hearing(kind, kind))

            connection.cursor = cursor
        else:
            connection.set_trace_callback(self.add)

    def _hearing(self, kind: Any, writer: Any) -> Any:
        """Return a kind of cursor that tells what it executes, as a writer puts it in one text."""
        add = self.add

        class Listener(kind):  # type: ignore[misc]
            def execute(self, query: Any, params: Any = None, *given: Any, **more: Any) -> Any:
                add(writer(self.connection).mogrify(query, params))
                return super().execute(query, params, *given, **more)

        return Listener


class Plans:
    """Reads how a database would execute a statement: complaints, or nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def complaints(self, statement: str) -> list[str]:
        return {"sqlite": self._sqlite, "postgresql": self._postgresql}.get(
            self._connection.dialect.name, self._mysql
        )(statement)

    def _rows(self, statement: str) -> Any:
        cursor = self._connection.connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()

    def _sqlite(self, statement: str) -> list[str]:
        steps = [row[-1] for row in self._rows(f"EXPLAIN QUERY PLAN {statement}")]
        in_order = _is_first_page(statement) and not any("FOR ORDER BY" in it for it in steps)
        return [
            step
            for step in steps
            if (found := re.match(r"SCAN (\w+)( USING (COVERING )?INDEX)?", step))
            and _table_of(found[1], statement) in GROWING
            and not (found[2] and in_order)
        ]

    def _postgresql(self, statement: str) -> list[str]:
        ((plan,),) = self._rows(f"EXPLAIN (FORMAT JSON) {statement}")
        return list(_walked(plan[0]["Plan"], limited=False))

    def _mysql(self, statement: str) -> list[str]:
        found = []
        for row in self._rows(f"EXPLAIN {statement}"):
            name, how, key, rows, extra = row[2], row[3], row[5], row[-2], str(row[-1])
            if name is None or _table_of(name, statement) not in GROWING or not str(rows).isdigit():
                continue
            reads_all = how in ("ALL", "index") and int(rows) > MANY
            sorts = "filesort" in extra or "LIMIT" not in statement
            if reads_all or (int(rows) > MANY and sorts):
                found.append(f"{name}: {how} {key} {rows} {extra}")
        return found


def _is_first_page(statement: str) -> bool:
    return "LIMIT" in statement and "WHERE" not in statement


def _table_of(alias: str, statement: str) -> str:
    named = re.search(rf"(stripe_\w+) (?:AS )?[`\"]?{alias}\b", statement)
    return named[1] if named else alias


def _walked(node: Mapping[str, Any], *, limited: bool) -> Iterator[str]:
    kind, name = node["Node Type"], node.get("Relation Name")
    limited = (limited or kind == "Limit") and kind not in ("Sort", "Aggregate", "Hash")
    if name in GROWING and kind != "ModifyTable":
        all_of_it = "Index Cond" not in node and "Recheck Cond" not in node
        first = limited and "Filter" not in node and kind != "Seq Scan"
        many = node["Plan Rows"] > MANY and not limited
        if (all_of_it and not first) or many:
            yield f"{kind} of {name}: {node.get('Index Name')} {node.get('Filter')}"
    for inner in node.get("Plans", ()):
        yield from _walked(inner, limited=limited)


def everything(environ: Mapping[str, str], world: World, folder: Path) -> None:
    """Call every public call, everything of the command line that reads, and the watchdog."""
    with BillingRouter(environ=environ, recover_at_start=False) as router, use_router(router):
        _verbs(router, world)
        _guards(router)
        _events(router, world)
        _books(router)
    for command in _COMMANDS:
        run(*command.split())
    watchdog(["--report", str(folder / "report.html"), "--export-training", "--backfill"])


def _verbs(router: BillingRouter, world: World) -> None:
    paid = router.charge(BOT, 5, idempotency_key="k")
    router.charge(BOT, 5)
    router.refund(BOT, paid.id, amount=1)
    router.charge(BOT, idempotency_key="invoice")
    router.create_subscription("finance:member", idempotency_key="subscription")
    router.create_customer(BOT, {"name": "Somebody"})
    line_items = [{"price": "price_1", "quantity": 1}]
    router.create_checkout_session(BOT, line_items, success_url="https://shop.example/thanks")
    router.cancel(str(router.charge(BOT, 6, on_session=True).operation_id))
    router.get_balance(BOT)
    router.explain(BOT)
    router.verify_router([BOT])
    router.history(BOT)
    list(router.iter_master_events())
    with suppress(BillingError):
        router.refund(BOT, "pi_of_somebody_else")
    world.faults.add(Fault("cut", effect=True, match="POST /v1/payment_intents", times=20))
    for amount, key in ((7, None), (8, "doubt")):
        with suppress(BillingError):
            router.charge(BOT, amount, idempotency_key=key)
    world.faults.clear()
    router.recover_operations()


def _guards(router: BillingRouter) -> None:
    asked = []
    for amount in (300, 301):
        with suppress(ApprovalRequiredError):
            router.charge(BOT, amount, idempotency_key=f"large-{amount}")
        (newest,) = router.store.approvals(bot_id=BOT, limit=1)
        asked.append(newest)
    operators.approve(asked[0].approval_id, by="ann")
    operators.reject(asked[1].approval_id, by="ann")
    router.charge(BOT, 300, idempotency_key="large-300")
    operators.freeze(BOT, "a test", "ann")
    with suppress(BillingError):
        router.charge(BOT, 5)
    operators.unfreeze(BOT, "ann")


def _events(router: BillingRouter, world: World) -> None:
    hooks = webhooks_of(router)
    endpoint = world.objects("webhook_endpoint")[0]["id"]
    for delivery in world.deliveries(endpoint):
        hooks.receive(delivery.payload, delivery.headers["Stripe-Signature"])
    hooks.process_pending()
    hooks.backfill(0)
    hooks.replay(router.store.inbox.events(limit=1)[0].event_id)

    class Sink:
        name = "sink"

        def send(self, events: Any) -> None: ...

    EventPump(router.store.outbox, [Sink()]).run_once()


def _books(router: BillingRouter) -> None:
    store = router.store
    last = list(store.ledger.entries(bot_id=BOT))[-1]
    list(store.ledger.entries(bot_id=BOT, after=last.sequence))
    list(store.ledger.entries(after=last.sequence - 3))
    states = [OperationState.PENDING, OperationState.UNKNOWN]
    for chosen in (None, states, states[:1]):
        for bot in (None, BOT):
            for newest_first in (True, False):
                page = store.operations(states=chosen, bot_id=bot, newest_first=newest_first)
                if page:
                    place = (page[-1].created_ms, page[-1].operation_id)
                    store.operations(states=chosen, bot_id=bot, after=place)
    store.freeze_history()
    store.budgets(starts_ms=[store.now_ms()])
    store._sql.drained_to("journal")
    store.discrepancies.record("key_account", bot_id=BOT)
    store.inbox.events(states=list(InboxState)[:2])
    store.inbox.events(event_type="invoice.paid")
    router.sanity_layer.record_payment_anomaly("odd", {"bot_id": BOT}, severity=2.0)
    router.sanity_layer.list_anomalies(bot_id=BOT)
    router.sanity_layer.list_anomalies(event_type="odd")
    router.sanity_layer.list_anomalies(min_severity=2.0)


_COMMANDS = (
    "status",
    "check",
    "operations list",
    f"operations list --bot {BOT}",
    "operations list --state unknown --state pending",
    "ledger list",
    f"ledger list --bot {BOT}",
    "ledger heads",
    "ledger verify",
    f"ledger export --bot {BOT}",
    "approvals list",
    f"approvals list --bot {BOT}",
    "approvals list --state used",
    "discrepancies list",
    "discrepancies list --state open",
    f"discrepancies list --bot {BOT}",
    "webhooks list",
    "webhooks list --state dead --state failed",
    "webhooks list --type invoice.paid",
    "webhooks dead-letters",
    f"events history --bot {BOT}",
)
