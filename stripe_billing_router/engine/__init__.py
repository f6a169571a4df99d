"""The operation protocol: write before you charge, send at most once, never guess."""

from .accounts import AccountCheck
from .approving import Approvals
from .background import BackgroundRecovery
from .calls import Calls
from .cancelling import Canceller
from .clock import SystemClock
from .closing import Closing
from .consequences import PaymentSanity, RecordAnomaly, RecordDiscrepancy, RollBack
from .explaining import Examiner
from .following import Follower
from .forecasting import Forecast
from .freezing import FreezeGuard
from .leases import Leases
from .listings import PAGE as READ_PAGE
from .listings import Listings, Page
from .lookups import Lookups
from .observed import ObservedProvider
from .observing import Observers
from .operating import OperatorsDesk
from .pacing import PER_ENDPOINT
from .parts import Parts
from .policing import Policing
from .process import provably_alive
from .queries import Queries
from .reactions import Reactions
from .reads import Reader
from .recovery import Recovery
from .rollback import AutomatedRollbackManager, Rollback, RollbackHook
from .runner import Runner
from .sanity import SanityLayer
from .sequence import OperationSequence
from .trust import Trust
from .webhook_check import WebhookAccountCheck

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
    "Lookups",
    "ObservedProvider",
    "Observers",
    "OperationSequence",
    "OperatorsDesk",
    "Page",
    "Parts",
    "PaymentSanity",
    "Policing",
    "Queries",
    "Reactions",
    "Reader",
    "RecordAnomaly",
    "RecordDiscrepancy",
    "Recovery",
    "RollBack",
    "Rollback",
    "RollbackHook",
    "Runner",
    "SanityLayer",
    "SystemClock",
    "Trust",
    "WebhookAccountCheck",
    "provably_alive",
]
