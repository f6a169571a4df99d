"""Bringing a database to the schema of this version. Alembic is loaded only if there is work."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from ..errors import ConfigurationError
from ..locks import LATE_IMPORTS, ForkSafeLock
from .database import Database
from .schema import metadata

HEAD = "0010"
VERSION_TABLE = "stripe_alembic_version"

_MIGRATIONS = Path(__file__).parent / "migrations"


def version(connection: Connection) -> str | None:
    """Return the migration that the database stands at, or None for a new one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return None if found is None else str(found)


def upgrade(database: Database) -> None:
    """Bring the schema to HEAD in one transaction, and check the triggers."""
    with database.write() as connection:
        if version(connection) != HEAD:
            _run(connection)
        database.dialect.create_triggers(connection)
        database.dialect.check_triggers(connection)


def ensure(database: Database) -> None:
    """Make sure that the schema is this version's: SQLite is upgraded, others must have been."""
    with database.read() as connection:
        found = version(connection)
        if found == HEAD:
            database.dialect.refuse_unsafe(connection)
            database.dialect.check_triggers(connection)
            return
    if found is not None and found > HEAD:
        raise ConfigurationError(
            f"The ledger's database is at version {found}, newer than this library ({HEAD}). "
            "Upgrade the library.",
            faults=(("STRIPE_LEDGER_URL", "is newer than the library"),),
        )
    if not database.dialect.upgrades_itself:
        raise ConfigurationError(
            "The ledger's database lacks this version's tables. Run "
            "`stripe-billing-router ledger upgrade`.",
            faults=(("STRIPE_LEDGER_URL", f"is at {found}, not {HEAD}"),),
        )
    upgrade(database)


def _run(connection: Connection) -> None:
    with LATE_IMPORTS:
        import alembic  # noqa: PLC0415
        from alembic import command  # noqa: PLC0415 - only when there is something to migrate
        from alembic.config import Config  # noqa: PLC0415

    # Alembic keeps what it is working on in a global: one migration at a time in a process, and
    # another copy of this package, which has other locks, must not be at it either.
    lock = vars(alembic).setdefault("_lock_of_stripe_billing_router", ForkSafeLock())
    with lock:
        _upgrade(command, Config(), connection)


def _upgrade(command: Any, config: Any, connection: Connection) -> None:
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(
        connection=connection, target_metadata=metadata, version_table=VERSION_TABLE
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        command.upgrade(config, HEAD)
