"""Settles what crashes left behind. Nobody is charged hours later for a bot that died.

A keyed operation that is young is completed with its own keys. Everything else is looked up; found,
it is recorded; not found, it is excluded: a harmless request uses the original's key up, so that
the original can no longer happen. Only then is it abandoned. What can be neither found nor excluded
is escalated to people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import BillingError
from ..idempotency import request_key
from ..models import (
    Operation,
    OperationState,
    Outcome,
    RecoveryReport,
    Step,
    StepOutput,
)
from ..ports import CommitAmbiguous, Event, Keys, Request, StaleLease
from ..redaction import redact
from ..verbs import VERBS, Verb
from . import process
from .cancelling import Canceller
from .leases import SENDABLE_FOR_MS, Lease
from .observing import Observers
from .parts import Parts, started_by_stripe_ms
from .runner import NotExecuted, OutcomeInDoubt

_UNSETTLED = (OperationState.PENDING, OperationState.UNKNOWN)
_WAITS_FOR_MS = 24 * 3600 * 1000
_BEFORE_MS = 3600 * 1000
"""How long before its intent an object may seem to have been made: Stripe's clock is another."""

_FORGOTTEN_AFTER_MS = 25 * 3600 * 1000
"""When Stripe has forgotten the key for certain, and no sender can still be under way."""

_BOT_MAY_ASK_FOR_MS = 24 * 3600 * 1000
"""How long the bot that died, and was not told, may come back and ask for the same again."""

_HAPPENED = frozenset({OperationState.SUCCEEDED, OperationState.PROCESSING})

_PAGE = 100
_EXCLUDES = "excludes_operation_id"


class _Escalated(Exception):
    """Neither found nor excluded; `args[0]` says why."""


class Recovery:
    """Settles operations, several processes at once: leases decide who does which."""

    def __init__(
        self, parts: Parts, canceller: Canceller, observers: Observers, complete_within: float
    ) -> None:
        self._parts = parts
        self._canceller = canceller
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
        states = (*_UNSETTLED, OperationState.REQUIRES_ACTION)
        after = None
        while page := self._parts.store.operations(
            states=states, limit=_PAGE, newest_first=False, after=after
        ):
            yield from page
            after = (page[-1].created_ms, page[-1].operation_id)

    def _settled(self, operation: Operation) -> str:
        try:
            if operation.state is OperationState.REQUIRES_ACTION:
                return self._expire(operation)
            return self._settle(operation)
        except _Escalated as why:
            self._tell(operation, "operation.escalated", str(why))
            return "escalated"
        except (OutcomeInDoubt, NotExecuted, StaleLease, CommitAmbiguous):
            return "left"
        except Exception as error:  # noqa: BLE001 - one that cannot be settled stops no other
            self._tell(
                operation, "operation.unrecovered", redact(f"{type(error).__name__}: {error}")
            )
            return "left"

    def _expire(self, operation: Operation) -> str:
        """A payment that nobody finished in a day is taken back."""
        if self._parts.store.now_ms() - operation.updated_ms < _WAITS_FOR_MS:
            return "left"
        result = self._canceller.cancel(operation.operation_id)
        return "canceled" if result.state == OperationState.CANCELED else "recorded"

    def _settle(self, operation: Operation) -> str:
        held = operation.lease_until_ms > self._parts.store.now_ms()
        dead = process.provably_dead(operation.lease_owner)
        if operation.state is OperationState.PENDING and held and not dead:
            return "left"
        keys = self._parts.keys.keys()
        self._parts.accounts.check(operation.bot, keys)
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
            self._parts.closing.leave_unknown(operation, lease.token)
            raise

    def _settle_held(self, operation: Operation, keys: Keys, lease: Lease) -> str:
        verb = VERBS[operation.verb]
        age_ms = self._parts.age_ms(operation, keys)
        if self._may_complete(operation, age_ms):
            in_time = (self._complete_within_ms - age_ms) / 1000
            lease.sends_until = self._parts.clock.elapsed() + in_time
            self._finish(operation, verb, keys, lease, verb.proceed, self._may_resend)
            return "completed"
        if not operation.outputs:
            found = self._found(operation, verb, keys)
            if found is None:
                found = self._excluded(operation, verb, keys, age_ms)
            if found is None:
                self._abandon(operation, verb, lease)
                return "abandoned"
            operation = replace(operation, outputs=(found,))
        return self._finish(operation, verb, keys, lease, verb.wind_up, self._check_account)

    def _may_complete(self, operation: Operation, age_ms: int) -> bool:
        """Its bot may still ask for it, and nobody has stopped that bot since."""
        if operation.idempotency_key is None or age_ms > self._complete_within_ms:
            return False
        try:
            self._check_bot(operation)
        except BillingError:
            return False
        return True

    def _check_bot(self, operation: Operation) -> None:
        for guard in self._parts.guards:
            guard.check_bot(operation.bot)

    def _check_account(self, operation: Operation, keys: Keys) -> None:
        self._parts.accounts.check(operation.bot, keys)

    def _may_resend(self, operation: Operation, keys: Keys) -> None:
        self._check_bot(operation)
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
        operation, outcome = self._parts.runner.run(
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
        self._parts.closing.close(
            operation,
            outcome,
            verb,
            lease.token,
            used_up=gone,
            blocks_twins_for_ms=_BOT_MAY_ASK_FOR_MS if outcome.state in _HAPPENED else 0,
        )
        return "abandoned" if gone else "recorded"

    def _found(self, operation: Operation, verb: Verb, keys: Keys) -> StepOutput | None:
        """Read every page of the list in which the operation's object would be."""
        search = verb.search(operation)
        for body in self._listed(search.path, search.params, operation, keys):
            if _names(body, "operation_id", operation):
                return StepOutput(search.name, 200, body)
        return None

    def _listed(
        self, path: str, params: Mapping[str, Any], operation: Operation, keys: Keys
    ) -> Iterator[Mapping[str, Any]]:
        since = (started_by_stripe_ms(operation) - _BEFORE_MS) // 1000
        query = {**params, "created": {"gte": since}, "limit": _PAGE}
        while True:
            reply = self._parts.reader.get(path, keys.secret_key, "list", query)
            if reply.status == 401:
                self._parts.keys.refresh()
                raise OutcomeInDoubt
            if reply.status != 200:
                raise _Escalated(f"Stripe refuses the look-up: {reply.note}")
            yield from reply.body["data"]
            if not reply.body.get("has_more"):
                return
            query = {**query, "starting_after": reply.body["data"][-1]["id"]}

    def _excluded(
        self, operation: Operation, verb: Verb, keys: Keys, age_ms: int
    ) -> StepOutput | None:
        """Use the original's key up, so that it cannot happen any more; None if that is proven.

        Where Stripe answers that the key has been used, the original ran after all.
        """
        if age_ms > _FORGOTTEN_AFTER_MS:
            self._clear_exclusion(operation, keys)
            return None
        reply = self._parts.provider.send(self._harmless(operation, keys))
        error = reply.body.get("error")
        if reply.kind == "answered" and reply.status == 200:
            self._take_back(str(reply.body["id"]), operation, keys)
            return None
        if isinstance(error, Mapping) and error.get("type") == "idempotency_error":
            return self._found(operation, verb, keys) or self._replayed(operation, keys, age_ms)
        if not self._clear_exclusion(operation, keys):
            raise OutcomeInDoubt
        return None

    def _clear_exclusion(self, operation: Operation, keys: Keys) -> bool:
        """Take back the harmless payment of an exclusion that was broken off; False if there is
        none. If there is one, it has used the original's key up."""
        for body in self._listed("/v1/payment_intents", _whose(operation), operation, keys):
            if _names(body, _EXCLUDES, operation):
                self._take_back(str(body["id"]), operation, keys)
                return True
        return False

    def _replayed(self, operation: Operation, keys: Keys, age_ms: int) -> StepOutput:
        """Return the stored answer to the original, such as a decline that left nothing behind.

        Its key is used up, so that sending it again cannot execute it again.
        """
        step = operation.steps[0]
        if age_ms > SENDABLE_FOR_MS:
            raise _Escalated("Stripe has executed it, yet does not show what came of it")
        reply = self._parts.provider.send(self._first_request(operation, step, keys))
        if reply.kind != "answered" or not reply.replayed:
            raise OutcomeInDoubt
        if (reply.status or 500) >= 500:
            raise _Escalated("Stripe has executed it, and does not know what came of it")
        return StepOutput(step.name, reply.status or 0, reply.body, reply.request_id, True)

    def _first_request(self, operation: Operation, step: Step, keys: Keys) -> Request:
        return Request(
            step.method,
            step.path,
            step.params,
            keys.secret_key,
            operation.api_version,
            step.expects,
            request_key(operation.operation_id, step.name, operation.generation),
        )

    def _harmless(self, operation: Operation, keys: Keys) -> Request:
        """An unconfirmed payment intent collects nothing; its metadata says what it is for."""
        known = operation.verb == "charge" and operation.amount_minor is not None
        params: dict[str, Any] = {
            "amount": operation.amount_minor if known else 1000,
            "currency": operation.currency if known else "usd",
            "metadata": {_EXCLUDES: operation.operation_id},
            **_whose(operation),
        }
        return Request(
            "post",
            "/v1/payment_intents",
            params,
            keys.secret_key,
            operation.api_version,
            "payment_intent",
            request_key(operation.operation_id, operation.steps[0].name, operation.generation),
        )

    def _take_back(self, payment_id: str, operation: Operation, keys: Keys) -> None:
        reply = self._parts.provider.send(
            Request(
                "post",
                f"/v1/payment_intents/{payment_id}/cancel",
                {},
                keys.secret_key,
                operation.api_version,
                "payment_intent",
            )
        )
        if reply.kind != "answered" or reply.status not in (200, 400):
            raise OutcomeInDoubt

    def _abandon(self, operation: Operation, verb: Verb, lease: Lease) -> None:
        outcome = Outcome(
            OperationState.ABANDONED, None, None, 0, operation.currency, False, {}, None
        )
        self._parts.closing.close(operation, outcome, verb, lease.token, used_up=True)

    def _tell(self, operation: Operation, name: str, message: str) -> None:
        self._observers.tell(
            Event(name, "critical", message, operation.bot, operation.verb, operation.operation_id)
        )


def _names(body: Mapping[str, Any], name: str, operation: Operation) -> bool:
    metadata = body.get("metadata")
    return isinstance(metadata, Mapping) and metadata.get(name) == operation.operation_id


def _whose(operation: Operation) -> dict[str, Any]:
    """Return what narrows lists of payments down to the operation's customer."""
    return {} if operation.customer_id is None else {"customer": operation.customer_id}
