"""A money verb, step by step; one direction, no way back: the table of contents of a charge.

parse, replay or resume, frozen, route, keys and account, prepare, plan, policy; then the intent,
with what it reserves and the approval it uses, in one durable commit; then Stripe, step by step,
outside any transaction; then outcome, ledger entry and settled reservations in one durable commit;
then observers; then the result.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from ..errors import LedgerUnavailableError
from ..frozen import frozen
from ..hashing import (
    effect_hash,
    input_hash,
    key_fingerprint,
    keyed_operation_id,
    new_attempt,
    new_operation_id,
)
from ..locks import CALLER
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import (
    BotId,
    Call,
    OpenOperation,
    Operation,
    OperationState,
    Plan,
    ReopenOperation,
    ResolvedRoute,
    Result,
    Verb,
    Write,
)
from ..ports import (
    ApprovalNotGiven,
    CommitAmbiguous,
    DuplicateOperation,
    Intent,
    Keys,
    StaleLease,
    TwinInDoubt,
)
from ..providers import arguments
from ..redaction import exact, redact, shown
from . import leases, observing
from .doubt.waiting import Follower
from .executing import Executor
from .failures import twin_in_doubt, unknown
from .guards.policing import within_limits
from .leases import Lease
from .parts import Parts
from .replaying import Replayer
from .sending import with_keys

_LONGEST_KEY = 255


@frozen
class Asked:
    """A checked call with the names that make it happen at most once."""

    call: Call
    operation_id: str
    idempotency_key: str | None
    input_hash: str


def parse(
    verb: Verb,
    bot_id: object,
    given: Mapping[str, Any],
    params: Mapping[str, Any],
    *,
    overrides: object,
    metadata: object,
    idempotency_key: object,
) -> Asked:
    """Return the call as asked; InvalidRequestError or InvalidAmountError for anything else."""
    bot = BotId.parse(bot_id)
    key = _key(idempotency_key)
    clean, extra = verb.check(given, params)
    call = Call(
        bot, verb.name, clean, extra, arguments.metadata(metadata), arguments.overrides(overrides)
    )
    operation_id = keyed_operation_id(bot, verb.name, key) if key else new_operation_id()
    return Asked(call, operation_id, key, input_hash(bot, verb.name, call.asked()))


def resumable(asked: Asked) -> Asked:
    """Return a keyless call with a key of its own, by which its caller can come back to it."""
    key = "approval-" + uuid.uuid4().hex
    operation_id = keyed_operation_id(asked.call.bot, asked.call.verb, key)
    return replace(asked, operation_id=operation_id, idempotency_key=key)


def _key(key: object) -> str | None:
    if key is None:
        return None
    key = exact(key)
    if not isinstance(key, str) or not _is_sane(key):
        raise arguments.invalid(
            "idempotency_key",
            f"is {shown(key)}; pass 1 to {_LONGEST_KEY} printable characters, not only blanks",
        )
    if redact(key) != key:
        raise arguments.invalid("idempotency_key", "holds what looks like a secret; use another")
    return key


def _is_sane(key: str) -> bool:
    return len(key) <= _LONGEST_KEY and key.isprintable() and bool(key.strip())


class OperationSequence:
    """Runs money verbs."""

    def __init__(self, parts: Parts, follower: Follower) -> None:
        self._parts = parts
        self._executor = Executor(parts)
        self._replayer = Replayer(parts, self._executor, follower)

    def run(
        self,
        name: str,
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
        verb = self._parts.providers.verb(BotId.parse(bot_id), name)
        asked = parse(
            verb,
            bot_id,
            given,
            params,
            overrides=overrides,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )
        known = None
        if asked.idempotency_key is not None:
            known = self._parts.store.operation(asked.operation_id)
        done = self._first(asked, verb, None) if known is None else None
        while done is None:
            known = self._parts.store.operation(asked.operation_id)
            if known is None:
                raise LedgerUnavailableError(
                    "The ledger's database refuses the intent, so nothing is sent. Check that its "
                    "tables are this version's: `stripe-billing-router ledger upgrade`."
                )
            done = self._again(known, asked)
        return done

    def _again(self, known: Operation, asked: Asked) -> Result | None:
        """Answer a call whose key has been used before; None if the answer has just changed."""
        observing.about(known, again=True)
        free = self._replayer.when_free(known, asked.input_hash)
        if free.state in _WITHOUT_EFFECT:
            self._parts.trust.require_unbegun(free)
            verb = self._parts.providers.verb(asked.call.bot, asked.call.verb)
            return self._first(asked, verb, free)
        asked_of = self._parts.providers.of(free)
        return self._replayer.answer(free, asked_of.verbs[asked.call.verb])

    def _first(self, asked: Asked, verb: Verb, known: Operation | None) -> Result | None:
        """Execute a call that has had no effect yet; None if its key has just been used."""
        bot = asked.call.bot
        for guard in self._parts.guards:
            guard.check_bot(bot)
        route = self._parts.routes.resolve(bot, asked.call.overrides)
        keys, plan = with_keys(
            self._parts.keys, lambda keys: self._planned(asked, verb, route, keys)
        )
        operation = self._operation(asked, route, plan, keys)
        observing.about(operation)
        demanded = self._parts.policing.demanded(operation)
        if demanded.approval is not None and asked.idempotency_key is None:
            self._parts.approvals.refuse_equal(operation)
            operation = self._operation(resumable(asked), route, plan, keys)
        writes = [w for g in self._parts.guards for w in g.check_intent(_intent(operation, route))]
        lease = self._parts.leases.new(operation.operation_id)
        keyless = operation.idempotency_key is None
        with leases.running(operation.operation_id) if keyless else nullcontext() as held:
            caller = CALLER.get()
            if caller is not None and held is not None:
                caller.holds(held)
            try:
                writes += self._parts.policing.permitted(operation, demanded, plan.due)
                operation = self._open(operation, known, lease, writes)
            except (DuplicateOperation, StaleLease, ApprovalNotGiven):
                return None
            return self._executor.execute(operation, verb, keys, lease, in_doubt=False)

    def _planned(
        self, asked: Asked, verb: Verb, route: ResolvedRoute, keys: Keys
    ) -> tuple[Keys, Plan]:
        bot, given = asked.call.bot, asked.call.arguments
        # What is given back has the payment's own currency.
        observing.asks(given.get("amount"), None if verb.gives_back else route.currency)
        provider = self._parts.providers.of_bot(bot)
        self._parts.accounts.check(bot, keys, route.route, at=provider)
        limited = self._parts.policing.limits_money(bot, route.region)
        return keys, provider.plan(asked.call, route, keys, limited=limited)

    def _operation(self, asked: Asked, route: ResolvedRoute, plan: Plan, keys: Keys) -> Operation:
        provider = self._parts.providers.of_bot(asked.call.bot)
        version = provider.api_version
        return Operation(
            operation_id=asked.operation_id,
            bot=asked.call.bot,
            region=route.region,
            verb=asked.call.verb,
            idempotency_key=asked.idempotency_key,
            input_hash=asked.input_hash,
            effect_hash=effect_hash(STRIPE_MASTER_ACCOUNT_ID, version, plan.steps),
            state=OperationState.PENDING,
            steps=provider.stamped(plan, asked.operation_id, asked.call.bot),
            api_version=version,
            account_id=STRIPE_MASTER_ACCOUNT_ID,
            key_fingerprint=key_fingerprint(keys.secret_key),
            amount_minor=plan.amount_minor,
            currency=plan.currency,
            customer_id=plan.customer_id,
            user_email=plan.user_email,
            arguments=asked.call.arguments,
            skew_ms=self._parts.accounts.skew_ms(),
            seal=new_attempt(),
        )

    def _open(
        self,
        operation: Operation,
        known: Operation | None,
        lease: Lease,
        writes: Sequence[Write],
    ) -> Operation:
        """Make the intent durable. Only then may Stripe hear of it."""
        held = (lease.token, self._parts.leases.milliseconds, leases.me())
        opening: Write = OpenOperation(operation, *held)
        if known is not None:
            operation = replace(operation, generation=known.generation)
            opening = ReopenOperation(operation, *held)
        try:
            # The operation's own row first: who finds it taken must not wait for a budget.
            with within_limits():
                self._parts.store.commit(opening, *writes)
        except TwinInDoubt as twin:
            raise twin_in_doubt(*twin.args, pays=bool(operation.amount_minor)) from None
        except CommitAmbiguous:
            raise unknown(
                operation.operation_id,
                operation.idempotency_key,
                "The database broke off while the intent was written.",
            ) from None
        observing.opened(operation)
        return operation


_WITHOUT_EFFECT = frozenset({OperationState.ABANDONED, OperationState.AWAITING_APPROVAL})
"""What is planned afresh when it is asked for again."""


def _intent(operation: Operation, route: ResolvedRoute) -> Intent:
    return Intent(
        operation.bot,
        operation.verb,
        operation.region,
        route.route,
        operation.amount_minor,
        operation.currency,
    )
