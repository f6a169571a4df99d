"""What the host's rules demand of an operation, asked before its intent and before every resend."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ...errors import PolicyViolationError
from ...frozen import frozen
from ...models import (
    BotId,
    LedgerEntry,
    Operation,
    OperationState,
    Outcome,
    Policies,
    PolicyRule,
    Reservation,
    Reserve,
    Spend,
    Verbs,
    Write,
)
from ...money import to_major
from ...policy import Demands, Facts, counted, demands, limits_money, over_limit, spent
from ...ports import BudgetExceeded, Store
from .approving import Approvals


class Policing:
    """Applies the rules of one router."""

    def __init__(
        self,
        policies: Policies,
        store: Store,
        approvals: Approvals,
        verbs: Verbs[Any],
        provider: Shown,
    ) -> None:
        self._provider = provider
        self._verbs = verbs
        self._policies = policies
        self._store = store
        self._approvals = approvals

    @property
    def rules(self) -> Sequence[PolicyRule]:
        """The rules in force."""
        return self._policies.rules

    def demanded(self, operation: Operation) -> Demands:
        """Return what the matching rules demand; PolicyViolationError if one refuses."""
        if not self._policies.rules:
            return Demands()
        paid = self._paid(operation)
        found = demands(self._policies, self._facts(operation, paid))
        if found.own_payment is not None and paid is None:
            raise _not_its_own(operation, found.own_payment)
        return _restoring(found, spender_of(paid))

    def permitted(self, operation: Operation, demanded: Demands, due: int | None) -> list[Write]:
        """Return the writes that belong into the intent's commit. `due`: minor units that are going
        to be collected with what is owed from before, if that is known by now.

        ApprovalRequiredError if a person has to agree first: they are asked.
        """
        taken = (replace(one, begins=True) for one in _reserves(operation, demanded))
        reserves: list[Write] = [*taken, *self.more_due(operation, due)]
        if demanded.approval is None:
            return reserves
        facts = self._facts(operation, self._paid(operation))
        shown = replace(operation, amount_minor=facts.amount_minor, currency=facts.currency)
        return [*reserves, self._approvals.granted(shown, demanded.approval)]

    def rechecked(self, operation: Operation) -> Sequence[Reserve]:
        """Check an operation whose intent is durable once more, before it is sent (again).

        Returns what it has to hold by then, which it mostly does already.
        """
        demanded = self.demanded(operation)
        if demanded.approval is not None and not self._approvals.used(operation):
            raise _not_approved(operation, demanded.approval)
        return _reserves(operation, demanded)

    def limits_money(self, bot: BotId, region: str) -> bool:
        """Say whether a rule that matches limits how much may be collected."""
        return limits_money(self._policies, bot, region)

    def more_due(self, operation: Operation, due: int | None) -> Sequence[Reserve]:
        """Ask once more where more is due than the rules were asked about.

        Returns what the operation has to hold then; PolicyViolationError if it is too much, or a
        person would have to agree to it.
        """
        planned = operation.amount_minor
        if due is None or planned is None or due <= planned:
            return ()
        larger = replace(operation, amount_minor=due)
        demanded = self.demanded(larger)
        if demanded.approval is not None:
            raise _not_approved_so_much(larger, demanded.approval)
        return _reserves(larger, demanded)

    def counted(self, operation: Operation) -> tuple[Reservation, ...]:
        """Return what an operation takes of budgets and call limits; nothing refuses it."""
        if not self._policies.rules:
            return ()
        paid = self._paid(operation)
        parts = counted(self._policies, self._facts(operation, paid))
        return _restoring(Demands(parts), spender_of(paid)).reservations

    def spent(
        self, operation: Operation, spent_by: str, amount_minor: int, currency: str
    ) -> list[Spend]:
        """Return what counts money that moved after an operation: a renewal, or a refund's that
        came back."""
        facts = self._facts(operation, None)
        facts = replace(facts, amount_minor=amount_minor, currency=currency)
        parts = spent(self._policies, facts)
        if facts.verb.gives_back:  # what it gave back is asked of its own reservation
            parts = tuple(replace(part, restores=operation.operation_id) for part in parts)
        return [Spend(spent_by, part) for part in parts]

    def _paid(self, operation: Operation) -> LedgerEntry | None:
        """Return the bot's own payment that a refund is for, if that matters and is known."""
        matters = operation.amount_minor is None or any(
            rule.own_payments_only or any(budget.refunds_restore for budget in rule.budgets)
            for rule in self._policies.rules
        )
        if not (matters and self._verbs[operation.verb].gives_back):
            return None
        return own_payment(operation, self._store, self._verbs.moving("in"), self._provider)

    def _facts(self, operation: Operation, paid: LedgerEntry | None) -> Facts:
        """Return what is known of the call; a whole refund gives back what the ledger shows."""
        facts = Facts(
            operation.bot,
            self._verbs[operation.verb],
            operation.region,
            operation.amount_minor,
            operation.currency,
        )
        if paid is None or facts.amount_minor is not None:
            return facts
        collected = paid.amount_minor if is_collected(paid) else None
        return replace(facts, amount_minor=collected, currency=paid.currency)


def _restoring(found: Demands, spender: str | None) -> Demands:
    """Return the demands; only what the bot's own payment took of a budget is given back to it."""
    parts = (
        part if part.kind != "restore" else replace(part, restores=spender)
        for part in found.reservations
        if part.kind != "restore" or spender is not None
    )
    return replace(found, reservations=tuple(parts))


@contextmanager
def within_limits() -> Iterator[None]:
    """Have a commit that passes a limit raise PolicyViolationError, with what is left of it."""
    try:
        yield
    except BudgetExceeded as signal:
        raise over_limit(*signal.args) from None


def _reserves(operation: Operation, demanded: Demands) -> list[Reserve]:
    return [Reserve(operation.operation_id, part) for part in demanded.reservations]


def _not_its_own(operation: Operation, rule: str) -> PolicyViolationError:
    return PolicyViolationError(
        f"The rule {rule} lets {operation.bot} refund its own payments only, and the ledger does "
        "not show this one as such. Name it by the id that its charge returned, or have the bot "
        "that collected it, or a person, refund it.",
        rule=rule,
    )


def _not_approved_so_much(operation: Operation, rule: str) -> PolicyViolationError:
    amount = to_major(operation.amount_minor or 0, operation.currency or "")
    return PolicyViolationError(
        f"The rule {rule} asks for a person's approval, and nobody was asked about "
        f"{amount:f} {operation.currency}, which Stripe would collect together with what "
        f"{operation.customer_id} owes from before. Settle the customer's balance in Stripe, or "
        "charge by amount.",
        rule=rule,
    )


def _not_approved(operation: Operation, rule: str) -> PolicyViolationError:
    return PolicyViolationError(
        f"The rule {rule} asks for a person's approval by now, which operation "
        f"{operation.operation_id} never had; it is not sent again. `stripe-billing-router "
        "operations recover` settles it.",
        rule=rule,
    )


_RENEWED = "paid"
"""The status of what a webhook told of: a later invoice of a bot's own subscription."""

_COLLECTED = frozenset({OperationState.SUCCEEDED, _RENEWED})
_HAPPENED = _COLLECTED | {OperationState.PROCESSING}


@frozen
class Shown:
    """What the provider shows, where nothing bears a seal: of an operation, and of an invoice the
    subscription that it renews, its amount in minor units and its currency; None for nothing.
    `names` finds the ids of payments in what it tells."""

    operation: Callable[[Operation], Outcome | None]
    renewal: Callable[[str], tuple[str, int, str] | None]
    names: Callable[[Mapping[str, Any]], Iterable[str]]


def own_payment(
    operation: Operation, store: Store, paying: Set[str], provider: Shown
) -> LedgerEntry | None:
    """Return the ledger's entry of the bot's own payment that a refund is for, or None. `paying`
    are the action types of what collects.

    A bot's login can add entries: one counts if its operation is proven to be the payment's, and
    says what that came to.

    Of several the one that tells what was collected: one of a payment under way says nothing yet.
    """
    asked = operation.arguments.get("payment_id")
    wanted = [asked, *provider.names(operation.steps[0].params)]
    shown = [
        proven
        for stripe_id in dict.fromkeys(str(name) for name in wanted if name)
        for entry in store.payments(stripe_id, str(operation.bot))
        if entry.action_type in paying and _shows(entry, stripe_id, provider)
        if (proven := _proven(entry, stripe_id, operation.bot, store, provider)) is not None
    ]
    return max(shown, key=lambda entry: (is_collected(entry), entry.sequence), default=None)


def _proven(
    entry: LedgerEntry, stripe_id: str, bot: BotId, store: Store, provider: Shown
) -> LedgerEntry | None:
    """Return an entry with what its operation, or the provider, proves of the payment; or None."""
    made = store.operation(str(entry.operation_id))
    if made is None or made.bot != bot:
        return None
    told = made.outcome if store.proof(made).may_be_told else provider.operation(made)
    if told is None:
        return None
    if entry.status == _RENEWED:
        return _proven_renewal(entry, stripe_id, told, provider)
    if told.state not in _HAPPENED or stripe_id not in (told.stripe_id, *provider.names(told.body)):
        return None
    amount, currency = told.amount_minor, told.currency
    return replace(entry, amount_minor=amount, currency=currency, status=told.state)


def _proven_renewal(
    entry: LedgerEntry, stripe_id: str, told: Outcome, provider: Shown
) -> LedgerEntry | None:
    renewed = provider.renewal(entry.id) if entry.id == stripe_id else None
    if renewed is None or renewed[0] not in (told.stripe_id, told.body.get("subscription")):
        return None
    return replace(entry, amount_minor=renewed[1], currency=renewed[2])


def is_collected(entry: LedgerEntry) -> bool:
    """Say whether an entry tells how much was collected."""
    return entry.status in _COLLECTED


def spender_of(paid: LedgerEntry | None) -> str | None:
    """Return by whose name a payment took of budgets: its operation's, or a renewal's own id."""
    if paid is None or paid.status == _RENEWED:
        return None if paid is None else paid.id
    return paid.operation_id


def _shows(entry: LedgerEntry, stripe_id: str, provider: Shown) -> bool:
    if entry.status not in _HAPPENED:
        return False
    return entry.id == stripe_id or stripe_id in provider.names(_told(entry))


def _told(entry: LedgerEntry) -> Mapping[str, Any]:
    """Return what Stripe told of a payment; nothing where it was erased."""
    told = json.loads(entry.raw_event_json) if entry.raw_event_json else {}
    return told if isinstance(told, Mapping) else {}
