"""A money verb, step by step; one direction, no way back.

parse, replay or resume, frozen, route, keys and account, prepare, plan, policy; then the intent in
one durable commit; then Stripe, step by step, outside any transaction; then outcome and ledger
entry in one durable commit; then observers; then the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from ..errors import (
    BillingError,
    IdempotencyConflictError,
    LedgerUnavailableError,
    OperationInProgressError,
)
from ..fingerprint import key_fingerprint
from ..idempotency import effect_hash
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import (
    Failure,
    OpenOperation,
    Operation,
    OperationState,
    Outcome,
    ResolvedRoute,
    Result,
    StepOutput,
    Write,
)
from ..ports import (
    Clock,
    CommitAmbiguous,
    DuplicateOperation,
    Guard,
    Intent,
    KeyProvider,
    Keys,
    PaymentProvider,
    Reply,
    Routes,
    StaleLease,
    Store,
    TwinInDoubt,
)
from ..verbs import Plan, Verb
from . import process
from .accounts import AccountCheck
from .closing import Closing
from .failures import failure_of_reply, unknown
from .leases import SENDABLE_FOR_MS, Lease, Leases
from .lookups import Lookups
from .parsing import Asked, parse
from .reads import Reader
from .runner import NotExecuted, OutcomeInDoubt, Runner

_POLL = 0.05
_RESUMABLE = frozenset({OperationState.PENDING, OperationState.UNKNOWN})
_WAITING = frozenset({OperationState.REQUIRES_ACTION, OperationState.PROCESSING})


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sequence works with."""

    store: Store
    provider: PaymentProvider
    routes: Routes
    keys: KeyProvider
    clock: Clock
    reader: Reader
    accounts: AccountCheck
    lookups: Lookups
    leases: Leases
    runner: Runner
    closing: Closing
    guards: Sequence[Guard]
    in_progress_wait: float


class OperationSequence:
    """Runs money verbs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(
        self,
        verb: Verb,
        bot_id: object,
        given: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        overrides: object = None,
        idempotency_key: object = None,
        metadata: object = None,
    ) -> Result:
        """Do what the caller asks, at most once, and return its result."""
        self._parts.accounts.check_pin()
        asked = parse(
            verb,
            bot_id,
            given,
            params,
            overrides=overrides,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )
        if asked.idempotency_key is not None:
            known = self._parts.store.operation(asked.operation_id)
            if known is not None:
                return self._again(known, asked, verb)
        return self._first(asked, verb)

    def _first(self, asked: Asked, verb: Verb) -> Result:
        bot = asked.call.bot
        for guard in self._parts.guards:
            guard.check_bot(bot)
        route = self._parts.routes.resolve(bot, asked.call.overrides)
        keys = self._parts.keys.keys()
        self._parts.accounts.check(bot, keys, route.route)
        plan = verb.plan(asked.call, route, self._parts.lookups.with_keys(keys))
        operation = self._operation(asked, route, plan, keys)
        writes = [w for g in self._parts.guards for w in g.check_intent(_intent(operation, route))]
        lease = self._parts.leases.new(operation.operation_id)
        try:
            self._open(operation, lease, writes)
        except DuplicateOperation:
            return self._again(self._stored(operation), asked, verb)
        return self._execute(operation, verb, keys, lease, in_doubt=False)

    def _operation(self, asked: Asked, route: ResolvedRoute, plan: Plan, keys: Keys) -> Operation:
        version = self._parts.provider.api_version
        return Operation(
            operation_id=asked.operation_id,
            bot=asked.call.bot,
            region=route.region,
            verb=asked.call.verb,
            idempotency_key=asked.idempotency_key,
            input_hash=asked.input_hash,
            effect_hash=effect_hash(STRIPE_MASTER_ACCOUNT_ID, version, plan.steps),
            state=OperationState.PENDING,
            steps=plan.stamped(asked.operation_id, asked.call.bot),
            api_version=version,
            account_id=STRIPE_MASTER_ACCOUNT_ID,
            key_fingerprint=key_fingerprint(keys.secret_key),
            amount_minor=plan.amount_minor,
            currency=plan.currency,
            customer_id=plan.customer_id,
            user_email=plan.user_email or route.route.user_email,
            arguments=asked.call.arguments,
        )

    def _open(self, operation: Operation, lease: Lease, writes: Sequence[Write]) -> None:
        """Make the intent durable. Only then may Stripe hear of it."""
        opening = OpenOperation(
            operation, lease.token, self._parts.leases.milliseconds, process.me()
        )
        try:
            self._parts.store.commit(*writes, opening)
        except TwinInDoubt as twin:
            raise unknown(
                str(twin.args[0]), None, "An equal call without a key has not been settled."
            ) from None
        except CommitAmbiguous:
            raise unknown(
                operation.operation_id,
                operation.idempotency_key,
                "The database broke off while the intent was written.",
            ) from None

    def _execute(
        self, operation: Operation, verb: Verb, keys: Keys, lease: Lease, *, in_doubt: bool
    ) -> Result:
        try:
            operation, outcome = self._parts.runner.run(
                operation,
                verb.proceed,
                keys,
                lease,
                in_doubt=in_doubt,
                recheck=lambda keys: self._recheck(operation, keys),
            )
        except OutcomeInDoubt:
            self._parts.closing.leave_unknown(operation, lease.token)
            raise unknown(
                operation.operation_id, operation.idempotency_key, "Stripe gave no clear answer."
            ) from None
        except NotExecuted as stopped:
            self._not_executed(operation, verb, lease, stopped.why)
        except StaleLease:
            raise unknown(
                operation.operation_id,
                operation.idempotency_key,
                "Another process has taken this operation over.",
            ) from None
        except (LedgerUnavailableError, CommitAmbiguous):
            raise unknown(
                operation.operation_id,
                operation.idempotency_key,
                "The ledger's database broke off between two steps.",
            ) from None
        self._learn(operation, outcome)
        closed = self._parts.closing.close(operation, outcome, verb, lease.token)
        return self._parts.closing.deliver(closed, verb, keys.public_key, first=True)

    def _not_executed(
        self, operation: Operation, verb: Verb, lease: Lease, why: Reply | BillingError
    ) -> NoReturn:
        """Nothing happened, so the same key may try again."""
        failure = (
            Failure("vetoed", str(why)) if isinstance(why, BillingError) else failure_of_reply(why)
        )
        outcome = Outcome(
            OperationState.ABANDONED, None, None, 0, operation.currency, False, {}, failure
        )
        closed = self._parts.closing.close(operation, outcome, verb, lease.token)
        if isinstance(why, BillingError):
            raise why
        self._parts.closing.deliver(closed, verb, first=True)
        raise AssertionError("an abandoned operation has no result")

    def _recheck(self, operation: Operation, keys: Keys) -> None:
        """What is checked before a call is checked again before every resend."""
        for guard in self._parts.guards:
            guard.check_bot(operation.bot)
        self._parts.accounts.check(operation.bot, keys)

    def _learn(self, operation: Operation, outcome: Outcome) -> None:
        failure = outcome.failure
        if failure is not None and failure.code == "resource_missing":
            for step in operation.steps:
                self._parts.lookups.forget_payment_method(str(step.params.get("payment_method")))

    def _again(self, known: Operation, asked: Asked, verb: Verb) -> Result:
        """Replay, resume or wait for an operation whose key has been used before."""
        if known.input_hash != asked.input_hash:
            raise IdempotencyConflictError(
                f"The idempotency_key was used by {known.bot} for another {known.verb} call. Use a "
                "new key for a new payment, or the same arguments for the same one.",
                operation_id=known.operation_id,
                idempotency_key=known.idempotency_key,
            )
        known = self._wait_for(known)
        if known.state in _WAITING:
            return self._reread(known, verb)
        if known.state in _RESUMABLE or known.state is OperationState.ABANDONED:
            return self._resume(known, asked, verb)
        return self._parts.closing.deliver(known, verb, first=False)

    def _wait_for(self, known: Operation) -> Operation:
        """Return the operation once nobody is working on it; OperationInProgressError if not."""
        give_up = self._parts.clock.elapsed() + self._parts.in_progress_wait
        while known.state is OperationState.PENDING and self._held(known):
            if self._parts.clock.elapsed() >= give_up:
                raise OperationInProgressError(
                    "The same call is being executed. Repeat it with the same idempotency_key in "
                    "a moment.",
                    operation_id=known.operation_id,
                    money="unknown",
                    idempotency_key=known.idempotency_key,
                )
            self._parts.clock.sleep(_POLL)
            known = self._stored(known)
        return known

    def _held(self, known: Operation) -> bool:
        expired = known.lease_until_ms <= self._parts.store.now_ms()
        return not expired and not process.provably_dead(known.lease_owner)

    def _resume(self, known: Operation, asked: Asked, verb: Verb) -> Result:
        """Go on with the frozen steps and their keys, after every check of a first call."""
        keys = self._parts.keys.keys()
        self._recheck(known, keys)
        never_sent = known.state is OperationState.ABANDONED
        age = self._parts.store.now_ms() - known.started_ms
        if age > SENDABLE_FOR_MS and not never_sent:
            raise unknown(
                known.operation_id, known.idempotency_key, "It is too old to be sent again."
            )
        try:
            lease = self._parts.leases.take(
                known.operation_id,
                known.lease_token,
                frozenset({known.state}),
                by_force=process.provably_dead(known.lease_owner),
                reopen=never_sent,
            )
        except StaleLease:
            return self._again(self._stored(known), asked, verb)
        return self._execute(known, verb, keys, lease, in_doubt=not never_sent)

    def _reread(self, known: Operation, verb: Verb) -> Result:
        """Read once where a waiting payment stands now, and record it if it has moved on."""
        keys = self._parts.keys.keys()
        self._parts.accounts.check(known.bot, keys)
        step = verb.refresh(known)
        reply = self._parts.reader.get(step.path, keys.secret_key, step.expects, step.params)
        if reply.status != 200:
            return self._parts.closing.deliver(known, verb, keys.public_key, first=False)
        outcome = verb.reread(known, StepOutput(step.name, 200, reply.body))
        if outcome.state is not known.state:
            closed = self._parts.closing.close(known, outcome, verb, None)
        else:
            closed = replace(known, outcome=outcome)
        return self._parts.closing.deliver(closed, verb, keys.public_key, first=False)

    def _stored(self, operation: Operation) -> Operation:
        found = self._parts.store.operation(operation.operation_id)
        return operation if found is None else found


def _intent(operation: Operation, route: ResolvedRoute) -> Intent:
    return Intent(
        operation.bot,
        operation.verb,
        operation.region,
        route.route,
        operation.amount_minor,
        operation.currency,
    )
