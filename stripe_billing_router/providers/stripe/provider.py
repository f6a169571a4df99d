"""Stripe as a provider: what the engine asks, answered by the rooms of this wing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...models import BotId, Call, Operation, Outcome, Plan, ResolvedRoute, Step, StepOutput, Verbs
from ...ports import Age, Clock, KeyProvider, Keys, Reply, Request, Store, Transport, Verdict
from ..arguments import check_step
from .gateway import StripeGateway
from .reading import Lookups, Reader, account_named
from .replies import SENDABLE_FOR_MS, verdict
from .traces import Traces
from .verbs import (
    StripeVerb,
    beyond,
    carefully,
    due,
    due_beside,
    email_in,
    stamped,
    strange,
)


class StripeProvider:
    """Implements `ports.Provider`. What is sent goes over `transport`, which ends in `gateway`."""

    sendable_for_ms = SENDABLE_FOR_MS

    def __init__(
        self,
        gateway: StripeGateway,
        transport: Transport,
        verbs: Verbs[StripeVerb],
        store: Store,
        keys: KeyProvider,
        clock: Clock,
    ) -> None:
        self.verbs = verbs
        self.api_version = gateway.api_version
        self.longest_send = gateway.longest_send
        self.send = transport.send
        self.close = gateway.close
        self.reader = Reader(transport, clock)
        self.ask = self.reader.ask
        self._lookups = Lookups(self.reader, store, clock)
        self._traces = Traces(self.reader, keys, transport)

    def plan(self, call: Call, route: ResolvedRoute, keys: Keys, *, limited: bool) -> Plan:
        lookups = self._lookups.with_keys(keys)
        plan = self.verbs[call.verb].plan(call, route, lookups)
        if limited:
            plan = replace(carefully(plan), due=due_beside(plan, lookups))
        payer = plan.user_email or route.route.user_email or email_in(call.params)
        return replace(plan, user_email=payer or self._lookups.email_of(plan.customer_id))

    def stamped(self, plan: Plan, operation_id: str, bot: BotId) -> tuple[Step, ...]:
        return tuple(stamped(step, operation_id, bot) for step in plan.steps)

    def check_step(
        self, operation: Operation, step: Step, path: str, params: Mapping[str, Any]
    ) -> None:
        check_step(self.verbs[operation.verb], operation, step, path, params)

    def verdict(self, reply: Reply, *, in_doubt: bool) -> Verdict:
        return verdict(reply, in_doubt=in_doubt)

    def strange(
        self, operation: Operation, step: Step, request: Request, reply: Reply
    ) -> str | None:
        """A decline shows its payment, which is taken back."""
        shown = reply.body if (reply.status or 0) < 400 else _payment_declined(step, reply)
        if shown is None:
            return None
        field = strange(operation, step, request.path, request.params, shown)
        return field or self._not_of_payment(operation, step, shown)

    def _not_of_payment(
        self, operation: Operation, step: Step, refund: Mapping[str, Any]
    ) -> str | None:
        """Return the field by which the refund of a whole payment, which is sent without an amount,
        is more than its payment, as far as the ledger knows that."""
        if step.expects != "refund" or operation.amount_minor is not None:
            return None
        made = self._lookups.made(str(operation.arguments["payment_id"]))
        return beyond(made, refund) if made is not None and made.paid else None

    def due(self, operation: Operation, found: Step | Outcome) -> int | None:
        return due(operation, found)

    def forget(self, operation: Operation) -> None:
        for step in operation.steps:
            self._lookups.forget_payment_method(str(step.params.get("payment_method")))

    def account_of(self, keys: Keys) -> tuple[str, int | None]:
        reply = self.reader.account(keys.secret_key)
        return account_named(reply, keys), reply.date_ms

    def now_ms(self, keys: Keys) -> int | None:
        return self.reader.account(keys.secret_key).date_ms

    def found(self, operation: Operation, keys: Keys, *, proven: bool = True) -> StepOutput | None:
        return self._traces.found(operation, self.verbs[operation.verb], keys, proven=proven)

    def left(self, operation: Operation, keys: Keys, age: Age) -> StepOutput | None:
        return self._traces.left(operation, self.verbs[operation.verb], keys, age)

    def renewal(self, payment_id: str, keys: Keys) -> tuple[str, int, str] | None:
        return self._lookups.with_keys(keys).renewal(payment_id)


def _payment_declined(step: Step, reply: Reply) -> Mapping[str, Any] | None:
    error = reply.body.get("error")
    payment = error.get("payment_intent") if isinstance(error, Mapping) else None
    return payment if isinstance(payment, Mapping) and step.expects == "payment_intent" else None
