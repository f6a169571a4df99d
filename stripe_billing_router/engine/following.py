"""Following an operation that waits: where does it stand now, and can it be ended?

Its requests may be sent any number of times (Stripe's own states make them safe), so no lease is
needed; what they find is recorded by compare-and-set.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import StripeRequestError
from ..models import Operation, OperationState, Outcome, Step, StepOutput
from ..ports import KeyProvider, Keys, Request
from ..verbs import UnreadableAnswer, Verb
from .accounts import AccountCheck
from .closing import Closing
from .reads import Reader

WAITING = frozenset({OperationState.REQUIRES_ACTION, OperationState.PROCESSING})


class Follower:
    """Reads waiting operations anew, and ends them."""

    def __init__(
        self, keys: KeyProvider, accounts: AccountCheck, reader: Reader, closing: Closing
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._reader = reader
        self._closing = closing

    def read_anew(self, operation: Operation, verb: Verb) -> Operation:
        """Return the operation as Stripe shows it now, recorded if it has moved on."""
        keys = self._checked_keys(operation)
        read = self._sent(operation, verb.refresh(operation), keys)
        if not read.ok:
            raise _unsaid(operation, f"HTTP {read.status}")
        return self._moved_on(operation, verb, keys, read)

    def look(self, operation: Operation, verb: Verb) -> Outcome:
        """Return what a waiting operation has come to by now, and record nothing."""
        keys = self._checked_keys(operation)
        read = self._sent(operation, verb.refresh(operation), keys)
        if not read.ok:
            raise _unsaid(operation, f"HTTP {read.status}")
        return self._settled(operation, verb, keys, read)[1]

    def glance(self, operation: Operation, verb: Verb) -> Outcome | None:
        """As `look`, for an operation that others may be at: nothing is sent but reads.

        None if what Stripe shows is not the end of it.
        """
        keys = self._checked_keys(operation)
        read = self._sent(operation, verb.refresh(operation), keys)
        if not read.ok:
            raise _unsaid(operation, f"HTTP {read.status}")
        seen = _seen(operation, read)
        while isinstance(judged := _judged(verb, seen), Step) and judged.method == "get":
            seen = replace(seen, outputs=(*seen.outputs, self._sent(seen, judged, keys)))
        return None if isinstance(judged, Step) else judged

    def end(self, operation: Operation, verb: Verb) -> Operation:
        """Return the operation ended, or as what overtook the attempt to end it."""
        keys = self._checked_keys(operation)
        step = verb.cancel(operation)
        ended = None if step is None else self._sent(operation, step, keys)
        if ended is None or not ended.ok:
            ended = self._sent(operation, verb.refresh(operation), keys)
        if not ended.ok:
            raise _unsaid(operation, f"HTTP {ended.status}")
        return self._moved_on(operation, verb, keys, ended)

    def _checked_keys(self, operation: Operation) -> Keys:
        keys = self._keys.keys()
        self._accounts.check(operation.bot, keys)
        return keys

    def _moved_on(
        self, operation: Operation, verb: Verb, keys: Keys, read: StepOutput
    ) -> Operation:
        seen, judged = self._settled(operation, verb, keys, read)
        if judged.state is operation.state:
            return self._closing.unchanged(operation, judged)
        known = replace(operation, outputs=(*operation.outputs, *seen.outputs))
        return self._closing.close(known, judged, verb, None)

    def _settled(
        self, operation: Operation, verb: Verb, keys: Keys, read: StepOutput
    ) -> tuple[Operation, Outcome]:
        """Let the verb judge what was read; a late decline has to be made unpayable first."""
        seen = _seen(operation, read)
        while isinstance(judged := _judged(verb, seen), Step):
            seen = replace(seen, outputs=(*seen.outputs, self._sent(seen, judged, keys)))
        return seen, judged

    def _sent(self, operation: Operation, step: Step, keys: Keys) -> StepOutput:
        request = Request(
            step.method,
            step.path,
            step.params,
            keys.secret_key,
            operation.api_version,
            step.expects,
        )
        reply = self._reader.ask(request)
        return StepOutput(step.name, reply.status or 0, reply.body, reply.request_id)


def _seen(operation: Operation, read: StepOutput) -> Operation:
    return replace(operation, outputs=(replace(read, step=operation.steps[0].name),))


def _judged(verb: Verb, seen: Operation) -> Step | Outcome:
    try:
        return verb.revisit(seen)
    except (UnreadableAnswer, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unsaid(seen, type(error).__name__) from None


def _unsaid(operation: Operation, why: str) -> StripeRequestError:
    return StripeRequestError(
        f"Stripe does not say what has become of operation {operation.operation_id} ({why}). Check "
        "the key's permissions and https://status.stripe.com, then repeat the call.",
        operation_id=operation.operation_id,
        money="unknown",
    )
