"""PostgreSQL: read committed, row locks where order matters, server time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, Executable, Sequence, create_engine, event, select
from sqlalchemy.dialects.postgresql import insert

from ..prepared import Prepared
from .alive import keep_alive, lives
from .base import ERASABLE, HEAD, KEPT, LOGINS, REFUSAL, missing_trigger, run, run_first, unsafe

_SEQUENCE = "stripe_ledger_numbers"
_GUARD = "stripe_ledger_guard"
_TRIGGERS = {
    "stripe_ledger_no_change": ("BEFORE UPDATE OR DELETE ON stripe_ledger FOR EACH ROW", 27),
    "stripe_ledger_no_truncate": ("BEFORE TRUNCATE ON stripe_ledger FOR EACH STATEMENT", 34),
}
"""When each is asked, and how `pg_trigger.tgtype` says the same."""

_COLLISIONS = frozenset({"40001", "40P01"})
_FORBIDDEN = "42501"
_SHUTS_DOWN = frozenset({"57P01", "57P02", "57P03", "57P05"})
_OUT_OF_REACH = frozenset({"08", "53", "58"})
"""Classes of SQLSTATE: connection, resources (disk full among them), input and output."""

_PATIENCE = {"connect_timeout": 5, "tcp_user_timeout": 15_000, "keepalives_idle": 30}
"""libpq's settings, in seconds and milliseconds; those of the URL come first."""

_NUMBERED_HEAD = Prepared(
    select(HEAD.subquery("head"), Sequence(_SEQUENCE).next_value().label("next_sequence"))
)
"""The number is drawn for a row that the subquery gives, so when its lock is held: PostgreSQL never
merges a subquery that locks into the query around it. In one SELECT, it would be drawn first."""


class PostgreSQL:
    """A server for several processes and hosts."""

    upgrades_itself: ClassVar[bool] = False
    one_writer: ClassVar[bool] = False
    now_ms: ClassVar[str | None] = (
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)"
    )
    locked_head: ClassVar[Prepared] = _NUMBERED_HEAD
    writers_kept: ClassVar[int] = 8

    def engine(self, url: URL, lock_timeout: float) -> Engine:
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        is_ours = url.get_driver_name() == "psycopg"
        made = create_engine(
            url,
            isolation_level="READ COMMITTED",
            paramstyle="format" if is_ours else None,  # else `at_once` could not join statements
            pool_pre_ping=not is_ours,
            pool_size=32,
            max_overflow=0,  # servers have some hundred for all processes
            connect_args={k: v for k, v in _PATIENCE.items() if k not in url.query},
        )
        waits = partial(run_first, statement=f"SET lock_timeout = {round(lock_timeout * 1000)}")
        event.listen(made, "connect", waits)
        if is_ours:
            keep_alive(made)
        return made

    def refuse_replaced(self, connection: Connection) -> None:
        """A server's connections lead to one database as long as they live."""

    def lives(self, connection: Connection, since: float) -> bool:
        return connection.dialect.driver == "psycopg" and lives(connection, since)

    def in_use(self) -> AbstractContextManager[object]:
        return nullcontext()

    def before_fork(self, close: Callable[[], None]) -> None:
        """A child leaves its parent's connections alone, and that is all."""

    def refuse_unsafe(self, connection: Connection) -> None:
        setting = connection.exec_driver_sql("SHOW synchronous_commit").scalar()
        if setting == "off":
            raise unsafe("synchronous_commit=off", "Set it to on for this database and its users.")

    def next_sequence(self, connection: Connection, head: Any) -> int:  # noqa: ARG002
        return int(head.next_sequence)

    def at_once(self, connection: Connection) -> bool:
        return connection.dialect.positional

    def insert_unless_there(self, table: Any, row: Mapping[str, Any]) -> Executable:
        return insert(table).values(**row).on_conflict_do_nothing()

    def create_triggers(self, connection: Connection) -> None:
        run(connection, f"CREATE SEQUENCE IF NOT EXISTS {_SEQUENCE}")
        run(
            connection,
            f"CREATE OR REPLACE FUNCTION {_GUARD}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$guard${_guard_body()}$guard$",
        )
        for name, (when, _) in _TRIGGERS.items():
            run(
                connection,
                f"DROP TRIGGER IF EXISTS {name} ON stripe_ledger",
                f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {_GUARD}()",
                f"ALTER TABLE stripe_ledger ENABLE ALWAYS TRIGGER {name}",
            )

    def check_triggers(self, connection: Connection) -> None:
        rows = connection.exec_driver_sql(
            "SELECT t.tgname, t.tgenabled, p.prosrc, t.tgtype, "
            "t.tgqual IS NULL AND t.tgattr = '' AS always FROM pg_trigger t "
            "JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = 'stripe_ledger'::regclass AND NOT t.tgisinternal"
        )
        found = {
            row.tgname: (_text(row.tgenabled), row.prosrc, row.tgtype, row.always) for row in rows
        }
        for name, (_, kind) in _TRIGGERS.items():
            if found.get(name) != ("A", _guard_body(), kind, True):
                raise missing_trigger(f"The trigger {name}")

    def is_collision(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in _COLLISIONS

    def is_away(self, error: BaseException) -> bool:
        state = getattr(error, "sqlstate", "")
        if state is None:  # no answer of the server's: there is no connection
            return type(error).__name__ in (
                "ConnectionTimeout",
                "InterfaceError",
                "OperationalError",
            )
        return state in _SHUTS_DOWN or state[:2] in _OUT_OF_REACH

    def is_undone(self, error: BaseException) -> bool:  # noqa: ARG002 - the answer may be lost
        return False

    def forbidden(self, error: BaseException) -> str | None:
        return LOGINS if getattr(error, "sqlstate", None) == _FORBIDDEN else None


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
