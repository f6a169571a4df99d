"""Rows that cannot be read: they are named in the log, and stop nobody who reads others.

Whoever can write to the database can write anything into a column, as far as its type lets them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    RowMapping,
    Table,
    select,
    update,
)

from ..errors import BillingError
from ..redaction import printable, shown

_log = logging.getLogger(__name__)

_END_OF_TIME_MS = 253_402_300_800_000
"""The year 10000; what is later is no time that can be shown."""

UNREADABLE = ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError

R = TypeVar("R")


def readable(table: Table, make: Callable[[RowMapping], R], rows: Iterable[RowMapping]) -> list[R]:
    """Return what `make` makes of the rows, without those that cannot be read."""
    found = (read(table, make, row) for row in rows)
    return [made for made in found if made is not None]


def read(table: Table, make: Callable[[RowMapping], R], row: RowMapping) -> R | None:
    """Return what `make` makes of a row of `table`; None, told in the log, if it cannot be read."""
    try:
        _check(table, row)
        return make(row)
    except (*UNREADABLE, BillingError) as error:
        name = printable(" ".join(shown(row[key.name]) for key in table.primary_key))
        why = type(error).__name__ if str(error) not in table.c else f"its {error}"
        _log.warning(
            "%s %s cannot be read (%s): somebody has written to it. It is left out.",
            table.name,
            name,
            why,
        )
        return None


def seen_again(
    connection: Connection,
    key: Column[Any],
    make: Callable[[RowMapping], R],
    ours: ColumnElement[bool],
    within: ColumnElement[bool],
    counted: Mapping[str, Any],
) -> R | None:
    """Count once more what is there `within` its window, and return it.

    None if there is none, or nobody can read it: its `key` is free for another then. Who opens an
    equal one at the same moment keeps theirs, which is within its window.
    """
    table, over = key.table, [ours, ~within]
    if connection.execute(update(table).where(ours, within).values(**counted)).rowcount:
        row = connection.execute(select(table).where(ours)).mappings().one()
        found = read(table, make, row)
        if found is not None:
            return found
        over = [ours]
    connection.execute(update(table).where(*over).values({key: None}))
    return None


def _check(table: Table, row: RowMapping) -> None:
    """Raise ValueError with the name of a column that holds what is not of its type."""
    for column in table.c:
        if not _fits(column.type, column.name, row[column.name], empty=bool(column.nullable)):
            raise ValueError(column.name)


def _fits(kind: Any, name: str, value: Any, *, empty: bool) -> bool:
    if value is None:
        return empty
    if name.endswith("_ms"):
        return isinstance(value, int) and 0 <= value < _END_OF_TIME_MS
    if isinstance(kind, Integer):
        return isinstance(value, int)
    return isinstance(value, int | float if isinstance(kind, Double) else str)
