"""The sanity layer: anomalies into the table, into the shared ledger, and to training if asked."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, Protocol

from ...errors import InvalidRequestError
from ...hashing import digest
from ...models import (
    Anomaly,
    AnomalyDraft,
    BillingInstructions,
    BotId,
    EntryDraft,
    EventInstruction,
)
from ...ports import Clock, Event
from ...redaction import redact, shown, without_secrets
from ...secrecy import discreet_methods

ACCOUNT_MISMATCH = "account_mismatch"
"""The event type of a failed check of key, account or destination."""

_MOST_SEVERE = 5.0
_NOTHING_TOLD = EventInstruction()


class AnomalyLog(Protocol):
    """Where anomalies are kept, together with the ledger."""

    def record(self, draft: AnomalyDraft, entry: EntryDraft, repeat_window: float) -> Anomaly: ...
    def claim_export(self, anomaly_id: str) -> bool: ...
    def give_back_export(self, anomaly_id: str) -> None: ...
    def list(
        self,
        *,
        bot_id: str | None = None,
        event_type: str | None = None,
        min_severity: float = 0.0,
        limit: int = 100,
    ) -> tuple[Anomaly, ...]: ...


@discreet_methods
class SanityLayer:
    """Records what people and training should learn from.

    `log` opens the database; `export` appends an anomaly to the training data; `tell` has
    observers know of a new one.
    """

    def __init__(
        self,
        log: Callable[[], AnomalyLog],
        export: Callable[[Anomaly], object],
        instructions: Callable[[], BillingInstructions],
        clock: Clock,
        tell: Callable[[Event], object],
    ) -> None:
        self._tell = tell
        self._log = log
        self._export = export
        self._instructions = instructions
        self._clock = clock

    def record_payment_anomaly(
        self,
        event_type: str,
        metadata: Mapping[str, Any],
        instruction: str | None = None,
        *,
        severity: float = 1.0,
        write_codex: bool = False,
        export_training: bool = False,
    ) -> Anomaly:
        """Record something that should not have happened, with `error` 1 in the ledger.

        `metadata["bot_id"]` says whose it is. `severity` goes from 0 to 5; the host's file may say
        otherwise. One that equals (event type, bot, metadata) another of the last while is counted
        with it. `export_training` appends it to the training data, without personal data, and
        `write_codex` flags it there, and in the table, as one to learn a rule from.
        """
        draft = self._draft(event_type, metadata, instruction, severity, write_codex)
        return self._recorded(draft, export_training, error=True)

    def record_billing_event(
        self,
        event_type: str,
        metadata: Mapping[str, Any],
        instruction: str | None = None,
        *,
        severity: float = 1.0,
        write_codex: bool = False,
        export_training: bool = False,
    ) -> Anomaly:
        """Record something worth knowing that is no error: the same, with `error` 0."""
        draft = self._draft(event_type, metadata, instruction, severity, write_codex)
        return self._recorded(draft, export_training, error=False)

    def list_anomalies(
        self,
        *,
        bot_id: str | None = None,
        event_type: str | None = None,
        min_severity: float = 0.0,
        limit: int = 100,
    ) -> tuple[Anomaly, ...]:
        """Return what was recorded, the newest first."""
        bot = None if bot_id is None else str(BotId.parse(bot_id))
        return self._log().list(
            bot_id=bot, event_type=event_type, min_severity=min_severity, limit=limit
        )

    def _draft(
        self,
        event_type: str,
        metadata: Mapping[str, Any],
        instruction: str | None,
        severity: float,
        codex: bool,
    ) -> AnomalyDraft:
        _check(event_type, metadata, severity)
        told = self._instructions().events.get(event_type, _NOTHING_TOLD)
        facts = without_secrets(plain(metadata))
        bot = _bot_of(facts)
        if bot is not None:
            facts["bot_id"] = str(bot)
        # The host may weigh events differently, but not a failed check of the account.
        weighed = severity if event_type == ACCOUNT_MISMATCH else told.severity
        return AnomalyDraft(
            fingerprint=digest([event_type, str(bot) if bot else None, facts]),
            event_type=event_type,
            bot_id=str(bot) if bot else None,
            operation_id=_short(facts.get("operation_id"), 64),
            metadata=facts,
            instruction=_instruction(instruction) or told.instruction,
            severity=float(severity if weighed is None else weighed),
            codex=bool(codex),
        )

    def _recorded(self, draft: AnomalyDraft, export_training: bool, *, error: bool) -> Anomaly:
        log = self._log()
        window = self._instructions().repeat_window
        found = log.record(draft, _entry(draft, self._clock.now_ms(), error), window)
        if found.count == 1:
            self._tell(_event(found, error))
        if export_training and log.claim_export(found.id):
            try:
                self._export(found)
            except BaseException:
                log.give_back_export(found.id)
                raise
        return found


def _event(found: Anomaly, error: bool) -> Event:
    """A warning, not an alert: whoever records an anomaly decides whether people are alerted."""
    message = (
        f"{found.event_type}, severity {found.severity:g}: {found.instruction or 'look at it'}"
    )
    bot = None if found.bot_id is None else BotId.parse(found.bot_id)
    severity: Literal["info", "warning"] = "warning" if error else "info"
    return Event("anomaly.recorded", severity, message, bot, operation_id=found.operation_id)


def _entry(draft: AnomalyDraft, now_ms: int, error: bool) -> EntryDraft:
    mismatch = draft.event_type == ACCOUNT_MISMATCH
    return EntryDraft(
        id=str(uuid.uuid4()),
        action_type="mismatch" if mismatch else "anomaly",
        amount_minor=None,
        currency=None,
        timestamp_ms=now_ms,
        user_email=None,
        bot_id=draft.bot_id,
        destination_account=_short(draft.metadata.get("account_id"), 255) if mismatch else None,
        raw_event={
            "event_type": draft.event_type,
            "severity": draft.severity,
            "instruction": draft.instruction,
            "metadata": draft.metadata,
            "codex": draft.codex,
        },
        error=error,
        operation_id=draft.operation_id,
        status=None,
    )


def _check(event_type: object, metadata: object, severity: object) -> None:
    named = isinstance(event_type, str) and event_type.isprintable() and event_type.strip()
    if not named or len(str(event_type)) > 255:
        _refuse("event_type", event_type, "pass a name of 1 to 255 printable characters")
    if not isinstance(metadata, Mapping):
        _refuse("metadata", metadata, "pass a mapping such as {'bot_id': …}")
    number = isinstance(severity, int | float) and math.isfinite(severity)
    if not number or not 0 <= float(severity) <= _MOST_SEVERE:  # type: ignore[arg-type]
        _refuse("severity", severity, "pass a number from 0 to 5")


def _refuse(parameter: str, value: object, then: str) -> None:
    raise InvalidRequestError(f"{parameter} is {shown(value)}; {then}.", parameter=parameter)


def _bot_of(facts: Mapping[str, Any]) -> BotId | None:
    try:
        return BotId.parse(facts.get("bot_id"))
    except InvalidRequestError:
        return None


def _short(value: object, longest: int) -> str | None:
    """Return a text that fits its column, which holds plain characters only."""
    fits = isinstance(value, str) and value.isascii() and 0 < len(value) <= longest
    return str(value) if fits else None


def _instruction(text: str | None) -> str | None:
    """Return what a database can hold of a text; nothing in it is acted on."""
    if not isinstance(text, str):
        return None
    return redact(text.encode("utf-8", "replace").decode().replace("\0", "").strip()) or None


_DEEPEST = 20


def plain(value: Any, depth: int = 0) -> Any:
    """Return `value` in JSON types: times in ISO form, what JSON does not know as short text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else str(value)[:80]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if depth == _DEEPEST:
        return shown(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, depth + 1) for item in value), key=str)
    return str(value) if isinstance(value, Decimal) else shown(value)
