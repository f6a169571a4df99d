"""What the checks need to be told: plain values, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ..frozen import frozen
from ..master_account import STRIPE_MASTER_ACCOUNT_ID

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


@frozen
class Limits:
    """What is looked at, and what is still in order.

    The window is `[since_ms, until_ms)` in milliseconds since the epoch; `until_ms` of None is the
    end of the second in which the run begins, by Stripe's clock. `authorized_webhooks` are ids or
    URLs. `approved_workflows` are bot ids in their canonical form; while it is empty, every bot
    with a route is approved. `allowed_accounts` may receive money, beside the master account.
    Differences of up to `amount_tolerance_minor` (minor units, for each payment),
    `balance_tolerance_minor` (the same, against its balance transaction) and
    `revenue_tolerance_minor` (for each day and currency) are in order.
    `settlement_lag_ms` is how old a payment must be before its balance transaction has to be
    there. `budgets` is what the rules' counters may come to.
    `severities` replace the defaults by check id; `only` restricts the run to some checks.
    """

    since_ms: int
    until_ms: int | None = None
    authorized_webhooks: frozenset[str] = frozenset()
    approved_workflows: frozenset[str] = frozenset()
    allowed_accounts: frozenset[str] = frozenset()
    revenue_tolerance_minor: int = 0
    amount_tolerance_minor: int = 0
    balance_tolerance_minor: int = 0
    settlement_lag_ms: int = 3 * DAY_MS
    stale_after_ms: int = HOUR_MS
    budgets: Mapping[str, int] = field(default_factory=dict)
    severities: Mapping[str, float] = field(default_factory=dict)
    only: frozenset[str] | None = None

    @property
    def accounts(self) -> frozenset[str]:
        """Every account that may receive money."""
        return self.allowed_accounts | {STRIPE_MASTER_ACCOUNT_ID}

    def wants(self, check: str) -> bool:
        """Say whether a check is to be run."""
        return self.only is None or check in self.only
