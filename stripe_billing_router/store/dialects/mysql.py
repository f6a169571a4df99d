"""MySQL and MariaDB: read committed, row locks where order matters, server time.

TRUNCATE asks no trigger there; the reference from `stripe_ledger_heads` refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, text
from sqlalchemy.dialects.mysql import insert

from .base import ERASABLE, KEPT, REFUSAL, missing_trigger, run, unsafe

_NUMBERS = "stripe_ledger_numbers"
_COLLISIONS = frozenset({1205, 1213})


class MySQL:
    """A server for several processes and hosts."""

    upgrades_itself: ClassVar[bool] = False
    one_writer: ClassVar[bool] = False
    now_ms: ClassVar[str | None] = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

    def engine(self, url: URL) -> Engine:
        if url.drivername in ("mysql", "mariadb"):
            url = url.set(drivername=f"{url.drivername}+pymysql")
        if "charset" not in url.query:
            url = url.update_query_dict({"charset": "utf8mb4"})
        return create_engine(
            url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_size=8, max_overflow=56
        )

    def refuse_unsafe(self, connection: Connection) -> None:
        setting = connection.exec_driver_sql("SELECT @@innodb_flush_log_at_trx_commit").scalar()
        if int(setting or 0) != 1:
            raise unsafe(f"innodb_flush_log_at_trx_commit={setting}", "Set it to 1.")

    def next_sequence(self, connection: Connection) -> int:
        # A counter that never goes back and that no transaction waits for: the row itself goes.
        insertion = f"INSERT INTO {_NUMBERS} VALUES (NULL)"  # noqa: S608 - a constant
        number = connection.exec_driver_sql(insertion).lastrowid
        connection.execute(text(f"DELETE FROM {_NUMBERS} WHERE number = :n"), {"n": number})  # noqa: S608 - a constant
        return int(number)

    def insert_unless_there(self, table: Any, row: Mapping[str, Any]) -> Executable:
        return insert(table).values(**row).prefix_with("IGNORE")

    def create_triggers(self, connection: Connection) -> None:
        run(
            connection,
            f"CREATE TABLE IF NOT EXISTS {_NUMBERS} "
            "(number BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
        )
        for name, (when, body) in _triggers().items():
            run(connection, f"DROP TRIGGER IF EXISTS {name}")
            run(connection, f"CREATE TRIGGER {name} {when} ON stripe_ledger FOR EACH ROW {body}")

    def check_triggers(self, connection: Connection) -> None:
        rows = connection.exec_driver_sql(
            "SELECT trigger_name, action_statement FROM information_schema.triggers "
            "WHERE trigger_schema = DATABASE() AND event_object_table = 'stripe_ledger'"
        )
        found = {row[0]: row[1] for row in rows}
        for name, (_, body) in _triggers().items():
            if found.get(name) != body:
                raise missing_trigger(f"The trigger {name}")

    def is_collision(self, error: BaseException) -> bool:
        return bool(error.args) and error.args[0] in _COLLISIONS


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
