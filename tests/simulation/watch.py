"""Watches while a schedule is played: what must never happen, not even for a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stripe_billing_router.errors import BillingError, IdempotencyConflictError
from stripe_billing_router.models import (
    CloseOperation,
    OpenOperation,
    RecoveryReport,
    ReopenOperation,
    Result,
    Write,
)
from stripe_billing_router.ports import Event, Reply, Request
from stripe_billing_router.sandbox import World
from stripe_billing_router.store.journal.codec import subject_of
from tests.simulation.activity import Activity
from tests.simulation.bed import Bed
from tests.simulation.guard_watch import GuardWatch
from tests.simulation.house import House
from tests.simulation.schedule import DAY, HOUR, PointKind
from tests.simulation.truth import Effect, effects

_COMPLETE_WITHIN_MS = 900 * 1000
_NO_KEY = {"idempotency_key": None}
_OPEN = ("pending", "unknown", "requires_action")


class Watch:
    """Sees every commit, every send and every answer, and compares them with the truth.

    `escalated` are operations that recovery handed to people; `stuck` those to which Stripe
    answers with a stored error 500, so that nobody can know; `forged` those of which somebody
    without a key wrote the row, and in which way.
    """

    def __init__(self, bed: Bed, world: World, house: House, say: Callable[[str], None]) -> None:
        self.guards = GuardWatch(bed, house, world.clock.now_ms, self.violate)
        self.violations: list[str] = []
        self.asks: list[Activity] = []
        self.escalated: set[str] = set()
        self.stuck: set[str] = set()
        self.forged: dict[str, str] = {}
        self.ledger_lost = False
        self._bed = bed
        self._world = world
        self._say = say
        self._journaled: dict[str, dict[str, Any]] = {}
        self._known: set[tuple[str, str]] = set()
        self._sent: set[str] = set()
        self._first_sent_ms: dict[str, int] = {}
        self._excluded_ms: dict[str, int] = {}
        self._given_up: set[str] = set()
        self._closed_by_asking: set[str] = set()
        self._alarmed: set[str] = set()

    def violate(self, what: str) -> None:
        if what not in self.violations:
            self.violations.append(what)
            self._say(f"VIOLATION {what}")

    def row(self, operation_id: str) -> dict[str, Any] | None:
        query = "SELECT * FROM stripe_operations WHERE operation_id = ?"
        found = self._bed.rows.execute(query, (operation_id,)).fetchone()
        if found is None and operation_id not in self._journaled:
            return None
        return {**_NO_KEY, **dict(found or {}), **self._journaled.get(operation_id, {})}

    def effects_of(self, operation_id: str) -> list[Effect]:
        return [effect for effect in effects(self._world) if effect.operation_id == operation_id]

    # -- what is written down -------------------------------------------------------------------

    def committed(self, activity: Activity, writes: Sequence[Write]) -> None:
        """Rows are there, whether or not the process has heard of it."""
        self._committed(activity, writes)
        self.guards.committed(writes)

    def _committed(self, activity: Activity, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, OpenOperation | ReopenOperation):
                self._opened(activity, write)
            elif isinstance(write, CloseOperation) and write.outcome and activity.doing == "ask":
                self._closed_by_asking.add(write.operation_id)

    def journaled(self, activity: Activity, writes: Sequence[Write]) -> None:
        """The journal holds it, until it is drained."""
        for write in writes:
            if isinstance(write, OpenOperation):
                self._journaled[write.operation.operation_id] = {"state": "pending"}
            elif isinstance(write, CloseOperation):
                self._journaled[write.operation_id] = {"state": str(write.state)}
        self._committed(activity, writes)

    def drained(self, writes: Sequence[Write]) -> None:
        """From now on the row says how things stand."""
        for write in writes:
            operation_id = str(subject_of([write]))
            held = self._journaled.get(operation_id, {}).get("state")
            if isinstance(write, CloseOperation) or held == "pending":
                self._journaled.pop(operation_id, None)
        self.guards.drained(writes)

    def _opened(self, activity: Activity, write: OpenOperation | ReopenOperation) -> None:
        operation_id = write.operation.operation_id
        activity.opened.append(operation_id)
        if activity.bill is not None:
            self.guards.seen.bills[operation_id] = activity.bill
        self._given_up.discard(operation_id)
        if isinstance(write, ReopenOperation):
            self._forget_sends(operation_id)
        if write.operation.idempotency_key is None:
            self._check_twins(activity, operation_id)

    def _forget_sends(self, operation_id: str) -> None:
        """Nothing was executed, or new keys are used: its time starts anew."""
        for key in [key for key in self._first_sent_ms if key.startswith(f"{operation_id}-")]:
            del self._first_sent_ms[key]

    def _check_twins(self, activity: Activity, operation_id: str) -> None:
        """A bot that was not told what became of its call may be asking for the same again."""
        for ask in self.asks:
            if ask is not activity and ask.intent is activity.intent and ask.untold:
                for earlier in ask.opened:
                    if self._may_have_paid(ask, earlier):
                        self.violate(
                            f"{operation_id} went ahead although nobody was told of {earlier}"
                        )

    def _may_have_paid(self, ask: Activity, operation_id: str) -> bool:
        """Only what was sent at all; and not what people were told of because nothing could be
        written down, nor what its caller would have been told had it lived a moment longer: it may
        have been, unless it was interrupted."""
        if operation_id not in self._sent:
            return False
        row = self.row(operation_id)
        if row is not None and row["state"] in _OPEN and operation_id not in self._alarmed:
            return True
        # Whoever sets the database's clock on by a day ends the day in which a bot may come back.
        recent = self._bed.clock.now_ms() - ask.began_by_wall_ms < DAY * 1000
        told_in_time = operation_id in self._closed_by_asking and not ask.interrupted
        return recent and not told_in_time and bool(self.effects_of(operation_id))

    def notify(self, event: Event) -> None:
        """As an observer of the router."""
        if event.name == "operation.unrecorded" and event.operation_id is not None:
            self._alarmed.add(event.operation_id)

    # -- what is sent ---------------------------------------------------------------------------

    def sends(self, activity: Activity, request: Request) -> None:
        """A request is on its way."""
        key = request.idempotency_key
        if key is None:
            return
        operation_id, now_ms = key.partition("-")[0], activity.sending_since_ms
        if "excludes_operation_id" in request.params.get("metadata", {}):
            self._excluded_ms[operation_id] = now_ms
            return
        if self.row(operation_id) is None:
            self.violate(f"{request.path} was sent for {operation_id}, which nothing tells of")
        self._sent.add(operation_id)
        late_ms = now_ms - self._first_sent_ms.setdefault(key, now_ms)
        if late_ms > 23 * HOUR * 1000:
            self.violate(f"{key} was sent again {late_ms / 3.6e6:.1f} h later")

    def passed(self, activity: Activity, kind: PointKind, what: object) -> None:
        """A process goes on from a gate. Before it sends once more it looks for freezes, which is
        surely later than its first rest."""
        if isinstance(what, Request) and what.idempotency_key is not None:
            if kind == "send.before" and what.idempotency_key != activity.sent_last:
                activity.frozen_then = frozenset()
            if kind == "send.after":
                activity.sent_last, activity.waits = what.idempotency_key, True
        if kind == "sleep.before" and activity.waits:
            activity.frozen_then, activity.waits = frozenset(self.guards.freezes()), False

    def answered(self, activity: Activity, request: Request, reply: Reply | None) -> None:
        """Stripe has done what it was asked for, whether or not the process hears of it."""
        if reply is not None and reply.replayed and (reply.status or 0) >= 500:
            self.stuck.add(str(request.idempotency_key).partition("-")[0])
        for effect in self.new_effects():
            activity.caused.append(effect)
            self._check_effect(activity, effect)

    def new_effects(self) -> list[Effect]:
        """Return what is in Stripe since this was asked last."""
        found = [e for e in effects(self._world) if (e.kind, e.id) not in self._known]
        self._known.update((effect.kind, effect.id) for effect in found)
        return found

    def _check_effect(self, activity: Activity, effect: Effect) -> None:
        operation_id = effect.operation_id
        if operation_id is None:
            self.violate(f"{effect.id} belongs to no operation")
            return
        if operation_id in self._given_up:
            self.violate(f"{effect.id} came after {operation_id} had been given up")
        self._check_frozen(activity, operation_id, effect)
        if activity.doing == "recover":
            self._check_window(activity, operation_id, effect)

    def _check_frozen(self, activity: Activity, operation_id: str, effect: Effect) -> None:
        """No call that begins after a freeze has an effect, and no request that is repeated after
        one: what was frozen by the time that a failed send had been waited for is not sent again.
        """
        row = self.row(operation_id)
        before = activity.frozen_before | activity.frozen_then
        bot = (row or {}).get("bot_id", "")
        if self.guards.still_frozen(before, bot, activity.process.missed_ms):
            self.violate(f"{effect.id} came although the bot was frozen")

    def _check_window(self, activity: Activity, operation_id: str, effect: Effect) -> None:
        """Recovery collects only for bots that were asking until a little while ago."""
        asks = [ask for ask in self.asks if ask.concerns(operation_id)]
        asked_ms = [activity.sending_since_ms if a.ended_ms is None else a.ended_ms for a in asks]
        row = self.row(operation_id)
        if row is None or row["idempotency_key"] is None:
            self.violate(f"{effect.id} was collected by recovery for a call without a key")
        late_ms = activity.sending_since_ms - max(asked_ms, default=0)
        if late_ms > _COMPLETE_WITHIN_MS:
            self.violate(f"{effect.id} was collected {late_ms / 1000:.0f} s after it was asked for")

    # -- what is told ---------------------------------------------------------------------------

    def recovered(self, report: RecoveryReport) -> None:
        self.escalated.update(report.escalated)
        self._given_up.update(report.abandoned)

    def told(self, activity: Activity) -> None:
        """What the caller was told has to be true."""
        if activity.result is not None:
            self._check_result(activity.result)
        elif isinstance(activity.error, IdempotencyConflictError):
            self._check_conflict(activity)
        elif activity.error is not None:
            self._check_error(activity, activity.error)

    def _check_result(self, told: Result) -> None:
        found = self.effects_of(str(told.operation_id))
        moved = sum(effect.minor for effect in found)
        if told.state == "succeeded" and not found:
            self.violate(f"{told!r} is told as succeeded, and nothing happened")
        if told.state == "canceled" and found:
            self.violate(f"{told!r} is told as canceled, but there is {found}")
        if told.paid and told.amount_minor != moved:
            self.violate(f"{told!r} is told as paid, but {moved} was moved")
        if told.state == "succeeded" and not told.paid and moved:
            self.violate(f"{told!r} is told as free, but {moved} was moved")

    def _check_conflict(self, activity: Activity) -> None:
        """Only who stood still while recovery used up the key may meet it used for another."""
        operation_id = str(activity.operation_id)
        excluded_ms = self._excluded_ms.get(operation_id, -1)
        if excluded_ms < activity.began_ms and not self.ledger_lost:
            self.violate(f"{operation_id} met a key of its own that was used for something else")

    def _check_error(self, activity: Activity, error: BillingError) -> None:
        if error.operation_id is None:
            moved = activity.caused
        else:
            moved = [e for e in self.effects_of(error.operation_id) if e.minor]
        stale = self.ledger_lost  # what Stripe replays then is what it was at the time
        if error.money == "not_moved" and moved and not stale:
            self.violate(f"{error!r} says nothing moved, but {moved} did")
        if error.money == "moved" and not moved:
            self.violate(f"{error!r} says that money moved, and none did")
