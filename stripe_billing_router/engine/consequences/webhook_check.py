"""validate_webhook_account: an event of another account is told, and not believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import AccountMismatchError, WebhookError
from ...master_account import STRIPE_MASTER_ACCOUNT_ID
from ...ports import Discrepancy, Event, WebhookReader
from ...redaction import shown
from ..observing import Observers
from .reactions import Reactions


class WebhookAccountCheck:
    """Compares an event's accounts with the master's."""

    def __init__(self, webhooks: WebhookReader, observers: Observers, reactions: Reactions) -> None:
        self._webhooks = webhooks
        self._observers = observers
        self._reactions = reactions

    def validate(self, event: object) -> bool:
        """Return whether the event is the master account's; WebhookError if it is malformed.

        The event may be unsigned, so that nothing but an alert follows: no freeze, no rollback. An
        account that only the metadata name gives False as well, and a warning that says so.
        """
        if foreign := _foreign(self._webhooks.accounts_of(event, metadata=False)):
            self._alert_mismatch(foreign[0])
        elif foreign := _foreign(self._webhooks.accounts_of(event)):
            self._alert_mentioned(foreign[0])
        return not foreign

    def validate_signed(self, event: Mapping[str, Any]) -> None:
        """WebhookError unless the event is the master account's.

        The signature is known to be Stripe's, so that another account's event has the consequences
        of a failed check. No bot is stopped for it: only metadata could say which, and those of
        another account's object are whatever somebody there has written.
        """
        foreign = _foreign(self._webhooks.accounts_of(event, metadata=False))
        if not foreign:
            return
        self._alert_mismatch(foreign[0])
        found = Discrepancy(None, "event_account", foreign[0], STRIPE_MASTER_ACCOUNT_ID)
        try:
            self._reactions.mismatch(found)
        except AccountMismatchError as error:
            raise WebhookError(str(error)) from None

    def _alert_mismatch(self, account_id: str) -> None:
        self._observers.tell(
            Event(
                "webhook.account_mismatch",
                "critical",
                f"an event names account {shown(account_id)}, not {STRIPE_MASTER_ACCOUNT_ID}",
            )
        )

    def _alert_mentioned(self, account_id: str) -> None:
        self._observers.tell(
            Event(
                "webhook.account_mentioned",
                "warning",
                f"the metadata of an event's object name account {shown(account_id)}; anybody may "
                "have written them, and nothing follows",
            )
        )


def _foreign(accounts: list[str]) -> list[str]:
    return [name for name in accounts if name != STRIPE_MASTER_ACCOUNT_ID]
