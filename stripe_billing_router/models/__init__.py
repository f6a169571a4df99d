"""The data that every floor shares: immutable, without behaviour of its own."""

from .bots import DEFAULT_DOMAIN, DEFAULT_REGION, BotId
from .entries import SYSTEM_STREAM, EntryDraft, LedgerEntry
from .operations import (
    NEXT_STATES,
    Failure,
    Operation,
    OperationState,
    Outcome,
    Step,
    StepOutput,
)
from .results import (
    Balance,
    Charge,
    CheckoutSession,
    Customer,
    Explanation,
    RecoveryReport,
    Refund,
    Result,
    Subscription,
    major,
)
from .routes import Fault, OverrideKey, ResolvedRoute, Route, RouteKey
from .writes import (
    AppendEntry,
    CloseOperation,
    OpenOperation,
    RecordOutputs,
    ReopenOperation,
    TakeLease,
    Write,
)

__all__ = [
    "DEFAULT_DOMAIN",
    "DEFAULT_REGION",
    "NEXT_STATES",
    "SYSTEM_STREAM",
    "AppendEntry",
    "Balance",
    "BotId",
    "Charge",
    "CheckoutSession",
    "CloseOperation",
    "Customer",
    "EntryDraft",
    "Explanation",
    "Failure",
    "Fault",
    "LedgerEntry",
    "OpenOperation",
    "Operation",
    "OperationState",
    "Outcome",
    "OverrideKey",
    "RecordOutputs",
    "RecoveryReport",
    "Refund",
    "ReopenOperation",
    "ResolvedRoute",
    "Result",
    "Route",
    "RouteKey",
    "Step",
    "StepOutput",
    "Subscription",
    "TakeLease",
    "Write",
    "major",
]
