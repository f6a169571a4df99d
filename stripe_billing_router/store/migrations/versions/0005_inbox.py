"""What Stripe tells by webhook: the inbox, and what has been applied of each object.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
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


def upgrade() -> None:
    table = "stripe_inbox"
    op.create_table(
        table,
        sa.Column("event_id", _id(), primary_key=True),
        sa.Column("type", _id(), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("api_version", _id(40)),
        sa.Column("object_id", _id()),
        sa.Column("operation_id", _id(64)),
        sa.Column(
            "body",
            sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.Column("state", _id(20), nullable=False),
        sa.Column("applied", _id(20)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", _name(500)),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger),
        sa.Column("lease_token", _id(64)),
    )
    op.create_index("stripe_inbox_by_due", table, ["due_ms"])
    op.create_index("stripe_inbox_by_state", table, ["state", "received_ms"])
    op.create_index("stripe_inbox_by_receipt", table, ["received_ms"])
    op.create_table(
        "stripe_inbox_objects",
        sa.Column("object_id", _id(), primary_key=True),
        sa.Column("facts", _id(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
