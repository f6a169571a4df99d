"""One call of a money verb: its frozen steps, its state, what came back, the ledger's entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from ..frozen import frozen
from .bots import BotId


class OperationState(StrEnum):
    """Where an operation stands. `str` values are what the database holds."""

    AWAITING_APPROVAL = "awaiting_approval"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    UNKNOWN = "unknown"
    ABANDONED = "abandoned"
    CANCELED = "canceled"


S = OperationState

NEXT_STATES: Mapping[OperationState, frozenset[OperationState]] = {
    S.AWAITING_APPROVAL: frozenset({S.PENDING, S.FAILED, S.CANCELED}),
    S.PENDING: frozenset(S) - {S.PENDING, S.AWAITING_APPROVAL},
    S.UNKNOWN: frozenset(S) - {S.UNKNOWN, S.AWAITING_APPROVAL},
    S.REQUIRES_ACTION: frozenset({S.SUCCEEDED, S.PROCESSING, S.FAILED, S.CANCELED}),
    S.PROCESSING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELED}),
    S.ABANDONED: frozenset({S.PENDING, S.SUCCEEDED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELED: frozenset(),
}
"""Which state may follow which. An effect that Stripe proves is recorded whatever the state."""


@frozen
class Step:
    """One Stripe request of an operation.

    `params` may hold `Ref`-style placeholders `{"$from": "<step>", "field": "id"}`; `path` may
    hold `{<step>}`, the id of that step's output. `expects` is the `object` Stripe answers with.
    A `repeatable` step may be sent any number of times, each with a key of its own: Stripe's
    states make it safe, and a refusal that came too early must not be replayed for ever.
    """

    name: str
    method: Literal["post", "get", "delete"]
    path: str
    params: Mapping[str, Any]
    expects: str
    repeatable: bool = False


@frozen
class StepOutput:
    """What Stripe definitely answered to one step. `body` is the JSON less its secrets."""

    step: str
    status: int
    body: Mapping[str, Any]
    request_id: str | None = None
    replayed: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def error(self) -> Mapping[str, Any]:
        found = self.body.get("error")
        return found if isinstance(found, Mapping) else {}


@frozen
class Failure:
    """Why an operation did not succeed; enough to raise the same error again.

    `kind`: `declined`, `action_required`, `canceled`, `refused` (Stripe's answer), `conflict`
    (Stripe saw the idempotency key with other parameters); or, where nothing was executed,
    `key_refused`, `rate_limited`, `unreachable` or `vetoed`.
    """

    kind: str
    message: str
    code: str | None = None
    decline_code: str | None = None
    parameter: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None


@frozen
class Outcome:
    """What an operation came to. `amount_minor` is what was collected or given back."""

    state: OperationState
    stripe_id: str | None
    status: str | None
    amount_minor: int | None
    currency: str | None
    paid: bool
    body: Mapping[str, Any]
    failure: Failure | None = None
    destination_account: str | None = None


DEFAULT_PROVIDER = "stripe"


@frozen
class Operation:
    """A row of `stripe_operations`.

    Times are milliseconds since the epoch by the database's clock; `skew_ms` is what had to be
    added to it, when the intent was written, to have Stripe's. `generation` counts how often
    the operation was started afresh after it had been abandoned for good. The seals are those of
    the row, whoever wrote them: `Store.proof` says whether they hold. `seal` begins with the name
    of the attempt, which is all there is of it until the intent is written.
    """

    operation_id: str
    bot: BotId
    region: str
    verb: str
    idempotency_key: str | None
    input_hash: str
    effect_hash: str
    state: OperationState
    steps: tuple[Step, ...]
    api_version: str
    account_id: str
    key_fingerprint: str
    amount_minor: int | None
    currency: str | None
    customer_id: str | None
    user_email: str | None
    arguments: Mapping[str, Any]
    generation: int = 0
    skew_ms: int = 0
    created_ms: int = 0
    started_ms: int = 0
    updated_ms: int = 0
    lease_token: str | None = None
    lease_until_ms: int = 0
    lease_owner: str | None = None
    outputs: tuple[StepOutput, ...] = field(default=())
    outcome: Outcome | None = None
    seal: str | None = None
    outputs_seal: str | None = None
    outcome_seal: str | None = None

    @property
    def provider(self) -> str:
        """The provider that was asked: it stands before the version of its API, unless it is
        Stripe."""
        name, stands, _ = self.api_version.partition("/")
        return name if stands else DEFAULT_PROVIDER

    @property
    def started_by_provider_ms(self) -> int:
        """When its intent was written, by the provider's clock."""
        return self.started_ms + self.skew_ms

    @property
    def attempt(self) -> str:
        """What tells this attempt from those before it; what came of it is sealed as its own."""
        return (self.seal or "").partition(".")[0]


HAPPENED = frozenset({S.SUCCEEDED, S.PROCESSING})
"""The states of what has moved money, or made what it was to make, or is about to."""

BOT_MAY_ASK_FOR_MS = 24 * 3600 * 1000
"""How long the bot that died, and was not told, may come back and ask for the same again."""

SYSTEM_STREAM = "_system"
"""The chain of entries that belong to no bot."""


@frozen
class EntryDraft:
    """A ledger entry before it has its place in a chain. `amount_minor` is in minor units."""

    id: str
    action_type: str
    amount_minor: int | None
    currency: str | None
    timestamp_ms: int
    user_email: str | None
    bot_id: str | None
    destination_account: str | None
    raw_event: Mapping[str, Any]
    error: bool
    operation_id: str | None
    status: str | None

    @property
    def stream(self) -> str:
        return self.bot_id or SYSTEM_STREAM


@frozen
class LedgerEntry:
    """One row of `stripe_ledger`. `amount` is in major units, `amount_minor` in minor units.

    `user_email`, `raw_event_json` and `salt` may have been erased (None); their commitments stay.
    """

    sequence: int
    id: str
    action_type: str
    amount: Decimal | None
    amount_minor: int | None
    currency: str | None
    timestamp_ms: int
    user_email: str | None
    bot_id: str | None
    destination_account: str | None
    raw_event_json: str | None
    error: int
    operation_id: str | None
    status: str | None
    stream: str
    stream_sequence: int
    salt: str | None
    user_email_commitment: str
    raw_event_commitment: str
    previous_hash: str
    entry_hash: str
