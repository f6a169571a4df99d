"""Notes on gifts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("stripe_points_gifts", sa.Column("note", sa.String(200)))
