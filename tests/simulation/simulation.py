"""Plays one schedule, and watches at every gate."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from stripe_billing_router import bootstrap
from stripe_billing_router.engine import process as process_identity
from stripe_billing_router.errors import BillingError, OutcomeUnknownError
from stripe_billing_router.models import (
    CloseOperation,
    OpenOperation,
    RecoveryReport,
    ReopenOperation,
    Result,
    Write,
)
from stripe_billing_router.ports import Event, Reply, Request
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, HttpRequest, World
from tests.simulation import schedule as plan
from tests.simulation.bed import BOT, Bed
from tests.simulation.processes import Died, Process
from tests.simulation.schedule import Doing, Injection, Intent, PointKind, Schedule
from tests.simulation.truth import Effect, effects, waiting_payment

LINE = [{"price": "price_once", "quantity": 1}]
_ROUNDS = (130.0, 1200.0, 2 * plan.HOUR, 26 * plan.HOUR, 26 * plan.HOUR)
"""How long each settlement waits before it recovers; the mishaps end with the second."""

_OPEN = ("pending", "unknown", "requires_action")

_NOT_SENT = Reply("not_sent", note="no connection (cut off)")
_NO_ANSWER = Reply("indeterminate", note="the connection broke (cut off)")


@dataclass(eq=False)
class Activity:
    """One call into a process: an ask of a bot, a recovery, a cancellation."""

    doing: Doing
    process: Process
    began_ms: int
    intent: Intent | None = None
    opened: list[str] = field(default_factory=list)
    caused: list[Effect] = field(default_factory=list)
    result: Result | None = None
    error: BillingError | None = None
    died: bool = False
    over: bool = False
    frozen_before: bool = False
    sending_since_ms: int = 0

    @property
    def operation_id(self) -> str | None:
        """The operation that the caller was told of."""
        told = self.result or self.error
        return None if told is None else told.operation_id


class Simulation:
    """One schedule, its world and what was seen. `violations` says what must not have been."""

    def __init__(
        self, bed: Bed, schedule: Schedule, tell: Callable[[str], None] | None = None
    ) -> None:
        self.bed = bed
        self.schedule = schedule
        self.world = World(seed=schedule.seed)
        self.violations: list[str] = []
        self.asks: list[Activity] = []
        self.escalated: set[str] = set()
        self.stuck: set[str] = set()
        """Operations to which Stripe answers with a stored error 500."""
        self.settled_by_bank: set[str] = set()
        self.given_up: dict[str, int] = {}
        self.fired: list[Injection] = []
        self.ledger_lost = False
        self.last_asked_ms: dict[str, int] = {}
        self._tell = tell
        self._pending = [[injection, injection.skip] for injection in schedule.injections]
        self._slots: dict[int, Process] = {}
        self._started = 0
        self._boot = 0
        self._random = Random(schedule.seed)
        self._running: list[Activity] = []
        self._known: dict[tuple[str, str], Effect] = {}
        self._first_sent_ms: dict[str, int] = {}
        self._keys = 0
        self._key = SANDBOX_SECRET_KEY
        self._key_to_come: str | None = None
        self._environ = {"STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY}
        self._standing: list[PointKind] = []
        self._snapshot: Any = None
        self._snapshots_wanted = any(
            isinstance(i.mishap, plan.Crash) and i.mishap.loses_commit for i in schedule.injections
        )
        self._alarmed: set[str] = set()
        self._closed_by_asking: set[str] = set()
        self.frozen = False
        self.bills: dict[int, str] = {}

    # -- playing --------------------------------------------------------------------------------

    def play(self) -> None:
        """Play the schedule, then let everything settle."""
        self.bed.reset()
        self.bed.clock.source = self.world.clock
        random.seed(self.schedule.seed)
        with self._patched():
            self._furnish()
            for happening in self.schedule.happenings:
                self._happen(happening)
            self._settle()

    @contextmanager
    def _patched(self) -> Iterator[None]:
        with (
            patch.object(process_identity, "me", self._me),
            patch.object(process_identity, "provably_dead", self._provably_dead),
            patch.object(process_identity, "provably_alive", self._provably_alive),
            patch.object(bootstrap, "provably_alive", self._provably_alive),
            patch.object(uuid, "uuid4", self._uuid),
        ):
            yield

    def _me(self) -> str:
        return self._running[-1].process.identity if self._running else ""

    def _provably_dead(self, owner: str | None) -> bool:
        """Only a process of the same host, and of the same boot, can be seen to be gone."""
        here = bool(owner) and str(owner).startswith(f"boot{self._boot}/")
        return here and self.schedule.deaths_show and owner not in self._living()

    def _provably_alive(self, owner: str | None) -> bool:
        if not self.schedule.deaths_show:
            return bool(owner) and owner == self._me()
        return owner in self._living()

    def _living(self) -> set[str]:
        known = [*self._slots.values(), *(activity.process for activity in self._running)]
        return {process.identity for process in known if process.alive}

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    def _furnish(self) -> None:
        world = self.world
        world.add_customer("cus_0")
        world.add_price("price_once", product="prod_1", unit_amount=1000)
        world.add_price("price_monthly", product="prod_1", unit_amount=500, interval="month")
        for intent in self.schedule.intents:
            if not world.has(intent.customer):
                world.add_customer(intent.customer)
            world.set_default_payment_method(intent.customer, intent.card)
            if intent.verb == "refund":
                self.bills[intent.number] = self._paid_before(intent)
            world.set_outcome(intent.card, intent.outcome)
        self._known = {(effect.kind, effect.id): effect for effect in effects(world)}
        world.requests.clear()

    def _paid_before(self, intent: Intent) -> str:
        body = (
            f"amount=1000&currency=usd&customer={intent.customer}&confirm=true&off_session=true"
            f"&payment_method={intent.card}&automatic_payment_methods[enabled]=true"
            "&automatic_payment_methods[allow_redirects]=never"
        )
        headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
        sent = HttpRequest.to("POST", "/v1/payment_intents", headers, body)
        return str(self.world.handle(sent).json()["id"])

    def _happen(self, happening: plan.Happening) -> None:
        self.say(f"-- {happening}")
        match happening:
            case plan.Ask():
                self._ask(happening)
            case plan.Wait():
                self._wait(happening.seconds)
            case plan.Recover():
                self.recover(happening.process)
            case plan.Cancel():
                self._cancel(happening)
            case plan.CustomerActs():
                self._customer_acts(happening)
            case plan.BankSettles():
                self._bank_settles(happening)
            case plan.CardChanges():
                card = self.schedule.intents[happening.intent].card
                self.world.set_outcome(card, happening.outcome)
            case plan.LedgerIsLost():
                self._lose_ledger()

    def _wait(self, seconds: float) -> None:
        self.world.advance(seconds)
        self._bring_key()

    def _lose_ledger(self) -> None:
        """Keys that Stripe still knows stand in for the rows: those of first attempts only."""
        age_ms = self.world.clock.now_ms() - min(a.began_ms for a in self.asks)
        again = "SELECT count(*) FROM stripe_operations WHERE generation > 0"
        if age_ms < 20 * plan.HOUR * 1000 and not self.bed.rows.execute(again).fetchone()[0]:
            self.bed.lose()
            self.ledger_lost = True

    # -- calls into processes -------------------------------------------------------------------

    def _ask(self, happening: plan.Ask) -> None:
        intent = self.schedule.intents[happening.intent]
        activity = self._activity("ask", happening.process, intent)
        self.asks.append(activity)

        def call() -> None:
            activity.result = self._call(activity.process, intent)

        self._run(activity, call)

    def _call(self, process: Process, intent: Intent) -> Result:
        router, key = process.router, intent.key
        match intent.verb:
            case "charge by amount":
                return router.charge(BOT, 5, customer_id=intent.customer, idempotency_key=key)
            case "charge on session":
                return router.charge(
                    BOT, 5, customer_id=intent.customer, on_session=True, idempotency_key=key
                )
            case "charge by price":
                return router.charge(BOT, customer_id=intent.customer, idempotency_key=key)
            case "refund":
                return router.refund(
                    BOT, self.bills[intent.number], amount=4, idempotency_key=key
                )
            case "create_subscription":
                more = {"payment_behavior": intent.variant} if intent.variant else {}
                return router.create_subscription(
                    BOT,
                    price_id="price_monthly",
                    customer_id=intent.customer,
                    idempotency_key=key,
                    **more,
                )
            case "create_checkout_session":
                return router.create_checkout_session(
                    BOT,
                    LINE,
                    customer_id=intent.customer,
                    success_url="https://shop.example/thanks",
                    idempotency_key=key,
                )
        return router.create_customer(
            BOT, {"name": f"Customer {intent.number}"}, idempotency_key=key
        )

    def recover(self, number: int) -> RecoveryReport:
        """Let a process recover; what it reports is kept."""
        activity = self._activity("recover", number)
        reports: list[RecoveryReport] = []
        self._run(activity, lambda: reports.append(activity.process.router.recover_operations()))
        report = reports[0] if reports else RecoveryReport()
        self.say(f"   {report}")
        self.escalated.update(report.escalated)
        for operation_id in report.abandoned:
            self.given_up[operation_id] = self.world.clock.now_ms()
        return report

    def _cancel(self, happening: plan.Cancel) -> None:
        operation_id = self._told_of(happening.intent)
        if operation_id is None:
            return
        intent = self.schedule.intents[happening.intent]
        activity = self._activity("cancel", happening.process, intent)

        def call() -> None:
            activity.result = activity.process.router.cancel(operation_id)

        self._run(activity, call)

    def _activity(self, doing: Doing, number: int, intent: Intent | None = None) -> Activity:
        process = self._process(number)
        now_ms = self.world.clock.now_ms()
        return Activity(doing, process, now_ms, intent, frozen_before=self.frozen)

    def _run(self, activity: Activity, call: Callable[[], object]) -> None:
        activity.process.busy = True
        self._running.append(activity)
        try:
            call()
        except Died:
            activity.died = True
        except BillingError as error:
            activity.error = error
        except Exception as error:  # noqa: BLE001 - whatever leaves the library otherwise is wrong
            self.violate(f"{activity.doing} raised {error!r}")
        finally:
            self._running.pop()
            activity.over, activity.process.busy = True, False
        if activity.doing != "recover":
            self._check_told(activity)

    def _process(self, number: int) -> Process:
        """Return the process with this number: started anew if it has died, another if busy."""
        found = self._slots.get(number)
        if found is not None and found.alive and not found.busy:
            return found
        self._started += 1
        made = Process(f"p{self._started}", f"boot{self._boot}/p{self._started}", self)
        made.frozen = self.frozen
        if found is None or not found.busy:
            self._slots[number] = made
        made.start(self.bed, self.world, self.bed.clock, self._environ)
        return made

    def survivor(self) -> Process:
        """Return a process that lives."""
        return self._process(0)

    # -- people and banks -----------------------------------------------------------------------

    def _told_of(self, number: int) -> str | None:
        """Return the operation of an intent that its bot heard of last."""
        intent = self.schedule.intents[number]
        told = [ask.operation_id for ask in self.asks if ask.intent is intent and ask.over]
        return next((found for found in reversed(told) if found is not None), None)

    def _customer_acts(self, happening: plan.CustomerActs) -> None:
        operation_id = self._told_of(happening.intent)
        for status, id_ in list(waiting_payment(self.world, operation_id or "")):
            if id_.startswith("cs_"):
                if status == "open" and happening.succeed:
                    self.world.complete_checkout(id_)
            elif status.startswith("requires"):
                self.world.complete_action(id_, happening.succeed)
        self._note_effects(None)

    def _bank_settles(self, happening: plan.BankSettles) -> None:
        for operation_id in self._operations_of(happening.intent):
            for status, id_ in list(waiting_payment(self.world, operation_id)):
                if status == "processing":
                    self.world.settle_processing(id_, happening.succeed)
                    self.settled_by_bank.add(operation_id)
        self._note_effects(None)

    def _operations_of(self, number: int) -> list[str]:
        intent = self.schedule.intents[number]
        return [id_ for ask in self.asks if ask.intent is intent for id_ in ask.opened]

    # -- gates ----------------------------------------------------------------------------------

    def reached(self, process: Process, kind: PointKind, what: object) -> None:
        """A process has come to a gate: look, then strike if the schedule says so."""
        activity = self._running[-1]
        post = isinstance(what, Request) and what.method == "post"
        line = _line(what)
        self.say(f"   {process.name} {activity.doing} {kind} {line}")
        if kind == "commit.before" and self._snapshots_wanted:
            self._snapshot = self.bed.snapshot()
        if kind == "send.before":
            activity.sending_since_ms = self.world.clock.now_ms()
        if kind == "send.after":
            self._note_reply(process.reply, what)
            self._note_effects(activity)
        for waiting in list(self._pending):
            injection, skip = waiting
            if waiting not in self._pending or not isinstance(injection, Injection):
                continue  # it struck while this process stood still
            if not _counts(injection, kind, activity, post):
                continue
            if skip:
                waiting[1] = int(str(skip)) - 1
                continue
            self._pending.remove(waiting)
            self._strike(injection, process)
        if kind == "send.before" and process.alive and isinstance(what, Request):
            self._check_send(activity, what)

    def _strike(self, injection: Injection, process: Process) -> None:
        mishap = injection.mishap
        self.fired.append(injection)
        self.say(f"!! {mishap}")
        match mishap:
            case plan.Crash():
                self._crash(process, mishap)
            case plan.NetworkFault():
                self.world.faults.add(_fault(mishap))
            case plan.Suspend():
                self._suspend(mishap, injection.kind)
            case plan.Jump():
                self._jump(mishap)
            case plan.CutOff():
                process.cut_off = _NO_ANSWER if mishap.silent else _NOT_SENT
            case plan.RevokeKey():
                self._revoke_key(mishap)
            case plan.DatabaseAway():
                process.calls_to_fail = mishap.calls
            case plan.CommitBreaksOff():
                process.breaks_off = mishap.kept
            case plan.Freeze():
                self._freeze()

    def _crash(self, process: Process, mishap: plan.Crash) -> None:
        process.alive = False
        if mishap.loses_commit and self._snapshot is not None:
            self.bed.restore(self._snapshot)
            self._boot += 1
            for other in [*self._slots.values(), *(a.process for a in self._running)]:
                other.alive = False

    def _suspend(self, mishap: plan.Suspend, where: PointKind) -> None:
        self._standing.append(where)
        self._wait(mishap.seconds)
        for happening in mishap.meanwhile:
            self._happen(happening)
        self._standing.pop()
        self.say("!! it goes on")

    def _jump(self, mishap: plan.Jump) -> None:
        """Not while a process stands still between its last check and its send: what wakes up a
        day later, right there, nobody can hold. Nor once only Stripe's memory stands in."""
        if ("send.before" in self._standing or self.ledger_lost) and not mishap.wall_only:
            return
        if mishap.wall_only:
            self.bed.clock.wrong_ms += int(mishap.seconds * 1000)
        else:
            self._wait(mishap.seconds)

    def _revoke_key(self, mishap: plan.RevokeKey) -> None:
        self.world.revoke_key(self._key)
        self._keys += 1
        self._key_to_come = f"{SANDBOX_SECRET_KEY[:-1]}{self._keys}"
        if mishap.replaced_at_once:
            self._bring_key()

    def _bring_key(self) -> None:
        if self._key_to_come is not None:
            self._key, self._key_to_come = self._key_to_come, None
            self.world.add_key(self._key)
            self._environ["STRIPE_SECRET_KEY"] = self._key

    def _freeze(self) -> None:
        self.frozen = True
        for process in [*self._slots.values(), *(a.process for a in self._running)]:
            process.frozen = True

    # -- looking --------------------------------------------------------------------------------

    def violate(self, what: str) -> None:
        if what not in self.violations:
            self.violations.append(what)
            self.say(f"VIOLATION {what}")

    def say(self, text: str) -> None:
        if self._tell is not None:
            self._tell(f"{self.world.clock.now_ms() / 1000:.1f} {'  ' * len(self._running)}{text}")

    def row(self, operation_id: str) -> dict[str, Any] | None:
        query = "SELECT * FROM stripe_operations WHERE operation_id = ?"
        found = self.bed.rows.execute(query, (operation_id,)).fetchone()
        return None if found is None else dict(found)

    def effects_of(self, operation_id: str) -> list[Effect]:
        return [effect for effect in effects(self.world) if effect.operation_id == operation_id]

    def notify(self, event: Event) -> None:
        """An observer's: what could not be written down at all, people have been told of."""
        if event.name == "operation.unrecorded" and event.operation_id is not None:
            self._alarmed.add(event.operation_id)

    def committed(self, process: Process, writes: tuple[Write, ...]) -> None:
        """Rows are there, whether or not the process has heard of it."""
        activity = self._running[-1]
        for write in writes:
            if isinstance(write, CloseOperation) and write.outcome and activity.doing == "ask":
                self._closed_by_asking.add(write.operation_id)
            if not isinstance(write, OpenOperation | ReopenOperation):
                continue
            operation = write.operation
            activity.opened.append(operation.operation_id)
            self.given_up.pop(operation.operation_id, None)
            if isinstance(write, ReopenOperation):
                self._forget_sends(operation.operation_id)
            if operation.idempotency_key is None:
                self._check_twins(activity, operation.operation_id)

    def _note_reply(self, reply: Reply | None, what: object) -> None:
        if reply is not None and reply.replayed and (reply.status or 0) >= 500:
            assert isinstance(what, Request)
            self.stuck.add(str(what.idempotency_key).partition("-")[0])

    def _forget_sends(self, operation_id: str) -> None:
        """Nothing was executed, or new keys are used: its time starts anew."""
        for key in [key for key in self._first_sent_ms if key.startswith(f"{operation_id}-")]:
            del self._first_sent_ms[key]

    def _note_effects(self, activity: Activity | None) -> None:
        """Find what is new in Stripe; `activity` has brought it about, or somebody outside."""
        for effect in effects(self.world):
            before = self._known.get((effect.kind, effect.id))
            self._known[effect.kind, effect.id] = effect
            if before is None and activity is not None:
                activity.caused.append(effect)
                self._check_effect(activity, effect)

    def _check_twins(self, activity: Activity, operation_id: str) -> None:
        """A bot that was not told what became of its call may be asking for the same again."""
        now_ms = self.world.clock.now_ms()
        for ask in self.asks:
            untold = ask.died or isinstance(ask.error, OutcomeUnknownError)
            if ask is activity or ask.intent is not activity.intent or not untold:
                continue
            for earlier in ask.opened:
                row = self.row(earlier)
                age_ms = now_ms - ask.began_ms
                open_ = row is not None and row["state"] in _OPEN
                recent = age_ms < plan.DAY * 1000 and earlier not in self._closed_by_asking
                if (open_ and earlier not in self._alarmed) or (recent and self.effects_of(earlier)):
                    self.violate(f"{operation_id} went ahead although nobody was told of {earlier}")

    def _check_send(self, activity: Activity, request: Request) -> None:
        key = request.idempotency_key
        if key is None or "excludes_operation_id" in request.params.get("metadata", {}):
            return
        operation_id = key.partition("-")[0]
        if self.row(operation_id) is None:
            self.violate(f"{request.path} was sent for {operation_id}, which nothing tells of")
        first_ms = self._first_sent_ms.setdefault(key, activity.sending_since_ms)
        late_ms = activity.sending_since_ms - first_ms
        if late_ms > 23 * plan.HOUR * 1000:
            self.violate(f"{key} was sent again {late_ms / 3.6e6:.1f} h later")

    def _check_effect(self, activity: Activity, effect: Effect) -> None:
        operation_id = effect.operation_id
        if operation_id is None:
            self.violate(f"{effect.id} belongs to no operation")
            return
        if operation_id in self.given_up:
            self.violate(f"{effect.id} came after {operation_id} had been given up")
        if activity.frozen_before:
            self.violate(f"{effect.id} came although the bot was frozen")
        if activity.doing == "recover":
            self._check_window(activity, operation_id, effect)

    def _check_window(self, activity: Activity, operation_id: str, effect: Effect) -> None:
        """Recovery collects only for bots that may still be asking."""
        asked = [a.began_ms for a in self.asks if operation_id in a.opened or _same(a, operation_id)]
        row = self.row(operation_id)
        if row is None or row["idempotency_key"] is None:
            self.violate(f"{effect.id} was collected by recovery for a call without a key")
        late_ms = activity.sending_since_ms - max(asked, default=0)
        if late_ms > 900 * 1000:
            self.violate(f"{effect.id} was collected {late_ms / 1000:.0f} s after it was asked for")

    def _check_told(self, activity: Activity) -> None:
        """What the caller was told has to be true."""
        told, error = activity.result, activity.error
        self.say(f"   -> {'died' if activity.died else repr(told or error)}")
        if told is not None and told.operation_id is not None:
            self._check_result(told, self.effects_of(told.operation_id))
        elif error is not None and error.operation_id is None:
            if error.money == "not_moved" and activity.caused:
                self.violate(f"{error!r} says nothing moved, but {activity.caused} did")
        elif error is not None and error.operation_id is not None:
            moved = self.effects_of(error.operation_id)
            stale = self.ledger_lost  # what Stripe replays then is what it was at the time
            if error.money == "not_moved" and any(e.minor for e in moved) and not stale:
                self.violate(f"{error!r} says nothing moved, but {moved} did")
            if error.money == "moved" and not moved:
                self.violate(f"{error!r} says that money moved, and none did")

    def _check_result(self, told: Result, found: list[Effect]) -> None:
        collected = sum(effect.minor for effect in found)
        if told.state == "succeeded" and not found:
            self.violate(f"{told!r} is told as succeeded, and nothing happened")
        if told.paid and told.amount_minor != collected:
            self.violate(f"{told!r} is told as paid, but {collected} was moved")
        if told.state == "canceled" and found:
            self.violate(f"{told!r} is told as canceled, but there is {found}")
        if told.state == "succeeded" and told.amount_minor is not None and not told.paid and collected:
            self.violate(f"{told!r} is told as free, but {collected} was moved")

    # -- the end --------------------------------------------------------------------------------

    def _settle(self) -> None:
        for number, pause in enumerate(_ROUNDS):
            if number == 2:
                self._mend()
            self.say(f"-- settle after {pause:.0f} s")
            self._wait(pause)
            self.last_report = self.recover(self._random.randrange(2))

    def _mend(self) -> None:
        self._pending.clear()
        self.world.faults.clear()
        self._bring_key()
        for process in self._slots.values():
            process.cut_off, process.calls_to_fail, process.breaks_off = None, 0, None


def _counts(injection: Injection, kind: PointKind, activity: Activity, post: bool) -> bool:
    if injection.kind != kind or (injection.posts_only and not post):
        return False
    return injection.doing is None or injection.doing == activity.doing


def _fault(mishap: plan.NetworkFault) -> Fault:
    kind: Any = mishap.kind
    return Fault(kind, effect=mishap.effect, times=mishap.times)


def _line(what: object) -> str:
    if isinstance(what, Request):
        return f"{what.method.upper()} {what.path} {what.idempotency_key or ''}"
    if isinstance(what, tuple):
        return " + ".join(type(write).__name__ for write in what)
    return str(what)


def _same(activity: Activity, operation_id: str) -> bool:
    return activity.operation_id == operation_id
