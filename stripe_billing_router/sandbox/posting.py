"""Webhooks as a test plays them: endpoints, what they are sent, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .accounts import Accounts
from .clock import DAY
from .delivery_plan import DeliveryPlan
from .mailboxes import Attempt, Mailbox
from .rules.webhooks import new_endpoint, signed
from .state import AccountState

PULLED = "https://sandbox.invalid/webhooks"
"""The URL of endpoints whose deliveries are pulled: nothing is ever sent there."""


class Delivery(NamedTuple):
    """What Stripe would send: the raw body, and headers with its signature."""

    payload: bytes
    headers: dict[str, str]


Receiver = Callable[[bytes, dict[str, str]], int]
"""Takes a delivery and returns an HTTP status."""


class Posting:
    """Controls of webhooks. KeyError for an endpoint or event that does not exist."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = accounts.lock
        self.posted = accounts.posted

    def add_webhook_endpoint(
        self,
        url: str = PULLED,
        *,
        events: Sequence[str] = ("*",),
        plan: DeliveryPlan | None = None,
        account: str | None = None,
    ) -> str:
        """Register an endpoint for the types `events`; it gets what happens from now on."""
        with self._lock:
            endpoint = new_endpoint(self._accounts.state(account), url, events)
            if plan is not None:
                self.plan_deliveries(endpoint["id"], plan)
            return str(endpoint["id"])

    def webhook_secret(self, endpoint: str) -> str:
        """Return the signing secret of an endpoint."""
        with self._lock:
            state, _ = self._accounts.holder("webhook_endpoint", endpoint)
            return str(state.notes[endpoint]["secret"])

    def plan_deliveries(self, endpoint: str, plan: DeliveryPlan) -> None:
        """Let deliveries to an endpoint go as `plan` says from now on."""
        with self._lock:
            self._mailbox(endpoint)[1].follow(plan)

    def deliveries(self, endpoint: str) -> Iterator[Delivery]:
        """Yield what an endpoint is sent now, each counted as answered with 200.

        What comes later (late, or again) is yielded when it is asked for after `advance`.
        """
        while (due := self.take_delivery(endpoint)) is not None:
            attempt, delivery = due
            self.report_delivery(endpoint, attempt, 200)
            yield delivery

    def deliver(self, endpoint: str, receiver: Receiver, *, within: float = 4 * DAY) -> int:
        """Hand an endpoint's deliveries to `receiver` until none is left; return how many.

        The clock is moved to when each is due, by `within` seconds at the most. What `receiver`
        raises counts as a 500, and is raised: a further call goes on from there.
        """
        count, until_ms = 0, self._accounts.now_ms() + round(within * 1000)
        while self._wait_for(endpoint, until_ms):
            due = self.take_delivery(endpoint)
            if due is not None:
                self._hand_over(endpoint, *due, receiver)
                count += 1
        return count

    def _hand_over(
        self, endpoint: str, attempt: Attempt, delivery: Delivery, receiver: Receiver
    ) -> None:
        status = 500
        try:
            status = receiver(*delivery)
        finally:
            self.report_delivery(endpoint, attempt, status)

    def undelivered(self, endpoint: str) -> list[str]:
        """Return the events of which Stripe has given up to tell an endpoint, in order."""
        with self._lock:
            return self._mailbox(endpoint)[1].given_up()

    def delivery(
        self, event: str, *, endpoint: str | None = None, secret: str | None = None
    ) -> Delivery:
        """Return what Stripe would send if somebody had it resend an event now.

        Signed with `secret`, or with the secret of a webhook endpoint.
        """
        with self._lock:
            state, found = self._accounts.holder("event", event)
            if secret is None:
                if endpoint is None:
                    raise ValueError("name the endpoint or the secret to sign with")
                secret = str(state.notes[endpoint]["secret"])
            return Delivery(*signed(found, secret, state.now()))

    def take_delivery(self, endpoint: str) -> tuple[Attempt, Delivery] | None:
        """Return the next attempt that is due, for whoever sends it and reports on it."""
        with self._lock:
            state, mailbox = self._mailbox(endpoint)
            enabled = _enabled(state, endpoint)
            attempt = mailbox.take(state.clock.now_ms()) if enabled else None
            if attempt is None:
                return None
            return attempt, self.delivery(attempt.event_id, endpoint=endpoint)

    def report_delivery(self, endpoint: str, attempt: Attempt, status: int) -> None:
        """Say how the receiver answered: 2xx ends it, anything else is tried again."""
        with self._lock:
            state, mailbox = self._mailbox(endpoint)
            if not 200 <= status < 300:
                mailbox.failed(attempt)
                return
            owed = mailbox.owes(attempt.event_id)
            mailbox.answered(attempt)
            if owed and not mailbox.owes(attempt.event_id):
                state.require("event", attempt.event_id)["pending_webhooks"] -= 1

    def _wait_for(self, endpoint: str, until_ms: int) -> bool:
        """Move the clock to when the next attempt is due; False if none is by then."""
        with self._lock:
            state, mailbox = self._mailbox(endpoint)
            at_ms = mailbox.next_at_ms()
            if at_ms is None or at_ms > until_ms or not _enabled(state, endpoint):
                return False
            state.clock.sleep(max(0, at_ms - state.clock.now_ms()) / 1000)
            return True

    def _mailbox(self, endpoint: str) -> tuple[AccountState, Mailbox]:
        state, _ = self._accounts.holder("webhook_endpoint", endpoint)
        return state, state.mailboxes[endpoint]


def _enabled(state: AccountState, endpoint: str) -> bool:
    return bool(state.require("webhook_endpoint", endpoint)["status"] == "enabled")
