"""What is special about each database: one file for each, all with the same few functions."""

from __future__ import annotations

from sqlalchemy import URL

from ...errors import ConfigurationError
from .base import Dialect
from .mysql import MySQL
from .postgresql import PostgreSQL
from .sqlite import SQLite

_DIALECTS: dict[str, type[Dialect]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "mariadb": MySQL,
}


def dialect_of(url: URL) -> Dialect:
    """Return what is special about the database of `url`; ConfigurationError if unsupported."""
    found = _DIALECTS.get(url.get_backend_name())
    if found is None:
        raise ConfigurationError(
            "The ledger can be kept in SQLite, PostgreSQL, MySQL or MariaDB. Set "
            "STRIPE_LEDGER_URL to one of these.",
            faults=(("STRIPE_LEDGER_URL", "is for an unsupported database"),),
        )
    return found()


__all__ = ["Dialect", "dialect_of"]
