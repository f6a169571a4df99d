"""Finds Stripe used outside the router, raw keys, and bots that use what is for people.

`lint` is the whole of it for programs; `examine` tells the command line a little more. Nothing
here imports, runs or sends what it looks at.
"""

from .findings import RULES, Finding
from .linting import Report, examine, lint

__all__ = ["RULES", "Finding", "Report", "examine", "lint"]
