"""Operations and ledger entries to database rows and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from ..errors import BillingError, KeyConfigurationError
from ..hashing import Seals, canonical_json
from ..models import (
    Anomaly,
    Approval,
    ApprovalState,
    BotId,
    DiscrepancyRecord,
    DiscrepancyState,
    Failure,
    LedgerEntry,
    Operation,
    OperationState,
    Outcome,
    Step,
    StepOutput,
    major,
)
from ..ports import Proof
from ..redaction import may_hold_secrets, without_secrets

Encode = Callable[[Mapping[str, Any]], str]
"""Makes JSON of a body: canonical, and without secrets."""

_AS_THEY_ARE = (
    "operation_id region verb idempotency_key input_hash effect_hash api_version account_id "
    "key_fingerprint amount_minor currency customer_id user_email generation skew_ms created_ms "
    "started_ms updated_ms lease_token lease_until_ms lease_owner"
).split()
_SEALS = ("seal", "outputs_seal", "outcome_seal")


def operation_row(operation: Operation) -> dict[str, Any]:
    """Return the columns of an operation."""
    return {
        **{name: getattr(operation, name) for name in (*_AS_THEY_ARE, *_SEALS)},
        "bot_id": str(operation.bot),
        "state": str(operation.state),
        "steps": canonical_json([_fields(step) for step in operation.steps]),
        "arguments": canonical_json(operation.arguments),
        "outputs": outputs_json(operation.outputs),
        "outcome": outcome_json(operation.outcome),
    }


_NUMBERS = (
    "amount_minor generation skew_ms started_ms updated_ms lease_until_ms created_ms"
).split()
_UNREADABLE = ValueError, TypeError, KeyError, AttributeError, RecursionError, BillingError


def operation_of(row: RowMapping | Mapping[str, Any]) -> Operation:
    """Return the operation of a row.

    One that cannot be read is in doubt and proven by nothing: it stops nobody who reads others.
    """
    try:
        return _operation_of(row)
    except _UNREADABLE:
        told = {name: row[name] for name in _AS_THEY_ARE}
        numbers = {n: told[n] if isinstance(told[n], int) else 0 for n in _NUMBERS[:-1]}
        return Operation(
            **{**told, **numbers},
            bot=_bot_of(row),
            state=OperationState.UNKNOWN,
            steps=(),
            arguments={},
        )


def _bot_of(row: RowMapping | Mapping[str, Any]) -> BotId:
    try:
        return BotId.parse(row["bot_id"])
    except BillingError:
        return BotId.parse("unreadable:bot")


def _operation_of(row: RowMapping | Mapping[str, Any]) -> Operation:
    for name in _NUMBERS:
        if not isinstance(row[name], int | None):
            raise TypeError(name)
    outputs = outputs_of(row["outputs"])
    return Operation(
        **{name: row[name] for name in _AS_THEY_ARE},
        **_seals_of(row),
        bot=BotId.parse(row["bot_id"]),
        state=OperationState(row["state"]),
        steps=tuple(Step(**step) for step in json.loads(row["steps"])),
        arguments=json.loads(row["arguments"]),
        outputs=outputs,
        outcome=outcome_of(row["outcome"], outputs),
    )


def _seals_of(row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """Return the seals of a row; a line of the journal has none of its own."""
    return {name: row.get(name) for name in _SEALS}


class EncodedOnce:
    """Encodes what Stripe answered once, though outputs, outcome and ledger entry all hold it.

    For one commit: it knows objects by what they are, not by what is in them.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}

    def __call__(self, body: Mapping[str, Any]) -> str:
        known = self._known.get(id(body))
        if known is None:
            known = self._known[id(body)] = body, clean_json(body)
        return known[1]


def clean_json(data: Mapping[str, Any]) -> str:
    """Return canonical JSON without secrets. What comes to be stored is mostly free of them by now:
    to look is quicker than to copy."""
    text = canonical_json(data)
    return canonical_json(without_secrets(data)) if may_hold_secrets(text) else text


def outputs_json(outputs: tuple[StepOutput, ...], encode: Encode = clean_json) -> str:
    """Return step outputs as they are stored: without secrets."""
    return f"[{','.join(_with_body(_fields(output), encode) for output in outputs)}]"


def outcome_json(outcome: Outcome | None, encode: Encode = clean_json) -> str | None:
    """Return an outcome as it is stored: without secrets."""
    if outcome is None:
        return None
    told = _fields(outcome)
    if outcome.failure is not None:
        told["failure"] = _fields(outcome.failure)
    return _with_body(told, encode)


def unrepeated(told: str | None, outputs: Sequence[StepOutput], encode: Encode) -> str | None:
    """Return an outcome as the row of its operation holds it: a body that is among the outputs is
    named by its place there. A seal is over the whole."""
    for place, output in enumerate(outputs):
        body = f'{{"body":{encode(output.body)},'
        if told is not None and told.startswith(body):
            return f'{{"body_of":{place},{told[len(body) :]}'
    return told


def _with_body(fields: dict[str, Any], encode: Encode) -> str:
    body = fields.pop("body")
    return f'{{"body":{encode(body)},{clean_json(fields)[1:]}'


def _fields(record: Step | StepOutput | Outcome | Failure) -> dict[str, Any]:
    """Return the fields as they are; `asdict` would copy all that is in them."""
    return {name: getattr(record, name) for name in record.__match_args__}


def outputs_of(text: str) -> tuple[StepOutput, ...]:
    """Return the step outputs that a column holds."""
    return tuple(StepOutput(**output) for output in json.loads(text))


def outcome_of(text: str | None, outputs: Sequence[StepOutput] = ()) -> Outcome | None:
    """Return the outcome that a column holds, beside these outputs.

    Where it names one that is not there, its body is empty, and no seal is over that.
    """
    if text is None:
        return None
    found = json.loads(text)
    if "body_of" in found:
        place = found.pop("body_of")
        found["body"] = dict(enumerate(output.body for output in outputs)).get(place, {})
    failure = found.pop("failure")
    state = OperationState(found.pop("state"))
    return Outcome(state=state, failure=Failure(**failure) if failure else None, **found)


def entry_of(row: RowMapping) -> LedgerEntry:
    """Return the ledger entry of a row."""
    return LedgerEntry(**{**row, "amount": _exact(row)})


def _exact(row: RowMapping) -> Decimal | None:
    """Return the amount that `amount_minor` says, or what the column holds if that is another."""
    held: Decimal | None = row["amount"]
    try:
        exact = major(row["amount_minor"], row["currency"])
    except (ArithmeticError, TypeError, ValueError):  # SQLite stores anything anywhere
        return held
    if held is None or exact is None:
        return held
    return exact if float(held) == float(exact) else held


def approval_row(approval: Approval) -> dict[str, Any]:
    """Return the columns of an approval."""
    return {**asdict(approval), "state": str(approval.state)}


def approval_of(row: RowMapping) -> Approval:
    """Return the approval of a row; ValueError for one that cannot be shown to people."""
    major(row["amount_minor"], row["currency"])
    BotId.parse(row["bot_id"])
    return Approval(**{**row, "state": ApprovalState(row["state"])})


def discrepancy_of(row: RowMapping) -> DiscrepancyRecord:
    """Return the discrepancy of a row."""
    columns = dict(row)
    del columns["open_key"]
    columns["details"] = _mapping(columns["details"])
    columns["state"] = DiscrepancyState(columns["state"])
    return DiscrepancyRecord(**columns)


def _mapping(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def anomaly_of(row: RowMapping) -> Anomaly:
    """Return the anomaly of a row."""
    columns = dict(row)
    del columns["window_key"]
    columns["metadata"] = _mapping(columns["metadata"])
    columns["codex"] = bool(columns["codex"])
    columns["exported"] = bool(columns["exported"])
    return Anomaly(**columns)


_INTENT = (
    "operation_id bot_id verb idempotency_key input_hash account_id region amount_minor currency "
    "customer_id effect_hash steps arguments api_version skew_ms started_ms generation"
).split()
"""Who asked for what, what is going to be sent for it, and since when. The seal also covers which
attempt it is, and whether it waits for a person's approval."""

_MAY_HAVE_AWAITED = (OperationState.AWAITING_APPROVAL, OperationState.CANCELED)
"""The states of what waits for a person, and of what one has refused."""


_MAY_BE_USED_UP = (OperationState.ABANDONED, OperationState.SUCCEEDED)
"""The states of what was given up, and of what has turned out to have happened all the same."""


class Sealing:
    """Makes and checks the seals of one store. `seals` gives those of the keys in force."""

    def __init__(self, seals: Callable[[], Seals | None] = lambda: None) -> None:
        self._seals = seals
        self._known: Seals | None = None

    def intent(self, row: Mapping[str, Any]) -> str | None:
        """Return the seal of an operation's row as it begins; nothing is sent without keys."""
        self._known = self._seals()
        attempt = (row["seal"] or "").partition(".")[0]
        awaits = str(row["state"]) == OperationState.AWAITING_APPROVAL
        made = self._made("intent", *_parts(row, attempt, awaits))
        return None if made is None else f"{attempt}.{made}"

    def outputs(self, operation_id: str, attempt: str, text: str) -> str | None:
        """Return the seal of what the steps of one attempt gave."""
        return self._late("outputs", operation_id, attempt, text)

    def outcome(
        self,
        operation_id: str,
        attempt: str,
        generation: int,
        state: OperationState,
        text: str | None,
    ) -> str | None:
        """Return the seal of what one attempt came to; None for nothing."""
        if text is None:
            return None
        return self._late("outcome", operation_id, attempt, generation, str(state), text)

    def event(self, event_id: str, body: str) -> str | None:
        """Return the seal of a webhook as it was received."""
        return self._late("event", event_id, body)

    def mark(self, text: str) -> str | None:
        """Return the seal of what a file of the watchdog says."""
        return self._late("mark", text)

    def line(self, digest: str) -> str | None:
        """Return the seal of a line of the journal, whose hash covers all before it."""
        return self._late("line", digest)

    def believes(self, seal: str | None, digest: str) -> bool:
        """Say whether a line is what a holder of a key wrote; without keys nobody can tell."""
        return self._seals() is None or self.holds(seal, "line", digest)

    def sealed(self, operation: Operation) -> Operation:
        """Return an operation of which a believed line tells with the seals it will have."""
        row, of, attempt = operation_row(operation), operation.operation_id, operation.attempt
        told = operation.generation, operation.state, row["outcome"]
        return replace(
            operation,
            seal=self.intent(row),
            outputs_seal=self.outputs(of, attempt, row["outputs"]),
            outcome_seal=self.outcome(of, attempt, *told),
        )

    def holds(self, seal: str | None, purpose: str, *parts: str | int | None) -> bool:
        """Say whether a seal was made by a holder of a key; KeyConfigurationError without keys."""
        seals = self._seals()
        return seals is not None and seals.holds(seal, purpose, *parts)

    def proof(self, operation: Operation) -> Proof:
        """Return what is proven of an operation as it was read."""
        try:
            return self._proof(operation, operation_row(operation))
        except (ValueError, TypeError, RecursionError):
            return Proof(intent=False, awaited=False, outputs=False, outcome=False)

    def _proof(self, operation: Operation, row: Mapping[str, Any]) -> Proof:
        of = operation.operation_id
        state, generation, attempt = row["state"], operation.generation, operation.attempt
        # What an attempt used up begins anew with the next generation; its intent had this one,
        # and it may be proven after all.
        begun = [generation, generation - 1] if state in _MAY_BE_USED_UP else [generation]
        told = ("outcome", of, attempt, generation, state, row["outcome"])
        gave = ("outputs", of, attempt, row["outputs"])
        made = (operation.seal or "").partition(".")[2]

        def holds(awaits: bool) -> bool:
            return any(
                self.holds(made, "intent", *_parts({**row, "generation": number}, attempt, awaits))
                for number in begun
            )

        awaited = state in _MAY_HAVE_AWAITED and holds(awaits=True)
        return Proof(
            intent=awaited or holds(awaits=False),
            awaited=awaited,
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


def _parts(row: Mapping[str, Any], attempt: str, awaits: bool) -> list[Any]:
    return [*(row[name] for name in _INTENT), attempt, int(awaits)]
