"""The watchdog: looks at ledger and operations from outside the calls that wrote them."""

from .checks import CHECKS, Finding, Sources
from .run import main, watch

__all__ = ["CHECKS", "Finding", "Sources", "main", "watch"]
