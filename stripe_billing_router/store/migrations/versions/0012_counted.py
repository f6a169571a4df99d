"""An index for those who add up what is held of a counter.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "stripe_reservations_by_window", "stripe_reservations", ["window_start_ms", "counter"]
    )
