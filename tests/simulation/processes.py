"""A process of the simulation: a router whose every write and every request passes a gate.

At a gate the schedule may strike. A process that has died gets through no gate any more, so that
its `except` and `finally` blocks can write nothing and send nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from unittest.mock import patch

from stripe_billing_router import bootstrap
from stripe_billing_router.client import BillingRouter
from stripe_billing_router.errors import FrozenError, LedgerUnavailableError
from stripe_billing_router.gateway import StripeGateway
from stripe_billing_router.models import BotId, Operation, OperationState, Write
from stripe_billing_router.ports import Clock, CommitAmbiguous, Event, Intent, Reply, Request
from stripe_billing_router.sandbox import SANDBOX_API_BASE, SandboxHTTPClient, World
from stripe_billing_router.store import SqlStore
from stripe_billing_router.store.database import Database
from tests.simulation.bed import Bed
from tests.simulation.schedule import PointKind


class Died(BaseException):
    """The process has ended: nothing of the library may catch this."""


class Gates(Protocol):
    """What a process tells whoever plays the schedule."""

    def reached(self, process: Process, kind: PointKind, what: object) -> None: ...
    def committed(self, process: Process, writes: tuple[Write, ...]) -> None: ...
    def notify(self, event: Event) -> None: ...


@dataclass
class Process:
    """One process and what has befallen it. `cut_off`: None, or the reply to every request."""

    name: str
    identity: str
    gates: Gates
    alive: bool = True
    busy: bool = False
    cut_off: Reply | None = None
    calls_to_fail: int = 0
    breaks_off: bool | None = None
    reply: Reply | None = None
    frozen: bool = False
    router: BillingRouter = field(init=False)

    def start(self, bed: Bed, world: World, clock: Clock, environ: Mapping[str, str]) -> None:
        with (
            patch.object(bootstrap, "SqlStore", partial(SimulatedStore, self, bed.database)),
            patch.object(bootstrap, "StripeGateway", partial(SimulatedGateway, self)),
        ):
            self.router = BillingRouter(
                bed.config,
                home=bed.folder,
                ledger_url=bed.url,
                api_base=SANDBOX_API_BASE,
                http_client=SandboxHTTPClient(world),
                clock=SimulatedClock(self, clock),
                guards=(Stop(self),),
                observers=(self.gates,),
                environ=environ,
                recover_at_start=False,
            )

    def pass_gate(self, kind: PointKind, what: object) -> None:
        self.live()
        self.gates.reached(self, kind, what)
        self.live()

    def live(self) -> None:
        if not self.alive:
            raise Died

    def reach_database(self) -> None:
        """LedgerUnavailableError while the database is away."""
        self.live()
        if self.calls_to_fail > 0:
            self.calls_to_fail -= 1
            raise LedgerUnavailableError("the database is away")


class SimulatedStore(SqlStore):
    """The store of one process, over the database that all processes share."""

    def __init__(self, process: Process, database: Database, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._process = process
        self._shared = database

    def commit(self, *writes: Write) -> None:
        self._process.pass_gate("commit.before", writes)
        self._process.reach_database()
        kept, self._process.breaks_off = self._process.breaks_off, None
        if kept is not False:
            super().commit(*writes)
            self._process.gates.committed(self._process, writes)
        if kept is not None:
            raise CommitAmbiguous("the database broke off")
        self._process.pass_gate("commit.after", writes)

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

    def currency_of(self, stripe_id: str) -> str | None:
        self._process.reach_database()
        return super().currency_of(stripe_id)

    def now_ms(self) -> int:
        self._process.reach_database()
        return super().now_ms()

    def _database(self) -> Database:
        return self._shared


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


class Stop:
    """A guard: lets nothing pass once people have frozen the bot."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def check_bot(self, bot: BotId) -> None:
        self._process.live()
        if self._process.frozen:
            raise FrozenError(f"{bot} is frozen. Ask whoever froze it.")

    def check_intent(self, intent: Intent) -> tuple[()]:
        return ()
