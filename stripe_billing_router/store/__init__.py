"""The durable memory. This room alone knows SQLAlchemy; of those outside, only
domains see a connection."""

from .anomalies import AnomalyDB
from .books import Books
from .codec import Sealing
from .condition import Condition, condition_of, foreign, journaled
from .cursors import Claim, Outbox
from .dialects import sqlite_path
from .discrepancies import DiscrepancyDB
from .fallback import FallbackStore
from .heads import LedgerHeads
from .journal import DrainReport
from .ledger import Broken, StripeLedger, Verification
from .projecting import Caught, Difference, Projections
from .store import SqlStore
from .workspace import Mark, Workspace

__all__ = [
    "AnomalyDB",
    "Books",
    "Broken",
    "Caught",
    "Claim",
    "Condition",
    "Difference",
    "DiscrepancyDB",
    "DrainReport",
    "FallbackStore",
    "LedgerHeads",
    "Mark",
    "Outbox",
    "Projections",
    "Sealing",
    "SqlStore",
    "StripeLedger",
    "Verification",
    "Workspace",
    "condition_of",
    "foreign",
    "journaled",
    "sqlite_path",
]
