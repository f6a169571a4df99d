"""A ledger's database and its journal as they are. Looking changes neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path

from sqlalchemy import Connection, select

from ..domain import Domain
from ..errors import BillingError
from ..frozen import frozen
from ..master_account import this_copy
from ..models import OperationState
from ..ports import Clock, Event
from . import migrate, operations
from .database import Database
from .journal import JournalFile
from .schema import binding


@frozen
class Condition:
    """What a database is like. `version` is its migration, None for an empty one; `ahead_ms` how
    far its clock is ahead of this host's.

    The rest is looked at only if `version` is `newest`: `unsafe` and `triggers` say what is wrong
    with its settings and its triggers, `belongs_to` names the account and the API base that it is
    bound to, `waits_for_banks` says whether an operation is `processing`. `domains` are at
    which versions the tables of installed domains are, by their names.
    """

    version: str | None
    newest: str
    upgrades_itself: bool
    ahead_ms: int
    unsafe: str | None = None
    triggers: str | None = None
    belongs_to: tuple[str, str] | None = None
    waits_for_banks: bool = False
    domains: Mapping[str, str | None] = field(default_factory=dict)


def foreign(bound: tuple[str, str], here: tuple[str, str]) -> str | None:
    """Say what is wrong if a ledger belongs to another account, or API base, than what is `here`.

    It never sends people to a new ledger: that would forget keys, limits and payments.
    """
    if bound == here:
        return None
    belongs = f"This ledger belongs to {bound[0]} at {bound[1]}, not to {here[0]} at {here[1]}"
    if bound[0] == here[0]:
        return f"{belongs}. Correct STRIPE_API_BASE, or STRIPE_LEDGER_URL if it names a wrong one."
    return (
        f"{belongs}: {this_copy()}. Put the folder of the copy that is pinned to {bound[0]} before "
        "it on sys.path (PYTHONPATH); or correct STRIPE_LEDGER_URL if it names a wrong ledger."
    )


def condition_of(url: str, clock: Clock, domains: Iterable[Domain] = ()) -> Condition:
    """Look at a database that is there; LedgerUnavailableError if it cannot be reached."""
    database = Database(url, clock)
    try:
        with database.read() as connection:
            found = _condition(database, connection, clock)
            return replace(found, domains=_versions(connection, domains))
    finally:
        database.close()


def journaled(path: Path) -> int:
    """Return how many commits a journal holds that the database may not have.

    LedgerTamperedError for a damaged journal, LedgerUnavailableError for one that cannot be read.
    """
    told: list[Event] = []
    file = JournalFile(path, told.append)
    if file.stamp() is None:
        return 0
    with file.locked():
        file.refuse_damaged()
        return len(file.view.pending)


def _condition(database: Database, connection: Connection, clock: Clock) -> Condition:
    dialect = database.dialect
    found = migrate.version(connection)
    ahead_ms = database.now_ms(connection) - clock.now_ms()
    if found != migrate.HEAD:
        return Condition(found, migrate.HEAD, dialect.upgrades_itself, ahead_ms)
    bound = connection.execute(select(binding)).first()
    return Condition(
        found,
        migrate.HEAD,
        dialect.upgrades_itself,
        ahead_ms,
        _wrong(lambda: dialect.refuse_unsafe(connection)),
        _wrong(lambda: dialect.check_triggers(connection)),
        None if bound is None else (bound.account_id, bound.api_base),
        bool(operations.find(connection, states=(OperationState.PROCESSING,), limit=1)),
    )


def _versions(connection: Connection, domains: Iterable[Domain]) -> dict[str, str | None]:
    return {
        domain.name: migrate.version(connection, migrate.version_table(domain.name))
        for domain in domains
        if domain.schema is not None
    }


def _wrong(check: Callable[[], None]) -> str | None:
    try:
        check()
    except BillingError as error:
        return str(error)
    return None
