"""Every table. All are named `stripe_…`, so that a host's own tables can live beside them."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Double,
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
from sqlalchemy.types import UserDefinedType


class _Number(UserDefinedType[Any]):
    """A number as SQLite has it: compared as one, whole or binary. Values are given as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "NUMERIC(20, 3)"


class MajorUnits(TypeDecorator[Decimal]):
    """An amount in major units. SQLite has no decimals: up to 15 digits read back as written."""

    impl = Numeric(20, 3)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(_Number() if dialect.name == "sqlite" else self.impl)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else _decimal(value)


class _LongText(UserDefinedType[str]):
    """Text as long as any, in MySQL's words, whose own types take long to load."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "LONGTEXT"


_TEXT = Text().with_variant(_LongText(), "mysql", "mariadb")


def _decimal(value: Any) -> Decimal:
    """What is no amount reads as NaN, so that the verification can name its row."""
    try:
        found = Decimal(repr(value) if isinstance(value, float) else value)
    except (ArithmeticError, TypeError, ValueError):
        return Decimal("NaN")
    return found if found.is_finite() else Decimal("NaN")


@cache
def _id(length: int = 255) -> Any:
    """Ids are case-sensitive, also on MySQL, whose default collation is not."""
    return String(length).with_variant(String(length, collation="ascii_bin"), "mysql", "mariadb")


@cache
def _name(length: int = 255) -> Any:
    return String(length).with_variant(String(length, collation="utf8mb4_bin"), "mysql", "mariadb")


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
    Column("steps", _TEXT, nullable=False),
    Column("arguments", _TEXT, nullable=False),
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
    Column("outputs", _TEXT, nullable=False),
    Column("outcome", _TEXT),
    Column("blocks_until_ms", BigInteger),
    # Written by the guards of the database's roles, when somebody takes the row out of doubt.
    Column("doubted_until_ms", BigInteger),
    # Of the intent, of what its steps gave, and of what it came to.
    Column("seal", _id(64)),
    Column("outputs_seal", _id(64)),
    Column("outcome_seal", _id(64)),
    Index("stripe_operations_by_time", "created_ms", "operation_id"),
    Index("stripe_operations_by_input", "input_hash", "state"),
    Index("stripe_operations_by_block", "input_hash", "blocks_until_ms"),
    Index("stripe_operations_by_doubt", "input_hash", "doubted_until_ms"),
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
    Column("raw_event_json", _TEXT),
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
    Column("event_sequence", BigInteger, nullable=False, server_default="0"),
)

journal = Table(
    "stripe_journal",
    metadata,
    Column("journal_id", _id(40), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", _id(20), nullable=False),
    Column("drained_ms", BigInteger, nullable=False),
    Column("seal", _id(64)),
)

budgets = Table(
    "stripe_budgets",
    metadata,
    Column("counter", _name(400), primary_key=True),
    Column("window_start_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("used", BigInteger, nullable=False),
    Index("stripe_budgets_by_window", "window_start_ms"),
)

reservations = Table(
    "stripe_reservations",
    metadata,
    Column("operation_id", _id(64), primary_key=True),
    Column("counter", _name(400), primary_key=True),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("rule", _name(), nullable=False),
    Column("kind", _id(20), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", _id(3)),
    Column("state", _id(20), nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("restores", _id(64)),
    Index("stripe_reservations_by_window", "window_start_ms", "counter"),
)

approvals = Table(
    "stripe_approvals",
    metadata,
    Column("approval_id", _id(64), primary_key=True),
    Column("operation_id", _id(64), nullable=False),
    Column("idempotency_key", _name(), nullable=False),
    Column("bot_id", _id(200), nullable=False),
    Column("verb", _id(32), nullable=False),
    Column("effect_hash", _id(64), nullable=False),
    Column("input_hash", _id(64), nullable=False),
    Column("rule", _name(), nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", _id(3)),
    Column("customer_id", _id()),
    Column("state", _id(20), nullable=False),
    Column("requested_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger),
    Column("decided_by", _name()),
    Column("note", _TEXT),
    Index("stripe_approvals_by_operation", "operation_id", "requested_ms"),
    Index("stripe_approvals_by_input", "input_hash", "state"),
    Index("stripe_approvals_by_state", "state", "requested_ms"),
    Index("stripe_approvals_by_bot", "bot_id", "requested_ms"),
    Index("stripe_approvals_by_time", "requested_ms"),
)

freezes = Table(
    "stripe_freezes",
    metadata,
    Column("freeze_id", _id(64), primary_key=True),
    Column("scope", _id(200), nullable=False),
    Column("reason", _TEXT, nullable=False),
    Column("frozen_by", _name(), nullable=False),
    Column("frozen_ms", BigInteger, nullable=False),
    Column("unfrozen_by", _name()),
    Column("unfrozen_ms", BigInteger),
    Index("stripe_freezes_by_scope", "scope", "unfrozen_ms"),
    Index("stripe_freezes_by_end", "unfrozen_ms", "frozen_ms"),
    Index("stripe_freezes_by_time", "frozen_ms"),
)

discrepancies = Table(
    "stripe_discrepancies",
    metadata,
    Column("id", _id(64), primary_key=True),
    # What equal discrepancies share while nobody has resolved them; null afterwards.
    Column("open_key", _id(64), unique=True),
    Column("kind", _id(32), nullable=False),
    Column("bot_id", _id(200)),
    Column("account_id", _name()),
    Column("expected_account_id", _name()),
    Column("operation_id", _id(64)),
    Column("details", _TEXT, nullable=False),
    Column("state", _id(20), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("acknowledged_by", _name()),
    Column("acknowledged_ms", BigInteger),
    Column("resolved_by", _name()),
    Column("resolved_ms", BigInteger),
    Column("note", _TEXT),
    Index("stripe_discrepancies_by_state", "state", "opened_ms"),
    Index("stripe_discrepancies_by_bot", "bot_id", "opened_ms"),
    Index("stripe_discrepancies_by_time", "opened_ms"),
)

anomalies = Table(
    "stripe_anomalies",
    metadata,
    Column("id", _id(64), primary_key=True),
    # The fingerprint while equal anomalies are counted here; null once their window is over.
    Column("window_key", _id(64), unique=True),
    Column("fingerprint", _id(64), nullable=False),
    Column("event_type", _name(), nullable=False),
    Column("bot_id", _id(200)),
    Column("operation_id", _id(64)),
    Column("metadata", _TEXT, nullable=False),
    Column("instruction", _TEXT),
    Column("severity", Double, nullable=False),
    Column("codex", SmallInteger, nullable=False),
    Column("exported", SmallInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Index("stripe_anomalies_by_time", "first_ms"),
    Index("stripe_anomalies_by_bot", "bot_id", "first_ms"),
    Index("stripe_anomalies_by_type", "event_type", "first_ms"),
    Index("stripe_anomalies_by_fingerprint", "fingerprint", "exported"),
)

inbox = Table(
    "stripe_inbox",
    metadata,
    Column("event_id", _id(), primary_key=True),
    Column("type", _id(), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("api_version", _id(40)),
    Column("object_id", _id()),
    Column("operation_id", _id(64)),
    Column("body", _TEXT, nullable=False),
    Column("state", _id(20), nullable=False),
    Column("applied", _id(20)),
    Column("attempts", Integer, nullable=False),
    Column("error", _name(500)),
    Column("received_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),
    Column("lease_token", _id(64)),
    Column("seal", _id(64)),
    Index("stripe_inbox_by_due", "due_ms"),
    Index("stripe_inbox_by_state", "state", "received_ms"),
    Index("stripe_inbox_by_receipt", "received_ms"),
    Index("stripe_inbox_by_type", "type", "received_ms"),
)

inbox_objects = Table(
    "stripe_inbox_objects",
    metadata,
    Column("object_id", _id(), primary_key=True),
    Column("facts", _id(), nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)
