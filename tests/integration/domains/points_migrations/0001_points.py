"""The tables of the domain under test."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    bot, points = ("bot_id", sa.String(200)), ("points", sa.BigInteger)
    op.create_table(
        "stripe_points_balances",
        sa.Column(*bot, primary_key=True),
        sa.Column(*points),
        sa.Column("updated_ms", sa.BigInteger),
    )
    op.create_table(
        "stripe_points_gifts",
        sa.Column("gift_id", sa.String(64), primary_key=True),
        sa.Column(*bot),
        sa.Column(*points),
    )
    op.create_table("stripe_points_intents", sa.Column(*bot), sa.Column("amount_minor", sa.Integer))
