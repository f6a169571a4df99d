"""Until when an operation that somebody took out of doubt is believed under a seal only.

Revision ID: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stripe_operations", sa.Column("doubted_until_ms", sa.BigInteger))
    op.create_index(
        "stripe_operations_by_doubt", "stripe_operations", ["input_hash", "doubted_until_ms"]
    )
