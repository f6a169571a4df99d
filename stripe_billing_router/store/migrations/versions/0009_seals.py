"""The seals of what is stored: who holds no key cannot make one.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _seal(name: str) -> "sa.Column[str]":
    kind = sa.String(64).with_variant(
        mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )
    return sa.Column(name, kind)


def upgrade() -> None:
    for name in ("seal", "outputs_seal", "outcome_seal"):
        op.add_column("stripe_operations", _seal(name))
    for table in ("stripe_inbox", "stripe_journal"):
        op.add_column(table, _seal("seal"))
