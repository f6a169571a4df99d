"""The operation protocol: write before you charge, send at most once, never guess."""

from .accounts import AccountCheck
from .background import BackgroundRecovery
from .cancelling import Canceller
from .clock import SystemClock
from .closing import Closing
from .explaining import Examiner
from .following import Follower
from .leases import Leases
from .lookups import Lookups
from .observing import Observers
from .parts import Parts
from .process import provably_alive
from .queries import Queries
from .reactions import Reactions
from .reads import Reader
from .recovery import Recovery
from .runner import Runner
from .sequence import OperationSequence
from .webhook_check import WebhookAccountCheck

__all__ = [
    "AccountCheck",
    "BackgroundRecovery",
    "Canceller",
    "Closing",
    "Examiner",
    "Follower",
    "Leases",
    "Lookups",
    "Observers",
    "OperationSequence",
    "Parts",
    "Queries",
    "Reactions",
    "Reader",
    "Recovery",
    "Runner",
    "SystemClock",
    "WebhookAccountCheck",
    "provably_alive",
]
