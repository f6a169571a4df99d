"""What is read from a database that may be away, and what may be believed while it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..errors import LedgerUnavailableError
from ..models import (
    Approval,
    ApprovalState,
    Counted,
    Freeze,
    LedgerEntry,
    Operation,
    OperationState,
    Usage,
)
from ..ports import Clock, Proof
from .anomalies import AnomalyDB
from .books import Books
from .codec import Sealing
from .cursors import Outbox
from .discrepancies import DiscrepancyDB
from .inbox import SqlInbox
from .ledger import StripeLedger
from .projecting import Projections
from .reach import GOOD_FOR
from .store import SqlStore

_MOST_BOTS = 4096

T = TypeVar("T")


class FallbackReads(ABC):
    """The reads of `ports.Store`, each through `_read`, which knows if the database answers."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._sql = store
        self._clock = clock
        self._frozen: dict[tuple[str, ...], tuple[float, list[Freeze]]] = {}

    @abstractmethod
    def _read(self, read: Callable[[], T]) -> T:
        """Return what `read` gives; LedgerUnavailableError if the database is away."""

    @property
    def sealing(self) -> Sealing:
        """What makes and checks the store's seals; reads nothing."""
        return self._sql.sealing

    @property
    def ledger(self) -> StripeLedger:
        return self._read(lambda: self._sql.ledger)

    @property
    def outbox(self) -> Outbox:
        return self._read(lambda: self._sql.outbox)

    @property
    def projections(self) -> Projections:
        return self._read(lambda: self._sql.projections)

    @property
    def books(self) -> Books:
        return self._read(lambda: self._sql.books)

    @property
    def inbox(self) -> SqlInbox:
        return self._read(lambda: self._sql.inbox)

    @property
    def discrepancies(self) -> DiscrepancyDB:
        return self._read(lambda: self._sql.discrepancies)

    @property
    def anomalies(self) -> AnomalyDB:
        return self._read(lambda: self._sql.anomalies)

    def operations(
        self,
        *,
        states: Iterable[OperationState] | None = None,
        bot_id: str | None = None,
        limit: int = 100,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
    ) -> list[Operation]:
        """Return a page of operations; `after` is `(created_ms, operation_id)` of the last one."""
        return self._read(
            lambda: self._sql.operations(
                states=states,
                bot_id=bot_id,
                limit=limit,
                newest_first=newest_first,
                after=after,
            )
        )

    def proof(self, operation: Operation) -> Proof:
        """Return what is proven of an operation as it was read; reads nothing."""
        return self._sql.proof(operation)

    def set_back(self, since_ms: int) -> list[Counted]:
        """Return the budgets' counters below what sealed operations hold of them."""
        return self._read(lambda: self._sql.set_back(since_ms))

    def operation_of(self, stripe_id: str) -> str | None:
        """Return the operation that the ledger's entries with this Stripe id belong to, or None:
        of several, the one that made it, as far as that is proven."""
        return self._read(lambda: self._sql.operation_of(stripe_id))

    def maker_of(self, stripe_id: str) -> Operation | None:
        """Return the operation whose sealed outcome is this object, or None."""
        return self._read(lambda: self._sql.maker_of(stripe_id))

    def told_of(self, operation: Operation) -> frozenset[str]:
        """Return every status that the ledger has told of an operation."""
        return self._read(lambda: self._sql.told_of(operation))

    def payments(self, stripe_id: str, bot_id: str) -> list[LedgerEntry]:
        """Return the bot's ledger entries that have this Stripe id, or mention it anywhere."""
        return self._read(lambda: self._sql.payments(stripe_id, bot_id))

    def freezes(self, scopes: Sequence[str] | None = None) -> list[Freeze]:
        """Return the freezes in force; while the database is away, those of a moment ago.

        What is older than that is no answer: a freeze must stop a bot also during an outage.
        """
        whose = ("",) if scopes is None else tuple(scopes)
        try:
            found = self._read(lambda: self._sql.freezes(scopes))
        except LedgerUnavailableError:
            known = self._frozen.get(whose)
            if known is None or self._clock.elapsed() - known[0] >= GOOD_FOR:
                raise
            return known[1]
        if len(self._frozen) >= _MOST_BOTS:
            self._frozen.clear()
        self._frozen[whose] = (self._clock.elapsed(), found)
        return found

    def freeze_history(self, limit: int = 100) -> list[Freeze]:
        """Return freezes, those that were ended too, the newest first."""
        return self._read(lambda: self._sql.freeze_history(limit))

    def approvals(
        self,
        *,
        approval_id: str | None = None,
        operation_id: str | None = None,
        bot_id: str | None = None,
        input_hash: str | None = None,
        states: Iterable[ApprovalState] | None = None,
        limit: int = 100,
    ) -> list[Approval]:
        """Return approvals, the newest first; one whose time is over reads as expired."""
        return self._read(
            lambda: self._sql.approvals(
                approval_id=approval_id,
                operation_id=operation_id,
                bot_id=bot_id,
                input_hash=input_hash,
                states=states,
                limit=limit,
            )
        )

    def budgets(
        self, counters: Sequence[str] | None = None, *, starts_ms: Sequence[int] | None = None
    ) -> list[Usage]:
        """Return what is used of counters, in windows that began at `starts_ms`, the newest window
        first; of all, if None."""
        return self._read(lambda: self._sql.budgets(counters, starts_ms=starts_ms))
