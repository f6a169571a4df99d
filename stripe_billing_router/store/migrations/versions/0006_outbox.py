"""What hosts are told, and how far each sink has got.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _id(length: int = 255) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def upgrade() -> None:
    told = sa.Column("event_sequence", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("stripe_ledger_heads", told)
    op.create_table(
        "stripe_outbox",
        sa.Column("stream", _id(200), primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", _id(32), nullable=False),
        sa.Column("name", _id(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("action", _id(32), nullable=False),
        sa.Column("operation_id", _id(64)),
        sa.Column("stripe_id", _id()),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", _id(3)),
        sa.Column("error", sa.SmallInteger, nullable=False),
    )
    op.create_table(
        "stripe_outbox_cursors",
        sa.Column("sink", _id(64), primary_key=True),
        sa.Column("stream", _id(200), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("lease_token", _id(64)),
        sa.Column("lease_until_ms", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("retry_ms", sa.BigInteger, nullable=False),
    )
