"""What stands around the payments, read and made into cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ..frozen import frozen
from ..models import OperationState, OverrideKey, Route, RouteKey
from ..store import FallbackStore, LedgerHeads, SqlStore
from .cases import BrokenStream, Dispute, Endpoint, OpenOperation, RoutedObject
from .limits import DAY_MS
from .reading import Reads, all_pages

AnyStore = SqlStore | FallbackStore
"""The ledger's database, with its journal or without."""

_OPEN = (
    OperationState.PENDING,
    OperationState.UNKNOWN,
    OperationState.REQUIRES_ACTION,
    OperationState.PROCESSING,
)
_PAGE = 200
_ROUTED = {"price": "prices", "customer": "customers"}


class Table(Protocol):
    """The routes in force, and what may change them."""

    @property
    def routes(self) -> Mapping[RouteKey, Route]: ...
    @property
    def overrides(self) -> Mapping[OverrideKey, Mapping[str, str]]: ...


def endpoints(reads: Reads) -> Iterator[Endpoint]:
    """Yield every webhook endpoint of the account."""
    for item in all_pages(reads, "webhook_endpoints"):
        yield Endpoint(str(item["id"]), str(item.get("url")), str(item.get("status")))


def dispute(row: Mapping[str, object]) -> Dispute:
    """Return a dispute as the workspace has it."""
    facts = {name: row[name] for name in ("id", "status", "payment", "reason", "due_ms")}
    more = {"amount_minor": row["amount"], "currency": row["currency"]}
    return Dispute(**facts, **more, created_ms=row["created_ms"])  # type: ignore[arg-type]


def named_by_routes(table: Table) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return what routes and overrides name: routes by `(kind, id)`."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, route in table.routes.items():
        _note(found, ".".join(key), route)
    for rule, changes in table.overrides.items():
        _note(found, ".".join(rule), changes)
    return {name: tuple(routes) for name, routes in sorted(found.items())}


def _note(found: dict[tuple[str, str], list[str]], where: str, fields: Mapping[str, str]) -> None:
    for kind in _ROUTED:
        if f"{kind}_id" in fields:
            found.setdefault((kind, fields[f"{kind}_id"]), []).append(where)


def routed_objects(reads: Reads, table: Table) -> Iterator[RoutedObject]:
    """Yield every price and customer that routes name, as Stripe shows it."""
    for (kind, object_id), routes in named_by_routes(table).items():
        shown = reads.one(_ROUTED[kind], object_id)
        yield RoutedObject(object_id, kind, routes, shown)


def open_operations(store: AnyStore) -> Iterator[OpenOperation]:
    """Yield what is not settled, the oldest first."""
    now_ms, after = store.now_ms(), None
    while page := store.operations(states=_OPEN, limit=_PAGE, newest_first=False, after=after):
        for operation in page:
            yield OpenOperation(operation, now_ms - operation.started_ms)
        after = (page[-1].created_ms, page[-1].operation_id)


@frozen
class Verified:
    """Up to where the ledger was verified, and when it was read from its beginning."""

    heads: LedgerHeads
    whole_ms: int


def verified(
    store: AnyStore, before: Verified | None
) -> tuple[Sequence[BrokenStream], Verified | None]:
    """Verify what was written since `before`, or everything if that is a day ago; return every
    chain that does not hold, and where to go on if all do."""
    now_ms = store.now_ms()
    if before is not None and not 0 <= now_ms - before.whole_ms < DAY_MS:
        before = None
    heads = store.ledger.heads()
    found = store.ledger.verify(heads, verified=None if before is None else before.heads)
    if not found.ok:
        return [BrokenStream(broken) for broken in found.broken], None
    return [], Verified(heads, now_ms if before is None else before.whole_ms)
