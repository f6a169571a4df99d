"""From raw bytes to a row of the inbox: verified, stored, and nothing else yet."""

from __future__ import annotations

from ..engine import AccountCheck, Observers, WebhookAccountCheck
from ..errors import KeyConfigurationError, WebhookError
from ..frozen import frozen
from ..keys import KeyRing
from ..models import InboxEvent
from ..ports import Clock, Event, WebhookReader
from ..store import FallbackStore
from .headers import check_time, signed_header
from .reading import checked_payload, event_of_payload


@frozen
class Receipt:
    """That an event is stored. `duplicate`: it was stored before, and nothing of it is left to do
    that is not queued already. Either way Stripe is to be answered with a 2xx."""

    event_id: str
    type: str
    duplicate: bool


class Receiver:
    """Verifies and stores deliveries."""

    def __init__(
        self,
        store: FallbackStore,
        keys: KeyRing,
        signatures: WebhookReader,
        clock: Clock,
        accounts: AccountCheck,
        webhook_check: WebhookAccountCheck,
        observers: Observers,
    ) -> None:
        self._store = store
        self._keys = keys
        self._signatures = signatures
        self._clock = clock
        self._accounts = accounts
        self._webhook_check = webhook_check
        self._observers = observers

    def receive(self, payload: object, signature: object) -> Receipt:
        """Store a delivery; WebhookError if it cannot be trusted."""
        self._accounts.check_pin()
        secrets = self._secrets()
        body = checked_payload(payload)
        header, signed_at = signed_header(signature)
        if not any(self._signatures.is_signed(body, header, secret) for secret in secrets):
            raise WebhookError(
                "The webhook is not signed with any of the configured secrets. Refuse it; if "
                "Stripe sent it, set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret, and "
                "see that the body reaches this call unchanged."
            )
        check_time(signed_at, self._clock.now_ms())
        return self.store(event_of_payload(body))

    def store(self, event: InboxEvent) -> Receipt:
        """Store an event that is known to come from Stripe, if it is live and the account's own."""
        if event.body.get("livemode") is not True:
            message = f"{event.event_id} is a test-mode event"
            self._observers.tell(Event("webhook.test_mode", "critical", message))
            raise WebhookError(
                f"{message}. Remove this endpoint from Stripe's test mode, or give it a secret and "
                "a router of its own."
            )
        self._webhook_check.validate_signed(event.body)
        return Receipt(event.event_id, *self._store.inbox.receive(event))

    def _secrets(self) -> tuple[str, ...]:
        secrets = self._keys.webhook_secrets()
        if not secrets:
            raise KeyConfigurationError(
                "There is no webhook secret, so that no webhook can be verified. Set "
                "STRIPE_WEBHOOK_SECRET, or stripe_webhook_secret in Vault, to the endpoint's "
                "signing secret.",
                reason="missing",
                faults=(("STRIPE_WEBHOOK_SECRET", "is missing"),),
            )
        return secrets
