"""An operation that waits for its customer or a bank: where does it stand now, and can it be ended?

Its requests may be sent any number of times (Stripe's own states make them safe), so no lease is
needed; what they find is recorded by compare-and-set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ...errors import (
    InvalidAmountError,
    InvalidRequestError,
    Money,
    OutcomeUnknownError,
    StripeRequestError,
)
from ...models import (
    ForeignStep,
    Operation,
    OperationState,
    Outcome,
    Result,
    Step,
    StepOutput,
    UnreadableAnswer,
    Verb,
)
from ...money import to_minor
from ...ports import KeyProvider, Keys, Reply, Request, StaleLease, Store
from ...providers import Providers, arguments
from ...redaction import shown
from ..closing import Closing
from ..failures import doubted, money_of, unknown
from ..guards.accounts import AccountCheck
from ..guards.trust import Trust
from ..sending import with_keys

_STRIPE_ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
WAITING = frozenset({OperationState.REQUIRES_ACTION, OperationState.PROCESSING})


class Follower:
    """Reads waiting operations anew, and ends them."""

    def __init__(
        self,
        keys: KeyProvider,
        accounts: AccountCheck,
        providers: Providers,
        closing: Closing,
        trust: Trust,
    ) -> None:
        self._keys = keys
        self._accounts = accounts
        self._providers = providers
        self._closing = closing
        self._trust = trust

    def read_anew(self, operation: Operation, verb: Verb) -> Operation:
        """Return the operation as Stripe shows it now, recorded if it has moved on."""
        keys = self._checked_keys(operation)
        return self._moved_on(operation, verb, keys, self._shown(operation, verb, keys))

    def look(self, operation: Operation, verb: Verb) -> Outcome:
        """Return what a waiting operation has come to by now, and record nothing."""
        keys = self._checked_keys(operation)
        return self._settled(operation, verb, keys, self._shown(operation, verb, keys))[1]

    def glance(self, operation: Operation, verb: Verb) -> Outcome | None:
        """As `look`, for an operation that others may be at: nothing is sent but reads.

        None if what Stripe shows is not the end of it.
        """
        read = self._shown(operation, verb, self._checked_keys(operation))
        return self._read_on(_seen(operation, read), verb)

    def witnessed(self, operation: Operation, verb: Verb) -> Operation:
        """Return an operation whose row proves nothing as Stripe shows it, only reading.

        OutcomeUnknownError, and people are told, if Stripe has no object that names this operation
        as its own. They are told as well if the row says anything else than Stripe.
        """
        found = self.witness(operation, verb)
        if found is None:
            raise self._trust.refused(operation)
        told = operation.outcome
        if told is None or not _says_the_same(told, found):
            self._trust.tell(operation, f"Stripe shows {found.stripe_id}: {found.status}. ")
            return replace(operation, state=found.state, outcome=found)
        outcome = replace(found, state=told.state, failure=told.failure)
        return replace(operation, state=told.state, outcome=outcome)

    def witness(
        self, operation: Operation, verb: Verb, found: StepOutput | None = None
    ) -> Outcome | None:
        """Return what Stripe itself shows of an operation, only reading: in `found`, else in what
        its outcome names. None unless it is this bot's and operation's own, and tells its end."""
        if found is None:
            named = operation.outcome.stripe_id if operation.outcome is not None else None
            if named is None or not _STRIPE_ID.fullmatch(named):
                return None
            keys = self._checked_keys(operation)
            # What the row says is no measure for what Stripe shows.
            step = verb.refresh(operation)
            found = _output(step, self._asked(operation, step, keys)[1])
        metadata = found.body.get("metadata")
        stamp = metadata if found.ok and isinstance(metadata, Mapping) else {}
        whose = stamp.get("operation_id"), stamp.get("bot_id")
        if whose != (operation.operation_id, str(operation.bot)):
            return None
        end = self._read_on(_seen(operation, found), verb)
        if end is None or self._trust.is_anothers(operation, end.stripe_id):
            return None
        return end

    def end(self, operation: Operation, verb: Verb) -> Operation:
        """Return the operation ended, or as what overtook the attempt to end it."""
        keys = self._checked_keys(operation)
        step = verb.cancel(operation)
        ended = None if step is None else self._sent(operation, step, keys)
        if ended is None or not ended.ok:
            ended = self._shown(operation, verb, keys)
        return self._moved_on(operation, verb, keys, ended)

    def _shown(self, operation: Operation, verb: Verb, keys: Keys) -> StepOutput:
        """Return what Stripe shows of an operation; StripeRequestError if it shows nothing."""
        read = self._sent(operation, verb.refresh(operation), keys)
        if not read.ok:
            raise _unsaid(operation, f"HTTP {read.status}")
        return read

    def _read_on(self, seen: Operation, verb: Verb) -> Outcome | None:
        """Return the end that the verb sees, read on as far as it asks; None if it would do more
        than read."""
        while isinstance(judged := _judged(verb, seen), Step) and judged.method == "get":
            read = self._sent(seen, judged, self._checked_keys(seen))
            seen = replace(seen, outputs=(*seen.outputs, read))
        return None if isinstance(judged, Step) else judged

    def _checked_keys(self, operation: Operation) -> Keys:
        at = self._providers.of(operation)
        return with_keys(self._keys, lambda keys: self._accounts.check(operation.bot, keys, at=at))

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

    def _asked(self, operation: Operation, step: Step, keys: Keys) -> tuple[Request, Reply]:
        try:
            self._providers.of(operation).check_step(operation, step, step.path, step.params)
        except ForeignStep as foreign:
            raise self._trust.foreign(operation, foreign) from None
        request = Request(
            step.method,
            step.path,
            step.params,
            keys.secret_key,
            operation.api_version,
            step.expects,
        )
        return request, self._providers.of(operation).ask(request)

    def _sent(self, operation: Operation, step: Step, keys: Keys) -> StepOutput:
        request, reply = self._asked(operation, step, keys)
        read = _output(step, reply)
        strange = self._providers.of(operation).strange
        field = strange(operation, step, request, reply) if read.ok else None
        if field is not None:
            raise _unreadable(operation, f"Stripe's answer is about something else ({field}).")
        return read


def _output(step: Step, reply: Reply) -> StepOutput:
    return StepOutput(step.name, reply.status or 0, reply.body, reply.request_id)


def _seen(operation: Operation, read: StepOutput) -> Operation:
    return replace(operation, outputs=(replace(read, step=operation.steps[0].name),))


def _says_the_same(told: Outcome, found: Outcome) -> bool:
    """A payment that was declined is shown as one that was canceled, to be paid by nobody."""
    money = (told.stripe_id, told.paid, told.amount_minor or 0, told.currency)
    if money != (found.stripe_id, found.paid, found.amount_minor or 0, found.currency):
        return False
    return told.state is found.state or {told.state, found.state} <= _CAME_TO_NOTHING


_CAME_TO_NOTHING = frozenset({OperationState.FAILED, OperationState.CANCELED})


def _judged(verb: Verb, seen: Operation) -> Step | Outcome:
    try:
        return verb.revisit(seen)
    except (UnreadableAnswer, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(seen, f"Stripe's answer cannot be read ({error}).") from None


def _unreadable(operation: Operation, why: str) -> OutcomeUnknownError:
    return unknown(operation.operation_id, operation.idempotency_key, why)


def _unsaid(operation: Operation, why: str) -> StripeRequestError:
    return StripeRequestError(
        f"Stripe does not say what has become of operation {operation.operation_id} ({why}). Check "
        "the key's permissions and https://status.stripe.com, then repeat the call.",
        operation_id=operation.operation_id,
        money="unknown",
    )


_AN_ID = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)


_LONGEST = 500


class Canceller:
    """Ends what waits, as bots and people want it; what is canceled already stays so."""

    def __init__(
        self,
        store: Store,
        accounts: AccountCheck,
        follower: Follower,
        closing: Closing,
        trust: Trust,
        providers: Providers,
    ) -> None:
        self._providers = providers
        self._store = store
        self._accounts = accounts
        self._follower = follower
        self._closing = closing
        self._trust = trust

    def cancel(self, operation_id: object) -> Result:
        """Cancel, and return what the operation has come to: `canceled`, or what overtook it."""
        self._accounts.check_pin()
        operation = self._cancellable(operation_id)
        verb = self._providers.verb_of(operation)
        if not self._trust.may_be_told(operation):
            raise self._trust.refused(operation)
        if operation.state in WAITING:
            with doubted(operation):
                operation = self._overtaken(self._follower.end(operation, verb))
        return self._closing.result(operation, verb)

    def confirm(self, operation_id: object, amount: object, by: str, note: str | None) -> Result:
        """Record that what waits has moved, in full, as a person reads it on a bank's statement.

        `amount` is what they read, in major units. InvalidRequestError for anything else, and for
        what the provider tells by itself.
        """
        self._accounts.check_pin()
        operation = self._waiting(operation_id)
        verb = self._providers.verb_of(operation)
        if not self._trust.may_be_told(operation):
            raise self._trust.refused(operation)
        note = "" if note is None else arguments.text(note, "note", _LONGEST)
        said = {"confirmed_by": arguments.text(by, "by", _LONGEST), "note": note}
        outcome = verb.confirmed(operation, said)
        if outcome is None:
            raise arguments.invalid(
                "operation_id",
                f"is {operation.operation_id}, of which {operation.provider} itself tells what it "
                "comes to; `operations recover` asks",
            )
        if to_minor(amount, operation.currency or "") != operation.amount_minor:
            raise InvalidAmountError(
                f"{shown(amount)} is not what operation {operation.operation_id} asks for. Cancel "
                "it and have the right amount charged, or confirm it once all of it is there.",
                operation_id=operation.operation_id,
                parameter="amount",
            )
        try:
            self._closing.record(operation, outcome, verb)
        except StaleLease:
            raise arguments.invalid("operation_id", "has moved on meanwhile; look again") from None
        return self._closing.result(replace(operation, outcome=outcome, state=outcome.state), verb)

    def _overtaken(self, ended: Operation) -> Operation:
        """Return what is recorded, if somebody who was faster has recorded another end."""
        now = self._store.operation(ended.operation_id)
        if now is None or now.state in WAITING or not self._trust.may_be_told(now):
            return ended
        return ended if now.state is ended.state else now

    def look(self, operation: Operation) -> Operation:
        """Return what an operation that waits has come to without being canceled, recorded."""
        with doubted(operation):
            return self._follower.read_anew(operation, self._providers.verb_of(operation))

    def _waiting(self, operation_id: object) -> Operation:
        known = self._known(operation_id)
        if known.state not in WAITING:
            raise InvalidRequestError(
                f"Operation {known.operation_id} is {known.state}; only one that waits can be "
                "confirmed.",
                operation_id=known.operation_id,
                money=_money(known),
                parameter="operation_id",
            )
        return known

    def _known(self, operation_id: object) -> Operation:
        sane = isinstance(operation_id, str) and _AN_ID.fullmatch(operation_id)
        known = self._store.operation(str(operation_id)) if sane else None
        if known is None:
            raise InvalidRequestError(
                f"There is no operation {shown(operation_id)}; pass the operation_id of a result "
                "or an error.",
                parameter="operation_id",
            )
        return known

    def _cancellable(self, operation_id: object) -> Operation:
        known = self._known(operation_id)
        if known.state not in WAITING and known.state is not OperationState.CANCELED:
            raise InvalidRequestError(
                f"Operation {known.operation_id} is {known.state}; only one that waits for its "
                "customer can be cancelled. Use refund() for what was paid.",
                operation_id=known.operation_id,
                money=_money(known),
                parameter="operation_id",
            )
        return known


def _money(operation: Operation) -> Money:
    """Return what is known of the money of an operation that is not cancelled."""
    if operation.state is OperationState.AWAITING_APPROVAL:
        return "not_moved"
    return money_of(operation.outcome)
