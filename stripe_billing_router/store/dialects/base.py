"""What the store asks of a database beyond standard SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from sqlalchemy import URL, Connection, Engine, Executable, bindparam, select, text

from ...errors import ConfigurationError, LedgerTamperedError
from ..prepared import Prepared
from ..schema import heads

ERASABLE = ("user_email", "raw_event_json", "salt")
"""The columns of `stripe_ledger` that a lawful erasure sets to NULL, together."""

KEPT = (
    "sequence id action_type amount amount_minor currency timestamp_ms bot_id "
    "destination_account error operation_id status stream stream_sequence user_email_commitment "
    "raw_event_commitment previous_hash entry_hash"
).split()
"""The columns that never change."""

REFUSAL = "stripe_ledger is append-only"

HEAD = select(heads).where(heads.c.stream == bindparam("stream")).with_for_update()
"""Where a stream ends: one row, locked until the transaction ends."""

LOCKED_HEAD = Prepared(HEAD)


LOCK_TIMEOUT = 30.0
"""Seconds for which a statement waits for a lock, unless told otherwise."""


class Dialect(Protocol):
    """One kind of database."""

    upgrades_itself: ClassVar[bool]
    """Whether a new or old database is migrated without being asked to."""

    one_writer: ClassVar[bool]
    """Whether only one transaction can write at a time."""

    now_ms: ClassVar[str | None]
    """The query for the server's time in milliseconds; None if it has none of its own."""

    locked_head: ClassVar[Prepared]
    """`HEAD`, or the same with what `next_sequence` needs."""

    writers_kept: ClassVar[int]
    """How many connections writers keep at most while they do nothing."""

    def engine(self, url: URL, lock_timeout: float) -> Engine:
        """Return an engine whose statements wait so many seconds for locks of others."""
        ...

    def refuse_replaced(self, connection: Connection) -> None:
        """Raise LedgerUnavailableError if the connection is to a file that is no longer there."""
        ...

    def lives(self, connection: Connection, since: float) -> bool:
        """Say whether a connection that a writer has kept since then, in seconds, still lives."""
        ...

    def in_use(self) -> AbstractContextManager[object]:
        """Return a context in which its library is used: no other thread forks meanwhile."""
        ...

    def before_fork(self, close: Callable[[], None]) -> None:
        """Have a method called before this process forks, if a child must inherit nothing open."""
        ...

    def refuse_unsafe(self, connection: Connection) -> None:
        """Raise ConfigurationError where a committed row can be lost."""
        ...

    def next_sequence(self, connection: Connection, head: Any) -> int:
        """Return a number above all that the ledger's committed entries have.

        `head` is what `locked_head` has just given, so its stream is locked.
        """
        ...

    def at_once(self, connection: Connection) -> bool:
        """Say whether several writes that give nothing back can be sent as one statement."""
        ...

    def insert_unless_there(self, table: Any, row: Mapping[str, Any]) -> Executable:
        """Return an INSERT that does nothing if the primary key is taken."""
        ...

    def create_triggers(self, connection: Connection) -> None:
        """Create the append-only triggers anew."""
        ...

    def check_triggers(self, connection: Connection) -> None:
        """Raise LedgerTamperedError unless every trigger is there and does what it should."""
        ...

    def is_collision(self, error: BaseException) -> bool:
        """Say whether a transaction lost against another and may simply be tried again."""
        ...

    def is_away(self, error: BaseException) -> bool:
        """Say whether the database cannot be reached, or its disk cannot be written."""
        ...

    def is_undone(self, error: BaseException) -> bool:
        """Say whether an error of COMMIT itself means that nothing was committed."""
        ...

    def forbidden(self, error: BaseException) -> str | None:
        """Return who may do it, if the database refuses it to this login; else None."""
        ...


LOGINS = (
    "this login may not do it. Calls of bots need a login in the role stripe_bots (one that works "
    "webhooks: in stripe_webhooks too), decisions of people one in stripe_operators, and upgrades "
    "the owner of the tables; set STRIPE_LEDGER_URL to the right one"
)


def run(connection: Connection, *statements: str) -> None:
    """Execute plain SQL."""
    for statement in statements:
        connection.execute(text(statement))


def run_first(connection: Any, _record: Any, *, statement: str) -> None:
    """Execute plain SQL on a connection of the driver's that has just been made."""
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()
    connection.commit()


def missing_trigger(name: str) -> LedgerTamperedError:
    """Return the error for a trigger that is not as it should be."""
    return LedgerTamperedError(
        f"{name}, which keeps stripe_ledger append-only, is missing or changed. Find out who "
        "removed it, verify the ledger, then run `stripe-billing-router ledger upgrade`."
    )


def unsafe(setting: str, mend: str) -> ConfigurationError:
    """Return the error for a server that may lose committed rows."""
    return ConfigurationError(
        f"The ledger's database runs with {setting}, so that a committed payment can be lost in a "
        f"crash. {mend}",
        faults=(("STRIPE_LEDGER_URL", setting),),
    )
