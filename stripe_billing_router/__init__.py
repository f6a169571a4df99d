"""The only door through which autonomous bots touch money.

A bot says who it is and what it wants; the library decides which product, price, customer,
currency, account and key apply, whether the bot may do it, does it at most once, and can prove
afterwards what happened. Importing this package touches no file, socket or database, and loads
little more than the errors: everything else is loaded when it is first asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import errors as errors
from .errors import (
    AccountMismatchError,
    ApprovalRequiredError,
    BillingError,
    ConfigurationError,
    FrozenError,
    IdempotencyConflictError,
    InvalidAmountError,
    InvalidRequestError,
    KeyConfigurationError,
    KeyProviderUnavailableError,
    LedgerTamperedError,
    LedgerUnavailableError,
    OperationInProgressError,
    OutcomeUnknownError,
    PaymentActionRequiredError,
    PaymentDeclinedError,
    PolicyViolationError,
    RateLimitedError,
    RouteConfigurationError,
    RouteNotFoundError,
    StripeRequestError,
    StripeUnavailableError,
    WebhookError,
)
from .locks import LATE_IMPORTS
from .master_account import STRIPE_MASTER_ACCOUNT_ID

if TYPE_CHECKING:
    from .api import (
        cancel,
        charge,
        create_checkout_session,
        create_customer,
        create_subscription,
        explain,
        get_balance,
        iter_master_events,
        refund,
        register_override,
        register_route,
        register_strategy,
        validate_webhook_account,
        verify_router,
    )
    from .client import BillingRouter
    from .default import ROUTING_TABLE, get_router, set_router, use_router
    from .engine import AutomatedRollbackManager
    from .models import (
        Balance,
        Charge,
        CheckoutSession,
        Customer,
        Explanation,
        Refund,
        Result,
        Route,
        Subscription,
    )
    from .routing import RouteStrategy
    from .store import DiscrepancyDB, StripeLedger

STRIPE_REGISTERED_ACCOUNT_ID = STRIPE_MASTER_ACCOUNT_ID
"""Another name of STRIPE_MASTER_ACCOUNT_ID."""

PUBLIC_MODULES = frozenset(
    """
    aio errors events menace_sanity_layer operators sandbox stripe_watchdog telemetry testing
    training usage_lint webhooks
    """.split()
)
"""The modules of this package that others import; all others may change with any version."""

__all__ = [
    "ROUTING_TABLE",
    "STRIPE_MASTER_ACCOUNT_ID",
    "STRIPE_REGISTERED_ACCOUNT_ID",
    "AccountMismatchError",
    "ApprovalRequiredError",
    "AutomatedRollbackManager",
    "Balance",
    "BillingError",
    "BillingRouter",
    "Charge",
    "CheckoutSession",
    "ConfigurationError",
    "Customer",
    "DiscrepancyDB",
    "Explanation",
    "FrozenError",
    "IdempotencyConflictError",
    "InvalidAmountError",
    "InvalidRequestError",
    "KeyConfigurationError",
    "KeyProviderUnavailableError",
    "LedgerTamperedError",
    "LedgerUnavailableError",
    "OperationInProgressError",
    "OutcomeUnknownError",
    "PaymentActionRequiredError",
    "PaymentDeclinedError",
    "PolicyViolationError",
    "RateLimitedError",
    "Refund",
    "Result",
    "Route",
    "RouteConfigurationError",
    "RouteNotFoundError",
    "RouteStrategy",
    "StripeLedger",
    "StripeRequestError",
    "StripeUnavailableError",
    "Subscription",
    "WebhookError",
    "cancel",
    "charge",
    "create_checkout_session",
    "create_customer",
    "create_subscription",
    "explain",
    "get_balance",
    "get_router",
    "iter_master_events",
    "refund",
    "register_override",
    "register_route",
    "register_strategy",
    "set_router",
    "use_router",
    "validate_webhook_account",
    "verify_router",
]

_LOADED_WHEN_ASKED_FOR = {
    name: module
    for module, names in {
        ".client": "BillingRouter",
        ".default": "ROUTING_TABLE get_router set_router use_router",
        ".engine": "AutomatedRollbackManager",
        ".models": """
            Balance Charge CheckoutSession Customer Explanation Refund Result Route Subscription
        """,
        ".routing": "RouteStrategy",
        ".store": "DiscrepancyDB StripeLedger",
    }.items()
    for name in names.split()
}
_PINNED = frozenset({"STRIPE_MASTER_ACCOUNT_ID", "STRIPE_REGISTERED_ACCOUNT_ID"})


class _Package(ModuleType):
    """This package as a module: the pinned account cannot be assigned or deleted."""

    def __getattr__(self, name: str) -> Any:
        module = _LOADED_WHEN_ASKED_FOR.get(name, ".api" if name in __all__ else None)
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with LATE_IMPORTS:
            value = getattr(import_module(module, self.__name__), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        _refuse_pinned(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        _refuse_pinned(name)
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


def _refuse_pinned(name: str) -> None:
    if name in _PINNED:
        raise ConfigurationError(
            f"{name} is pinned in code. Run `stripe-billing-router pin-account acct_…` on a "
            "vendored copy instead."
        )


sys.modules[__name__].__class__ = _Package
