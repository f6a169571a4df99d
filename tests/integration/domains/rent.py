"""A domain that is one verb: rent, which a customer pays by the month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from stripe_billing_router.domain import Domain
from stripe_billing_router.models import (
    Call,
    Charge,
    Operation,
    Outcome,
    Plan,
    ResolvedRoute,
    Result,
    Step,
)
from stripe_billing_router.providers import arguments as check
from stripe_billing_router.providers.stripe.verbs import Lookups, StripeVerb, payment_intents
from stripe_billing_router.providers.stripe.verbs.base import Search, waiting_id

MONTHLY = 100


class Asked(NamedTuple):
    months: int = 1


class CollectRent(StripeVerb):
    """One payment intent of 100 a month; nobody knows beforehand what twelve months come to."""

    name: ClassVar[str] = "collect_rent"
    action_type: ClassVar[str] = "rent"
    moves = "in"
    arguments = Asked
    makes = ("payment_intent",)
    events: ClassVar[Mapping[str, str]] = {"succeeded": "rent.paid"}
    requests: ClassVar[tuple[str, ...]] = payment_intents.REQUESTS

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        clean = check.params(params, payment_intents.PARAMETERS, Asked._fields, ())
        return {"months": check.quantity(arguments["months"])}, clean

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:
        months = call.arguments["months"]
        paying = {"amount": str(MONTHLY * months), "customer_id": None, "payment_method_id": None}
        rest = {"on_session": False, "description": None}
        asked = Call(call.bot, call.verb, {**paying, **rest}, {}, call.metadata, call.overrides)
        plan = payment_intents.plan(asked, route, lookups)
        unknown = months == 12
        return Plan(
            plan.steps, None if unknown else plan.amount_minor, plan.currency, plan.customer_id
        )

    def proceed(self, operation: Operation) -> Step | Outcome:
        return payment_intents.proceed(operation, False)

    def search(self, operation: Operation) -> Search:
        return payment_intents.search(operation)

    def refresh(self, operation: Operation) -> Step:
        return payment_intents.look(waiting_id(operation))

    def result_type(self) -> type[Result]:
        return Charge


RENT = Domain("rent", verbs=[CollectRent()])
