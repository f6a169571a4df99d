"""What somebody with full access to the database may do to a ledger behind everybody's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from stripe_billing_router.engine import SystemClock
from stripe_billing_router.hashing import entry_hash
from stripe_billing_router.models import AppendEntry, EntryDraft, LedgerEntry, major
from stripe_billing_router.store import LedgerHeads, SqlStore, StripeLedger
from stripe_billing_router.store.database import Database
from stripe_billing_router.store.migrate import upgrade
from stripe_billing_router.store.schema import heads, ledger

STREAMS = ("a:one", "a:two", "b:one", "c:one", None)
_ACCOUNT = "acct_1"
_DROP = {
    "sqlite": "DROP TRIGGER {name}",
    "mysql": "DROP TRIGGER {name}",
    "postgresql": "DROP TRIGGER {name} ON stripe_ledger",
}
_TRIGGERS = {
    "sqlite": ("no_update", "no_delete", "no_replace"),
    "mysql": ("no_update", "no_delete"),
    "postgresql": ("no_change", "no_truncate"),
}
_UNSTOPPED = {
    "sqlite": ("PRAGMA foreign_keys=OFF", "PRAGMA synchronous=OFF"),
    "mysql": ("SET FOREIGN_KEY_CHECKS=0",),
    "postgresql": ("SET session_replication_role=replica",),
}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """Where an attack has to show: one of these places in this stream."""

    what: str
    stream: str
    places: range


class Victim:
    """A ledger with a history, its heads exported, its triggers gone."""

    def __init__(self, url: str, random: Random, entries: int) -> None:
        self._random = random
        self._database = Database(url, SystemClock())
        upgrade(self._database)
        self._write(url, entries)
        self.kept = self.ledger.heads()
        self._write(url, entries // 4)
        self._attacker = _unstopped(self._database)
        with self._attacker.begin():
            self._rows = [dict(row) for row in self._attacker.execute(select(ledger)).mappings()]
            self._heads = [dict(row) for row in self._attacker.execute(select(heads)).mappings()]

    @property
    def ledger(self) -> StripeLedger:
        return StripeLedger(self._database)

    def close(self) -> None:
        self._attacker.close()
        self._database.close()

    def restore(self) -> None:
        """Put everything back as it was written."""
        with self._attacker.begin():
            self._attacker.execute(delete(heads))
            self._attacker.execute(delete(ledger))
            self._attacker.execute(insert(ledger), self._rows)
            self._attacker.execute(insert(heads), self._heads)

    def attack(self) -> Named:
        """Do one thing, chosen at random; return where it has to show."""
        attack = self._random.choice(_ATTACKS)
        with self._attacker.begin():
            return attack(_Hand(self._attacker, self._random, self._rows, self.kept))

    def put(self, column: str, literal: str) -> Named:
        """Put an SQL literal into a column of the second row of a stream."""
        row = next(row for row in self._rows if row["stream_sequence"] == 2)
        statement = f"UPDATE stripe_ledger SET {column} = {literal} WHERE sequence = :n"
        with self._attacker.begin():
            self._attacker.execute(text(statement), {"n": row["sequence"]})
        return _here(f"{column} = {literal}", row)

    def _write(self, url: str, entries: int) -> None:
        store = SqlStore(url, SystemClock(), account_id=_ACCOUNT, api_base="http://127.0.0.1")
        for number in range(entries):
            store.commit(AppendEntry(_draft(self._random, number)))
        store.close()


def _unstopped(database: Database) -> Connection:
    """Connect as somebody who has switched off what would stop them."""
    connection = database.engine.connect()
    dialect = connection.dialect.name
    cursor = connection.connection.cursor()  # before a transaction begins
    for statement in _UNSTOPPED[dialect]:
        cursor.execute(statement)
    cursor.close()
    with connection.begin():
        for name in _TRIGGERS[dialect]:
            connection.execute(text(_DROP[dialect].format(name=f"stripe_ledger_{name}")))
    return connection


def _draft(random: Random, number: int) -> EntryDraft:
    bot = random.choice(STREAMS)
    minor = random.choice((None, 0, 500, 1999, random.randrange(1, 10**9)))
    return EntryDraft(
        id=f"pi_{number}",
        action_type=random.choice(("charge", "refund", "subscription", "anomaly", "mismatch")),
        amount_minor=minor,
        currency=None if minor is None and random.random() < 0.5 else "usd",
        timestamp_ms=1_793_000_000_000 + number,
        user_email=random.choice((None, f"someone{number}@example.org")),
        bot_id=bot,
        destination_account=_ACCOUNT,
        raw_event={"id": f"pi_{number}", "note": random.choice("abc")},
        error=random.random() < 0.2,
        operation_id=f"op_{number}",
        status="succeeded",
    )


class _Hand:
    """The attacker's hand: the rows within reach are those that the kept heads vouch for."""

    def __init__(
        self, connection: Connection, random: Random, rows: list[Row], kept: LedgerHeads
    ) -> None:
        self.connection = connection
        self.random = random
        self.kept = kept
        self.all = rows
        self.reach = [row for row in rows if row["stream_sequence"] <= self.end(row["stream"])]

    def end(self, stream: str) -> int:
        return self.kept.streams.get(stream, (0, ""))[0]

    def row(self) -> Row:
        return self.random.choice(self.reach)

    def change(self, row: Row, **changes: Any) -> None:
        self.connection.execute(
            update(ledger).where(ledger.c.sequence == row["sequence"]).values(**changes)
        )

    def of(self, stream: str) -> list[Row]:
        found = [row for row in self.all if row["stream"] == stream]
        return sorted(found, key=lambda row: int(row["stream_sequence"]))

    def set_head(self, row: Row, end_hash: str) -> None:
        self.connection.execute(
            update(heads)
            .where(heads.c.stream == row["stream"])
            .values(
                sequence=row["sequence"],
                stream_sequence=row["stream_sequence"],
                entry_hash=end_hash,
            )
        )


def _here(what: str, row: Row) -> Named:
    """At the row, or at the one after it, which no longer follows."""
    place = row["stream_sequence"]
    return Named(what, row["stream"], range(place, place + 2))


def _change_a_value(hand: _Hand) -> Named:
    row = hand.row()
    column = hand.random.choice([name for name in row if name != "stream"])
    changed = _other(hand.random, column, row[column])
    if column == "sequence":
        changed = max(other["sequence"] for other in hand.all) + hand.random.randrange(1, 9)
    hand.change(row, **{column: changed})
    return _here(f"{column} was {row[column]!r}", row)


def _other(random: Random, column: str, value: Any) -> Any:
    if column == "stream_sequence":
        return 1000 + random.randrange(1000)
    if column == "error":
        return 1 - value
    if column in ("amount", "amount_minor", "timestamp_ms"):
        return (value or 0) + random.randrange(1, 999)
    if column == "currency":
        return random.choice(("eur", "gbp", "zzz"))
    if column.endswith(("hash", "commitment")) or column == "salt":
        return f"{random.getrandbits(128):032x}"
    if value is not None and ledger.c[column].nullable and random.random() < 0.2:
        return None
    return f"{value}{random.choice('xy')}"


def _move_to_another_stream(hand: _Hand) -> Named:
    row = hand.row()
    hand.change(row, stream="d:one")
    place = row["stream_sequence"]
    return Named("moved", row["stream"], range(place, place + 2))


def _delete(hand: _Hand) -> Named:
    row = hand.row()
    hand.connection.execute(delete(ledger).where(ledger.c.sequence == row["sequence"]))
    return _here("deleted", row)


def _insert(hand: _Hand) -> Named:
    row = hand.row()
    last = hand.of(row["stream"])[-1]["stream_sequence"]
    place = last + hand.random.choice((1, 1, 2, 50))
    sequence = max(other["sequence"] for other in hand.all) + 1
    forged = {**row, "sequence": sequence, "stream_sequence": place, "amount_minor": 1}
    hand.connection.execute(insert(ledger), [forged])
    return Named("inserted", row["stream"], range(last, place + 1))


def _swap(hand: _Hand) -> Named:
    """Two rows change places, with or without their links of the chain."""
    one, other = hand.random.sample(hand.reach, 2)
    staying = {"sequence", "stream", "stream_sequence"}
    if hand.random.random() < 0.5:
        staying |= {"previous_hash", "entry_hash"}
    for row, taken in ((one, other), (other, one)):
        hand.change(row, **{name: taken[name] for name in row if name not in staying})
    first = min(one, other, key=lambda row: (row["stream"], row["stream_sequence"]))
    return _here("swapped", first)


def _cut_the_tail(hand: _Hand) -> Named:
    """The head is set to where the stream now ends."""
    row = hand.random.choice([row for row in hand.reach if row["stream_sequence"] > 1])
    place = row["stream_sequence"]
    before = hand.of(row["stream"])[place - 2]
    hand.set_head(before, before["entry_hash"])
    hand.connection.execute(
        delete(ledger).where(ledger.c.stream == row["stream"], ledger.c.stream_sequence >= place)
    )
    return Named("tail cut", row["stream"], range(place - 1, hand.end(row["stream"]) + 1))


def _drop_a_stream(hand: _Hand) -> Named:
    stream = hand.row()["stream"]
    hand.connection.execute(delete(heads).where(heads.c.stream == stream))
    hand.connection.execute(delete(ledger).where(ledger.c.stream == stream))
    return Named("stream dropped", stream, range(hand.end(stream) + 1))


def _forge(hand: _Hand) -> Named:
    """A row gets another amount and the hash that goes with it."""
    row = hand.row()
    changed = _with_amount(row, hand.random.randrange(1, 10**6))
    hand.change(row, **changed)
    return _here("forged", row)


def _rewrite(hand: _Hand) -> Named:
    """The same, and every later row and the head follow: only kept heads can tell."""
    row = hand.row()
    previous = row["previous_hash"]
    for later in hand.of(row["stream"])[row["stream_sequence"] - 1 :]:
        changed = {"previous_hash": previous, "entry_hash": ""}
        if later is row:
            changed |= _with_amount(row, hand.random.randrange(1, 10**6))
        changed["entry_hash"] = previous = _hash({**later, **changed})
        hand.change(later, **changed)
    hand.set_head(later, previous)
    end = hand.end(row["stream"])
    return Named("rewritten", row["stream"], range(end, end + 1))


def _with_amount(row: Row, more: int) -> Row:
    minor = (row["amount_minor"] or 0) + more
    changed = {"amount_minor": minor, "amount": major(minor, row["currency"])}
    return {**changed, "entry_hash": _hash({**row, **changed})}


def _hash(row: Row) -> str:
    entry = LedgerEntry(**{field.name: row[field.name] for field in fields(LedgerEntry)})
    return entry_hash(replace(entry, entry_hash=""))


_ATTACKS: tuple[Callable[[_Hand], Named], ...] = (
    _change_a_value,
    _change_a_value,
    _change_a_value,
    _move_to_another_stream,
    _delete,
    _delete,
    _insert,
    _swap,
    _swap,
    _cut_the_tail,
    _drop_a_stream,
    _forge,
    _rewrite,
)
