"""What a verb is: it checks arguments, plans Stripe steps, and reads what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from ..models import BotId, Failure, Operation, Outcome, ResolvedRoute, Result, Step, StepOutput


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller asked, checked and in plain JSON types; amounts are still in major units."""

    bot: BotId
    verb: str
    arguments: Mapping[str, Any]
    params: Mapping[str, Any]
    metadata: Mapping[str, str]
    overrides: Mapping[str, str]

    def asked(self) -> dict[str, Any]:
        """Return everything that makes two calls the same call."""
        return {
            "arguments": dict(self.arguments),
            "params": dict(self.params),
            "metadata": dict(self.metadata),
            "overrides": dict(self.overrides),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The frozen steps of an operation. A step that creates something has `metadata`."""

    steps: tuple[Step, ...]
    amount_minor: int | None
    currency: str | None
    customer_id: str | None

    def stamped(self, operation_id: str, bot: BotId) -> tuple[Step, ...]:
        """Return the steps with operation id and bot id in the metadata of all they create."""
        stamp = {"operation_id": operation_id, "bot_id": str(bot)}
        return tuple(_stamped(step, stamp) for step in self.steps)


def _stamped(step: Step, stamp: Mapping[str, str]) -> Step:
    if "metadata" not in step.params:
        return step
    metadata = {**step.params["metadata"], **stamp}
    return replace(step, params={**step.params, "metadata": metadata})


class Lookups(Protocol):
    """Reads that a plan may need; cached by whoever implements them."""

    def default_payment_method(self, customer_id: str) -> str | None: ...


class Verb(Protocol):
    """One money verb. `accepts` names its arguments, `step_types` the SDK's parameter types."""

    name: ClassVar[str]
    action_type: ClassVar[str]

    def check(
        self, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return arguments and `**params` in plain types, or raise InvalidRequestError."""
        ...

    def plan(self, call: Call, route: ResolvedRoute, lookups: Lookups) -> Plan: ...

    def proceed(self, operation: Operation) -> Step | Outcome:
        """Return the next request to send, or what the operation has come to."""
        ...

    def refresh(self, operation: Operation) -> Step:
        """Return the request that reads the present state of an operation that waits."""
        ...

    def reread(self, operation: Operation, output: StepOutput) -> Outcome:
        """Return what an operation that waited has come to."""
        ...

    def returns(self, operation: Operation) -> bool:
        """Say whether a waiting operation is this caller's result, rather than an error."""
        ...

    def result_type(self) -> type[Result]: ...


def output_of(operation: Operation, step: str) -> StepOutput | None:
    """Return what Stripe answered to the named step, if it has."""
    return next((output for output in operation.outputs if output.step == step), None)


def failure_of(output: StepOutput, kind: str = "refused") -> Failure:
    """Return Stripe's refusal as data."""
    error = output.error
    return Failure(
        kind="conflict" if error.get("type") == "idempotency_error" else kind,
        message=str(error.get("message") or "Stripe gave no reason"),
        code=_text(error.get("code")),
        decline_code=_text(error.get("decline_code")),
        parameter=_text(error.get("param")),
        http_status=output.status,
        request_id=output.request_id,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
