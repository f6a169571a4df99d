"""A process of the simulation: a router whose every write and every request passes a gate.

At a gate the schedule may strike. A process that has died gets through no gate any more, so that
its `except` and `finally` blocks can write nothing and send nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from filelock import Timeout

from stripe_billing_router.bootstrap import assembly
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import LedgerUnavailableError
from stripe_billing_router.models import (
    Approval,
    ApprovalState,
    Freeze,
    LedgerEntry,
    Operation,
    OperationState,
    Policies,
    Write,
)
from stripe_billing_router.ports import Clock, CommitAmbiguous, Event, Reply, Request
from stripe_billing_router.providers.stripe.gateway import StripeGateway
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SandboxHTTPClient, World
from stripe_billing_router.store import SqlStore, fallback
from stripe_billing_router.store.database import Away, Database
from stripe_billing_router.store.journal import JournalFile, Line
from stripe_billing_router.store.journal.codec import CORE
from stripe_billing_router.store.journal.drain import LineOutcome
from stripe_billing_router.store.journal.lines import Kind
from stripe_billing_router.store.underway import Underway
from tests.simulation.bed import Bed
from tests.simulation.schedule import PointKind


class Died(BaseException):
    """The process has ended: nothing of the library may catch this."""


class Gates(Protocol):
    """What a process tells whoever plays the schedule."""

    def reached(self, process: Process, kind: PointKind, what: object) -> None: ...
    def committed(self, process: Process, writes: tuple[Write, ...]) -> None: ...
    def journaled(self, process: Process, writes: tuple[Write, ...]) -> None: ...
    def drained(self, writes: Sequence[Write]) -> None: ...
    def is_out(self) -> bool: ...
    def refuses_writes(self) -> bool: ...
    def notify(self, event: Event) -> None: ...


@dataclass
class Process:
    """One process and what has befallen it. `cut_off`: None, or the reply to every request.

    `missed_ms` is when it last missed the database.
    """

    name: str
    identity: str
    gates: Gates
    alive: bool = True
    busy: bool = False
    cut_off: Reply | None = None
    calls_to_fail: int = 0
    interrupts: int = 0
    breaks_off: bool | None = None
    tears: bool = False
    reply: Reply | None = None
    missed_ms: int = -1
    router: BillingRouter = field(init=False)
    _world: World = field(init=False)

    def start(
        self,
        bed: Bed,
        world: World,
        clock: Clock,
        environ: Mapping[str, str],
        policies: Policies,
    ) -> None:
        self._world = world
        with (
            patch.object(assembly, "SqlStore", partial(SimulatedStore, self, bed.database)),
            patch.object(assembly, "StripeGateway", partial(SimulatedGateway, self)),
            patch.object(fallback, "JournalFile", partial(SimulatedJournal, self, bed)),
            patch.object(fallback, "Underway", partial(SimulatedUnderway, self, bed)),
        ):
            self.router = BillingRouter(
                bed.config,
                home=bed.folder,
                ledger_url=bed.url,
                api_base=SANDBOX_API_BASE,
                http_client=SandboxHTTPClient(world),
                clock=SimulatedClock(self, clock),
                policies=policies,
                observers=(self.gates,),
                environ=environ,
                recover_at_start=False,
            )

    def write_to_database(self) -> None:
        """KeyboardInterrupt or LedgerUnavailableError instead of a write, while that is played."""
        self.reach_database()
        if self.interrupts > 0:
            self.interrupts -= 1
            raise KeyboardInterrupt
        if self.gates.refuses_writes():
            raise LedgerUnavailableError("the database is locked")

    def pass_gate(self, kind: PointKind, what: object) -> None:
        self.live()
        self.gates.reached(self, kind, what)
        self.live()

    def live(self) -> None:
        if not self.alive:
            raise Died

    def reach_database(self) -> None:
        """Away while the database is."""
        self.live()
        if self.calls_to_fail > 0:
            self.calls_to_fail -= 1
            self.missed_ms = self._world.clock.now_ms()
            raise Away("the database is away")
        if self.gates.is_out():
            self.missed_ms = self._world.clock.now_ms()
            raise Away("the database is out of reach")


class SimulatedStore(SqlStore):
    """The store of one process, over the database that all processes share."""

    def __init__(self, process: Process, database: Database, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._process = process
        self._shared = database

    def commit(self, *writes: Write) -> None:
        self._process.pass_gate("commit.before", writes)
        self._process.write_to_database()
        kept, self._process.breaks_off = self._process.breaks_off, None
        if kept is not False:
            super().commit(*writes)
            self._process.gates.committed(self._process, writes)
        if kept is not None:
            raise CommitAmbiguous("the database broke off")
        self._process.pass_gate("commit.after", writes)

    def identity(self) -> str:
        return "simulated"

    def drained_to(self, journal_id: str) -> int:
        self._process.reach_database()
        return super().drained_to(journal_id)

    def drain(
        self, journal_id: str, line: Line, writes: Sequence[Write], *, skip: bool = False
    ) -> LineOutcome:
        self._process.pass_gate("commit.before", writes)
        self._process.write_to_database()
        kept, self._process.breaks_off = self._process.breaks_off, None
        outcome: LineOutcome = "known"
        if kept is not False:
            outcome = super().drain(journal_id, line, writes, skip=skip)
            self._process.gates.drained(writes)
        if kept is not None:
            raise CommitAmbiguous("the database broke off")
        self._process.pass_gate("commit.after", writes)
        return outcome

    def operation(self, operation_id: str) -> Operation | None:
        self._process.reach_database()
        return super().operation(operation_id)

    def operations(
        self,
        *,
        states: Iterable[OperationState] | None = None,
        bot_id: str | None = None,
        limit: int = 100,
        newest_first: bool = True,
        after: tuple[int, str] | None = None,
    ) -> list[Operation]:
        self._process.reach_database()
        return super().operations(
            states=states, bot_id=bot_id, limit=limit, newest_first=newest_first, after=after
        )

    def maker_of(self, stripe_id: str) -> Operation | None:
        self._process.reach_database()
        return super().maker_of(stripe_id)

    def payments(self, stripe_id: str, bot_id: str) -> list[LedgerEntry]:
        self._process.reach_database()
        return super().payments(stripe_id, bot_id)

    def freezes(self, scopes: Sequence[str] | None = None) -> list[Freeze]:
        self._process.reach_database()
        return super().freezes(scopes)

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
        self._process.reach_database()
        return super().approvals(
            approval_id=approval_id,
            operation_id=operation_id,
            bot_id=bot_id,
            input_hash=input_hash,
            states=states,
            limit=limit,
        )

    def now_ms(self) -> int:
        self._process.reach_database()
        return super().now_ms()

    def _database(self) -> Database:
        return self._shared


class SimulatedJournal(JournalFile):
    """The journal as one process sees it. Who finds it locked by one that stands still gives up."""

    def __init__(self, process: Process, bed: Bed, *args: Any) -> None:
        super().__init__(*args)
        self._process = process
        self._bed = bed

    def append(self, kind: Kind, at_ms: int, body: Mapping[str, Any]) -> Line:
        try:
            self._process.pass_gate("journal.before", kind)
        except Died:
            if self._process.tears:
                self._tear()
            raise
        line = super().append(kind, at_ms, body)
        if kind == "writes":
            self._process.gates.journaled(self._process, CORE.decoded(body["writes"]))
        self._process.pass_gate("journal.after", kind)
        return line

    def _tear(self) -> None:
        with self.path.open("ab") as file:
            file.write(b'{"at_ms":17,"body":{"op')

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        if self._bed.journal_held:
            raise Timeout(str(self.path))
        self.path.parent.mkdir(exist_ok=True)
        self._bed.journal_held = True
        try:
            yield
        finally:
            self._bed.journal_held = False


class SimulatedUnderway(Underway):
    """What one process notes of its calls; it has let go of its file once it has died."""

    def __init__(self, process: Process, bed: Bed, folder: Path) -> None:
        super().__init__(folder)
        self._process = process
        self._holders = bed.holders

    def _note(self, line: str) -> None:
        self._process.live()
        super()._note(line)

    def _make(self) -> None:
        super()._make()
        if self._mine is not None:
            self._holders[self._mine] = self._process

    @contextmanager
    def _held_by_nobody(self, path: Path) -> Iterator[bool]:
        yield not self._holders[path].alive


class SimulatedGateway(StripeGateway):
    """The way to Stripe of one process."""

    def __init__(self, process: Process, **settings: Any) -> None:
        super().__init__(**settings)
        self._process = process

    def send(self, request: Request) -> Reply:
        self._process.pass_gate("send.before", request)
        reply = self._process.cut_off or super().send(request)
        self._process.reply = reply
        self._process.pass_gate("send.after", request)
        return reply


class SimulatedClock:
    """The clock of one process's host; to sleep is a point where things may happen."""

    def __init__(self, process: Process, clock: Clock) -> None:
        self._process = process
        self._clock = clock
        self.now_ms: Callable[[], int] = clock.now_ms
        self.elapsed: Callable[[], float] = clock.elapsed

    def sleep(self, seconds: float) -> None:
        self._process.pass_gate("sleep.before", seconds)
        self._clock.sleep(seconds)
