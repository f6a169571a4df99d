"""The watchdog: proves that the ledger and Stripe agree, from outside the calls that wrote both."""

from .findings import Finding
from .inspection import DaySum, Inspection, Progress
from .limits import Limits
from .planning import ReadPlan
from .run import main

__all__ = ["DaySum", "Finding", "Inspection", "Limits", "Progress", "ReadPlan", "main"]
