"""Bringing a database to the schema of this version. Alembic is loaded only if there is work."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text

from ..domain import Domain
from ..errors import ConfigurationError
from ..frozen import frozen
from ..locks import LATE_IMPORTS, ForkSafeLock
from .database import Database
from .schema import metadata

HEAD = "0012"
VERSION_TABLE = "stripe_alembic_version"

_MIGRATIONS = Path(__file__).parent / "migrations"


@frozen
class Owned:
    """The tables of the core, or of a domain: where their migrations are, and how far they go."""

    name: str
    table: str
    versions: Path
    head: str
    metadata: MetaData | None = None


def schemas_of(domains: Iterable[Domain]) -> tuple[Owned, ...]:
    """Return the tables that domains bring, in the order in which they are migrated.

    ConfigurationError for a domain that builds on a core which this library does not have.
    """
    with_tables = [(domain, domain.schema) for domain in domains if domain.schema is not None]
    for domain, schema in with_tables:
        if schema.core > HEAD:
            raise ConfigurationError(
                f"The domain {domain.name} needs the tables of version {schema.core}, newer than "
                f"this library's ({HEAD}). Upgrade the library."
            )
    with_tables.sort(key=lambda found: (found[1].core, found[0].name))
    return tuple(
        Owned(domain.name, version_table(domain.name), schema.migrations, schema.version)
        for domain, schema in with_tables
    )


def version_table(domain: str) -> str:
    """Return the name of the table that says how far a domain's migrations have been run."""
    return f"stripe_{domain}_alembic_version"


def version(connection: Connection, table: str = VERSION_TABLE) -> str | None:
    """Return the migration that tables stand at, the core's by default; None for new ones."""
    if not inspect(connection).has_table(table):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {table}")).scalar()  # noqa: S608 - a name of ours
    return None if found is None else str(found)


def upgrade(database: Database, domains: Sequence[Owned] = ()) -> None:
    """Bring the core's tables, then the domains', to their heads, and check the triggers.

    In one transaction, where the database has such for tables.
    """
    with database.write() as connection:
        for owned in (_core(), *domains):
            if _is_outdated(connection, owned):
                _run(connection, owned)
        database.dialect.create_triggers(connection)
        database.dialect.check_triggers(connection)


def ensure(database: Database, domains: Sequence[Owned] = ()) -> None:
    """Make sure that the tables are this version's: SQLite is upgraded, others must have been.

    Those of a domain that is not installed are left alone.
    """
    with database.read() as connection:
        outdated = [one for one in (_core(), *domains) if _is_outdated(connection, one)]
        if not outdated:
            database.dialect.refuse_unsafe(connection)
            database.dialect.check_triggers(connection)
            return
        found = version(connection, outdated[0].table)
    if not database.dialect.upgrades_itself:
        raise ConfigurationError(
            f"The ledger's database lacks this version's tables{_of(outdated[0])}. Run "
            "`stripe-billing-router ledger upgrade`.",
            faults=(("STRIPE_LEDGER_URL", f"is at {found}, not {outdated[0].head}"),),
        )
    upgrade(database, domains)


def _is_outdated(connection: Connection, owned: Owned) -> bool:
    """ConfigurationError if the tables are newer than what would use them."""
    found = version(connection, owned.table)
    if found is not None and found > owned.head:
        raise ConfigurationError(
            f"The ledger's database is at version {found}{_of(owned)}, newer than this library "
            f"({owned.head}). Upgrade the library.",
            faults=(("STRIPE_LEDGER_URL", "is newer than the library"),),
        )
    return found != owned.head


def _core() -> Owned:
    return Owned("", VERSION_TABLE, _MIGRATIONS / "versions", HEAD, metadata)


def _of(owned: Owned) -> str:
    return f" of {owned.name}" if owned.name else ""


def _run(connection: Connection, owned: Owned) -> None:
    with LATE_IMPORTS:
        import alembic  # noqa: PLC0415
        from alembic import command  # noqa: PLC0415 - only when there is something to migrate
        from alembic.config import Config  # noqa: PLC0415

    # Alembic keeps what it is working on in a global: one migration at a time in a process, and
    # another copy of this package, which has other locks, must not be at it either.
    lock = vars(alembic).setdefault("_lock_of_stripe_billing_router", ForkSafeLock())
    with lock:
        _upgrade(command, Config(), connection, owned)


def _upgrade(command: Any, config: Any, connection: Connection, owned: Owned) -> None:
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(owned.versions).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(
        connection=connection, target_metadata=owned.metadata, version_table=owned.table
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        command.upgrade(config, owned.head)
