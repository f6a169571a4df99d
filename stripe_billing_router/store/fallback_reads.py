"""What is read from a database that may be away, and what may be believed while it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from ..errors import LedgerUnavailableError
from ..models import Freeze, Operation
from ..ports import Clock, Proof
from ..secrecy import discreet_methods
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
P = ParamSpec("P")


def _asked(
    read: Callable[Concatenate[SqlStore, P], T],
) -> Callable[Concatenate[FallbackReads, P], T]:
    """Return a read of the database, with its signature, as one that goes through `_read`."""

    @wraps(read)
    def ask(self: FallbackReads, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._read(lambda: read(self._sql, *args, **kwargs))

    return ask


@discreet_methods
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

    operations = _asked(SqlStore.operations)

    def proof(self, operation: Operation) -> Proof:
        """Return what is proven of an operation as it was read; reads nothing."""
        return self._sql.proof(operation)

    set_back = _asked(SqlStore.set_back)
    operation_of = _asked(SqlStore.operation_of)
    maker_of = _asked(SqlStore.maker_of)
    told_of = _asked(SqlStore.told_of)
    payments = _asked(SqlStore.payments)
    freeze_history = _asked(SqlStore.freeze_history)
    approvals = _asked(SqlStore.approvals)
    budgets = _asked(SqlStore.budgets)

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
