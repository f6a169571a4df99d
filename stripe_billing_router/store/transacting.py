"""Transactions that give something back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError

from ..errors import LedgerUnavailableError
from ..ports import CommitAmbiguous
from .database import Collision, Database

T = TypeVar("T")


def transacted(database: Database, work: Callable[[Connection, int], T]) -> T:
    """Return what `work(connection, now_ms)` returns, once it is durable.

    LedgerUnavailableError if the database cannot be reached, or broke off while committing.
    """
    given: list[T] = []
    try:
        database.transact(lambda c: given.append(work(c, database.now_ms(c))))
    except CommitAmbiguous:
        raise LedgerUnavailableError(
            "The ledger's database broke off while it was written to; what was written may or may "
            "not be there. Look at it before you write it again."
        ) from None
    return given[-1]


def insert(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row. If somebody else has just inserted its key, the transaction starts again.

    Going on in the same transaction would deadlock on MySQL, where all who came second share a
    lock of the row and each wants it alone.
    """
    try:
        connection.execute(table.insert().values(**row))
    except IntegrityError:
        raise Collision(
            "The ledger's database is written to by too many at once; call again."
        ) from None
