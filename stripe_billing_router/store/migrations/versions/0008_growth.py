"""Indexes for what is listed; amounts that SQLite compares as numbers.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = (
    ("operations", "by_time", ["created_ms", "operation_id"]),
    ("budgets", "by_window", ["window_start_ms"]),
    ("approvals", "by_bot", ["bot_id", "requested_ms"]),
    ("approvals", "by_time", ["requested_ms"]),
    ("freezes", "by_end", ["unfrozen_ms", "frozen_ms"]),
    ("freezes", "by_time", ["frozen_ms"]),
    ("discrepancies", "by_bot", ["bot_id", "opened_ms"]),
    ("discrepancies", "by_time", ["opened_ms"]),
    ("anomalies", "by_bot", ["bot_id", "first_ms"]),
    ("anomalies", "by_type", ["event_type", "first_ms"]),
    ("inbox", "by_type", ["type", "received_ms"]),
)

_DEFINITIONS = sa.text(
    "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
    "AND tbl_name IN ('stripe_ledger', 'stripe_ledger_heads')"
)


def upgrade() -> None:
    for table, name, columns in _INDEXES:
        op.create_index(f"stripe_{table}_{name}", f"stripe_{table}", columns)
    if op.get_bind().dialect.name == "sqlite":
        _make_amounts_numbers()


def _make_amounts_numbers() -> None:
    """SQLite changes no column: the ledger is copied to a table that has the other one. Its heads
    refer to it, so they make way meanwhile. The triggers are put back after every migration."""
    of = {row.name: row.sql for row in op.get_bind().execute(_DEFINITIONS)}
    ledger, heads = of.pop("stripe_ledger"), of.pop("stripe_ledger_heads")
    copied = ledger.replace("stripe_ledger", "stripe_copied_ledger", 1)
    for statement in (
        "CREATE TABLE stripe_copied_heads AS SELECT * FROM stripe_ledger_heads",
        "DROP TABLE stripe_ledger_heads",
        copied.replace("amount VARCHAR(24)", "amount NUMERIC(20, 3)"),
        "INSERT INTO stripe_copied_ledger SELECT * FROM stripe_ledger ORDER BY sequence",
        "DROP TABLE stripe_ledger",
        "ALTER TABLE stripe_copied_ledger RENAME TO stripe_ledger",
        *of.values(),
        heads,
        "INSERT INTO stripe_ledger_heads SELECT * FROM stripe_copied_heads",
        "DROP TABLE stripe_copied_heads",
    ):
        op.execute(sa.text(statement))
