"""`stripe_freezes`: who stopped whom, since when, and who let them go again. Nothing is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from ..models import Freeze, FreezeScope, UnfreezeScope
from ..ports import StaleLease
from .prepared import Prepared
from .schema import freezes as table


def freeze(connection: Connection, write: FreezeScope, now_ms: int) -> None:
    """Stop whom the scope matches."""
    connection.execute(
        insert(table),
        {
            "freeze_id": write.freeze_id,
            "scope": write.scope,
            "reason": write.reason,
            "frozen_by": write.by,
            "frozen_ms": now_ms,
        },
    )


_IN_FORCE = select(table).where(table.c.unfrozen_ms.is_(None)).order_by(table.c.frozen_ms)


@cache
def _in_force_among(number: int) -> Prepared:
    """Return the query for so many scopes. Each call of a verb asks it, with as many."""
    scopes: list[Any] = [bindparam(f"scope{n}") for n in range(number)]
    return Prepared(_IN_FORCE.where(table.c.scope.in_(scopes)))


def unfreeze(connection: Connection, write: UnfreezeScope, now_ms: int) -> None:
    """End every freeze of this very scope; StaleLease if there is none."""
    done = connection.execute(
        update(table)
        .where(table.c.scope == write.scope, table.c.unfrozen_ms.is_(None))
        .values(unfrozen_by=write.by, unfrozen_ms=now_ms)
    )
    if done.rowcount < 1:
        raise StaleLease(write.scope)


def active(connection: Connection, scopes: Iterable[str] | None) -> list[Freeze]:
    """Return the freezes in force, the oldest first; of these scopes only, unless None."""
    if scopes is None:
        return [Freeze(**row) for row in connection.execute(_IN_FORCE).mappings()]
    asked = {f"scope{number}": scope for number, scope in enumerate(scopes)}
    return [Freeze(**row._asdict()) for row in _in_force_among(len(asked)).rows(connection, asked)]


def history(connection: Connection, limit: int) -> list[Freeze]:
    """Return freezes, ended ones too, the newest first."""
    query = select(table).order_by(table.c.frozen_ms.desc()).limit(limit)
    return [Freeze(**row) for row in connection.execute(query).mappings()]
