"""Every error that leaves this library.

::

    RuntimeError
    └── BillingError
        ├── ConfigurationError              the routing file, a setting or the pinned account
        │   ├── RouteConfigurationError     a route, override or strategy is malformed (ValueError)
        │   └── KeyConfigurationError       a key is missing, malformed or not a live key
        ├── RouteNotFoundError              no rule for this bot, region or override
        ├── KeyProviderUnavailableError     Vault does not answer
        ├── InvalidRequestError             the caller's arguments (ValueError)
        │   └── InvalidAmountError
        ├── AccountMismatchError            key, account or destination is not the master account's
        ├── PolicyViolationError            a rule of the host refuses the call
        ├── ApprovalRequiredError           a person has to agree first
        ├── FrozenError                     a person, or a failed check, has stopped this bot
        ├── PaymentDeclinedError            the payment method said no
        ├── PaymentActionRequiredError      the customer has to act
        ├── StripeRequestError              Stripe refuses the request
        ├── StripeUnavailableError          Stripe could not be reached; nothing was executed
        ├── RateLimitedError                Stripe asks to slow down; nothing was executed
        ├── IdempotencyConflictError        the key was used for something else
        ├── OperationInProgressError        the same call is running elsewhere
        ├── OutcomeUnknownError             it may or may not have happened: do not pay again
        ├── LedgerUnavailableError          nothing can be written down, so nothing is sent
        ├── LedgerTamperedError             the ledger does not verify
        └── WebhookError                    an event that cannot be trusted (ValueError)

Each carries `operation_id` (or None), `money` (whether money moved) and its context as
attributes, survives pickling, and ends its message with what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .redaction import redact

Money = Literal["not_moved", "moved", "unknown"]


def _rebuild(cls: type[BillingError], message: str, state: dict[str, Any]) -> BillingError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class BillingError(RuntimeError):
    """Base of every error of this library.

    `money` says whether money moved: `"not_moved"`, `"moved"` or `"unknown"`.
    """

    operation_id: str | None
    money: Money

    def __init__(
        self,
        message: str,
        *,
        operation_id: str | None = None,
        money: Money = "not_moved",
        **context: Any,
    ) -> None:
        super().__init__(redact(message))
        self.operation_id = operation_id
        self.money = money
        for name, value in context.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args[0], self.__dict__)


class ConfigurationError(BillingError):
    """The routing file, a setting or the pinned account is wrong.

    `faults` holds every fault found, as `(path, message)` pairs.
    """

    faults: tuple[tuple[str, str], ...] = ()


class RouteConfigurationError(ConfigurationError, ValueError):
    """A route, an override or what a strategy returned is malformed."""


class KeyConfigurationError(ConfigurationError):
    """A key is missing, malformed, or not a live key. The key itself is never shown."""

    reason: str | None = None


class RouteNotFoundError(BillingError):
    """No rule covers this domain, region, business category, bot or override."""

    bot_id: str | None = None


class KeyProviderUnavailableError(BillingError):
    """The source of the keys (Vault) does not answer; no other source is tried instead."""


class InvalidRequestError(BillingError, ValueError):
    """The caller's arguments are wrong. Nothing was written or sent."""

    parameter: str | None = None
    suggestion: str | None = None


class InvalidAmountError(InvalidRequestError):
    """An amount that cannot be charged exactly as given."""


class AccountMismatchError(BillingError):
    """Key, account or destination does not belong to the master account.

    Of a payment that names another destination `money` says what is true: `"not_moved"` while it
    waits for its customer or was declined, `"unknown"` while a bank is at it, else `"moved"`.
    """

    bot_id: str | None = None
    account_id: str | None = None
    expected_account_id: str | None = None


class PolicyViolationError(BillingError):
    """A rule of the host's policies refuses the call."""

    rule: str | None = None
    limit: Any = None
    remaining: Any = None


class ApprovalRequiredError(BillingError):
    """A person has to approve this call; repeat it with `idempotency_key` afterwards."""

    approval_id: str | None = None
    idempotency_key: str | None = None


class FrozenError(BillingError):
    """This bot, its category, its domain or everything is frozen."""

    scope: str | None = None
    reason: str | None = None


class PaymentDeclinedError(BillingError):
    """The payment method was declined; nothing is left payable."""

    code: str | None = None
    decline_code: str | None = None
    stripe_id: str | None = None
    request_id: str | None = None


class PaymentActionRequiredError(BillingError):
    """The customer has to act. `client_secret` is what a front end needs to let them."""

    client_secret: str | None = None
    public_key: str | None = None
    stripe_id: str | None = None
    status: str | None = None
    next_action: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.args[0]!r})"


class StripeRequestError(BillingError):
    """Stripe refuses the request as it stands."""

    code: str | None = None
    parameter: str | None = None
    http_status: int | None = None
    request_id: str | None = None


class StripeUnavailableError(BillingError):
    """Stripe could not be reached. The request was not executed."""

    http_status: int | None = None
    request_id: str | None = None


class RateLimitedError(BillingError):
    """Stripe asks to slow down. The request was not executed."""

    retry_after: float | None = None
    request_id: str | None = None


class IdempotencyConflictError(BillingError):
    """The idempotency key was used before, with other arguments."""

    idempotency_key: str | None = None


class OperationInProgressError(BillingError):
    """The same operation is being executed by another caller."""

    idempotency_key: str | None = None


class OutcomeUnknownError(BillingError):
    """The operation may or may not have happened. Do not repeat it under a new key."""

    idempotency_key: str | None = None


class LedgerUnavailableError(BillingError):
    """Intent or outcome cannot be stored."""


class LedgerTamperedError(BillingError):
    """The ledger's hash chain does not hold."""

    stream: str | None = None
    sequence: int | None = None


class WebhookError(BillingError, ValueError):
    """A webhook payload or signature that cannot be trusted."""
