"""The durable memory: compose writes, commit them together."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ..errors import ConfigurationError
from ..locks import ForkSafeLock
from ..models import (
    AppendEntry,
    CloseOperation,
    OpenOperation,
    Operation,
    OperationState,
    RecordOutputs,
    ReopenOperation,
    TakeLease,
    Write,
)
from ..ports import Clock
from . import ledger, migrate, operations
from .database import Database
from .schema import binding


class SqlStore:
    """Implements `ports.Store` over SQLAlchemy. The database is opened at first use.

    A ledger belongs to the account and API base it was made for, so that a demonstration's rows
    never mix with real ones.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        account_id: str,
        api_base: str,
        is_alive: operations.IsAlive = lambda owner: True,  # noqa: ARG005 - nobody can tell
    ) -> None:
        self._url = url
        self._clock = clock
        self._account_id = account_id
        self._api_base = api_base
        self._is_alive = is_alive
        self._opened: Database | None = None
        self._opening = ForkSafeLock()

    def commit(self, *writes: Write) -> None:
        database = self._database()

        def work(connection: Connection) -> None:
            now_ms = database.now_ms(connection)
            for write in writes:
                self._apply(database, connection, write, now_ms)

        database.transact(work)

    def operation(self, operation_id: str) -> Operation | None:
        with self._database().read() as connection:
            return operations.load(connection, operation_id)

    def operations(
        self,
        *,
        states: Iterable[OperationState] | None = None,
        bot_id: str | None = None,
        limit: int = 100,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
    ) -> list[Operation]:
        """Return a page of operations; `after` is `(created_ms, operation_id)` of the last one."""
        with self._database().read() as connection:
            return operations.find(
                connection,
                states=states,
                bot_id=bot_id,
                limit=limit,
                newest_first=newest_first,
                after=after,
            )

    def currency_of(self, stripe_id: str) -> str | None:
        with self._database().read() as connection:
            return ledger.currency_of(connection, stripe_id)

    def now_ms(self) -> int:
        database = self._database()
        with database.read() as connection:
            return database.now_ms(connection)

    @property
    def ledger(self) -> ledger.StripeLedger:
        return ledger.StripeLedger(self._database())

    def upgrade(self) -> None:
        """Bring the database to this version's schema and put its triggers back."""
        database = Database(self._url, self._clock)
        try:
            migrate.upgrade(database)
        finally:
            database.close()

    def close(self) -> None:
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _apply(self, database: Database, connection: Connection, write: Write, now_ms: int) -> None:
        match write:
            case OpenOperation():
                operations.open_operation(connection, write, now_ms, self._is_alive)
            case ReopenOperation():
                operations.reopen_operation(connection, write, now_ms)
            case TakeLease():
                operations.take_lease(connection, write, now_ms)
            case RecordOutputs():
                operations.record_outputs(connection, write, now_ms)
            case CloseOperation():
                operations.close_operation(connection, write, now_ms)
            case AppendEntry():
                ledger.append_entry(database.dialect, connection, write)

    def _database(self) -> Database:
        opened = self._opened
        return opened if opened is not None else self._open()

    def _open(self) -> Database:
        with self._opening:
            if self._opened is None:
                self._opened = self._ready()
            return self._opened

    def _ready(self) -> Database:
        database = Database(self._url, self._clock)
        try:
            migrate.ensure(database)
            self._bind(database)
        except BaseException:
            database.close()
            raise
        return database

    def _bind(self, database: Database) -> None:
        with database.read() as connection:
            bound = connection.execute(select(binding)).first()
        if bound is None:
            with database.write() as connection:
                connection.execute(database.dialect.insert_unless_there(binding, self._binding()))
                bound = connection.execute(select(binding)).one()
        if (bound.account_id, bound.api_base) != (self._account_id, self._api_base):
            raise ConfigurationError(
                f"This ledger belongs to {bound.account_id} at {bound.api_base}, not to "
                f"{self._account_id} at {self._api_base}. Set STRIPE_LEDGER_URL to a database of "
                "its own for each account and API base.",
                faults=(("STRIPE_LEDGER_URL", "belongs to another account or API base"),),
            )

    def _binding(self) -> dict[str, object]:
        return {
            "id": 1,
            "account_id": self._account_id,
            "api_base": self._api_base,
            "created_ms": self._clock.now_ms(),
        }
