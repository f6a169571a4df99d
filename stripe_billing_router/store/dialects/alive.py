"""Whether a pooled connection lives: asked, but for those of which that was heard just now."""

from __future__ import annotations

import select
from contextlib import suppress
from time import time
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import InvalidatePoolError

_GIVEN_BACK = "given back"
_JUST_NOW = 1.0
"""Seconds. Of the wall clock, which goes on while the host sleeps; to set it costs a question."""


def keep_alive(engine: Engine) -> None:
    """Have the pool give no dead connection, as `pool_pre_ping` does.

    But what was given back just now, and has heard nothing since, is not asked: a server that ends
    a connection says so, or at least hangs up. That saves a round trip at each commit. Where it is
    wrong, the transaction fails at its first statement, as if the connection had been lost there.
    """
    dialect = engine.dialect

    def on_checkin(_connection: Any, record: Any) -> None:
        record.info[_GIVEN_BACK] = time()

    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get(_GIVEN_BACK)
        is_new = since is None
        if not (is_new or _heard_just_now(connection, since) or _answers(dialect, connection)):
            raise InvalidatePoolError  # for which the pool replaces all it has

    event.listen(engine, "checkin", on_checkin)
    event.listen(engine, "checkout", on_checkout)


def lives(connection: Connection, since: float) -> bool:
    """Say the same of a connection that was kept outside the pool; a dead one is given up."""
    used: Any = connection.connection.dbapi_connection
    with suppress(connection.dialect.loaded_dbapi.Error):  # the pool tells what is wrong
        if _heard_just_now(used, since) or _answers(connection.dialect, used):
            return True
    connection.invalidate()
    return False


def _heard_just_now(connection: Any, since: float) -> bool:
    return abs(time() - since) < _JUST_NOW and _is_silent(connection)


def _answers(dialect: Dialect, connection: Any) -> bool:
    try:
        return dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, connection, None):
            return False
        raise


def _is_silent(connection: Any) -> bool:
    """Say whether nothing has come from the server, not even an end."""
    if connection.closed or not hasattr(select, "poll"):
        return False
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
