"""Seals of what tables and journal hold: made as it is written, checked before it is used.

Times are the database's, so the seal of an intent is made in its transaction. A row that is changed
keeps a seal that does not hold any more; one that was inserted by somebody without a key has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ..errors import BillingError, KeyConfigurationError
from ..models import Operation, OperationState
from ..ports import Proof
from ..seals import Seals
from .codec import operation_row

_INTENT = (
    "operation_id bot_id verb idempotency_key input_hash account_id region amount_minor currency "
    "customer_id effect_hash steps arguments api_version skew_ms started_ms generation"
).split()
"""Who asked for what, what is going to be sent for it, and since when."""


class Sealing:
    """Makes and checks the seals of one store. `seals` gives those of the keys in force."""

    def __init__(self, seals: Callable[[], Seals | None] = lambda: None) -> None:
        self._seals = seals
        self._known: Seals | None = None

    def intent(self, row: Mapping[str, Any]) -> str | None:
        """Return the seal of an operation's row as it begins; nothing is sent without keys."""
        self._known = self._seals()
        return self._made("intent", *_parts(row))

    def outputs(self, operation_id: str, generation: int, text: str) -> str | None:
        """Return the seal of what the steps of one attempt gave."""
        return self._late("outputs", operation_id, generation, text)

    def outcome(
        self, operation_id: str, generation: int, state: OperationState, text: str | None
    ) -> str | None:
        """Return the seal of what an operation came to; None for nothing."""
        if text is None:
            return None
        return self._late("outcome", operation_id, generation, str(state), text)

    def event(self, event_id: str, body: str) -> str | None:
        """Return the seal of a webhook as it was received."""
        return self._late("event", event_id, body)

    def line(self, digest: str) -> str | None:
        """Return the seal of a line of the journal, whose hash covers all before it."""
        return self._late("line", digest)

    def believes(self, seal: str | None, digest: str) -> bool:
        """Say whether a line is what a holder of a key wrote; without keys nobody can tell."""
        return self._seals() is None or self.holds(seal, "line", digest)

    def sealed(self, operation: Operation) -> Operation:
        """Return an operation of which a believed line tells with the seals it will have."""
        row, of, generation = operation_row(operation), operation.operation_id, operation.generation
        return replace(
            operation,
            seal=self.intent(row),
            outputs_seal=self.outputs(of, generation, row["outputs"]),
            outcome_seal=self.outcome(of, generation, operation.state, row["outcome"]),
        )

    def holds(self, seal: str | None, purpose: str, *parts: str | int | None) -> bool:
        """Say whether a seal was made by a holder of a key; KeyConfigurationError without keys."""
        seals = self._seals()
        return seals is not None and seals.holds(seal, purpose, *parts)

    def proof(self, operation: Operation) -> Proof:
        """Return what is proven of an operation as it was read."""
        row, of = operation_row(operation), operation.operation_id
        state, generation = row["state"], operation.generation
        # What an attempt used up begins anew with the next generation; its intent had this one.
        begun = [generation, generation - 1] if state == OperationState.ABANDONED else [generation]
        told = ("outcome", of, generation, state, row["outcome"])
        gave = ("outputs", of, generation, row["outputs"])
        return Proof(
            intent=any(
                self.holds(operation.seal, "intent", *_parts({**row, "generation": begun_as}))
                for begun_as in begun
            ),
            outputs=not operation.outputs or self.holds(operation.outputs_seal, *gave),
            outcome=operation.outcome is not None and self.holds(operation.outcome_seal, *told),
        )

    def require_keys(self) -> None:
        """Raise KeyConfigurationError if no seal can be checked here."""
        if self._seals() is None:
            raise KeyConfigurationError(
                "What is stored cannot be proven without a key. Run this where the router's keys "
                "are."
            )

    def _late(self, purpose: str, *parts: str | int | None) -> str | None:
        """The payment is what it is: no key that has become unreachable keeps it from being
        written down. Then it is sealed with the keys known last, or not."""
        with suppress(BillingError):
            self._known = self._seals()
        return self._made(purpose, *parts)

    def _made(self, purpose: str, *parts: str | int | None) -> str | None:
        return None if self._known is None else self._known.seal(purpose, *parts)


def _parts(row: Mapping[str, Any]) -> list[Any]:
    return [row[name] for name in _INTENT]
