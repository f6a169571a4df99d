"""Applies an event: finds what it is about, judges it, and commits the change once.

Every change is one ledger entry, in the transaction that says that the event is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..bootstrap import Assembly
from ..models import (
    DEFAULT_PROVIDER,
    InboxEvent,
    InboxState,
    Operation,
    OperationState,
    Outcome,
    Verb,
    Write,
)
from ..providers.stripe.verbs import stranger
from . import facts
from .entering import Entering, Mark
from .judging import IN_DOUBT, WAITS, Judgement, Look, Nothing, Proven, Wait, judge, told, weigh
from .owners import Owners, subscription_of
from .reading import operation_named_by

_CHARGES = frozenset({"charge.succeeded", "charge.failed", "charge.captured", "charge.expired"})
_UNSETTLED = WAITS | IN_DOUBT


class NotYet(Exception):
    """The event cannot be applied yet; `args[0]` says why."""


class Applier:
    """Applies events to operations and ledger."""

    def __init__(self, parts: Assembly) -> None:
        self._parts = parts
        self._store = parts.store
        self._verbs = parts.engine.verbs
        self._books = Entering(parts)
        self._owners = Owners(parts.store, parts.keys, parts.engine.accounts, parts.books)

    def apply(self, event: InboxEvent, mark: Mark) -> InboxState:
        """Commit what an event changes; return the state in which the event ends.

        NotYet if it has to wait, StaleLease if another has been faster.
        """
        kind = event.object.get("object")
        if event.type.startswith("charge.dispute."):
            if kind != "dispute":
                return self._books.nothing(mark)
            return self._enter_for_owner(event, partial(facts.dispute, event), mark)
        if kind == "charge":
            return self._charge(event, mark)
        if kind == "invoice" and subscription_of(event.object):
            return self._subscription_invoice(event, mark)
        if self._verbs.making(kind) is not None:
            return self._own_object(event, mark)
        return self._books.nothing(mark)

    def _own_object(self, event: InboxEvent, mark: Mark) -> InboxState:
        operation = self._operation(event.operation_id, event.object_id)
        over = event.type == "customer.subscription.deleted"
        made_by = self._verbs.making(event.object.get("object"))
        if operation is not None and over and made_by and self._ended(operation, event):
            find = partial(facts.ended, event, made_by)
            return self._books.enter(event, find, lambda: operation, mark)
        if operation is not None and _is_about(event, operation):
            return self._move(event, operation, mark)
        if event.object.get("object") == "refund":
            return self._enter_for_owner(event, partial(facts.bypassing_refund, event), mark)
        return self._books.nothing(mark, operation=operation)

    def _charge(self, event: InboxEvent, mark: Mark) -> InboxState:
        """A charge shows less than its payment does, which is looked at in its stead."""
        payment = event.object.get("payment_intent")
        if event.type not in _CHARGES or not isinstance(payment, str):
            return self._books.nothing(mark)
        operation = self._operation(operation_named_by(event.object), payment)
        waits = operation is not None and operation.state in WAITS
        if operation is None or not waits or not _is_named(payment, operation):
            return self._books.nothing(mark, operation=operation)
        return self._act(event, operation, Look(), mark)

    def _subscription_invoice(self, event: InboxEvent, mark: Mark) -> InboxState:
        """The first invoice belongs to the call that made the subscription, unless it is paid after
        that had ended without a payment; later ones renew it."""
        details = subscription_of(event.object)
        operation = self._operation(operation_named_by(details), str(details.get("subscription")))
        if operation is None:
            return self._books.nothing(mark)
        first = event.object.get("billing_reason") == "subscription_create"
        by_call = "subscription" in self._verbs[operation.verb].makes
        if not first or (by_call and _is_paid_late(event, operation)):
            return self._renewal(event, operation, details.get("subscription"), mark)
        if operation.state in WAITS if by_call else operation.state is OperationState.PROCESSING:
            return self._act(event, operation, Look(), mark)
        return self._books.nothing(mark, operation=operation)

    def _renewal(
        self, event: InboxEvent, operation: Operation, subscription: object, mark: Mark
    ) -> InboxState:
        if operation.state in IN_DOUBT - {OperationState.ABANDONED}:
            raise NotYet(f"operation {operation.operation_id} is {operation.state}")
        known = self._believed(operation)
        if not _names(known, subscription):
            if operation.state in WAITS or (known is None and operation.outcome is not None):
                raise NotYet(f"operation {operation.operation_id} does not show what it made yet")
            return self._books.nothing(mark)
        made_by = self._verbs.making("subscription") or self._verbs[operation.verb]
        find = partial(facts.renewal, event, made_by)
        return self._books.enter(event, find, lambda: operation, mark, self._counted(operation))

    def _counted(self, operation: Operation) -> Callable[[facts.Fact], Sequence[Write]]:
        """Return what counts a fact's money against the budgets of the operation's bot: what was
        collected after its call, and a refund that came back."""

        def counted(fact: facts.Fact) -> Sequence[Write]:
            if not fact.amount_minor:
                return ()
            policing = self._parts.engine.policing
            return policing.spent(operation, fact.object_id, abs(fact.amount_minor), fact.currency)

        return counted

    def _ended(self, operation: Operation, event: InboxEvent) -> bool:
        return operation.state not in _UNSETTLED and self._runs(operation, event.object_id)

    def _runs(self, operation: Operation, subscription: object) -> bool:
        """Say whether a subscription is the operation's own: metadata is anybody's word for it."""
        return isinstance(subscription, str) and _names(self._believed(operation), subscription)

    def _believed(self, operation: Operation) -> Outcome | None:
        """Return what an operation came to as its seals prove it, or Stripe, which is only read;
        None, and people are told, if neither does."""
        trust, follower = self._parts.engine.trust, self._parts.follower
        if operation.outcome is None or trust.may_be_told(operation):
            return operation.outcome
        shown = follower.witness(operation, self._verbs[operation.verb])
        if shown is None:
            trust.tell(operation)
        return shown

    def _enter_for_owner(self, event: InboxEvent, find: facts.Find, mark: Mark) -> InboxState:
        return self._books.enter(event, find, lambda: self._owners.of(event.object), mark)

    def _move(self, event: InboxEvent, operation: Operation, mark: Mark) -> InboxState:
        """Move the operation on whose own object the event is about."""
        if operation.state is OperationState.AWAITING_APPROVAL or self._held(operation):
            raise NotYet(f"operation {operation.operation_id} is being executed")
        verb = self._verbs[operation.verb]
        if operation.state in WAITS and not self._parts.engine.trust.may_be_told(operation):
            return self._act(event, operation, Look(), mark)
        if operation.state in _UNSETTLED:
            judgement = judge(event, operation, verb, self._parts.providers.default.api_version)
            return self._act(event, operation, judgement, mark)
        if self._believed(operation) is None:
            return self._books.nothing(mark, operation=operation)
        shown = self._shown(event, operation, verb)
        find = partial(facts.after_the_end, event, operation, verb, shown)
        return self._books.enter(event, find, lambda: operation, mark, self._counted(operation))

    def _act(
        self, event: InboxEvent, operation: Operation, judgement: Judgement, mark: Mark
    ) -> InboxState:
        match judgement:
            case Look():
                return self._act(event, operation, self._looked(event, operation), mark)
            case Proven(outcome):
                trust = self._parts.engine.trust
                if trust.is_anothers(operation, outcome.stripe_id):
                    trust.tell(operation, why=f"{outcome.stripe_id} is another operation's")
                    return self._books.nothing(mark, operation=operation)
                done = mark(InboxState.PROCESSED, operation.operation_id)
                verb = self._verbs[operation.verb]
                self._parts.engine.closing.record(operation, outcome, verb, done)
                return InboxState.PROCESSED
            case Nothing(state):
                return self._books.nothing(mark, state, operation)
            case Wait(why):
                raise NotYet(why)

    def _shown(self, event: InboxEvent, operation: Operation, verb: Verb) -> Outcome | None:
        """Return what an event shows of an operation that had come to its end; Stripe is asked
        about a session that is paid after it had failed, which does not show all of it."""
        outcome, paid = told(event, operation, verb), event.object.get("payment_status") == "paid"
        if outcome is not None or not paid or operation.state is OperationState.SUCCEEDED:
            return outcome
        named = _with_id(operation, event.object_id)
        return self._parts.follower.glance(named, verb)

    def _looked(self, event: InboxEvent, operation: Operation) -> Judgement:
        """Ask Stripe. An operation in doubt may be in others' hands: it is only read."""
        verb, follower = self._verbs[operation.verb], self._parts.follower
        if operation.state in WAITS:
            trusted = self._parts.engine.trust.may_be_told(operation)
            shown = follower.look(operation, verb) if trusted else self._believed(operation)
            return weigh(operation, shown)
        return weigh(operation, follower.glance(_with_id(operation, event.object_id), verb))

    def _held(self, operation: Operation) -> bool:
        pending = operation.state is OperationState.PENDING
        return pending and operation.lease_until_ms > self._store.now_ms()

    def _operation(self, named: str | None, object_id: str | None) -> Operation | None:
        """Return the operation that an object names, or that the ledger knows it by."""
        if named is None:
            known = self._store.operation_of(object_id) if object_id else None
            return None if known is None else self._store.operation(known)
        found = self._store.operation(named)
        if found is None:
            raise NotYet(f"operation {named} is not in this ledger")
        # Metadata is anybody's: what was asked of another provider is nothing that Stripe ends.
        return found if found.provider == DEFAULT_PROVIDER else None


def _names(known: Outcome | None, subscription: object) -> bool:
    named = () if known is None else (known.stripe_id, known.body.get("subscription"))
    return isinstance(subscription, str) and subscription in named


def _is_about(event: InboxEvent, operation: Operation) -> bool:
    """Whether the event's object is the one that the operation made, and no other that bears its
    metadata, such as the payment of a checkout session, or one that somebody copied it to."""
    same_kind = operation.steps[0].expects == event.object.get("object")
    # The ledger's word, which every bot may add to, ends no doubt: the object itself has to.
    names_it = operation.state not in IN_DOUBT or event.operation_id == operation.operation_id
    named = same_kind and names_it and _is_named(event.object_id, operation)
    return named and stranger(operation, event.object) is None


def _is_paid_late(event: InboxEvent, operation: Operation) -> bool:
    """Whether a first invoice is paid that was not when its call came to its end: a bank that had
    refused it was asked again. (A checkout session's own events tell of that.)"""
    ended = operation.outcome if operation.state not in _UNSETTLED else None
    if ended is None or ended.paid:
        return False
    return event.object.get("status") == "paid" and bool(event.object.get("amount_paid"))


def _is_named(object_id: str | None, operation: Operation) -> bool:
    known = operation.outcome.stripe_id if operation.outcome is not None else None
    return known is None or known == object_id


def _with_id(operation: Operation, object_id: str | None) -> Operation:
    """Return an operation in doubt with what a look at its object needs."""
    named = Outcome(operation.state, object_id, None, None, operation.currency, False, {})
    return replace(operation, outcome=named)
