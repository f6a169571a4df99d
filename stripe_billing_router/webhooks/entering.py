"""Enters facts into the ledger, each once, in the transaction that says the event is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..bootstrap import Assembly
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import (
    AppendEntry,
    EntryDraft,
    InboxEvent,
    InboxState,
    MarkProcessed,
    NoteFact,
    Operation,
    Write,
)
from ..ports import Event
from ..providers.stripe.verbs import email_in
from .facts import Fact, Find

Mark = Callable[[InboxState, str | None], MarkProcessed]
"""Makes the write that says in which state an event ends, and which operation it is about."""


class Entering:
    """Writes facts down. An event's facts are those of its object."""

    def __init__(self, parts: Assembly) -> None:
        self._store = parts.store
        self._clock = parts.engine.clock
        self._observers = parts.observers

    def enter(
        self,
        event: InboxEvent,
        find: Find,
        owner_of: Callable[[], Operation | None],
        mark: Mark,
        more: Callable[[Fact], Sequence[Write]] = lambda fact: (),  # noqa: ARG005 - mostly none
    ) -> InboxState:
        """Enter what `find` makes of the event and the facts known of its object, and what `more`
        belongs to it.

        StaleLease if another has entered one meanwhile.
        """
        seen = self._store.inbox.facts(event.object_id) if event.object_id else frozenset()
        fact = find(seen)
        if isinstance(fact, InboxState):
            return self.nothing(mark, fact)
        owner = owner_of()
        self._store.commit(
            NoteFact(fact.object_id, fact.name, seen),
            *more(fact),  # budgets are locked before streams, everywhere
            AppendEntry(self._entry(event, fact, owner)),
            mark(InboxState.PROCESSED, _name(owner)),
        )
        self._tell(event, fact, owner)
        return InboxState.PROCESSED

    def nothing(
        self,
        mark: Mark,
        state: InboxState = InboxState.PROCESSED,
        operation: Operation | None = None,
    ) -> InboxState:
        """Say that there is nothing to enter."""
        self._store.commit(mark(state, _name(operation)))
        return state

    def _entry(self, event: InboxEvent, fact: Fact, owner: Operation | None) -> EntryDraft:
        own = owner if fact.of_operation else None
        return EntryDraft(
            id=fact.object_id,
            action_type=fact.action_type,
            amount_minor=fact.amount_minor,
            currency=fact.currency,
            timestamp_ms=self._clock.now_ms(),
            user_email=None if own is None else own.user_email or email_in(event.object),
            bot_id=None if owner is None else str(owner.bot),
            destination_account=STRIPE_MASTER_ACCOUNT_ID,
            raw_event=event.body,
            error=fact.error,
            operation_id=_name(own),
            status=fact.name,
        )

    def _tell(self, event: InboxEvent, fact: Fact, owner: Operation | None) -> None:
        if fact.alert is not None:
            bot, verb = (None, None) if owner is None else (owner.bot, owner.verb)
            name = f"webhook.{event.type}"
            self._observers.tell(Event(name, fact.severity, fact.alert, bot, verb, _name(owner)))


def _name(operation: Operation | None) -> str | None:
    return None if operation is None else operation.operation_id
