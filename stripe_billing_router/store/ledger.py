"""`stripe_ledger`: append-only, one hash chain per bot."""

from __future__ import annotations

import math
import secrets
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from ..errors import ConfigurationError, LedgerTamperedError
from ..frozen import frozen
from ..hashing import GENESIS, commitment, entry_hash
from ..models import SYSTEM_STREAM, AppendEntry, Declared, EntryDraft, LedgerEntry, Verbs, major
from ..secrecy import discreet_methods
from . import outbox
from .codec import Encode, clean_json, entry_of
from .database import Database
from .dialects import Dialect
from .heads import LedgerHeads
from .prepared import Prepared, together
from .schema import binding, heads
from .schema import ledger as table

_BATCH = 1000
_NO_VERBS: Verbs[Declared] = Verbs()

_COLUMNS = [column.name for column in fields(LedgerEntry)]
_INSERT = Prepared(insert(table))
_MOVE_HEAD = Prepared(
    update(heads)
    .where(heads.c.stream == bindparam("of"))
    .values(
        sequence=bindparam("sequence"),
        stream_sequence=bindparam("stream_sequence"),
        entry_hash=bindparam("entry_hash"),
        event_sequence=bindparam("event_sequence"),
    )
)


Ends = Mapping[str, tuple[int, str]]
"""Where streams end: the number of their entries, and the `entry_hash` of the last."""


@frozen
class Broken:
    """The first thing found wrong in a stream. `sequence` is None if an entry is missing."""

    stream: str
    stream_sequence: int
    sequence: int | None
    why: str


@frozen
class Verification:
    """What `StripeLedger.verify()` found."""

    entries: int
    streams: int
    broken: tuple[Broken, ...]

    @property
    def ok(self) -> bool:
        return not self.broken

    def raise_if_broken(self) -> None:
        """Raise LedgerTamperedError that names the first broken row."""
        if self.broken:
            first = self.broken[0]
            raise LedgerTamperedError(
                f"The ledger does not verify: stream {first.stream}, entry "
                f"{first.stream_sequence}: {first.why}. Stop the bots, keep a copy of the "
                "database, and compare it with your last back-up and with Stripe.",
                stream=first.stream,
                sequence=first.sequence,
            )


@discreet_methods
class StripeLedger:
    """Reads and checks the ledger of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(
        self, *, bot_id: str | None = None, after: int = 0, limit: int | None = None
    ) -> Iterator[LedgerEntry]:
        """Yield entries in the order they were written, those with `sequence` above `after`."""
        # Some at a time: nothing is open while the caller is at one of them.
        left = math.inf if limit is None else limit
        if bot_id is not None:
            after = self._place(bot_id, after)
        while left > 0:
            wanted = int(min(left, _BATCH))
            found = self._some_entries(bot_id, after, wanted)
            yield from found
            if len(found) < wanted:
                return
            last = found[-1]
            after = last.sequence if bot_id is None else last.stream_sequence
            left -= wanted

    def _some_entries(self, bot_id: str | None, after: int, limit: int) -> list[LedgerEntry]:
        """`after` is a place in the bot's stream, if there is a bot."""
        by = table.c.sequence
        query = select(table)
        if bot_id is not None:
            by = table.c.stream_sequence
            query = query.where(table.c.stream == bot_id)
        query = query.where(by > after).order_by(by)
        with self._database.read() as connection:
            return [entry_of(row) for row in connection.execute(query.limit(limit)).mappings()]

    def _place(self, stream: str, after: int) -> int:
        """Return how many entries of a stream have a sequence up to `after`, found by halves."""
        mine = table.c.stream == stream
        with self._database.read() as connection:

            def is_behind(place: int) -> bool:
                of_next = select(table.c.sequence).where(mine, table.c.stream_sequence > place)
                found = of_next.order_by(table.c.stream_sequence).limit(1)
                return bool(connection.execute(found).scalar_one() > after)

            end = connection.execute(select(func.max(table.c.stream_sequence)).where(mine)).scalar()
            return bisect_left(range(end or 0), True, key=is_behind) if after else 0

    def heads(self) -> LedgerHeads:
        """Return where every stream ends now; keep it elsewhere, and verify against it later."""
        with self._database.read() as connection:
            bound = connection.execute(select(binding)).one()
            ends = {
                row.stream: (row.stream_sequence, row.entry_hash)
                for row in connection.execute(select(heads))
            }
            return LedgerHeads(bound.account_id, self._database.now_ms(connection), ends)

    def verify(
        self,
        kept: LedgerHeads | None = None,
        progress: Callable[[int], None] | None = None,
        *,
        verified: LedgerHeads | None = None,
    ) -> Verification:
        """Check every chain against its rows, its head, and the heads `kept` elsewhere.

        `progress` is called with the number of entries checked so far. `verified` are the heads of
        an earlier verification: only what has been written since is read, so that a change before
        them stays unseen.
        """
        check = _Check(_streams(kept), _streams(verified))
        with self._database.snapshot() as connection:
            _refuse_others(connection, kept)
            _refuse_others(connection, verified)
            ends = connection.execute(select(heads)).all()
            parts = [_IN_ORDER] if verified is None else map(_part, check.begins(ends))
            for number, entry in enumerate(_walk(connection, parts), 1):
                check.entry(entry)
                if progress is not None and number % _BATCH == 0:
                    progress(number)
            for end in ends:
                check.head(end.stream, end.stream_sequence, end.entry_hash)
        return check.finished()


_IN_ORDER = select(table).order_by(table.c.stream, table.c.stream_sequence)


def _part(begin: tuple[str, int]) -> Select[Any]:
    """Return what a stream holds from a place on."""
    stream, place = begin
    return _IN_ORDER.where(table.c.stream == stream, table.c.stream_sequence >= place)


def _walk(connection: Connection, parts: Iterable[Select[Any]]) -> Iterator[LedgerEntry]:
    some_at_a_time = {"yield_per": _BATCH}
    for part in parts:
        rows = connection.execute(part, execution_options=some_at_a_time)
        yield from map(entry_of, rows.mappings())


def _streams(ends: LedgerHeads | None) -> Ends:
    return {} if ends is None else ends.streams


def _refuse_others(connection: Connection, kept: LedgerHeads | None) -> None:
    bound = connection.execute(select(binding)).one()
    if kept is not None and kept.account_id != bound.account_id:
        raise ConfigurationError(
            f"The kept heads are of a ledger of {kept.account_id}, this one belongs to "
            f"{bound.account_id}. Pass the heads of this ledger."
        )


class _Check:
    """One walk over entries; remembers the first thing wrong in each stream.

    A stream that is `verified` up to a place is walked from there on, if it goes on at all.
    """

    def __init__(self, kept: Ends, verified: Ends) -> None:
        self._known = (kept, verified)
        self._verified = verified
        self._last: dict[str, LedgerEntry] = {}
        self._headed: dict[str, int] = {}
        self._broken: dict[str, Broken] = {}
        self._counted = 0

    def begins(self, ends: Iterable[Any]) -> Iterator[tuple[str, int]]:
        """Yield the streams that have not stayed where they were verified to, and that place."""
        for end in ends:
            known = self._verified.get(end.stream, (0, GENESIS))
            if known != (end.stream_sequence, end.entry_hash):
                yield end.stream, known[0]

    def entry(self, entry: LedgerEntry) -> None:
        self._counted += 1
        stream = entry.stream
        try:
            why = _wrong(entry, self._last.get(stream), self._verified.get(stream, (0, ""))[0])
        except (ArithmeticError, TypeError, ValueError):  # SQLite stores anything anywhere
            self._broken.setdefault(stream, _broken(entry, "it cannot be read"))
            return
        for ends in self._known:
            place, expected = ends.get(stream, (0, ""))
            if why is None and entry.stream_sequence == place and entry.entry_hash != expected:
                why = "it is not the entry that the kept heads know"
        if why is not None:
            self._broken.setdefault(stream, _broken(entry, why))
        self._last[stream] = entry

    def head(self, stream: str, place: int, end_hash: str) -> None:
        self._headed[stream] = place
        if self._verified.get(stream) == (place, end_hash):
            return
        why = _wrong_end(place, end_hash, self._last.get(stream))
        if why is not None:
            self._broken.setdefault(stream, Broken(stream, place, None, why))

    def finished(self) -> Verification:
        for stream, entry in self._last.items():
            if stream not in self._headed:
                self._broken.setdefault(stream, _broken(entry, "the stream has no head"))
        for ends in self._known:
            for stream, (place, _) in ends.items():
                if self._headed.get(stream, 0) < place:
                    why = f"entry {place}, which the kept heads know, is missing"
                    self._broken.setdefault(stream, Broken(stream, place, None, why))
        return Verification(self._counted, len(self._last), tuple(self._broken.values()))


def append_entry(
    dialect: Dialect,
    connection: Connection,
    write: AppendEntry,
    encode: Encode = clean_json,
    verbs: Verbs[Declared] = _NO_VERBS,
) -> None:
    """Append an entry to the chain of its stream."""
    stream = write.entry.stream
    raw = encode(write.entry.raw_event)
    head = outbox.locked_head(dialect, connection, stream)
    sequence = dialect.next_sequence(connection, head)
    entry = _chained(write.entry, raw, sequence, head.stream_sequence + 1, head.entry_hash)
    sealed = {"entry_hash": entry_hash(entry)}
    end = {
        "of": stream,
        "sequence": sequence,
        "stream_sequence": entry.stream_sequence,
        "event_sequence": head.event_sequence + 1,
        **sealed,
    }
    together(
        connection,
        dialect.at_once(connection),
        (_INSERT, {name: getattr(entry, name) for name in _COLUMNS} | sealed),
        outbox.entry_recorded(entry, head.event_sequence + 1, verbs),
        (_MOVE_HEAD, end),
    )


def payments(connection: Connection, stripe_id: str, bot_id: str) -> list[LedgerEntry]:
    """Return the bot's entries with this id; if there is none, those whose JSON mentions it.

    Whether one of these is about the payment, only its JSON tells: a bot chooses some of the text
    in it. They are searched for without an index, in this bot's stream alone.
    """
    own = select(table).where(table.c.stream == bot_id, table.c.error == 0)
    mentions = table.c.raw_event_json.contains(f'"{stripe_id}"', autoescape=True)
    for wanted in (table.c.id == stripe_id, mentions):
        found = connection.execute(own.where(wanted)).mappings().all()
        if found:
            return [entry_of(row) for row in found]
    return []


def told_of(connection: Connection, operation_id: str, stream: str) -> frozenset[str]:
    """Return every status that the entries of an operation have in its bot's stream."""
    known = table.c.operation_id == operation_id, table.c.stream == stream
    found = connection.execute(select(table.c.status).where(*known).distinct())
    return frozenset(str(status) for status in found.scalars())


def operations_of(connection: Connection, stripe_id: str, most: int) -> list[str]:
    """Return the operations of the entries with this Stripe id, each once, the oldest first."""
    known = table.c.id == stripe_id, table.c.operation_id.is_not(None)
    each = select(table.c.operation_id).where(*known).group_by(table.c.operation_id)
    found = connection.execute(each.order_by(func.min(table.c.sequence)).limit(most))
    return [str(name) for name in found.scalars()]


def _chained(draft: EntryDraft, raw: str, sequence: int, place: int, previous: str) -> LedgerEntry:
    """Return what follows `previous`, without its own hash yet."""
    salt = secrets.token_hex(16)
    return LedgerEntry(
        sequence=sequence,
        id=draft.id,
        action_type=draft.action_type,
        amount=major(draft.amount_minor, draft.currency),
        amount_minor=draft.amount_minor,
        currency=draft.currency,
        timestamp_ms=draft.timestamp_ms,
        user_email=draft.user_email,
        bot_id=draft.bot_id,
        destination_account=draft.destination_account,
        raw_event_json=raw,
        error=int(draft.error),
        operation_id=draft.operation_id,
        status=draft.status,
        stream=draft.stream,
        stream_sequence=place,
        salt=salt,
        user_email_commitment=commitment(salt, draft.user_email),
        raw_event_commitment=commitment(salt, raw),
        previous_hash=previous,
        entry_hash="",
    )


def _wrong(entry: LedgerEntry, before: LedgerEntry | None, begin: int) -> str | None:
    """Return what is wrong with an entry that follows `before` in its stream, or None.

    Before the place where the walk begins, nothing is known. ArithmeticError, TypeError or
    ValueError if a value is not of its column's type.
    """
    place = before.stream_sequence + 1 if before else max(1, begin)
    if not isinstance(entry.stream_sequence, int):
        raise TypeError("a place is a number")
    if entry.stream_sequence != place:
        return f"entry {place} is missing"
    previous = before.entry_hash if before else GENESIS
    if entry.previous_hash != previous and (before or place == 1):
        return "it does not follow the entry before it"
    if before is not None and entry.sequence <= before.sequence:
        return "it is out of order"
    if entry.stream != (entry.bot_id or SYSTEM_STREAM):
        return "it is in another bot's stream"
    if entry.amount != major(entry.amount_minor, entry.currency):
        return "amount and amount_minor differ"
    if entry.entry_hash != entry_hash(entry):
        return "its content is not what was written"
    return _wrong_personal_data(entry)


def _wrong_personal_data(entry: LedgerEntry) -> str | None:
    """Erased data (no salt) leaves its commitment; anything else has to match it."""
    if entry.salt is None:
        erased = entry.user_email is None and entry.raw_event_json is None
        return None if erased else "its personal data is only half erased"
    if commitment(entry.salt, entry.user_email) != entry.user_email_commitment:
        return "user_email is not what was written"
    if commitment(entry.salt, entry.raw_event_json) != entry.raw_event_commitment:
        return "raw_event_json is not what was written"
    return None


def _wrong_end(place: int, end_hash: str, last: LedgerEntry | None) -> str | None:
    if last is None and place == 0:
        return None  # a bot of which only doubt is known yet
    if last is None or last.stream_sequence < place:
        return f"entry {place} is missing"
    if last.stream_sequence > place or last.entry_hash != end_hash:
        return "the stream does not end where its head says"
    return None


def _broken(entry: LedgerEntry, why: str) -> Broken:
    return Broken(entry.stream, entry.stream_sequence, entry.sequence, why)
