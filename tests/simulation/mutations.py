"""The protocol, broken on purpose: each way has to be found by the simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

from stripe_billing_router.engine import closing, leases, protocol, sending
from stripe_billing_router.engine.doubt import recovery
from stripe_billing_router.engine.protocol import OperationSequence
from stripe_billing_router.hashing import new_operation_id
from stripe_billing_router.models import (
    AppendEntry,
    Failure,
    Operation,
    OperationState,
    Outcome,
)
from stripe_billing_router.ports import Proof, Reply, Verdict
from stripe_billing_router.providers.stripe import provider
from stripe_billing_router.providers.stripe.replies import verdict
from stripe_billing_router.providers.stripe.traces import Traces
from stripe_billing_router.providers.stripe.verbs import (
    checkout,
    invoices,
    payment_intents,
    subscription,
)
from stripe_billing_router.store import (
    codec,
    drained,
    fallback,
    ledger,
    operations,
    schema,
    twins,
    underway,
)
from stripe_billing_router.store.journal import disk
from tests.simulation.broken import Broken, Mutation, always, nothing, replaced, together
from tests.simulation.schedule import (
    Crash,
    CutOff,
    DatabaseAway,
    Forge,
    Interrupted,
    Interrupts,
    Jump,
    NetworkFault,
    Outage,
    RevokeKey,
    Schedule,
    Suspend,
    WritesRefused,
)

# -- write before you charge --------------------------------------------------------------------


@contextmanager
def _intent_is_written_last() -> Iterator[None]:
    really_open, really_close = OperationSequence._open, closing.Closing.close
    late: dict[str, Callable[[], object]] = {}

    def open_(self: Any, operation: Any, *more: Any) -> Any:
        late[operation.operation_id] = partial(really_open, self, operation, *more)
        return operation

    def close(self: Any, operation: Any, *more: Any, **named: Any) -> Any:
        late.pop(operation.operation_id, lambda: None)()
        return really_close(self, operation, *more, **named)

    with (
        patch.object(OperationSequence, "_open", open_),
        patch.object(closing.Closing, "close", close),
    ):
        yield


@contextmanager
def _replays_are_booked_again() -> Iterator[None]:
    deliver = closing.Closing.deliver

    def again(self: Any, operation: Any, verb: Any, *more: Any, first: bool) -> Any:
        if not first and operation.outcome is not None:
            entry = self._log_payment(operation, operation.outcome, verb)
            self._store.commit(AppendEntry(entry))
        return deliver(self, operation, verb, *more, first=first)

    with patch.object(closing.Closing, "deliver", again):
        yield


# -- send at most once --------------------------------------------------------------------------


@contextmanager
def _each_try_has_a_new_key() -> Iterator[None]:
    numbers = count()

    def key(operation_id: str, step: str, _generation: int = 0) -> str:
        return f"{operation_id}-{step}-{next(numbers)}"

    with patch.object(sending, "request_key", key):
        yield


def _doubt_is_failure(reply: Reply, *, in_doubt: bool) -> Verdict:
    found = verdict(reply, in_doubt=in_doubt)
    return Verdict.AGAIN if found is Verdict.DOUBT else found


def _refused_key_is_refusal(reply: Reply, *, in_doubt: bool) -> Verdict:
    return verdict(reply, in_doubt=in_doubt and reply.status != 401)


@contextmanager
def sends_for_ever() -> Iterator[None]:
    """However long recovery stood still; `test_stories` tells when that shows."""
    ensure = leases.Leases.ensure

    def whenever(self: Any, lease: Any) -> None:
        lease.sends_until = None
        ensure(self, lease)

    with patch.object(leases.Leases, "ensure", whenever):
        yield


def _without_conditions(
    connection: Any, operation_id: str, _conditions: Any, changes: Mapping[str, Any], now_ms: int
) -> None:
    table = schema.operations
    connection.execute(
        update(table)
        .where(table.c.operation_id == operation_id)
        .values(updated_ms=now_ms, **changes)
    )


def _closes_with(**changes: Any) -> Mutation:
    really = operations.close_operation

    def close(connection: Any, write: Any, *more: Any) -> None:
        really(connection, replace(write, **changes), *more)

    return replaced(operations, "close_operation", close)


# -- leave nothing payable ----------------------------------------------------------------------


def _declined_and_left(_operation: Any, payment: Any, failure: Any) -> Outcome:
    return payment_intents._read(payment, OperationState.FAILED, failure)


def _invoice_left(_operation: Any, invoice: Any, _steps: Any, failure: Any) -> Outcome:
    return invoices.outcome({**invoice, "status": "void"}, failure)


def _young(self: Any, operation: Any, age_ms: int, lease: Any) -> bool:
    return bool(age_ms <= self._complete_within_ms)


def _keyed(self: Any, operation: Any, age_ms: int, lease: Any) -> bool:
    return operation.idempotency_key is not None


# -- what a bank is at --------------------------------------------------------------------------


def _at_the_bank(schedule: Schedule) -> bool:
    return any(intent.outcome == "processing" for intent in schedule.intents)


def _everything(_: Any, operation: Operation) -> Proof:
    awaits = operation.state is OperationState.AWAITING_APPROVAL
    return Proof(intent=True, outputs=True, outcome=True, awaited=awaits)


def _refused_and_left(
    _operation: Any, invoice: Mapping[str, Any], _ended: Any = None
) -> tuple[Mapping[str, Any], Failure | None]:
    refusal = invoices._refusal_of_bank(invoice)
    return (invoice if refusal is None else {**invoice, "status": "void"}), refusal


def _refused_and_runs_on(_operation: Any, found: Mapping[str, Any], failure: Failure) -> Outcome:
    outcome = subscription._outcome(found, {})
    return replace(outcome, state=OperationState.FAILED, failure=failure)


# -- the journal --------------------------------------------------------------------------------


def _tears(schedule: Schedule) -> bool:
    mishaps = (injection.mishap for injection in schedule.injections)
    return any(isinstance(mishap, Crash) and mishap.tears for mishap in mishaps)


def _refused_is_lost() -> Any:
    return together(
        replaced(fallback, "closes", always(False)),
        replaced(fallback, "leaves_doubt", always(False)),
    )


def _superseded_is_lost(*_: Any) -> str:
    return "superseded"


@contextmanager
def _journal_is_drained_without_notes() -> Iterator[None]:
    """So that a drain that was broken off, or is another's, does its lines again."""
    applied = drained.apply_line

    def forced(
        connection: Any, line: Any, writes: Any, now_ms: int, apply: Any, sealing: Any
    ) -> Any:
        outcome = applied(connection, line, writes, now_ms, apply, sealing)
        if outcome == "superseded":
            for write in writes:
                if isinstance(write, AppendEntry):
                    apply(write)
        return outcome

    with (
        patch.object(drained, "note", nothing),
        patch.object(drained, "drained_to", always(0)),
        patch.object(drained, "apply_line", forced),
    ):
        yield


Recovery = recovery.Recovery


MUTATIONS: dict[str, Broken] = {
    "the intent is written after the send": Broken(_intent_is_written_last),
    "the outcome is written without a ledger entry": Broken(
        replaced(ledger, "append_entry", nothing)
    ),
    "a replay is booked again": Broken(_replays_are_booked_again),
    "each try has a request key of its own": Broken(_each_try_has_a_new_key),
    "the idempotency key does not name the operation": Broken(
        replaced(protocol, "keyed_operation_id", lambda *_: new_operation_id())
    ),
    "the lease is not checked before a send": Broken(
        replaced(leases.Leases, "ensure", nothing), (Jump,)
    ),
    "rows are changed whoever holds them": Broken(
        replaced(operations, "_change", _without_conditions), (Suspend, Jump)
    ),
    "a keyless twin in doubt does not block": Broken(replaced(operations, "_refuse_twin", nothing)),
    "what recovery found does not block a twin": Broken(
        _closes_with(blocks_twins_for_ms=0), (Crash,)
    ),
    "an interrupted call's outcome does not block a twin": Broken(
        replaced(operations, "leave_unheard", always(False)), (Interrupted,)
    ),
    "an interrupted call's doubt does not block a twin": Broken(
        lambda: together(
            replaced(closing.Closing, "leave_broken_off", nothing),
            replaced(leases, "runs", always(True)),
        ),
        (Interrupted,),
    ),
    "doubt is taken for failure": Broken(
        replaced(provider, "verdict", _doubt_is_failure), (NetworkFault, CutOff)
    ),
    "a key refused after doubt is taken for a refusal": Broken(
        replaced(provider, "verdict", _refused_key_is_refusal), (RevokeKey,)
    ),
    "a send is repeated after 23 hours": Broken(
        replaced(provider.StripeProvider, "sendable_for_ms", 10**12), (Jump,)
    ),
    "a journal's line is drained more than once": Broken(
        _journal_is_drained_without_notes, (Outage, DatabaseAway)
    ),
    "a journal's line is forgotten": Broken(
        replaced(drained, "apply_line", _superseded_is_lost), (Outage, DatabaseAway)
    ),
    "the journal knows no twins": Broken(
        replaced(twins.Twins, "refuse", nothing), (Outage, DatabaseAway)
    ),
    # Alone, neither half pays twice: a call that is over stops an equal one though nothing says so.
    "what is refused is lost, and calls are under way while their process lives": Broken(
        lambda: together(_refused_is_lost, replaced(leases, "runs", always(True))),
        (Interrupts, WritesRefused),
    ),
    "processes do not see what a dead one had under way": Broken(
        replaced(underway.Underway, "refuse", nothing), (Outage, DatabaseAway)
    ),
    "a torn line is left where it is": Broken(
        replaced(disk, "cut_off", always("nowhere")), where=_tears
    ),
    "a declined payment is not cancelled": Broken(
        replaced(payment_intents, "_after_decline", _declined_and_left)
    ),
    "an invoice is not taken down": Broken(replaced(invoices, "_taken_down", _invoice_left)),
    "recovery completes what is old": Broken(replaced(Recovery, "_may_complete", _keyed)),
    "recovery completes calls without a key": Broken(replaced(Recovery, "_may_complete", _young)),
    "recovery abandons without looking": Broken(
        lambda: together(
            replaced(Traces, "found", always(None)),
            replaced(Traces, "excluded", always(None)),
        )
    ),
    "recovery abandons without excluding": Broken(
        replaced(Traces, "excluded", always(None)), (Suspend,)
    ),
    "an exclusion is not taken back": Broken(replaced(Traces, "_take_back", nothing)),
    "the request keys stay the same after an exclusion": Broken(
        _closes_with(used_up=False), (Suspend, Crash)
    ),
    "what a bank is at is not followed": Broken(
        replaced(Recovery, "_look", always("left")), where=_at_the_bank
    ),
    "an invoice that a bank refused is left open": Broken(
        replaced(invoices, "_after_the_bank", _refused_and_left), where=_at_the_bank
    ),
    "a subscription whose debit was refused runs on": Broken(
        replaced(subscription, "_unpaid", _refused_and_runs_on), where=_at_the_bank
    ),
    "a session is believed that does not say what its bank said": Broken(
        replaced(checkout, "_come_to", lambda _, session: checkout._outcome(session)),
        where=_at_the_bank,
    ),
    "seals are not looked at": Broken(replaced(codec.Sealing, "proof", _everything), (Forge,)),
    "steps are not looked at": Broken(replaced(provider, "check_step", nothing), (Forge,)),
    "what waits is never taken back": Broken(replaced(Recovery, "_expire", always("left"))),
}
