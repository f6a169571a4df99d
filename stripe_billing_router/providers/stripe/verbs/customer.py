"""create_customer: somebody who can pay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from ....models import (
    Call,
    Customer,
    Operation,
    OperationState,
    Outcome,
    Plan,
    ResolvedRoute,
    Result,
    Step,
)
from ....redaction import shown
from ... import arguments as check
from .base import Lookups, Search, StripeVerb, id_of, output_of, refused, waiting_id

_DECIDED = frozenset("balance cash_balance metadata test_clock".split())
_CREATE = "customer"
_LONGEST_EMAIL = 254


class _Arguments(NamedTuple):
    customer_info: Mapping[str, Any]


class CustomerVerb(StripeVerb):
    """One request. `customer_info` are the fields of the customer, such as name and email."""

    name: ClassVar[str] = "create_customer"
    action_type: ClassVar[str] = "customer"
    moves = "none"
    arguments = _Arguments
    makes = ("customer",)
    requests: ClassVar[tuple[str, ...]] = ("post /v1/customers", "get /v1/customers/{id}")

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        info = arguments["customer_info"]
        if not isinstance(info, Mapping):
            raise check.invalid(
                "customer_info", f"is {shown(info)}; pass a dict such as {{'email': …}}"
            )
        twice = set(info) & set(params)
        if twice:
            raise check.invalid(str(sorted(map(str, twice))[0]), "is given twice; leave one out")
        fields = check.params(
            {**info, **params}, "CustomerCreateParams", _Arguments._fields, _DECIDED
        )
        check.optional_text(fields.get("email"), "email", _LONGEST_EMAIL)
        return {"customer_info": fields}, {}

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan:  # noqa: ARG002
        info = call.arguments["customer_info"]
        params = {**info, "metadata": dict(call.metadata)}
        step = Step(_CREATE, "post", "/v1/customers", params, "customer")
        return Plan((step,), None, None, None, info.get("email"))

    def proceed(self, operation: Operation) -> Step | Outcome:
        created = output_of(operation, _CREATE)
        if created is None:
            return operation.steps[0]
        return _outcome(created.body) if created.ok else refused(created)

    def search(self, operation: Operation) -> Search:  # noqa: ARG002 - the same for all
        return Search(_CREATE, "/v1/customers", {})

    def refresh(self, operation: Operation) -> Step:
        return Step("look", "get", f"/v1/customers/{waiting_id(operation)}", {}, "customer")

    def result_type(self) -> type[Result]:
        return Customer


def _outcome(customer: Mapping[str, Any]) -> Outcome:
    return Outcome(
        state=OperationState.SUCCEEDED,
        stripe_id=id_of(customer),
        status=None,
        amount_minor=None,
        currency=None,
        paid=False,
        body=customer,
    )
