"""The tables of what hosts are told, and of how far each sink has got."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table

from .schema import _id, metadata

outbox = Table(
    "stripe_outbox",
    metadata,
    Column("stream", _id(200), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", _id(32), nullable=False),
    Column("name", _id(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("action", _id(32), nullable=False),
    Column("operation_id", _id(64)),
    Column("stripe_id", _id()),
    Column("amount_minor", BigInteger),
    Column("currency", _id(3)),
    Column("error", SmallInteger, nullable=False),
)

cursors = Table(
    "stripe_outbox_cursors",
    metadata,
    Column("sink", _id(64), primary_key=True),
    Column("stream", _id(200), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("lease_token", _id(64)),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_ms", BigInteger, nullable=False),
)
