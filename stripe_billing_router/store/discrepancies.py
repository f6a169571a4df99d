"""`stripe_discrepancies`: failed checks, from their opening until people have resolved them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from ..errors import InvalidRequestError
from ..hashing import canonical_json, digest
from ..models import DiscrepancyRecord, DiscrepancyState
from ..redaction import shown, without_secrets
from ..secrecy import discreet_methods
from .codec import discrepancy_of
from .database import Database
from .rows import read, readable, seen_again
from .schema import discrepancies as table
from .transacting import insert, transacted

_DAY = 86_400.0
_LONGEST = 255


@discreet_methods
class DiscrepancyDB:
    """Writes, shows and moves on the discrepancies of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        kind: str,
        *,
        bot_id: str | None = None,
        account_id: str | None = None,
        expected_account_id: str | None = None,
        operation_id: str | None = None,
        details: Mapping[str, Any] | None = None,
        repeat_window: float = _DAY,
    ) -> DiscrepancyRecord:
        """Open a discrepancy, and return it.

        An equal one (kind, bot, account, operation) that nobody has resolved, and that was seen
        in the last `repeat_window` seconds, is counted up instead. `account_id` is the real
        foreign account. Raises LedgerUnavailableError.
        """
        account = account_id[:_LONGEST] if account_id is not None else None
        new = {
            "kind": kind,
            "bot_id": bot_id,
            "account_id": account,
            "expected_account_id": expected_account_id,
            "operation_id": operation_id,
            "details": canonical_json(without_secrets(details or {})),
            "open_key": digest([kind, bot_id, account, operation_id]),
        }
        window_ms = int(repeat_window * 1000)
        return transacted(self._database, lambda c, now: self._record(c, new, now, window_ms))

    def acknowledge(self, discrepancy_id: str, *, by: str) -> DiscrepancyRecord:
        """Note that `by` is looking at it; InvalidRequestError if it is not open."""
        who = _person(by)

        def change(connection: Connection, now_ms: int) -> DiscrepancyRecord:
            values = {"acknowledged_by": who, "acknowledged_ms": now_ms}
            before = (DiscrepancyState.OPEN,)
            return _moved(connection, discrepancy_id, before, DiscrepancyState.ACKNOWLEDGED, values)

        return transacted(self._database, change)

    def resolve(
        self, discrepancy_id: str, *, by: str, note: str | None = None
    ) -> DiscrepancyRecord:
        """Close a discrepancy that is open or acknowledged; `note` says what it was."""
        who = _person(by)

        def change(connection: Connection, now_ms: int) -> DiscrepancyRecord:
            values = {"resolved_by": who, "resolved_ms": now_ms, "note": note, "open_key": None}
            before = (DiscrepancyState.OPEN, DiscrepancyState.ACKNOWLEDGED)
            return _moved(connection, discrepancy_id, before, DiscrepancyState.RESOLVED, values)

        return transacted(self._database, change)

    def get(self, discrepancy_id: str) -> DiscrepancyRecord | None:
        """Return one discrepancy, or None."""
        with self._database.read() as connection:
            return _load(connection, table.c.id == discrepancy_id)

    def list(
        self,
        *,
        state: DiscrepancyState | str | None = None,
        bot_id: str | None = None,
        limit: int = 100,
    ) -> tuple[DiscrepancyRecord, ...]:
        """Return discrepancies, all or those in one state, the newest first."""
        query = select(table).order_by(table.c.opened_ms.desc(), table.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(table.c.state == _state(state))
        if bot_id is not None:
            query = query.where(table.c.bot_id == bot_id)
        with self._database.read() as connection:
            return tuple(readable(table, discrepancy_of, connection.execute(query).mappings()))

    def _record(
        self, connection: Connection, new: dict[str, Any], now_ms: int, window_ms: int
    ) -> DiscrepancyRecord:
        ours = table.c.open_key == new["open_key"]
        lately = table.c.last_seen_ms > now_ms - window_ms
        once_more = {"count": table.c.count + 1, "last_seen_ms": now_ms}
        key = table.c.open_key
        seen = seen_again(connection, key, discrepancy_of, ours, lately, once_more)
        if seen is not None:
            return seen
        insert(connection, table, {**new, **_opened(now_ms)})
        found = _load(connection, ours)
        assert found is not None  # noqa: S101 - it was written in this very transaction
        return found


def _opened(now_ms: int) -> dict[str, Any]:
    return {
        "id": f"disc_{secrets.token_hex(12)}",
        "state": DiscrepancyState.OPEN,
        "count": 1,
        "opened_ms": now_ms,
        "last_seen_ms": now_ms,
    }


def _moved(
    connection: Connection,
    discrepancy_id: str,
    before: tuple[DiscrepancyState, ...],
    after: DiscrepancyState,
    values: Mapping[str, Any],
) -> DiscrepancyRecord:
    """Move a discrepancy on if it is where the caller believes it is."""
    this = table.c.id == discrepancy_id
    change = update(table).where(this, table.c.state.in_(before)).values(state=after, **values)
    moved = connection.execute(change).rowcount
    found = _load(connection, this)
    if found is None:
        raise InvalidRequestError(
            f"There is no discrepancy {shown(discrepancy_id)}; see `stripe-billing-router "
            "discrepancies list`.",
            parameter="discrepancy_id",
        )
    if not moved:
        who = found.resolved_by or found.acknowledged_by
        raise InvalidRequestError(
            f"Discrepancy {found.id} is already {found.state}, by {shown(who)}; see "
            f"`stripe-billing-router discrepancies show {found.id}`.",
            parameter="discrepancy_id",
        )
    return found


def _load(connection: Connection, which: ColumnElement[bool]) -> DiscrepancyRecord | None:
    row: RowMapping | None = connection.execute(select(table).where(which)).mappings().first()
    return None if row is None else read(table, discrepancy_of, row)


def _person(by: object) -> str:
    if not isinstance(by, str) or not by.strip() or len(by.strip()) > _LONGEST:
        raise InvalidRequestError(
            "`by` names nobody; pass the name of the person, 1 to 255 characters.", parameter="by"
        )
    return by.strip()


def _state(state: str) -> DiscrepancyState:
    try:
        return DiscrepancyState(state)
    except ValueError:
        raise InvalidRequestError(
            f"{shown(state)} is no state of a discrepancy; pass one of "
            f"{', '.join(DiscrepancyState)}.",
            parameter="state",
        ) from None
