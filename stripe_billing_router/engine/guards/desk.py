"""What people do: freeze and unfreeze bots, approve and reject what bots ask for."""

from __future__ import annotations

import uuid

from ...errors import InvalidRequestError, LedgerUnavailableError
from ...models import (
    Approval,
    ApprovalState,
    BotId,
    DecideApproval,
    Failure,
    Freeze,
    FreezeScope,
    OperationState,
    Outcome,
    UnfreezeScope,
    Write,
)
from ...ports import CommitAmbiguous, Event, StaleLease, Store
from ...redaction import shown
from ...secrecy import discreet_methods
from ..observing import Observers
from .approving import refusal
from .freezing import scope_of

_LONGEST_NAME = 255
_LONGEST_TEXT = 2000


@discreet_methods
class OperatorsDesk:
    """The verbs of people. Each writes down who did it and when, and tells the observers."""

    def __init__(self, store: Store, observers: Observers) -> None:
        self._store = store
        self._observers = observers

    def freeze(self, scope: object, reason: object, by: object) -> Freeze:
        """Stop every bot that `scope` matches, from its next call on, in every process."""
        canonical = scope_of(scope)
        why, who = _text(reason, "reason", _LONGEST_TEXT), _text(by, "by", _LONGEST_NAME)
        freeze_id = "frz_" + uuid.uuid4().hex
        self._commit(FreezeScope(freeze_id, canonical, why, who))
        self._tell("bot.frozen", f"{canonical} was frozen by {who}: {why}")
        return next(f for f in self._store.freezes([canonical]) if f.freeze_id == freeze_id)

    def unfreeze(self, scope: object, by: object) -> None:
        """End every freeze of this very scope; a bot stays frozen while a wider one matches."""
        canonical, who = scope_of(scope), _text(by, "by", _LONGEST_NAME)
        try:
            self._commit(UnfreezeScope(canonical, who))
        except StaleLease:
            raise self._not_frozen(canonical) from None
        self._tell("bot.unfrozen", f"{canonical} was unfrozen by {who}")

    def approve(self, approval_id: object, by: object, note: object = None) -> Approval:
        """Let a bot do, once, exactly what it asked for; it still has to repeat its call."""
        return self._decide(approval_id, ApprovalState.APPROVED, by, note)

    def reject(self, approval_id: object, by: object, note: object = None) -> Approval:
        """Refuse what a bot asked for, for good; also what was approved, until it is used."""
        return self._decide(approval_id, ApprovalState.REJECTED, by, note)

    def _decide(
        self, approval_id: object, state: ApprovalState, by: object, note: object
    ) -> Approval:
        who = _text(by, "by", _LONGEST_NAME)
        said = None if note is None else _text(note, "note", _LONGEST_TEXT)
        approval = self._approval(approval_id)
        outcome = _outcome(approval, who) if state is ApprovalState.REJECTED else None
        try:
            self._commit(DecideApproval(approval.approval_id, state, who, said, outcome))
        except StaleLease:
            raise _decided(self._approval(approval_id)) from None
        message = f"{approval.approval_id} of {approval.bot_id} was {state} by {who}"
        bot = BotId.parse(approval.bot_id)
        self._tell(f"approval.{state}", message, bot, approval.verb, approval.operation_id)
        return self._approval(approval_id)

    def _commit(self, write: Write) -> None:
        try:
            self._store.commit(write)
        except CommitAmbiguous:
            raise LedgerUnavailableError(
                "The database broke off while this was written, so it may hold or not. Look at "
                "`stripe-billing-router status`, then decide again if need be."
            ) from None

    def _approval(self, approval_id: object) -> Approval:
        known = isinstance(approval_id, str) and approval_id.isascii()
        found = self._store.approvals(approval_id=str(approval_id)) if known else []
        if not found:
            raise InvalidRequestError(
                f"There is no approval {shown(approval_id)}; see `stripe-billing-router approvals "
                "list`.",
                parameter="approval_id",
            )
        return found[0]

    def _not_frozen(self, scope: str) -> InvalidRequestError:
        active = sorted({freeze.scope for freeze in self._store.freezes()})
        listed = ", ".join(active) or "nothing"
        return InvalidRequestError(
            f"{scope} is not frozen as such; frozen is {listed}. Name one of these.",
            parameter="scope",
        )

    def _tell(
        self,
        name: str,
        message: str,
        bot: BotId | None = None,
        verb: str | None = None,
        operation_id: str | None = None,
    ) -> None:
        self._observers.tell(Event(name, "warning", message, bot, verb, operation_id))


def _outcome(approval: Approval, by: str) -> Outcome:
    failure = Failure("vetoed", refusal(approval, by))
    return Outcome(OperationState.CANCELED, None, None, 0, approval.currency, False, {}, failure)


def _decided(approval: Approval) -> InvalidRequestError:
    who = f" (by {approval.decided_by})" if approval.decided_by else ""
    return InvalidRequestError(
        f"{approval.approval_id} is {approval.state}{who}, so it cannot be decided any more. The "
        "bot has to ask again.",
        parameter="approval_id",
    )


def _text(value: object, name: str, longest: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > longest:
        raise InvalidRequestError(
            f"{name} is {shown(value)}; write who or why, in 1 to {longest} characters.",
            parameter=name,
        )
    return text
