"""validate_webhook_account: an event of another account is told, and not believed."""

from __future__ import annotations

from ..master_account import STRIPE_MASTER_ACCOUNT_ID
from ..ports import Event
from ..redaction import shown
from ..webhook_accounts import accounts_of
from .observing import Observers


class WebhookAccountCheck:
    """Compares an event's accounts with the master's. The event may be unsigned, so that nothing
    but an alert follows: no freeze, no rollback."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers

    def validate(self, event: object) -> bool:
        """Return whether the event is the master account's; WebhookError if it is malformed."""
        foreign = [name for name in accounts_of(event) if name != STRIPE_MASTER_ACCOUNT_ID]
        if foreign:
            self._alert_mismatch(foreign[0])
        return not foreign

    def _alert_mismatch(self, account_id: str) -> None:
        self._observers.tell(
            Event(
                "webhook.account_mismatch",
                "critical",
                f"an event names account {shown(account_id)}, not {STRIPE_MASTER_ACCOUNT_ID}",
            )
        )
