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
from .results import Charge, Result, major
from .routes import Fault, OverrideKey, ResolvedRoute, Route, RouteKey
from .writes import (
    AppendEntry,
    CloseOperation,
    OpenOperation,
    RecordOutputs,
    TakeLease,
    Write,
)

__all__ = [
    "DEFAULT_DOMAIN",
    "DEFAULT_REGION",
    "NEXT_STATES",
    "SYSTEM_STREAM",
    "AppendEntry",
    "BotId",
    "Charge",
    "CloseOperation",
    "EntryDraft",
    "Failure",
    "Fault",
    "LedgerEntry",
    "OpenOperation",
    "Operation",
    "OperationState",
    "Outcome",
    "OverrideKey",
    "RecordOutputs",
    "ResolvedRoute",
    "Result",
    "Route",
    "RouteKey",
    "Step",
    "StepOutput",
    "TakeLease",
    "Write",
    "major",
]
