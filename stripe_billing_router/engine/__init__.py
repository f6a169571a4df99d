"""The operation protocol: write before you charge, send at most once, never guess."""

from .clock import SystemClock
from .closing import Closing
from .consequences.reactions import (
    PaymentSanity,
    Reactions,
    RecordAnomaly,
    RecordDiscrepancy,
    RollBack,
)
from .consequences.rollback import AutomatedRollbackManager, Rollback, RollbackHook
from .consequences.sanity import SanityLayer
from .consequences.webhook_check import WebhookAccountCheck
from .doubt.recovery import BackgroundRecovery, Recovery
from .doubt.waiting import Canceller, Follower
from .guards.accounts import AccountCheck
from .guards.approving import Approvals
from .guards.desk import OperatorsDesk
from .guards.explaining import Examiner, Forecast
from .guards.freezing import FreezeGuard
from .guards.policing import Policing, Shown
from .guards.trust import Trust
from .leases import Leases, provably_alive
from .listing import PAGE as READ_PAGE
from .listing import PER_ENDPOINT, Listings, Queries
from .observing import Calls, ObservedTransport, Observers
from .parts import Parts
from .protocol import OperationSequence
from .sending import Sender

__all__ = [
    "PER_ENDPOINT",
    "READ_PAGE",
    "AccountCheck",
    "Approvals",
    "AutomatedRollbackManager",
    "BackgroundRecovery",
    "Calls",
    "Canceller",
    "Closing",
    "Examiner",
    "Follower",
    "Forecast",
    "FreezeGuard",
    "Leases",
    "Listings",
    "ObservedTransport",
    "Observers",
    "OperationSequence",
    "OperatorsDesk",
    "Parts",
    "PaymentSanity",
    "Policing",
    "Queries",
    "Reactions",
    "RecordAnomaly",
    "RecordDiscrepancy",
    "Recovery",
    "RollBack",
    "Rollback",
    "RollbackHook",
    "SanityLayer",
    "Sender",
    "Shown",
    "SystemClock",
    "Trust",
    "WebhookAccountCheck",
    "provably_alive",
]
