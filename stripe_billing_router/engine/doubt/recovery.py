"""Settles what crashes left behind. Nobody is charged hours later for a bot that died.

A keyed operation that is young is completed with its own keys. Everything else is looked up; found,
it is recorded; not found, it is excluded: a harmless request uses the original's key up, so that
the original can no longer happen. Only then is it abandoned. What can be neither found nor excluded
is escalated to people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import Thread

from ...errors import BillingError
from ...locks import ForkSafeLock
from ...models import (
    BOT_MAY_ASK_FOR_MS,
    HAPPENED,
    ClaimLook,
    ForeignStep,
    Operation,
    OperationState,
    Outcome,
    RecoveryReport,
    Reserve,
    Step,
    StepOutput,
    Verb,
)
from ...ports import Age, CommitAmbiguous, Escalated, Event, Keys, OutcomeInDoubt, StaleLease
from ...redaction import redact
from .. import leases
from ..executing import within_rules
from ..guards.policing import within_limits
from ..leases import Lease
from ..observing import Observers
from ..parts import Parts
from ..sending import NotExecuted, with_keys
from .waiting import WAITING, Canceller, Follower

_UNSETTLED = (OperationState.PENDING, OperationState.UNKNOWN)
_WAITS_FOR_MS = 24 * 3600 * 1000
_LOOK_AFTER_MS = 4 * 3600 * 1000
_LOOK_MORE_RARELY = 8
"""What a bank is at is read again after four hours, and later after an eighth of its age: some 40
times in a month, of the 500 reads that Stripe allows for each payment."""


_LONGEST_WAIT_MS = 21 * 24 * 3600 * 1000
"""No bank takes longer; what is on its way still is handed to people."""

_LONGEST_LEASE_MS = 3600 * 1000
"""No process takes a longer one, whatever its timeouts: somebody else has written it."""

_PAGE = 100


class Recovery:
    """Settles operations, several processes at once: leases decide who does which."""

    def __init__(
        self,
        parts: Parts,
        canceller: Canceller,
        follower: Follower,
        observers: Observers,
        complete_within: float,
    ) -> None:
        self._parts = parts
        self._canceller = canceller
        self._follower = follower
        self._observers = observers
        self._complete_within_ms = complete_within * 1000

    def run(self, progress: Callable[[int], None] | None = None) -> RecoveryReport:
        """Settle everything that can be settled now; `progress` is told how many were looked at."""
        self._parts.accounts.check_pin()
        done: dict[str, list[str]] = {}
        for number, operation in enumerate(self._open_operations(), 1):
            done.setdefault(self._settled(operation), []).append(operation.operation_id)
            if progress is not None:
                progress(number)
        return RecoveryReport(**{name: tuple(ids) for name, ids in done.items()})

    def _open_operations(self) -> Iterator[Operation]:
        states = (*_UNSETTLED, *WAITING)
        after = None
        while page := self._parts.store.operations(
            states=states, limit=_PAGE, newest_first=False, after=after
        ):
            now_ms = self._parts.store.now_ms()
            yield from (operation for operation in page if not _was_just_seen(operation, now_ms))
            after = (page[-1].created_ms, page[-1].operation_id)

    def _settled(self, operation: Operation) -> str:
        try:
            if operation.state is OperationState.PROCESSING:
                self._claim(operation)
            if operation.state in WAITING and not self._parts.trust.may_be_told(operation):
                return self._witness(operation, None, None)
            if operation.state is OperationState.PROCESSING:
                return self._look(operation)
            if operation.state is OperationState.REQUIRES_ACTION:
                return self._expire(operation)
            return self._settle(operation)
        except Escalated as why:
            self._tell(operation, "operation.escalated", str(why))
            return "escalated"
        except ForeignStep as foreign:
            self._parts.trust.tell(operation, why=f"a step of its plan is not its own: {foreign}")
            return "escalated"
        except (OutcomeInDoubt, NotExecuted, StaleLease, CommitAmbiguous):
            return "left"
        except Exception as error:  # noqa: BLE001 - one that cannot be settled stops no other
            self._tell(
                operation, "operation.unrecovered", redact(f"{type(error).__name__}: {error}")
            )
            return "left"

    def _expire(self, operation: Operation) -> str:
        """A payment that nobody finished in a day is taken back; a refund is the customer's."""
        if self._parts.store.now_ms() - operation.updated_ms < _WAITS_FOR_MS:
            return "left"
        if self._parts.providers.verb_of(operation).moves == "out":
            self._claim(operation)
            return self._look(operation)
        result = self._canceller.cancel(operation.operation_id)
        return "canceled" if result.state == OperationState.CANCELED else "recorded"

    def _claim(self, operation: Operation) -> None:
        """Say that this process looks now, whatever comes of it; StaleLease if another has."""
        self._parts.store.commit(ClaimLook(operation.operation_id, operation.updated_ms))

    def _look(self, operation: Operation) -> str:
        """Record what a bank has said by now; what it refuses is made unpayable."""
        try:
            now = self._canceller.look(operation)
        except Exception:
            self._tell_if_late(operation)
            raise
        if now.state is not operation.state:
            return "recorded"
        return "escalated" if self._tell_if_late(operation) else "left"

    def _tell_if_late(self, operation: Operation) -> bool:
        """People hear once of what is on its way for too long: at the first look by then."""
        late_ms = operation.created_ms + _LONGEST_WAIT_MS
        if not operation.updated_ms < late_ms <= self._parts.store.now_ms():
            return False
        made = operation.outcome.stripe_id if operation.outcome is not None else None
        why = f"it is {operation.state} for three weeks, longer than any bank takes"
        self._tell(operation, "operation.escalated", f"{why}; end {made} in Stripe, or wait")
        return True

    def _settle(self, operation: Operation) -> str:
        left_ms = operation.lease_until_ms - self._parts.store.now_ms()
        dead = leases.provably_dead(operation.lease_owner) or left_ms > _LONGEST_LEASE_MS
        if operation.state is OperationState.PENDING and left_ms > 0 and not dead:
            return "left"
        if not operation.steps or not self._parts.providers.can(operation):
            self._parts.trust.tell(operation, why="its row cannot be read")
            return "escalated"
        accounts, at = self._parts.accounts, self._parts.providers.of(operation)
        keys = with_keys(self._parts.keys, lambda keys: accounts.check(operation.bot, keys, at=at))
        if not self._parts.trust.may_be_sent(operation):
            found = at.found(operation, keys, proven=False)
            return self._witness(operation, found, dead)
        lease = self._parts.leases.take(
            operation.operation_id,
            operation.lease_token,
            frozenset({operation.state}),
            by_force=dead,
            to_send=False,
        )
        try:
            return self._settle_held(operation, keys, lease)
        except BaseException:
            self._parts.closing.leave_broken_off(operation, lease.token)
            raise

    def _witness(self, operation: Operation, found: StepOutput | None, dead: bool | None) -> str:
        """Look an operation up whose row proves nothing, and tell. Nothing is sent for it; what
        Stripe itself shows to have happened is recorded. `dead` of None: it waits, in no hands."""
        verb = self._parts.providers.verb_of(operation)
        lost = found is None and dead is not None
        outcome = None if lost else self._follower.witness(operation, verb, found)
        self._parts.trust.tell(operation, _shown(outcome))
        if outcome is None or not _surely_happened(operation, outcome):
            return "escalated"
        token = None
        if dead is not None:
            of, states = operation.operation_id, frozenset({operation.state})
            before = operation.lease_token
            token = self._parts.leases.take(of, before, states, by_force=dead, to_send=False).token
        self._parts.closing.close(
            replace(operation, outputs=()),
            outcome,
            verb,
            token,
            blocks_twins_for_ms=BOT_MAY_ASK_FOR_MS,
        )
        return "recorded"

    def _settle_held(self, operation: Operation, keys: Keys, lease: Lease) -> str:
        verb = self._parts.providers.verb_of(operation)
        # The age grows while budgets are asked, or while this process stands still.
        looked = self._parts.clock.elapsed()
        age = self._parts.age(operation, keys)
        if self._may_complete(operation, age, lease):
            lease.sends_until = looked + (self._complete_within_ms - age.most_ms) / 1000
            proceed = within_rules(verb, self._parts, lease)
            self._finish(operation, verb, keys, lease, proceed, self._may_resend)
            return "completed"
        if not operation.outputs:
            found = self._parts.providers.of(operation).left(operation, keys, age)
            if found is None:
                self._abandon(operation, verb, lease)
                return "abandoned"
            if self._parts.trust.is_anothers(operation, found.body.get("id")):
                raise Escalated("what bears its id in Stripe is another operation's")
            operation = replace(operation, outputs=(found,))
        return self._finish(operation, verb, keys, lease, verb.wind_up, self._check_account)

    def _may_complete(self, operation: Operation, age: Age, lease: Lease) -> bool:
        """Its bot may still ask for it, and nobody has stopped that bot, or ruled it out, since.

        Takes what it has to hold by then, as long as nobody else has taken it over.
        """
        if operation.idempotency_key is None or age.most_ms > self._complete_within_ms:
            return False
        try:
            reserves = self._check_call(operation)
            if reserves:
                with within_limits():
                    self._parts.leases.renew(lease, reserves)
        except BillingError:
            return False
        return True

    def _check_call(self, operation: Operation) -> Sequence[Reserve]:
        for guard in self._parts.guards:
            guard.check_bot(operation.bot)
        return self._parts.policing.rechecked(operation)

    def _check_account(self, operation: Operation, keys: Keys) -> None:
        provider = self._parts.providers.of(operation)
        self._parts.accounts.check(operation.bot, keys, at=provider)

    def _may_resend(self, operation: Operation, keys: Keys) -> None:
        self._check_call(operation)
        self._check_account(operation, keys)

    def _finish(
        self,
        operation: Operation,
        verb: Verb,
        keys: Keys,
        lease: Lease,
        plan: Callable[[Operation], Step | Outcome],
        recheck: Callable[[Operation, Keys], None],
    ) -> str:
        operation, outcome = self._parts.sender.run(
            operation,
            plan,
            keys,
            lease,
            in_doubt=True,
            recheck=lambda fresh: recheck(operation, fresh),
        )
        gone = outcome.state is OperationState.CANCELED
        if gone:
            outcome = replace(outcome, state=OperationState.ABANDONED)
        closed = self._parts.closing.close(
            operation,
            outcome,
            verb,
            lease.token,
            used_up=gone,
            blocks_twins_for_ms=BOT_MAY_ASK_FOR_MS if outcome.state in HAPPENED else 0,
        )
        self._parts.closing.tell_if_misdirected(closed)
        return "abandoned" if gone else "recorded"

    def _abandon(self, operation: Operation, verb: Verb, lease: Lease) -> None:
        outcome = Outcome(
            OperationState.ABANDONED, None, None, 0, operation.currency, False, {}, None
        )
        self._parts.closing.close(operation, outcome, verb, lease.token, used_up=True)

    def _tell(self, operation: Operation, name: str, message: str) -> None:
        self._observers.tell(
            Event(name, "critical", message, operation.bot, operation.verb, operation.operation_id)
        )


def _was_just_seen(operation: Operation, now_ms: int) -> bool:
    if operation.state is not OperationState.PROCESSING:
        return False
    rest_ms = max(_LOOK_AFTER_MS, (now_ms - operation.created_ms) // _LOOK_MORE_RARELY)
    return 0 <= now_ms - operation.updated_ms < rest_ms


def _shown(outcome: Outcome | None) -> str:
    if outcome is None:
        return "Stripe shows nothing that ends it. "
    return f"Stripe shows {outcome.stripe_id}: {outcome.status}. "


def _surely_happened(operation: Operation, outcome: Outcome) -> bool:
    """Only what has been paid, or made by what pays nothing, ends a doubt without a plan."""
    moves = bool(operation.amount_minor)
    return outcome.state is OperationState.SUCCEEDED and (outcome.paid or not moves)


_log = logging.getLogger(__name__)

_PATIENCE = 10.0


class BackgroundRecovery:
    """Runs `recover` once, in a thread of its own. What it raises is logged: the next call tells
    its caller the same, and the next recovery tries again."""

    def __init__(self, recover: Callable[[], object]) -> None:
        self._recover = recover
        self._lock = ForkSafeLock()
        self._thread: Thread | None = None

    def once(self) -> None:
        """Start, unless it has been started before."""
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="stripe-recovery", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Give a run that is under way a few seconds to end."""
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        try:
            self._recover()
        except Exception:  # noqa: BLE001 - nobody is there to hear it
            _log.exception("the recovery at start-up was broken off")
