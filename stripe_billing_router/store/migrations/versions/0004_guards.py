"""Budgets, what operations hold of them, approvals and freezes.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _id(length: int = 255) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def _name(length: int = 255) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _json() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "stripe_budgets",
        sa.Column("counter", _name(400), primary_key=True),
        sa.Column("window_start_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stripe_reservations",
        sa.Column("operation_id", _id(64), primary_key=True),
        sa.Column("counter", _name(400), primary_key=True),
        sa.Column("window_start_ms", sa.BigInteger, nullable=False),
        sa.Column("rule", _name(), nullable=False),
        sa.Column("kind", _id(20), nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency", _id(3)),
        sa.Column("state", _id(20), nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    _approvals()
    op.create_table(
        "stripe_freezes",
        sa.Column("freeze_id", _id(64), primary_key=True),
        sa.Column("scope", _id(200), nullable=False),
        sa.Column("reason", _json(), nullable=False),
        sa.Column("frozen_by", _name(), nullable=False),
        sa.Column("frozen_ms", sa.BigInteger, nullable=False),
        sa.Column("unfrozen_by", _name()),
        sa.Column("unfrozen_ms", sa.BigInteger),
    )
    op.create_index("stripe_freezes_by_scope", "stripe_freezes", ["scope", "unfrozen_ms"])


def _approvals() -> None:
    table = "stripe_approvals"
    op.create_table(
        table,
        sa.Column("approval_id", _id(64), primary_key=True),
        sa.Column("operation_id", _id(64), nullable=False),
        sa.Column("idempotency_key", _name(), nullable=False),
        sa.Column("bot_id", _id(200), nullable=False),
        sa.Column("verb", _id(32), nullable=False),
        sa.Column("effect_hash", _id(64), nullable=False),
        sa.Column("input_hash", _id(64), nullable=False),
        sa.Column("rule", _name(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", _id(3)),
        sa.Column("customer_id", _id()),
        sa.Column("state", _id(20), nullable=False),
        sa.Column("requested_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_ms", sa.BigInteger),
        sa.Column("decided_by", _name()),
        sa.Column("note", _json()),
    )
    op.create_index("stripe_approvals_by_operation", table, ["operation_id", "requested_ms"])
    op.create_index("stripe_approvals_by_input", table, ["input_hash", "state"])
    op.create_index("stripe_approvals_by_state", table, ["state", "requested_ms"])
