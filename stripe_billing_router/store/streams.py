"""Where each bot's stream ends: one row, whose lock puts its writers one after another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ..hashing import GENESIS
from .dialects import Dialect
from .schema import heads


def locked_head(dialect: Dialect, connection: Connection, stream: str) -> Any:
    """Return the head of a stream, locked until the transaction ends; a new stream gets one.

    Whatever is numbered under this lock becomes visible in the order of its numbers.
    """
    asked = {"stream": stream}
    found = dialect.locked_head.first(connection, asked)
    if found is not None:
        return found
    new = {"stream": stream, "stream_sequence": 0, "entry_hash": GENESIS, "event_sequence": 0}
    connection.execute(dialect.insert_unless_there(heads, new))
    return dialect.locked_head.first(connection, asked)
