"""Is it the right key, of the right account? Checked in every call, cached per key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ...errors import (
    ConfigurationError,
    LedgerUnavailableError,
)
from ...frozen import frozen
from ...hashing import key_fingerprint
from ...locks import ForkSafeLock
from ...master_account import SANDBOX_ACCOUNT_ID, STRIPE_MASTER_ACCOUNT_ID, this_copy
from ...models import BotId, Route
from ...ports import Clock, Discrepancy, Keys, Provider
from ..consequences.reactions import Reactions

_GOOD_FOR = 6 * 3600.0
_STRIPE_ITSELF = "https://api.stripe.com"


_SET_MS = 60_000
"""A difference between wall time and elapsed time that no drift explains: a clock was set."""


@frozen
class _Clocks:
    """What Stripe's clock, this host's and the elapsed time showed at one moment."""

    stripe_ms: int
    host_ms: int
    elapsed: float
    skew_ms: int


class AccountCheck:
    """Checks key, route and account against the master account."""

    def __init__(
        self,
        provider: Provider,
        reactions: Reactions,
        clock: Clock,
        api_base: str,
        database_ms: Callable[[], int],
    ) -> None:
        self._provider = provider
        self._reactions = reactions
        self._clock = clock
        self._database_ms = database_ms
        self._api_base = api_base
        self._verified: dict[tuple[str, str], float] = {}
        self._seen: _Clocks | None = None
        self._lock = ForkSafeLock()

    def skew_ms(self) -> int:
        """Return what to add to the database's time to have Stripe's, as far as is known.

        If this host's clock has been set since Stripe's was seen, the database's may have been
        too: then they are compared anew, by the time that has gone by.
        """
        seen = self._seen
        if seen is None:
            return 0
        gone_ms = int((self._clock.elapsed() - seen.elapsed) * 1000)
        if abs(self._clock.now_ms() - seen.host_ms - gone_ms) > _SET_MS:
            self._seen = seen = self._compared(seen.stripe_ms + gone_ms)
        return seen.skew_ms

    def _compared(self, stripe_ms: int) -> _Clocks:
        clock = self._clock
        skew_ms = stripe_ms - self._database_ms()
        return _Clocks(stripe_ms, clock.now_ms(), clock.elapsed(), skew_ms)

    def check_pin(self) -> None:
        """Refuse to talk to Stripe itself while the pinned account is the sandbox's."""
        if self._api_base == _STRIPE_ITSELF and STRIPE_MASTER_ACCOUNT_ID == SANDBOX_ACCOUNT_ID:
            raise ConfigurationError(
                f"Nothing is sent to Stripe: {this_copy()}, the sandbox's account. Put the folder "
                "of your pinned copy before it on sys.path (PYTHONPATH); make that copy with "
                "`stripe-billing-router vendor DIR --account acct_…` if there is none yet; or use "
                "stripe_billing_router.testing.sandbox().",
                faults=(("master_account", "is the sandbox's"),),
            )

    def check(
        self,
        bot: BotId | None,
        keys: Keys,
        route: Route | None = None,
        *,
        at: Provider | None = None,
    ) -> Keys:
        """Return the keys; AccountMismatchError, after its consequences, unless everything is the
        master's. `at` is who is asked whose they are: Stripe, unless it is given."""
        found = self.discrepancy(bot, keys, route, at=at)
        if found is not None:
            self._reactions.mismatch(found)
        return keys

    def discrepancy(
        self,
        bot: BotId | None,
        keys: Keys,
        route: Route | None = None,
        *,
        at: Provider | None = None,
    ) -> Discrepancy | None:
        """Return what is not the master account's, without consequences."""
        fingerprint = key_fingerprint(keys.secret_key)
        if fingerprint not in keys.allowed:
            return Discrepancy(bot, "key", None, STRIPE_MASTER_ACCOUNT_ID)
        if route is not None and route.account_id not in (None, STRIPE_MASTER_ACCOUNT_ID):
            return Discrepancy(bot, "route_account", route.account_id, STRIPE_MASTER_ACCOUNT_ID)
        account = self._verified_account(keys, fingerprint, at or self._provider)
        if account != STRIPE_MASTER_ACCOUNT_ID:
            return Discrepancy(bot, "key_account", account, STRIPE_MASTER_ACCOUNT_ID)
        return None

    def _verified_account(self, keys: Keys, fingerprint: str, provider: Provider) -> str:
        """Only the right account is remembered: a wrong one is looked up at every call."""
        known = provider.api_version, fingerprint
        with self._lock:
            verified = self._verified.get(known)
        if verified is not None and self._clock.elapsed() - verified < _GOOD_FOR:
            return STRIPE_MASTER_ACCOUNT_ID
        account = self._account_of(keys, provider)
        if account == STRIPE_MASTER_ACCOUNT_ID:
            with self._lock:
                self._verified[known] = self._clock.elapsed()
        return account

    def _account_of(self, keys: Keys, provider: Provider) -> str:
        account, date_ms = provider.account_of(keys)
        if date_ms is not None:
            with suppress(LedgerUnavailableError):  # an unknown skew stops no check
                self._seen = self._compared(date_ms)
        return account
