"""Writing down what an operation came to, and handing it to the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from ..errors import AccountMismatchError, LedgerUnavailableError
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import (
    BOT_MAY_ASK_FOR_MS,
    HAPPENED,
    AppendEntry,
    CloseOperation,
    EntryDraft,
    Operation,
    OperationState,
    Outcome,
    Reservation,
    Result,
    StepOutput,
    Verb,
    Write,
    major,
)
from ..ports import Clock, CommitAmbiguous, Discrepancy, Event, StaleLease, Store
from ..redaction import without_secrets
from .consequences.reactions import Reactions, mismatch_error
from .failures import error_of, money_of
from .observing import Observers

Counted = Callable[[Operation], tuple[Reservation, ...]]
"""Says what an operation takes of budgets and call limits, whether or not it would be let pass."""


class Closing:
    """The last commit of an operation, and what its caller gets."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        observers: Observers,
        reactions: Reactions,
        counted: Counted,
    ) -> None:
        self._store = store
        self._clock = clock
        self._observers = observers
        self._reactions = reactions
        self._counted = counted

    def close(
        self,
        operation: Operation,
        outcome: Outcome,
        verb: Verb,
        lease_token: str | None,
        *,
        used_up: bool = False,
        blocks_twins_for_ms: int = 0,
    ) -> Operation:
        """Commit outcome and ledger entry together; return the operation as it now is.

        The caller gets its result even if this cannot be written: the payment is what it is, and
        the open row is completed later. The failure is told as critical. A call that is broken off
        meanwhile, by a signal for one, ends once what has happened is written; its caller has not
        heard of that, and may ask again. What Stripe answered is left out if nothing else makes
        the outcome one that can be written.
        """
        clean = _clean(outcome)
        closed = replace(operation, state=outcome.state, outcome=_for_caller(outcome, clean))

        def write(told: Outcome) -> None:
            close = CloseOperation(
                operation.operation_id,
                lease_token,
                outcome.state,
                told,
                _with_body(operation.outputs, outcome.body, told.body),
                used_up,
                blocks_twins_for_ms,
                operation.generation,
                operation.attempt,
            )
            self._commit(close, AppendEntry(self._log_payment(closed, told, verb)), closed)

        try:
            write(clean)
        except (LedgerUnavailableError, CommitAmbiguous) as error:
            self._tell_unrecorded(closed, error)
        except Exception as error:  # noqa: BLE001 - the payment is what it is, recorded or not
            try:
                if self._is_open(operation, lease_token):
                    write(replace(clean, body={}))
            except Exception:  # noqa: BLE001 - what went wrong first is told
                self._tell_unrecorded(closed, error)
        except BaseException:
            try:
                if outcome.state in HAPPENED and self._is_open(operation, lease_token):
                    blocks_twins_for_ms = BOT_MAY_ASK_FOR_MS
                    write(clean)
            except Exception as error:  # noqa: BLE001 - it must not pass for "nothing was sent"
                self._tell_unrecorded(closed, error)
            raise
        return closed

    def _is_open(self, operation: Operation, lease_token: str | None) -> bool:
        return _is_open(self._store.operation(operation.operation_id), lease_token)

    def _tell_unrecorded(self, closed: Operation, why: object) -> None:
        told = f"{closed.verb} {closed.state}, which is not recorded: {why}"
        self._tell(closed, "operation.unrecorded", told)

    def _commit(self, close: CloseOperation, entry: AppendEntry, closed: Operation) -> None:
        try:
            self._commit_held(closed, close, entry)
        except StaleLease:
            self._commit_proven(close, entry, closed)
        else:
            self._tell(closed, "operation.closed", f"{closed.verb} {closed.state}")

    def _commit_proven(self, close: CloseOperation, entry: AppendEntry, closed: Operation) -> None:
        """Somebody else took the operation over. What Stripe has proven is recorded all the same,
        unless they are still at it: the same keys lead them to the same outcome."""
        stored = self._store.operation(closed.operation_id)
        proven = close.outcome is not None and close.outcome.stripe_id is not None
        if stored is None:
            gone = "the database has no row of it any more, and what was read of it bears no seal"
            self._tell_unrecorded(closed, gone)
            return
        if not proven or stored.state not in _GIVEN_UP:
            self._tell(closed, "operation.superseded", "another process records this operation")
            return
        try:
            self._store.commit(close.over(stored), entry)
        except StaleLease:
            self._tell(closed, "operation.superseded", "another process records this operation")
        else:
            self._tell(closed, "operation.proven", f"it was {stored.state}, and is {closed.state}")

    def record(self, operation: Operation, outcome: Outcome, verb: Verb, *more: Write) -> None:
        """Commit what Stripe has told of an operation that no call holds, together with `more`.

        StaleLease if it has moved on since it was read. Whoever asked for one that was in doubt
        has not heard of this, and may ask again.
        """
        clean = _clean(outcome)
        closed = replace(operation, state=outcome.state, outcome=outcome)
        doubted = operation.state in _IN_DOUBT
        close = CloseOperation(
            operation.operation_id,
            operation.lease_token,
            outcome.state,
            clean,
            blocks_twins_for_ms=BOT_MAY_ASK_FOR_MS if doubted else 0,
            generation=operation.generation,
            attempt=operation.attempt,
        )
        self._store.commit(close, AppendEntry(self._log_payment(closed, clean, verb)), *more)
        proven = operation.state is OperationState.ABANDONED
        name = "operation.proven" if proven else "operation.closed"
        self._tell(closed, name, f"it was {operation.state}, and is {closed.state}")

    def leave_unknown(self, operation: Operation, lease_token: str) -> None:
        """Mark an operation as in doubt and give up its lease; a crash would leave it likewise."""
        if self._doubt(operation, lease_token):
            self._tell(operation, "operation.unknown", "the outcome is unknown")

    def _doubt(self, operation: Operation, lease_token: str) -> bool:
        close = CloseOperation(
            operation.operation_id,
            lease_token,
            OperationState.UNKNOWN,
            None,
            generation=operation.generation,
            attempt=operation.attempt,
        )
        try:
            self._commit_held(operation, close)
        except Exception as error:  # noqa: BLE001 - an expired lease says the same, only later
            self._tell(operation, "operation.unrecorded", f"the doubt is not recorded: {error}")
            return False
        return True

    def leave_broken_off(self, operation: Operation, lease_token: str) -> None:
        """The same for a call that ends where nobody foresaw it. If its outcome is written, and it
        has happened, its caller has not heard of it all the same."""
        with suppress(LedgerUnavailableError):
            stored = self._store.operation(operation.operation_id)
            if stored is not None and stored.state in HAPPENED:
                self._doubt(operation, lease_token)
                return
            if not _is_open(stored, lease_token):
                return
        self.leave_unknown(operation, lease_token)

    def leave_lost(self, operation: Operation, lease_token: str) -> None:
        """Mark an operation as in doubt if nobody has taken it over, but the database lost it."""
        with suppress(LedgerUnavailableError):
            if self._store.operation(operation.operation_id) is None:
                self.leave_unknown(operation, lease_token)

    def _commit_held(
        self, operation: Operation, close: CloseOperation, *entries: AppendEntry
    ) -> None:
        """Commit; StaleLease if another holds the operation.

        A database that fails over to a standby which lags loses what it had committed: then the
        intent is written again, or nothing would tell of the payment.
        """
        try:
            self._store.commit(close, *entries)
        except StaleLease:
            if self._store.operation(operation.operation_id) is not None:
                raise
            stored_before = operation.created_ms > 0
            if stored_before and not self._store.proof(operation).intent:
                raise  # sealing it anew would make a key-holder's plan of anybody's
            lost = replace(close, intent=operation, holds=self._counted(operation))
            self._store.commit(lost, *entries)
            self._tell(
                operation, "ledger.intent_lost", "the database had lost it; it is written again"
            )

    def deliver(
        self, operation: Operation, verb: Verb, public_key: str | None = None, *, first: bool
    ) -> Result:
        """Return the caller's result, or raise what it came to. `first`: not a replay."""
        outcome = operation.outcome
        if outcome is None:
            raise error_of(operation)
        if _foreign(outcome):
            found, money = _misdirected(operation, outcome), money_of(outcome)
            if first:
                self._reactions.mismatch(found, money)
            raise mismatch_error(found, money)
        if _is_error(operation, outcome, verb):
            raise error_of(operation, public_key)
        return _result(operation, outcome, verb)

    def tell_if_misdirected(self, operation: Operation) -> None:
        """Let the consequences follow where no caller waits for the result."""
        outcome = operation.outcome
        if outcome is not None and _foreign(outcome):
            with suppress(AccountMismatchError):
                self._reactions.mismatch(_misdirected(operation, outcome))

    def unchanged(self, operation: Operation, outcome: Outcome) -> Operation:
        """Return an operation that stands where it stood, as Stripe shows it now."""
        return replace(operation, outcome=_for_caller(outcome, _clean(outcome)))

    def result(self, operation: Operation, verb: Verb) -> Result:
        """Return what an operation came to, whatever it is, without raising it."""
        if operation.outcome is None:
            raise error_of(operation)
        return _result(operation, operation.outcome, verb)

    def _log_payment(self, operation: Operation, outcome: Outcome, verb: Verb) -> EntryDraft:
        """Return the ledger entry of an operation's outcome, whose body holds no secrets."""
        return EntryDraft(
            id=outcome.stripe_id or operation.operation_id,
            action_type=verb.action_type,
            amount_minor=outcome.amount_minor,
            currency=outcome.currency or operation.currency,
            timestamp_ms=self._clock.now_ms(),
            user_email=operation.user_email or verb.email_in(outcome.body),
            bot_id=str(operation.bot),
            destination_account=outcome.destination_account or STRIPE_MASTER_ACCOUNT_ID,
            raw_event=outcome.body,
            error=outcome.failure is not None or _foreign(outcome),
            operation_id=operation.operation_id,
            status=outcome.state,
        )

    def _tell(self, operation: Operation, name: str, message: str) -> None:
        self._observers.tell(
            Event(
                name,
                _SEVERITIES[name],
                message,
                operation.bot,
                operation.verb,
                operation.operation_id,
                operation.outcome,
            )
        )


_IN_DOUBT = frozenset({OperationState.PENDING, OperationState.UNKNOWN, OperationState.ABANDONED})
_UNSETTLED = frozenset({OperationState.PENDING, OperationState.UNKNOWN})
_GIVEN_UP = frozenset({OperationState.UNKNOWN, OperationState.ABANDONED})

_SEVERITIES: dict[str, Literal["info", "warning", "critical"]] = {
    "ledger.intent_lost": "critical",
    "operation.closed": "info",
    "operation.proven": "critical",
    "operation.unrecorded": "critical",
    "operation.unknown": "warning",
    "operation.superseded": "warning",
}


def _is_open(stored: Operation | None, lease_token: str | None) -> bool:
    """Say whether an operation waits for its outcome, in the hands that had it."""
    return stored is None or (stored.state in _UNSETTLED and stored.lease_token == lease_token)


def _clean(outcome: Outcome) -> Outcome:
    try:
        return replace(outcome, body=without_secrets(outcome.body))
    except RecursionError:
        return replace(outcome, body={})


def _for_caller(outcome: Outcome, clean: Outcome) -> Outcome:
    """Only who has to have the customer act gets the client secret, and only in this call."""
    return outcome if outcome.state is OperationState.REQUIRES_ACTION else clean


def _with_body(
    outputs: Sequence[StepOutput], body: Mapping[str, Any], clean: Mapping[str, Any]
) -> tuple[StepOutput, ...]:
    """Return the outputs with `clean` in the place of `body`."""
    return tuple(replace(o, body=clean) if o.body is body else o for o in outputs)


def _foreign(outcome: Outcome) -> bool:
    return outcome.destination_account not in (None, STRIPE_MASTER_ACCOUNT_ID)


def _misdirected(operation: Operation, outcome: Outcome) -> Discrepancy:
    return Discrepancy(
        operation.bot,
        "destination",
        outcome.destination_account,
        STRIPE_MASTER_ACCOUNT_ID,
        operation.operation_id,
        operation.verb,
        _amount_of(operation, outcome),
        outcome.currency or operation.currency,
    )


def _amount_of(operation: Operation, outcome: Outcome) -> str | None:
    """Return what was collected, or would have been, in major units."""
    minor = outcome.amount_minor if outcome.paid else operation.amount_minor
    found = major(minor, outcome.currency or operation.currency)
    return None if found is None else str(found)


def _is_error(operation: Operation, outcome: Outcome, verb: Verb) -> bool:
    if outcome.state in (OperationState.SUCCEEDED, OperationState.PROCESSING):
        return False
    return not (outcome.state is OperationState.REQUIRES_ACTION and verb.returns(operation))


def _result(operation: Operation, outcome: Outcome, verb: Verb) -> Result:
    return verb.result_type()(
        id=outcome.stripe_id or operation.operation_id,
        status=outcome.status,
        state=str(outcome.state),
        paid=outcome.paid,
        amount=major(outcome.amount_minor, outcome.currency),
        amount_minor=outcome.amount_minor,
        currency=outcome.currency,
        operation_id=operation.operation_id,
        idempotency_key=operation.idempotency_key,
        raw=outcome.body,
    )
