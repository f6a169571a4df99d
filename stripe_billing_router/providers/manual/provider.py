"""Payments by invoice and bank transfer. Nobody tells of one but the person who reads the account's
statement, and nothing is kept of it but the operation itself: what bears no seal was never asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import InvalidRequestError
from ...master_account import STRIPE_MASTER_ACCOUNT_ID
from ...models import (
    BotId,
    Call,
    Operation,
    OperationState,
    Outcome,
    Plan,
    ResolvedRoute,
    Step,
    StepOutput,
    Verbs,
)
from ...ports import Age, Keys, Reply, Request, Store, Verdict
from ..arguments import check_step
from .verbs import ManualVerb, WireCharge, WireRefund, wire

_PAGE = 500
_CAME_TO_NOTHING = frozenset(
    {OperationState.FAILED, OperationState.CANCELED, OperationState.ABANDONED}
)


class ManualProvider:
    """Implements `ports.Provider`. An operation names its transfer, however often it is sent."""

    api_version = "manual/1"
    longest_send = 0.0
    sendable_for_ms = 10**12

    def __init__(self, store: Store) -> None:
        self.verbs: Verbs[ManualVerb] = Verbs([WireCharge(), WireRefund()])
        self._store = store

    def plan(self, call: Call, route: ResolvedRoute, keys: Keys, *, limited: bool) -> Plan:  # noqa: ARG002
        return self.verbs[call.verb].plan(call, route, self)

    def stamped(self, plan: Plan, operation_id: str, bot: BotId) -> tuple[Step, ...]:
        stamp = {"operation_id": operation_id, "bot_id": str(bot)}
        (step,) = plan.steps
        params = {**step.params, "metadata": {**step.params["metadata"], **stamp}}
        return (replace(step, params=params),)

    def check_step(
        self, operation: Operation, step: Step, path: str, params: Mapping[str, Any]
    ) -> None:
        check_step(self.verbs[operation.verb], operation, step, path, params)

    def send(self, request: Request) -> Reply:
        return Reply("answered", 200, wire(request.params))

    def ask(self, request: Request) -> Reply:
        """Answer from the ledger, as far as seals prove it: a row tells nothing about itself."""
        _, wire_id, *to_cancel = request.path.split("/")
        made = self._store.maker_of(wire_id)
        if made is None or made.outcome is None:
            return Reply("answered", 404, {}, "there is no such transfer")
        shown = dict(made.outcome.body)
        if to_cancel and shown["status"] == "processing":
            shown["status"] = "canceled"
        return Reply("answered", 200, shown)

    def verdict(self, reply: Reply, *, in_doubt: bool) -> Verdict:  # noqa: ARG002
        return Verdict.SETTLED

    def strange(
        self,
        operation: Operation,  # noqa: ARG002
        step: Step,  # noqa: ARG002
        request: Request,  # noqa: ARG002
        reply: Reply,  # noqa: ARG002
    ) -> str | None:
        return None

    def due(self, operation: Operation, found: Step | Outcome) -> int | None:  # noqa: ARG002
        return None

    def forget(self, operation: Operation) -> None:
        """Nothing is remembered."""

    def account_of(self, keys: Keys) -> tuple[str, int | None]:  # noqa: ARG002
        return STRIPE_MASTER_ACCOUNT_ID, None

    def now_ms(self, keys: Keys) -> int | None:  # noqa: ARG002
        return None

    def found(
        self,
        operation: Operation,  # noqa: ARG002
        keys: Keys,  # noqa: ARG002
        *,
        proven: bool = True,  # noqa: ARG002
    ) -> StepOutput | None:
        return None

    def left(self, operation: Operation, keys: Keys, age: Age) -> StepOutput | None:  # noqa: ARG002
        """What was not written down has left nothing: nobody was told of it."""
        return None

    def renewal(self, payment_id: str, keys: Keys) -> tuple[str, int, str] | None:  # noqa: ARG002
        return None

    def close(self) -> None:
        """Nothing is open."""

    def left_of(self, payment_id: str, bot: BotId) -> tuple[int, str]:
        """See `verbs.Payments`. Another bot's payment is none of this bot's."""
        paid = self._store.maker_of(payment_id)
        told = paid.outcome if paid is not None and paid.bot == bot else None
        if told is None or not told.paid or told.currency is None:
            raise InvalidRequestError(
                f"{payment_id} is no payment of {bot} that a person has confirmed; see "
                "`stripe-billing-router operations list`.",
                parameter="payment_id",
            )
        given_back = sum(self._given_back(payment_id, bot))
        return (told.amount_minor or 0) - given_back, told.currency

    def _given_back(self, payment_id: str, bot: BotId) -> list[int]:
        found: list[int] = []
        after = None
        while page := self._store.operations(bot_id=str(bot), limit=_PAGE, after=after):
            found += [
                operation.amount_minor or 0
                for operation in page
                if operation.verb == WireRefund.name
                and operation.arguments.get("payment_id") == payment_id
                and operation.state not in _CAME_TO_NOTHING
            ]
            after = page[-1].created_ms, page[-1].operation_id
        return found
