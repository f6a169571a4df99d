"""The tables and queries of the workspace. It is always SQLite, and never outlives a run."""

from __future__ import annotations

from collections.abc import Mapping

COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: ("id", *columns.split())
    for name, columns in {
        "charges": "created_ms status captured currency payment operation_id bot_id destination",
        "intents": "status operation_id bot_id",
        "refunds": "created_ms status amount currency payment operation_id bot_id",
        "disputes": "created_ms status amount currency payment reason due_ms",
        "invoices": (
            "status operation_id bot_id reason subscription "
            "subscription_operation_id subscription_bot_id"
        ),
        "invoice_payments": "invoice payment",
        "subscriptions": "operation_id bot_id",
        "sessions": "done payment subscription operation_id bot_id",
        "failures": "created_ms amount currency payment invoice operation_id bot_id",
        "transactions": "source category amount currency converted",
    }.items()
}
"""What is kept of Stripe's objects, by table. Amounts are in minor units."""

_INDEXES = (
    "charges(payment)",
    "invoice_payments(payment)",
    "invoice_payments(invoice)",
    "sessions(payment)",
    "sessions(subscription)",
    "transactions(source)",
)


def definitions() -> list[str]:
    """Return what makes the tables."""
    made = [
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value)",
        "CREATE TABLE sources (name TEXT PRIMARY KEY, next_after TEXT, objects, done)",
        "CREATE TABLE reported (fingerprint TEXT PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE refused (id TEXT PRIMARY KEY, operation_id) WITHOUT ROWID",
    ]
    for table, columns in COLUMNS.items():
        others = ", ".join(columns[1:])
        made.append(
            f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, {others})"
        )
    for number, index in enumerate(_INDEXES):
        made.append(f"CREATE INDEX by_{number} ON {index}")
    return made


def upsert(table: str) -> str:
    """Return what stages a row of a table, in the place of one that is there already."""
    columns = COLUMNS[table]
    named, values = ", ".join(columns), ", ".join("?" * len(columns))
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    return (
        f"INSERT INTO {table} ({named}) VALUES ({values}) "  # noqa: S608 - names of our own
        f"ON CONFLICT (id) DO UPDATE SET {changes}"
    )


_AFTER = "{0}.number > ? ORDER BY {0}.number LIMIT ?"
_AMONG = "{0}.id IN (SELECT value FROM json_each(?))"

_OWNERS = """
  COALESCE({0}.operation_id, i.operation_id, n.operation_id, n.subscription_operation_id,
           b.operation_id, p.operation_id, q.operation_id,
           (SELECT operation_id FROM refused WHERE refused.id IN ({0}.id, {0}.payment))),
  COALESCE({0}.bot_id, i.bot_id, n.bot_id, n.subscription_bot_id, b.bot_id, p.bot_id, q.bot_id),
  n.id, n.subscription, n.reason, p.id, q.id
"""

_FAMILIES = """
  LEFT JOIN invoices n ON n.id = v.invoice
  LEFT JOIN subscriptions b ON b.id = n.subscription
  LEFT JOIN sessions q ON q.subscription = n.subscription
"""

_CHARGES = f"""
SELECT c.number, c.id, c.payment, c.created_ms, c.status, c.captured, c.currency, c.destination,
  {_OWNERS.format("c")}, t.amount, t.currency, t.converted
FROM charges c
  LEFT JOIN intents i ON i.id = c.payment
  LEFT JOIN invoice_payments v ON v.payment = c.payment
  LEFT JOIN sessions p ON p.payment = c.payment
  LEFT JOIN transactions t ON t.source = c.id AND t.category = 'charge'
  {_FAMILIES}
WHERE
"""  # noqa: S608 - names of our own

_REFUNDS = """
SELECT r.number, r.id, r.payment, r.created_ms, r.status, r.amount, r.currency, r.operation_id,
  r.bot_id, t.amount, t.currency, t.converted
FROM refunds r LEFT JOIN transactions t ON t.source = r.id AND t.category = 'refund'
WHERE
"""

_FAILURES = f"""
SELECT f.number, f.id, COALESCE(f.payment, v.payment, f.invoice), f.created_ms, f.amount,
  f.currency, {_OWNERS.format("f")}
FROM failures f
  LEFT JOIN invoice_payments v ON v.invoice = f.invoice OR v.payment = f.payment
  LEFT JOIN intents i ON i.id = COALESCE(f.payment, v.payment)
  LEFT JOIN sessions p ON p.payment = COALESCE(f.payment, v.payment)
  {_FAMILIES.replace("v.invoice", "COALESCE(v.invoice, f.invoice)")}
WHERE NOT EXISTS (
    SELECT 1 FROM charges c
    WHERE c.payment = COALESCE(f.payment, v.payment) AND c.status = 'failed'
  ) AND
"""  # noqa: S608 - names of our own

CHARGES_AFTER, CHARGES_AMONG = (_CHARGES + end.format("c") for end in (_AFTER, _AMONG))
REFUNDS_AFTER, REFUNDS_AMONG = (_REFUNDS + end.format("r") for end in (_AFTER, _AMONG))
FAILURES_AFTER, FAILURES_AMONG = (_FAILURES + end.format("f") for end in (_AFTER, _AMONG))

COLLECTED = """
SELECT id FROM intents WHERE status = 'succeeded' AND id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT id FROM invoices WHERE status = 'paid' AND id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT id FROM subscriptions WHERE id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT id FROM sessions WHERE done AND id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT id FROM refunds WHERE id IN (SELECT value FROM json_each(:ids))
UNION ALL
SELECT id FROM charges WHERE status = 'succeeded' AND id IN (SELECT value FROM json_each(:ids))
"""
"""Which of some ids Stripe shows as what the ledger says: money that has moved."""

OPEN_DISPUTES = """
SELECT number, id, created_ms, status, amount, currency, payment, reason, due_ms FROM disputes
WHERE status NOT IN ('won', 'lost', 'warning_closed', 'prevented') AND number > ?
ORDER BY number LIMIT ?
"""
