"""SQLite: write-ahead log, full synchronisation, explicit transactions, local disks only."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, text
from sqlalchemy.dialects.sqlite import insert

from ...errors import ConfigurationError, LedgerUnavailableError
from ...locks import ForkGate
from ..prepared import Prepared
from .base import ERASABLE, KEPT, LOCKED_HEAD, REFUSAL, missing_trigger, run

_log = logging.getLogger(__name__)

_Inode = tuple[int, int]

_IN_USE = ForkGate(patience=2.0)
"""A child inherits the locks of SQLite's library, and what it notes of locks on files: those that
another thread holds at that moment, nobody in the child would ever release."""

_NETWORK_FILE_SYSTEMS = frozenset(
    "nfs nfs4 cifs smb smb2 smb3 smbfs afs ceph glusterfs lustre fuse.sshfs fuse.s3fs ncpfs".split()
)
_NOT_WRITTEN = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
"""The mark that makes a transaction count comes last: where it was not written, it does not."""

_FORBIDDEN = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
_OWNER = (
    "this user may not write the file, or the folder around it; run as the user who owns them, or "
    "set STRIPE_LEDGER_URL to the right file"
)
_DISK_FAILS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})

_BEGIN, _BEGIN_TO_WRITE = Prepared(text("BEGIN")), Prepared(text("BEGIN IMMEDIATE"))
_LAST = Prepared(text("SELECT max(sequence) FROM stripe_ledger"))


class SQLite:
    """A file beside the program."""

    upgrades_itself: ClassVar[bool] = True
    one_writer: ClassVar[bool] = True
    now_ms: ClassVar[str | None] = None
    locked_head: ClassVar[Prepared] = LOCKED_HEAD
    writers_kept: ClassVar[int] = 1

    def engine(self, url: URL, lock_timeout: float) -> Engine:
        """Return an engine for a database file, whose folder is made if need be."""
        path = _path(url)
        _refuse_network(path)
        _make_folder(path)
        if not path.exists():
            _log.warning("creating a new ledger at %s", path)
            _create(path)
        self._opened = _Opened(str(Path(str(url.database)).absolute()))
        made = create_engine(url, connect_args={"factory": _Connection})
        event.listen(made, "do_connect", lambda *_: self._refuse(self._opened.is_gone()))
        event.listen(made, "connect", partial(_on_connect, busy_ms=round(lock_timeout * 1000)))
        event.listen(made, "connect", lambda connection, _: self._opened.log.begin(connection))
        event.listen(made, "begin", _on_begin)
        return made

    def refuse_replaced(self, connection: Connection) -> None:
        """What is written to a file that has no name any more is lost with the process."""
        gone = self._opened.is_gone()
        if gone and not self._opened.log.exists():
            _save_log(connection)
        self._refuse(gone)

    def _refuse(self, gone: bool) -> None:
        if gone:
            raise LedgerUnavailableError(
                f"The ledger {self._opened.name}, or its -wal file, was deleted or replaced while "
                "it was in use, so nothing is sent. Put the file back that was there, or, if this "
                "one is right, start the process again."
            )

    def lives(self, connection: Connection, since: float) -> bool:  # noqa: ARG002
        return True

    def in_use(self) -> AbstractContextManager[object]:
        return _IN_USE.inside()

    def before_fork(self, close: Callable[[], None]) -> None:
        """By an open connection, a child would inherit the belief that it has a lock on the file.
        Only its parent has: when that closes, it would delete the log that the child writes to."""
        _IN_USE.before_fork(close)

    def refuse_unsafe(self, connection: Connection) -> None:
        """Synchronisation is set by every connection, the disk is checked with the path."""

    def next_sequence(self, connection: Connection, head: Any) -> int:  # noqa: ARG002
        return 1 + int(_LAST.scalar(connection, {}) or 0)

    def at_once(self, connection: Connection) -> bool:  # noqa: ARG002
        return False

    def insert_unless_there(self, table: Any, row: Mapping[str, Any]) -> Executable:
        return insert(table).values(**row).on_conflict_do_nothing()

    def create_triggers(self, connection: Connection) -> None:
        for name, body in _triggers().items():
            run(connection, f"DROP TRIGGER IF EXISTS {name}", f"CREATE TRIGGER {name} {body}")

    def check_triggers(self, connection: Connection) -> None:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type='trigger'"
        )
        found = {row.name: row.sql for row in rows}
        for name, body in _triggers().items():
            if found.get(name) != f"CREATE TRIGGER {name} {body}":
                raise missing_trigger(f"The trigger {name}")

    def is_collision(self, error: BaseException) -> bool:  # noqa: ARG002 - writers queue up
        return False

    def is_away(self, error: BaseException) -> bool:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_FAILS

    def is_undone(self, error: BaseException) -> bool:
        return getattr(error, "sqlite_errorcode", 0) in _NOT_WRITTEN

    def forbidden(self, error: BaseException) -> str | None:
        refused = getattr(error, "sqlite_errorcode", 0) & 0xFF in _FORBIDDEN
        return _OWNER if refused else None


class _Connection(sqlite3.Connection):
    """One that can be referred to weakly."""

    @property
    def is_open(self) -> bool:
        try:
            return self.total_changes >= 0
        except sqlite3.ProgrammingError:
            return False


class _Log:
    """The write-ahead log of a file, which all connections of a process share. SQLite deletes it
    with the last of them, and makes another for the next.

    Whether a connection is open, it says itself: whoever notes it when one is closed may be
    interrupted before that, and the pool may lose one.
    """

    def __init__(self, name: str) -> None:
        self._name = f"{os.path.realpath(name)}-wal"
        self._pid = 0
        self._users: WeakValueDictionary[int, _Connection] = WeakValueDictionary()
        self._file: _Inode | None = None

    def begin(self, connection: _Connection) -> None:
        if self._pid != os.getpid():  # a child has no connection of its parent's
            self._pid, self._users = os.getpid(), WeakValueDictionary()
        if not self._is_used():
            self._file = _inode(self._name)
        self._users[id(connection)] = connection

    def exists(self) -> bool:
        return _inode(self._name) is not None

    def is_gone(self) -> bool:
        """Say whether what connections of this process write to has lost its name."""
        noted = self._file
        if noted is None or self._pid != os.getpid() or _inode(self._name) == noted:
            return False
        return self._is_used() and noted == self._file  # or the next has begun meanwhile

    def _is_used(self) -> bool:
        users = (reference() for reference in self._users.valuerefs())
        return any(user is not None and user.is_open for user in users)


_LOGS: WeakValueDictionary[tuple[str, _Inode | None], _Log] = WeakValueDictionary()
"""Those in use, by the names and inodes of their files: routers of one process share them."""


class _Opened:
    """A file as it was when it was opened, and its log."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._file = _inode(name)
        self.log = _LOGS.setdefault((name, self._file), _Log(name))

    def is_gone(self) -> bool:
        return _inode(self.name) != self._file or self.log.is_gone()


def _inode(name: str) -> _Inode | None:
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _save_log(connection: Connection) -> None:
    """Bring into the file what was committed to a log without a name: nobody else will. Where there
    is another log by now, somebody may go by that, and nothing must be changed under them."""
    used: Any = connection.connection.dbapi_connection
    with suppress(sqlite3.Error):
        used.rollback()
        used.execute("PRAGMA wal_checkpoint(PASSIVE)")


@cache
def _triggers() -> dict[str, str]:
    same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in KEPT)
    erased = " AND ".join(f"NEW.{name} IS NULL" for name in ERASABLE)
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    taken = (
        "EXISTS (SELECT 1 FROM stripe_ledger WHERE sequence = NEW.sequence "
        "OR (stream = NEW.stream AND stream_sequence = NEW.stream_sequence))"
    )
    return {
        "stripe_ledger_no_update": (
            f"BEFORE UPDATE ON stripe_ledger WHEN NOT ({same} AND {erased}) {refuse}"
        ),
        "stripe_ledger_no_delete": f"BEFORE DELETE ON stripe_ledger {refuse}",
        # REPLACE deletes the row in its way without asking any trigger but this one.
        "stripe_ledger_no_replace": f"BEFORE INSERT ON stripe_ledger WHEN {taken} {refuse}",
    }


def _path(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ConfigurationError(
            "The ledger has to be a file, or it forgets what was paid. Set STRIPE_LEDGER_URL to "
            "sqlite:///PATH.",
            faults=(("STRIPE_LEDGER_URL", "is not a file"),),
        )
    return Path(url.database).absolute().resolve()


def _create(path: Path) -> None:
    """A ledger holds e-mail addresses: nobody but its owner reads it."""
    with _refused_by_system(path):
        path.touch(mode=0o600, exist_ok=True)


def _make_folder(path: Path) -> None:
    with _refused_by_system(path.parent):
        path.parent.mkdir(0o700, parents=True, exist_ok=True)


@contextmanager
def _refused_by_system(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerUnavailableError(
            f"{path} cannot be made ({error.strerror}), so nothing is sent. Make its folder "
            "writable, or set STRIPE_LEDGER_URL."
        ) from None


def _refuse_network(path: Path) -> None:
    kind = _file_system(path)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{path} is on a network file system ({kind}), where SQLite's locks do not hold. Use a "
            "local disk, or PostgreSQL.",
            faults=(("STRIPE_LEDGER_URL", f"is on {kind}"),),
        )


def _file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Return the type of the file system that holds `path`, or None where it cannot be told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    kinds = {fields[1]: fields[2] for fields in map(str.split, lines) if len(fields) > 2}
    for folder in [path, *path.parents]:
        if str(folder) in kinds:
            return kinds[str(folder)]
    return None


def _on_connect(connection: sqlite3.Connection, _record: Any, *, busy_ms: int) -> None:
    # The driver must not begin transactions by itself: BEGIN IMMEDIATE has to come first.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={busy_ms}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    (_BEGIN_TO_WRITE if writes else _BEGIN).change(connection, {})
