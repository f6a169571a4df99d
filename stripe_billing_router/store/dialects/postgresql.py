"""PostgreSQL: read committed, row locks where order matters, server time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, Executable, create_engine
from sqlalchemy.dialects.postgresql import insert

from .base import ERASABLE, KEPT, REFUSAL, missing_trigger, run, unsafe

_SEQUENCE = "stripe_ledger_numbers"
_GUARD = "stripe_ledger_guard"
_TRIGGERS = {
    "stripe_ledger_no_change": "BEFORE UPDATE OR DELETE ON stripe_ledger FOR EACH ROW",
    "stripe_ledger_no_truncate": "BEFORE TRUNCATE ON stripe_ledger FOR EACH STATEMENT",
}
_COLLISIONS = frozenset({"40001", "40P01"})


class PostgreSQL:
    """A server for several processes and hosts."""

    upgrades_itself: ClassVar[bool] = False
    one_writer: ClassVar[bool] = False
    now_ms: ClassVar[str | None] = (
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)"
    )

    def engine(self, url: URL) -> Engine:
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return create_engine(
            url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=8, max_overflow=56
        )

    def refuse_unsafe(self, connection: Connection) -> None:
        setting = connection.exec_driver_sql("SHOW synchronous_commit").scalar()
        if setting == "off":
            raise unsafe("synchronous_commit=off", "Set it to on for this database and its users.")

    def next_sequence(self, connection: Connection) -> int:
        return int(connection.exec_driver_sql(f"SELECT nextval('{_SEQUENCE}')").scalar_one())

    def insert_unless_there(self, table: Any, row: Mapping[str, Any]) -> Executable:
        return insert(table).values(**row).on_conflict_do_nothing()

    def create_triggers(self, connection: Connection) -> None:
        run(connection, f"CREATE SEQUENCE IF NOT EXISTS {_SEQUENCE}")
        run(
            connection,
            f"CREATE OR REPLACE FUNCTION {_GUARD}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$guard${_guard_body()}$guard$",
        )
        for name, when in _TRIGGERS.items():
            run(
                connection,
                f"DROP TRIGGER IF EXISTS {name} ON stripe_ledger",
                f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {_GUARD}()",
                f"ALTER TABLE stripe_ledger ENABLE ALWAYS TRIGGER {name}",
            )

    def check_triggers(self, connection: Connection) -> None:
        rows = connection.exec_driver_sql(
            "SELECT t.tgname, t.tgenabled, p.prosrc FROM pg_trigger t "
            "JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = 'stripe_ledger'::regclass AND NOT t.tgisinternal"
        )
        found = {row.tgname: (_text(row.tgenabled), row.prosrc) for row in rows}
        for name in _TRIGGERS:
            if found.get(name) != ("A", _guard_body()):
                raise missing_trigger(f"The trigger {name}")

    def is_collision(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in _COLLISIONS


def _guard_body() -> str:
    same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in KEPT)
    erased = " AND ".join(f"NEW.{name} IS NULL" for name in ERASABLE)
    return f"""
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF {same} AND {erased} THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION '{REFUSAL}';
END;
"""


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
