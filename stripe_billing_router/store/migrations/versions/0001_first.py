"""The first tables: binding, operations, ledger and its heads.

Revision ID: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
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


def _major_units() -> sa.types.TypeEngine[Any]:
    return sa.Numeric(20, 3).with_variant(sa.String(24), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stripe_binding",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("account_id", _id(), nullable=False),
        sa.Column("api_base", _id(), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    _operations()
    _ledger()
    op.create_table(
        "stripe_ledger_heads",
        sa.Column("stream", _id(200), primary_key=True),
        sa.Column("sequence", sa.BigInteger, sa.ForeignKey("stripe_ledger.sequence")),
        sa.Column("stream_sequence", sa.BigInteger, nullable=False),
        sa.Column("entry_hash", _id(64), nullable=False),
    )


def _operations() -> None:
    op.create_table(
        "stripe_operations",
        sa.Column("operation_id", _id(64), primary_key=True),
        sa.Column("bot_id", _id(200), nullable=False),
        sa.Column("region", _id(64), nullable=False),
        sa.Column("verb", _id(32), nullable=False),
        sa.Column("idempotency_key", _name()),
        sa.Column("input_hash", _id(64), nullable=False),
        sa.Column("effect_hash", _id(64), nullable=False),
        sa.Column("state", _id(20), nullable=False),
        sa.Column("steps", _json(), nullable=False),
        sa.Column("arguments", _json(), nullable=False),
        sa.Column("api_version", _id(40), nullable=False),
        sa.Column("account_id", _id(), nullable=False),
        sa.Column("key_fingerprint", _id(80), nullable=False),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", _id(3)),
        sa.Column("customer_id", _id()),
        sa.Column("user_email", _name()),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("skew_ms", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("lease_token", _id(64)),
        sa.Column("lease_until_ms", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", _id(200)),
        sa.Column("outputs", _json(), nullable=False),
        sa.Column("outcome", _json()),
        sa.Column("blocks_until_ms", sa.BigInteger),
    )
    table = "stripe_operations"
    op.create_index("stripe_operations_by_input", table, ["input_hash", "state"])
    op.create_index("stripe_operations_by_block", table, ["input_hash", "blocks_until_ms"])
    op.create_index("stripe_operations_by_state", table, ["state", "created_ms"])
    op.create_index("stripe_operations_by_bot", table, ["bot_id", "created_ms"])


def _ledger() -> None:
    op.create_table(
        "stripe_ledger",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", _id(), nullable=False),
        sa.Column("action_type", _id(32), nullable=False),
        sa.Column("amount", _major_units()),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", _id(3)),
        sa.Column("timestamp_ms", sa.BigInteger, nullable=False),
        sa.Column("user_email", _name()),
        sa.Column("bot_id", _id(200)),
        sa.Column("destination_account", _id()),
        sa.Column("raw_event_json", _json()),
        sa.Column("error", sa.SmallInteger, nullable=False),
        sa.Column("operation_id", _id(64)),
        sa.Column("status", _id(20)),
        sa.Column("stream", _id(200), nullable=False),
        sa.Column("stream_sequence", sa.BigInteger, nullable=False),
        sa.Column("salt", _id(64)),
        sa.Column("user_email_commitment", _id(64), nullable=False),
        sa.Column("raw_event_commitment", _id(64), nullable=False),
        sa.Column("previous_hash", _id(64), nullable=False),
        sa.Column("entry_hash", _id(64), nullable=False),
        sa.UniqueConstraint("stream", "stream_sequence", name="stripe_ledger_place"),
    )
    op.create_index("stripe_ledger_by_id", "stripe_ledger", ["id"])
    op.create_index("stripe_ledger_by_operation", "stripe_ledger", ["operation_id"])
    op.create_index("stripe_ledger_by_time", "stripe_ledger", ["timestamp_ms"])
