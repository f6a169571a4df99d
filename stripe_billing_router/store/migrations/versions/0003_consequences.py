"""What follows a failed check: discrepancies and anomalies.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
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


def _text() -> sa.types.TypeEngine[str]:
    # Unlike the first tables' it says its character set: a note holds what people write.
    return sa.Text().with_variant(
        mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def upgrade() -> None:
    _discrepancies()
    _anomalies()


def _discrepancies() -> None:
    op.create_table(
        "stripe_discrepancies",
        sa.Column("id", _id(64), primary_key=True),
        sa.Column("open_key", _id(64), unique=True),
        sa.Column("kind", _id(32), nullable=False),
        sa.Column("bot_id", _id(200)),
        sa.Column("account_id", _name()),
        sa.Column("expected_account_id", _name()),
        sa.Column("operation_id", _id(64)),
        sa.Column("details", _text(), nullable=False),
        sa.Column("state", _id(20), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger, nullable=False),
        sa.Column("acknowledged_by", _name()),
        sa.Column("acknowledged_ms", sa.BigInteger),
        sa.Column("resolved_by", _name()),
        sa.Column("resolved_ms", sa.BigInteger),
        sa.Column("note", _text()),
    )
    table = "stripe_discrepancies"
    op.create_index("stripe_discrepancies_by_state", table, ["state", "opened_ms"])


def _anomalies() -> None:
    op.create_table(
        "stripe_anomalies",
        sa.Column("id", _id(64), primary_key=True),
        sa.Column("window_key", _id(64), unique=True),
        sa.Column("fingerprint", _id(64), nullable=False),
        sa.Column("event_type", _name(), nullable=False),
        sa.Column("bot_id", _id(200)),
        sa.Column("operation_id", _id(64)),
        sa.Column("metadata", _text(), nullable=False),
        sa.Column("instruction", _text()),
        sa.Column("severity", sa.Double, nullable=False),
        sa.Column("codex", sa.SmallInteger, nullable=False),
        sa.Column("exported", sa.SmallInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("stripe_anomalies_by_time", "stripe_anomalies", ["first_ms"])
    table = "stripe_anomalies"
    op.create_index("stripe_anomalies_by_fingerprint", table, ["fingerprint", "exported"])
