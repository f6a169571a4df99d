"""cancel: end an operation that still waits for its customer."""

from __future__ import annotations

from ..errors import InvalidRequestError, StripeUnavailableError
from ..idempotency import request_key
from ..models import Operation, OperationState, Result, Step, StepOutput
from ..ports import Clock, KeyProvider, Keys, PaymentProvider, Reply, Request, Store
from ..redaction import shown
from ..verbs import VERBS, Verb
from .accounts import AccountCheck
from .closing import Closing
from .reads import Reader
from .retry import delay

_ATTEMPTS = 4
_WAITING = frozenset({OperationState.REQUIRES_ACTION, OperationState.PROCESSING})


class Canceller:
    """Cancels. It needs no lease: the request's key and Stripe's own states make it safe twice."""

    def __init__(
        self,
        store: Store,
        provider: PaymentProvider,
        keys: KeyProvider,
        clock: Clock,
        accounts: AccountCheck,
        reader: Reader,
        closing: Closing,
    ) -> None:
        self._store = store
        self._provider = provider
        self._keys = keys
        self._clock = clock
        self._accounts = accounts
        self._reader = reader
        self._closing = closing

    def cancel(self, operation_id: object) -> Result:
        """Cancel, and return what the operation has come to: `canceled`, or what overtook it."""
        self._accounts.check_pin()
        operation = self._waiting(operation_id)
        verb = VERBS[operation.verb]
        if operation.state in _WAITING:
            operation = self._canceled(operation, verb)
        return self._closing.result(operation, verb)

    def _waiting(self, operation_id: object) -> Operation:
        known = isinstance(operation_id, str) and self._store.operation(operation_id)
        if not known:
            raise InvalidRequestError(
                f"There is no operation {shown(operation_id)}; pass the operation_id of a result "
                "or an error.",
                parameter="operation_id",
            )
        if known.state not in _WAITING and known.state is not OperationState.CANCELED:
            raise InvalidRequestError(
                f"Operation {known.operation_id} is {known.state}; only one that waits for its "
                "customer can be cancelled. Use refund() for what was paid.",
                operation_id=known.operation_id,
                parameter="operation_id",
            )
        return known

    def _canceled(self, operation: Operation, verb: Verb) -> Operation:
        keys = self._keys.keys()
        self._accounts.check(operation.bot, keys)
        step = verb.cancel(operation)
        if step is None:
            return operation
        reply = self._send(operation, step, keys)
        if reply.status != 200:
            look = verb.refresh(operation)
            reply = self._reader.get(look.path, keys.secret_key, look.expects, look.params)
        if reply.status != 200:
            return operation
        outcome = verb.reread(operation, StepOutput(step.name, 200, reply.body))
        if outcome.state is operation.state:
            return operation
        return self._closing.close(operation, outcome, verb, None)

    def _send(self, operation: Operation, step: Step, keys: Keys) -> Reply:
        key = request_key(operation.operation_id, "cancel") if step.method == "post" else None
        request = Request(
            step.method,
            step.path,
            step.params,
            keys.secret_key,
            operation.api_version,
            step.expects,
            key,
        )
        for attempt in range(_ATTEMPTS):
            reply = self._provider.send(request)
            status = reply.status or 0
            if reply.kind == "answered" and status < 500 and status not in (409, 429):
                return reply
            self._clock.sleep(delay(attempt, reply))
        raise StripeUnavailableError(
            f"Stripe did not confirm the cancellation ({reply.note}). It may have happened; call "
            "cancel() again.",
            operation_id=operation.operation_id,
            money="unknown",
        )
