"""The durable memory. This room alone knows SQLAlchemy; nobody outside sees a connection."""

from .dialects import sqlite_path
from .heads import LedgerHeads
from .ledger import Broken, StripeLedger, Verification
from .store import SqlStore

__all__ = ["Broken", "LedgerHeads", "SqlStore", "StripeLedger", "Verification", "sqlite_path"]
