"""What is special about each database: one file for each, all with the same few functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url

from ...errors import ConfigurationError
from ...locks import late
from .base import LOCK_TIMEOUT, Dialect

if TYPE_CHECKING:
    from .mysql import MySQL
    from .postgresql import PostgreSQL
    from .sqlite import SQLite

_CLASSES = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MySQL",
}


def dialect_of(url: URL) -> Dialect:
    """Return what is special about the database of `url`; ConfigurationError if unsupported."""
    name = _CLASSES.get(url.get_backend_name())
    if name is None:
        raise ConfigurationError(
            "The ledger can be kept in SQLite, PostgreSQL, MySQL or MariaDB. Set "
            "STRIPE_LEDGER_URL to one of these.",
            faults=(("STRIPE_LEDGER_URL", "is for an unsupported database"),),
        )
    found: type[Dialect] = __getattr__(name)
    return found()


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, None for any other database."""
    parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database
    return Path(str(parsed.database)) if is_file else None


__all__ = [
    "LOCK_TIMEOUT",
    "Dialect",
    "MySQL",
    "PostgreSQL",
    "SQLite",
    "dialect_of",
    "sqlite_path",
]

__getattr__ = late(__name__, {".mysql": "MySQL", ".postgresql": "PostgreSQL", ".sqlite": "SQLite"})
