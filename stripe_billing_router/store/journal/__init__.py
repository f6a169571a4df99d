"""The journal: what is written down on this host while the ledger's database is away."""

from .drain import Drain, DrainReport
from .file import JournalFile
from .fitness import fit
from .lines import Line

__all__ = ["Drain", "DrainReport", "JournalFile", "Line", "fit"]
