"""The operation protocol: write before you charge, send at most once, never guess."""

from .accounts import AccountCheck
from .clock import SystemClock
from .closing import Closing
from .leases import Leases
from .lookups import Lookups
from .observing import Observers
from .reactions import Reactions
from .reads import Reader
from .runner import Runner
from .sequence import OperationSequence, Parts

__all__ = [
    "AccountCheck",
    "Closing",
    "Leases",
    "Lookups",
    "Observers",
    "OperationSequence",
    "Parts",
    "Reactions",
    "Reader",
    "Runner",
    "SystemClock",
]
