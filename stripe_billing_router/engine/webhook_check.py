"""validate_webhook_account: an event of another account is told, and not believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import AccountMismatchError, InvalidRequestError, WebhookError
from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..models import BotId
from ..ports import Discrepancy, Event
from ..redaction import shown
from ..webhook_accounts import accounts_of
from .observing import Observers
from .reactions import Reactions


class WebhookAccountCheck:
    """Compares an event's accounts with the master's."""

    def __init__(self, observers: Observers, reactions: Reactions) -> None:
        self._observers = observers
        self._reactions = reactions

    def validate(self, event: object) -> bool:
        """Return whether the event is the master account's; WebhookError if it is malformed.

        The event may be unsigned, so that nothing but an alert follows: no freeze, no rollback.
        """
        foreign = [name for name in accounts_of(event) if name != STRIPE_MASTER_ACCOUNT_ID]
        if foreign:
            self._alert_mismatch(foreign[0])
        return not foreign

    def validate_signed(self, event: Mapping[str, Any]) -> None:
        """WebhookError unless the event is the master account's.

        The signature is known to be Stripe's, so that another account's event has all the
        consequences of a failed check.
        """
        if self.validate(event):
            return
        foreign = next(name for name in accounts_of(event) if name != STRIPE_MASTER_ACCOUNT_ID)
        bot, operation_id = _named_in(event)
        found = Discrepancy(bot, "event_account", foreign, STRIPE_MASTER_ACCOUNT_ID, operation_id)
        try:
            self._reactions.mismatch(found)
        except AccountMismatchError as error:
            raise WebhookError(str(error), operation_id=operation_id) from None

    def _alert_mismatch(self, account_id: str) -> None:
        self._observers.tell(
            Event(
                "webhook.account_mismatch",
                "critical",
                f"an event names account {shown(account_id)}, not {STRIPE_MASTER_ACCOUNT_ID}",
            )
        )


def _named_in(event: Mapping[str, Any]) -> tuple[BotId | None, str | None]:
    """Return the bot and the operation that the event's object names as its own, if it does."""
    metadata = event["data"]["object"].get("metadata") or {}
    operation_id = metadata.get("operation_id")
    try:
        bot = BotId.parse(metadata.get("bot_id"))
    except InvalidRequestError:
        bot = None
    return bot, operation_id if isinstance(operation_id, str) else None
