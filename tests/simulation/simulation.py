"""Plays one schedule: calls into processes, what people and banks do, and what goes wrong."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

from stripe_billing_router.bootstrap import assembly
from stripe_billing_router.client import operators_desk
from stripe_billing_router.engine import OperatorsDesk
from stripe_billing_router.engine import leases as process_identity
from stripe_billing_router.errors import ApprovalRequiredError, BillingError
from stripe_billing_router.models import RecoveryReport, Write
from stripe_billing_router.ports import Event, Reply, Request
from stripe_billing_router.sandbox import SANDBOX_SECRET_KEY, Fault, HttpRequest, World
from tests.simulation import schedule as plan
from tests.simulation.activity import Activity, ask
from tests.simulation.bed import Bed
from tests.simulation.forged import forge
from tests.simulation.house import Bill
from tests.simulation.processes import Died, Process
from tests.simulation.schedule import Doing, Injection, Intent, PointKind, Schedule
from tests.simulation.truth import waiting_payment
from tests.simulation.watch import Watch

_ROUNDS = (130.0, 1200.0, 2 * plan.HOUR, 26 * plan.HOUR, 26 * plan.HOUR, 50 * plan.HOUR)
"""How long each round of settling waits before it recovers."""

_PEOPLE = 2
"""The number of the process in which people decide."""

_MENDED_BEFORE = 2
"""The round by which nothing goes wrong any more."""

_BANKS_DECIDE_BEFORE = 3
"""The round by which every bank has paid or refused what it is at."""

SEALS = "seal-key-that-outlives-the-keys-of-stripe"

_NOT_SENT = Reply("not_sent", note="no connection (cut off)")
_NO_ANSWER = Reply("indeterminate", note="the connection broke (cut off)")


class Simulation:
    """One schedule and its world. `watch` has seen what happened; `fired` is what struck."""

    def __init__(
        self, bed: Bed, schedule: Schedule, tell: Callable[[str], None] | None = None
    ) -> None:
        self.bed = bed
        self.schedule = schedule
        self.world = World(seed=schedule.seed)
        self.watch = Watch(bed, self.world, schedule.house, self.say)
        self.fired: list[Injection] = []
        self._tell = tell
        self._random = Random(schedule.seed)
        self._pending = list(schedule.injections)
        self._skipped = dict.fromkeys(range(len(self._pending)), 0)
        self._slots: dict[int, Process] = {}
        self._started = 0
        self._boot = 0
        self._running: list[Activity] = []
        self._standing: list[PointKind] = []
        self._bills: dict[int, Bill] = {}
        self._outside: dict[int, str] = {}
        self._replaced: set[int] = set()
        self._key = SANDBOX_SECRET_KEY
        self._keys = 0
        self._key_to_come: str | None = None
        self._environ = {"STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY, "STRIPE_ROUTER_SEAL_KEY": SEALS}
        self._out_until = self._refuses_until = 0.0
        self._before_commit: Any = None
        self._commits_get_lost = any(
            isinstance(i.mishap, plan.Crash) and i.mishap.loses_commit for i in schedule.injections
        )

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

    def say(self, text: str) -> None:
        if self._tell is not None:
            self._tell(f"{self.world.clock.now_ms() / 1000:.1f} {'  ' * len(self._running)}{text}")

    # -- the stage ------------------------------------------------------------------------------

    @contextmanager
    def _patched(self) -> Iterator[None]:
        with (
            patch.object(process_identity, "me", self._me),
            patch.object(process_identity, "provably_dead", self._provably_dead),
            patch.object(process_identity, "provably_alive", self._provably_alive),
            patch.object(assembly, "provably_alive", self._provably_alive),
            patch.object(uuid, "uuid4", self._uuid),
        ):
            yield

    def _me(self) -> str:
        return self._running[-1].process.identity if self._running else ""

    def _provably_dead(self, owner: str | None) -> bool:
        """Only a process of the same host, and of the same boot, can be seen to be gone."""
        here = bool(owner) and str(owner).startswith(f"boot{self._boot}/")
        return here and self.schedule.deaths_show and owner not in self._living()

    def _provably_alive(self, owner: str | None, operation_id: str) -> bool:
        """A call of another process can be seen to run where its end could be seen as well."""
        recovers = owner is None or owner.startswith(process_identity.RECOVERS)
        here = self.schedule.deaths_show or owner == self._me()
        return here and not recovers and process_identity.runs(operation_id)

    def _living(self) -> set[str]:
        return {process.identity for process in self._processes() if process.alive}

    def _processes(self) -> list[Process]:
        return [*self._slots.values(), *(activity.process for activity in self._running)]

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
                self._outside[intent.number] = self._paid_before(intent)
            world.set_outcome(intent.card, intent.outcome)
        self.watch.new_effects()

    def _paid_before(self, intent: Intent) -> str:
        body = (
            f"amount=1000&currency=usd&customer={intent.customer}&confirm=true&off_session=true"
            f"&payment_method={intent.card}&automatic_payment_methods[enabled]=true"
            "&automatic_payment_methods[allow_redirects]=never"
        )
        headers = {"Authorization": f"Bearer {SANDBOX_SECRET_KEY}"}
        sent = HttpRequest.to("POST", "/v1/payment_intents", headers, body)
        return str(self.world.handle(sent).json()["id"])

    # -- what happens from outside --------------------------------------------------------------

    def _happen(self, happening: plan.Happening) -> None:
        self.say(f"-- {happening}")
        match happening:
            case plan.Ask():
                self._ask(happening)
            case plan.Wait():
                self._wait(happening.seconds)
            case plan.Recover():
                self._recover(happening.process)
            case plan.Cancel():
                self._cancel(happening)
            case plan.CustomerActs():
                self._customer_acts(happening)
            case plan.BankSettles():
                self._bank_settles(happening)
            case plan.Owes():
                customer = self.schedule.intents[happening.intent].customer
                self.world.state().require("customer", customer)["balance"] += happening.minor
            case plan.CardChanges():
                card = self.schedule.intents[happening.intent].card
                self.world.set_outcome(card, happening.outcome)
            case plan.CardIsReplaced():
                self._replace_card(happening)
            case plan.Decide():
                self._decide(happening)
            case plan.Unfreeze():
                self._unfreeze()
            case plan.LedgerIsLost():
                self._lose_ledger()
            case plan.Outage():
                self._out_until = self.world.clock.elapsed() + happening.seconds
            case plan.Forge():
                self._forge(happening)

    def _wait(self, seconds: float) -> None:
        self.world.advance(seconds)
        self._bring_key()

    def _ask(self, happening: plan.Ask) -> None:
        intent = self.schedule.intents[happening.intent]
        activity = self._activity("ask", happening.process, intent)
        key = intent.key or (self._told_key(intent) if happening.as_told else None)
        activity.bill = self._bill(intent)
        self.watch.asks.append(activity)

        def call() -> None:
            bill = activity.bill.id if activity.bill else ""
            activity.result = ask(activity.process.router, intent, key, bill)

        self._run(activity, call)

    def _bill(self, intent: Intent) -> Bill | None:
        """Return what a refund gives back, always the same: the payment that a bot was told of
        before it first asked for the refund, or one from outside."""
        if intent.verb != "refund":
            return None
        bill = self._bills.setdefault(intent.number, self._paid_by_then(intent))
        return replace(bill, shown=self.watch.guards.shown(bill.paid_by))

    def _paid_by_then(self, intent: Intent) -> Bill:
        for told in self.watch.asks:
            if told.intent and told.intent.number == intent.of and told.result and told.result.paid:
                own = told.intent.bot == intent.bot
                return Bill(told.result.id, told.operation_id if own else None)
        return Bill(self._outside[intent.number])

    def _told_key(self, intent: Intent) -> str | None:
        """Return the key that a bot was told to come back with once people have decided."""
        told = [ask.error for ask in self.watch.asks if ask.intent is intent]
        keys = [e.idempotency_key for e in told if isinstance(e, ApprovalRequiredError)]
        return keys[-1] if keys else None

    def _recover(self, number: int) -> None:
        activity = self._activity("recover", number)
        reports: list[RecoveryReport] = []
        self._run(activity, lambda: reports.append(activity.process.router.recover_operations()))
        for report in reports:
            self.say(f"   {report}")
            self.watch.recovered(report)

    def _cancel(self, happening: plan.Cancel) -> None:
        operation_id = self._told_of(happening.intent)
        if operation_id is None:
            return
        intent = self.schedule.intents[happening.intent]
        activity = self._activity("cancel", happening.process, intent)

        def call() -> None:
            activity.result = activity.process.router.cancel(operation_id)

        self._run(activity, call)

    def _customer_acts(self, happening: plan.CustomerActs) -> None:
        intent = self.schedule.intents[happening.intent]
        operation_id = self._told_of(happening.intent)
        for status, id_ in list(waiting_payment(self.world, operation_id or "")):
            if status == "open" and happening.succeed:
                self.world.complete_checkout(id_, payment_method=intent.card)
            elif status.startswith("requires"):
                self.world.complete_action(id_, happening.succeed)
        self.watch.new_effects()

    def _bank_settles(self, happening: plan.BankSettles) -> None:
        intent = self.schedule.intents[happening.intent]
        opened = [id_ for ask in self.watch.asks if ask.intent is intent for id_ in ask.opened]
        for operation_id in opened:
            for status, id_ in list(waiting_payment(self.world, operation_id)):
                if status == "processing":
                    self.world.settle_processing(id_, happening.succeed)
        self.watch.new_effects()

    def _replace_card(self, happening: plan.CardIsReplaced) -> None:
        intent = self.schedule.intents[happening.intent]
        other = f"{intent.card}_other"
        now = other if intent.number not in self._replaced else intent.card
        self._replaced ^= {intent.number}
        self.world.set_default_payment_method(intent.customer, now)

    # -- what people do -------------------------------------------------------------------------

    def _decide(self, happening: plan.Decide) -> None:
        states = "('pending')" if happening.approve else "('pending', 'approved')"
        query = f"SELECT approval_id FROM stripe_approvals WHERE state IN {states} ORDER BY 1"
        for (approval_id,) in self.bed.rows.execute(query).fetchall():
            verb = OperatorsDesk.approve if happening.approve else OperatorsDesk.reject
            self._people(partial(verb, approval_id=approval_id, by="people"))

    def _freeze(self, mishap: plan.Freeze) -> None:
        why = "a bad feeling"
        self._people(partial(OperatorsDesk.freeze, scope=mishap.scope, reason=why, by="people"))

    def _unfreeze(self) -> None:
        for scope in sorted(set(self.watch.guards.freezes().values())):
            self._people(partial(OperatorsDesk.unfreeze, scope=scope, by="people"))

    def _people(self, does: Callable[[OperatorsDesk], object]) -> None:
        """People have a process of their own, to which everything may happen as to others."""
        activity = self._activity("decide", _PEOPLE)
        self._run(activity, lambda: does(operators_desk(activity.process.router)))

    def _told_of(self, number: int) -> str | None:
        """Return the operation of an intent that its bot heard of last."""
        intent = self.schedule.intents[number]
        told = [ask.operation_id for ask in self.watch.asks if ask.intent is intent and ask.over]
        return next((found for found in reversed(told) if found is not None), None)

    def _forge(self, happening: plan.Forge) -> None:
        forged = forge(self.bed, happening.way)
        if forged is not None:
            self.watch.forged[forged] = happening.way

    def _lose_ledger(self) -> None:
        """Keys that Stripe still knows stand in for the rows: those of first attempts only."""
        age_ms = self.world.clock.now_ms() - min(ask.began_ms for ask in self.watch.asks)
        again = "SELECT count(*) FROM stripe_operations WHERE generation > 0"
        if age_ms < 20 * plan.HOUR * 1000 and not self.bed.rows.execute(again).fetchone()[0]:
            self.bed.lose()
            self.watch.ledger_lost = True

    # -- calls into processes -------------------------------------------------------------------

    def _activity(self, doing: Doing, number: int, intent: Intent | None = None) -> Activity:
        process = self._process(number)
        frozen = frozenset(self.watch.guards.freezes())
        now_ms, wall_ms = self.world.clock.now_ms(), self.bed.clock.now_ms()
        return Activity(doing, process, now_ms, wall_ms, intent, frozen_before=frozen)

    def _process(self, number: int) -> Process:
        """Return the process with this number: started anew if it has died, another if busy."""
        found = self._slots.get(number)
        if found is not None and found.alive and not found.busy:
            return found
        self._started += 1
        made = Process(f"p{self._started}", f"boot{self._boot}/p{self._started}", self)
        if found is None or not found.busy:
            self._slots[number] = made
        policies = self.schedule.house.policies
        made.start(self.bed, self.world, self.bed.clock, self._environ, policies)
        return made

    def _run(self, activity: Activity, call: Callable[[], object]) -> None:
        activity.process.busy = True
        self._running.append(activity)
        try:
            call()
        except (Died, KeyboardInterrupt) as end:
            activity.died, activity.interrupted = True, isinstance(end, KeyboardInterrupt)
        except BillingError as error:
            activity.error = error
        except Exception as error:  # noqa: BLE001 - whatever leaves the library otherwise is wrong
            self.watch.violate(f"{activity.doing} raised {error!r}")
        finally:
            self._running.pop()
            activity.ended_ms, activity.process.busy = self.world.clock.now_ms(), False
        self.say(f"   -> {activity}")
        if activity.doing != "recover":
            self.watch.told(activity)

    # -- gates ----------------------------------------------------------------------------------

    def reached(self, process: Process, kind: PointKind, what: object) -> None:
        """A process has come to a gate: look, then strike if the schedule says so."""
        activity = self._running[-1]
        self.say(f"   {process.name} {activity.doing} {kind} {_line(what)}")
        if kind == "send.before":
            activity.sending_since_ms = self.world.clock.now_ms()
        if kind == "send.after" and isinstance(what, Request):
            self.watch.answered(activity, what, process.reply)
        for injection in self._struck_at(kind, activity, what):
            self._strike(injection, process)
        self.watch.passed(activity, kind, what)
        if kind == "commit.before" and self._commits_get_lost:
            self._before_commit = self.bed.snapshot(), self.watch.guards.snapshot()
        if kind == "send.before" and process.alive and isinstance(what, Request):
            self.watch.sends(activity, what)

    def committed(self, process: Process, writes: tuple[Write, ...]) -> None:
        self.watch.committed(self._running[-1], writes)

    def journaled(self, process: Process, writes: tuple[Write, ...]) -> None:
        self.say(f"   {process.name} journals {_line(writes)}")
        self.watch.journaled(self._running[-1], writes)

    def drained(self, writes: Sequence[Write]) -> None:
        self.watch.drained(writes)

    def is_out(self) -> bool:
        return self.world.clock.elapsed() < self._out_until

    def refuses_writes(self) -> bool:
        return self.world.clock.elapsed() < self._refuses_until

    def notify(self, event: Event) -> None:
        self.watch.notify(event)

    def _struck_at(self, kind: PointKind, activity: Activity, what: object) -> Iterator[Injection]:
        """Yield what strikes here; while one strikes, others may be used up elsewhere."""
        for number, injection in enumerate(self.schedule.injections):
            if injection not in self._pending or (injection.follows and not self.fired):
                continue
            if not _counts(injection, kind, activity, what):
                continue
            self._skipped[number] += 1
            if self._skipped[number] > injection.skip:
                self._pending.remove(injection)
                self.fired.append(injection)
                yield injection

    def _strike(self, injection: Injection, process: Process) -> None:
        self.say(f"!! {injection.mishap}")
        match injection.mishap:
            case plan.Crash() as mishap:
                self._crash(process, mishap)
            case plan.NetworkFault() as mishap:
                kind: Any = mishap.kind
                self.world.faults.add(Fault(kind, effect=mishap.effect, times=mishap.times))
            case plan.Suspend() as mishap:
                self._suspend(mishap, injection.kind)
            case plan.Jump() as mishap:
                self._jump(mishap)
            case plan.CutOff() as mishap:
                process.cut_off = _NO_ANSWER if mishap.silent else _NOT_SENT
            case plan.RevokeKey() as mishap:
                self._revoke_key(mishap)
            case plan.DatabaseAway() as mishap:
                process.calls_to_fail = mishap.calls
            case plan.Outage() as mishap:
                self._out_until = self.world.clock.elapsed() + mishap.seconds
            case plan.WritesRefused() as mishap:
                self._refuses_until = self.world.clock.elapsed() + mishap.seconds
            case plan.Interrupts() as mishap:
                process.interrupts = mishap.commits
            case plan.Interrupted():
                raise KeyboardInterrupt
            case plan.CommitBreaksOff() as mishap:
                process.breaks_off = mishap.kept
            case plan.Freeze():
                self._freeze(injection.mishap)

    def _crash(self, process: Process, mishap: plan.Crash) -> None:
        process.alive, process.tears = False, mishap.tears
        if mishap.loses_commit and self._before_commit is not None:
            rows, self.watch.guards.seen = self._before_commit
            self.bed.restore(rows)
            self._boot += 1
            for other in self._processes():
                other.alive = False

    def _suspend(self, mishap: plan.Suspend, where: PointKind) -> None:
        self._standing.append(where)
        self._wait(mishap.seconds)
        for happening in mishap.meanwhile:
            self._happen(happening)
        self._standing.pop()
        self.say("!! it goes on")

    def _jump(self, mishap: plan.Jump) -> None:
        """Time does not jump by a day while a process stands still between its last check and its
        send: nobody can hold what wakes up there. Nor once only Stripe's memory stands in."""
        if mishap.wall_only:
            self.bed.clock.wrong_ms += int(mishap.seconds * 1000)
        elif "send.before" not in self._standing and not self.watch.ledger_lost:
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
            # The key before it stays in the list, or nothing that it sealed would be believed.
            kept = self._environ.get("STRIPE_ALLOWED_SECRET_KEYS", SANDBOX_SECRET_KEY)
            self._environ["STRIPE_ALLOWED_SECRET_KEYS"] = f"{self._key},{kept}"
            self._environ["STRIPE_SECRET_KEY"] = self._key

    # -- the end --------------------------------------------------------------------------------

    def _settle(self) -> None:
        for number, pause in enumerate(_ROUNDS):
            if number == _MENDED_BEFORE:
                self._mend()
            if number == _BANKS_DECIDE_BEFORE:
                self._banks_decide()
            self.say(f"-- settle after {pause:.0f} s")
            self._wait(pause)
            self._recover(self._random.randrange(2))

    def _banks_decide(self) -> None:
        for intent in list(self.world.state().all("payment_intent")):
            if intent["status"] == "processing":
                self.world.settle_processing(intent["id"], self._random.random() < 0.5)
        self.watch.new_effects()

    def _mend(self) -> None:
        self._pending.clear()
        self._out_until = self._refuses_until = 0.0
        self.world.faults.clear()
        self._bring_key()
        for process in self._processes():
            process.cut_off, process.calls_to_fail, process.breaks_off = None, 0, None
            process.interrupts = 0


def _counts(injection: Injection, kind: PointKind, activity: Activity, what: object) -> bool:
    post = isinstance(what, Request) and what.method == "post"
    if injection.kind != kind or (injection.posts_only and not post):
        return False
    return injection.doing is None or injection.doing == activity.doing


def _line(what: object) -> str:
    if isinstance(what, Request):
        return f"{what.method.upper()} {what.path} {what.idempotency_key or ''}"
    if isinstance(what, tuple):
        return " + ".join(type(write).__name__ for write in what)
    return str(what)
