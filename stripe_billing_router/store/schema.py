"""Every table. All are named `stripe_…`, so that a host's own tables can live beside them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql


class MajorUnits(TypeDecorator[Decimal]):
    """An exact amount in major units. SQLite has no decimals, so there it is text."""

    impl = Numeric(20, 3)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(24))
        return dialect.type_descriptor(Numeric(20, 3))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


def _id(length: int = 255) -> Any:
    """Ids are case-sensitive, also on MySQL, whose default collation is not."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def _name(length: int = 255) -> Any:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _json() -> Any:
    return Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


metadata = MetaData()

binding = Table(
    "stripe_binding",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("account_id", _id(), nullable=False),
    Column("api_base", _id(), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

operations = Table(
    "stripe_operations",
    metadata,
    Column("operation_id", _id(64), primary_key=True),
    Column("bot_id", _id(200), nullable=False),
    Column("region", _id(64), nullable=False),
    Column("verb", _id(32), nullable=False),
    Column("idempotency_key", _name()),
    Column("input_hash", _id(64), nullable=False),
    Column("effect_hash", _id(64), nullable=False),
    Column("state", _id(20), nullable=False),
    Column("steps", _json(), nullable=False),
    Column("arguments", _json(), nullable=False),
    Column("api_version", _id(40), nullable=False),
    Column("account_id", _id(), nullable=False),
    Column("key_fingerprint", _id(80), nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", _id(3)),
    Column("customer_id", _id()),
    Column("user_email", _name()),
    Column("generation", Integer, nullable=False),
    Column("skew_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("lease_token", _id(64)),
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("lease_owner", _id(200)),
    Column("outputs", _json(), nullable=False),
    Column("outcome", _json()),
    Column("blocks_until_ms", BigInteger),
    Index("stripe_operations_by_input", "input_hash", "state"),
    Index("stripe_operations_by_block", "input_hash", "blocks_until_ms"),
    Index("stripe_operations_by_state", "state", "created_ms"),
    Index("stripe_operations_by_bot", "bot_id", "created_ms"),
)

ledger = Table(
    "stripe_ledger",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", _id(), nullable=False),
    Column("action_type", _id(32), nullable=False),
    Column("amount", MajorUnits),
    Column("amount_minor", BigInteger),
    Column("currency", _id(3)),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("user_email", _name()),
    Column("bot_id", _id(200)),
    Column("destination_account", _id()),
    Column("raw_event_json", _json()),
    Column("error", SmallInteger, nullable=False),
    Column("operation_id", _id(64)),
    Column("status", _id(20)),
    Column("stream", _id(200), nullable=False),
    Column("stream_sequence", BigInteger, nullable=False),
    Column("salt", _id(64)),
    Column("user_email_commitment", _id(64), nullable=False),
    Column("raw_event_commitment", _id(64), nullable=False),
    Column("previous_hash", _id(64), nullable=False),
    Column("entry_hash", _id(64), nullable=False),
    UniqueConstraint("stream", "stream_sequence", name="stripe_ledger_place"),
    Index("stripe_ledger_by_id", "id"),
    Index("stripe_ledger_by_operation", "operation_id"),
    Index("stripe_ledger_by_time", "timestamp_ms"),
)

heads = Table(
    "stripe_ledger_heads",
    metadata,
    Column("stream", _id(200), primary_key=True),
    # On MySQL this reference is what refuses TRUNCATE of the ledger.
    Column("sequence", BigInteger, ForeignKey("stripe_ledger.sequence")),
    Column("stream_sequence", BigInteger, nullable=False),
    Column("entry_hash", _id(64), nullable=False),
)
