"""MySQL and MariaDB: read committed, row locks where order matters, server time.

TRUNCATE asks no trigger there; the reference from `stripe_ledger_heads` refuses it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.dialects.mysql import insert

from ..prepared import Prepared
from .base import (
    ERASABLE,
    KEPT,
    LOCKED_HEAD,
    LOGINS,
    REFUSAL,
    missing_trigger,
    run,
    run_first,
    unsafe,
)

_NUMBERS = "stripe_ledger_numbers"
_COLLISIONS = frozenset({1213})
_FORBIDDEN = frozenset({1044, 1142, 1143, 1227, 1370})
_OUT_OF_REACH = frozenset(
    # no room, no file, too many connections, shutting down
    {1021, 1026, 1040, 1053, 1077, 1078, 1079, 1080, 1114, 1203}
    # no connection, or a lost one
    | {1152, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2005, 2006, 2013, 2055, 4031}
)
_PATIENCE = {"connect_timeout": 5, "read_timeout": 5, "write_timeout": 15}
"""PyMySQL's settings until it is connected, in seconds; those of the URL come first."""

_UNACKNOWLEDGED_MS = 15_000


class MySQL:
    """A server for several processes and hosts."""

    upgrades_itself: ClassVar[bool] = False
    one_writer: ClassVar[bool] = False
    now_ms: ClassVar[str | None] = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
    locked_head: ClassVar[Prepared] = LOCKED_HEAD
    writers_kept: ClassVar[int] = 0  # a forked child would send its end over its parent's

    def engine(self, url: URL, lock_timeout: float) -> Engine:
        if url.drivername in ("mysql", "mariadb"):
            url = url.set(drivername=f"{url.drivername}+pymysql")
        if "charset" not in url.query:
            url = url.update_query_dict({"charset": "utf8mb4"})
        patience = {k: v for k, v in _PATIENCE.items() if k not in url.query}
        is_ours = url.get_driver_name() == "pymysql"
        made = create_engine(
            url,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            pool_size=32,
            max_overflow=0,  # servers have some hundred for all processes
            connect_args=patience if is_ours else {},
        )
        # The one is for rows, the other for tables; neither knows fractions of a second.
        waits = "SET innodb_lock_wait_timeout = {0}, lock_wait_timeout = {0}"
        statement = waits.format(max(1, round(lock_timeout)))
        event.listen(made, "connect", partial(run_first, statement=statement))
        if is_ours and "read_timeout" not in url.query:
            event.listen(made, "connect", _on_connect)
        return made

    def refuse_replaced(self, connection: Connection) -> None:
        """A server's connections lead to one database as long as they live."""

    def lives(self, connection: Connection, since: float) -> bool:  # noqa: ARG002
        return False

    def in_use(self) -> AbstractContextManager[object]:
        return nullcontext()

    def before_fork(self, close: Callable[[], None]) -> None:
        """A child leaves its parent's connections alone, and that is all."""

    def refuse_unsafe(self, connection: Connection) -> None:
        setting = connection.exec_driver_sql("SELECT @@innodb_flush_log_at_trx_commit").scalar()
        if int(setting or 0) != 1:
            raise unsafe(f"innodb_flush_log_at_trx_commit={setting}", "Set it to 1.")

    def next_sequence(self, connection: Connection, head: Any) -> int:  # noqa: ARG002
        # A counter that never goes back and that no transaction waits for: the row itself goes.
        insertion = f"INSERT INTO {_NUMBERS} VALUES (NULL)"  # noqa: S608 - a constant
        number = connection.exec_driver_sql(insertion).lastrowid
        connection.execute(text(f"DELETE FROM {_NUMBERS} WHERE number = :n"), {"n": number})  # noqa: S608 - a constant
        return int(number)

    def at_once(self, connection: Connection) -> bool:  # noqa: ARG002
        return False

    def insert_unless_there(self, table: Any, row: Mapping[str, Any]) -> Executable:
        # IGNORE would share the lock of a row that is there, and two who share it block each other.
        key = next(iter(table.primary_key)).name
        return insert(table).values(**row).on_duplicate_key_update({key: row[key]})

    def create_triggers(self, connection: Connection) -> None:
        run(
            connection,
            f"CREATE TABLE IF NOT EXISTS {_NUMBERS} "
            "(number BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
        )
        for name, (when, body) in _triggers().items():
            run(connection, f"DROP TRIGGER IF EXISTS {name}")
            run(connection, f"CREATE TRIGGER {name} {when} ON stripe_ledger FOR EACH ROW {body}")
        if not _is_referenced(connection):
            run(
                connection,
                "ALTER TABLE stripe_ledger_heads "
                "ADD FOREIGN KEY (sequence) REFERENCES stripe_ledger (sequence)",
            )

    def check_triggers(self, connection: Connection) -> None:
        rows = connection.exec_driver_sql(
            "SELECT trigger_name, CONCAT(action_timing, ' ', event_manipulation), "
            "action_statement FROM information_schema.triggers "
            "WHERE trigger_schema = DATABASE() AND event_object_table = 'stripe_ledger'"
        )
        found = {row[0]: (row[1], row[2]) for row in rows}
        for name, trigger in _triggers().items():
            if found.get(name) != trigger:
                raise missing_trigger(f"The trigger {name}")
        if not _is_referenced(connection):
            raise missing_trigger("The reference from stripe_ledger_heads, which stops TRUNCATE,")

    def is_collision(self, error: BaseException) -> bool:
        return bool(error.args) and error.args[0] in _COLLISIONS

    def is_away(self, error: BaseException) -> bool:
        closed = type(error).__name__ == "InterfaceError"
        return closed or (bool(error.args) and error.args[0] in _OUT_OF_REACH)

    def is_undone(self, error: BaseException) -> bool:  # noqa: ARG002 - the answer may be lost
        return False

    def forbidden(self, error: BaseException) -> str | None:
        return LOGINS if error.args and error.args[0] in _FORBIDDEN else None


def _on_connect(connection: Any, _record: Any) -> None:
    """The server has answered: a long query may take its time, a dead connection may not."""
    connection._read_timeout = None
    if hasattr(socket, "TCP_USER_TIMEOUT") and connection._sock.family != socket.AF_UNIX:
        option = socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT
        connection._sock.setsockopt(*option, _UNACKNOWLEDGED_MS)


def _is_referenced(connection: Connection) -> bool:
    found = connection.exec_driver_sql(
        "SELECT 1 FROM information_schema.key_column_usage WHERE table_schema = DATABASE() "
        "AND table_name = 'stripe_ledger_heads' AND referenced_table_schema = DATABASE() "
        "AND referenced_table_name = 'stripe_ledger'"
    )
    return found.first() is not None


@cache
def _triggers() -> dict[str, tuple[str, str]]:
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{REFUSAL}'"
    same = " AND ".join(f"NEW.{name} <=> OLD.{name}" for name in KEPT)
    erased = " AND ".join(f"NEW.{name} IS NULL" for name in ERASABLE)
    return {
        "stripe_ledger_no_update": (
            "BEFORE UPDATE",
            f"IF NOT ({same} AND {erased}) THEN {refuse}; END IF",
        ),
        "stripe_ledger_no_delete": ("BEFORE DELETE", refuse),
    }
