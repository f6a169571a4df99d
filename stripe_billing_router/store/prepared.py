"""Statements that every call executes: compiled once for each driver, and run by it.

SQLAlchemy looks a statement up, and wraps what it returns, at each execution. For the small ones of
a charge that costs many times what SQLite takes for them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from functools import cache
from itertools import chain
from operator import attrgetter, methodcaller
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Dialect, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import SelectBase

from ..frozen import frozen

Convert = Callable[[Any], Any]


@frozen
class _Compiled:
    """`order` is None where the driver takes parameters by name."""

    sql: str
    fixed: Mapping[str, Any]
    order: tuple[str, ...] | None
    converted: Mapping[str, Convert]

    def arguments(self, given: Mapping[str, Any]) -> Any:
        values = {**self.fixed, **given}
        for name, convert in self.converted.items():
            values[name] = convert(values[name])
        return values if self.order is None else tuple(map(values.__getitem__, self.order))


_ALL, _COUNT = methodcaller("fetchall"), attrgetter("rowcount")


class Prepared:
    """One statement of SQLAlchemy's, whose parameters are bound by name.

    It is for columns whose values drivers return as they are: text and whole numbers. Errors are
    raised, and lost connections are given up, as by SQLAlchemy; but it begins no transaction.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement: Any = statement
        self._by_driver: dict[tuple[str, str], _Compiled] = {}
        chosen = statement.selected_columns if isinstance(statement, SelectBase) else ()
        names = [column.name for column in chosen]
        self._row: Any = namedtuple("Row", names)  # type: ignore[misc]

    def rows(self, connection: Connection, given: Mapping[str, Any]) -> list[Any]:
        """Execute, and return named tuples."""
        return [self._row(*row) for row in self._run(connection, given, _ALL)]

    def first(self, connection: Connection, given: Mapping[str, Any]) -> Any:
        """Execute, and return the first row as a named tuple, or None."""
        found = self.rows(connection, given)
        return found[0] if found else None

    def scalar(self, connection: Connection, given: Mapping[str, Any]) -> Any:
        """Execute, and return the one value of the one row."""
        return self._run(connection, given, _ALL)[0][0]

    def change(self, connection: Connection, given: Mapping[str, Any]) -> int:
        """Execute, and return how many rows it was about."""
        return int(self._run(connection, given, _COUNT))

    def _run(
        self, connection: Connection, given: Mapping[str, Any], result: Callable[[Any], Any]
    ) -> Any:
        with _cursor(connection) as cursor:
            self.execute(connection, cursor, given)
            return result(cursor)

    def execute(self, connection: Connection, cursor: Any, given: Mapping[str, Any]) -> None:
        """Execute on a cursor of the driver."""
        compiled = self.compiled(connection.dialect)
        cursor.execute(compiled.sql, compiled.arguments(given))

    def compiled(self, dialect: Dialect) -> _Compiled:
        """Return what the driver gets."""
        driver = dialect.name, dialect.driver
        found = self._by_driver.get(driver)
        if found is None:
            found = self._by_driver[driver] = _compiled(self._statement, dialect)
        return found


def together(
    connection: Connection, at_once: bool, *calls: tuple[Prepared, Mapping[str, Any]]
) -> None:
    """Execute what gives nothing back.

    `at_once` joins it to one statement, for which the server is waited for once, and whose parts do
    not see what the others write.
    """
    with _cursor(connection) as cursor:
        if not at_once:
            for prepared, given in calls:
                prepared.execute(connection, cursor, given)
            return
        parts = [(prepared.compiled(connection.dialect), given) for prepared, given in calls]
        values = chain.from_iterable(part.arguments(given) for part, given in parts)
        cursor.execute(_joined(tuple(part.sql for part, _ in parts)), tuple(values))


@cache
def _joined(statements: tuple[str, ...]) -> str:
    """Return one statement that does what these do; PostgreSQL runs all parts to their ends."""
    *others, last = statements
    named = ", ".join(f"part_{number} AS ({sql})" for number, sql in enumerate(others))
    return f"WITH {named} {last}" if others else last


_CURSOR = "stripe_billing_router.cursor"


def _cursor_of(connection: Connection) -> Any:
    """Return the one cursor of a connection: whoever executes here has read all before the next."""
    known = connection.connection
    cursor = known.info.get(_CURSOR)
    if cursor is None:
        cursor = known.info[_CURSOR] = known.cursor()
    return cursor


def _forget_cursor(connection: Connection) -> None:
    if not connection.invalidated:
        connection.connection.info.pop(_CURSOR, None)


class _cursor:  # noqa: N801 - a generator would cost as much as the statement
    """A cursor of the driver, whose errors are raised as SQLAlchemy's."""

    __slots__ = ("_connection", "_cursor")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = _cursor_of(connection)

    def __enter__(self) -> Any:
        return self._cursor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection = self._connection
        if error is None:
            return
        _forget_cursor(connection)
        if isinstance(error, connection.dialect.loaded_dbapi.Error):
            raise _translated(connection, self._cursor, error) from error
        if not isinstance(error, Exception):
            connection.invalidate(error)  # nobody knows what the driver was at


def _compiled(statement: Any, dialect: Dialect) -> _Compiled:
    made: SQLCompiler = statement.compile(dialect=dialect)
    processors = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect)
        for name, bind in made.binds.items()
    }
    return _Compiled(
        str(made),
        made.params,
        None if made.positiontup is None else tuple(made.positiontup),
        {name: convert for name, convert in processors.items() if convert is not None},
    )


def _translated(connection: Connection, cursor: Any, error: Any) -> BaseException:
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection, cursor)
    if lost:
        connection.invalidate(error)
    else:
        cursor.close()
    translated: BaseException = DBAPIError.instance(
        None,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    return translated
