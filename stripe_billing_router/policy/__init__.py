"""What the rules of a host demand of one call. Pure: nothing is read or written here."""

from .deciding import (
    counted,
    counter_limits,
    counter_of,
    demands,
    limit_of,
    limits_money,
    spent,
)
from .facts import Demands, Facts
from .limits import Limit, limits
from .matching import admits, matches, matching
from .refusals import over_limit

__all__ = [
    "Demands",
    "Facts",
    "Limit",
    "admits",
    "counted",
    "counter_limits",
    "counter_of",
    "demands",
    "limit_of",
    "limits",
    "limits_money",
    "matches",
    "matching",
    "over_limit",
    "spent",
]
