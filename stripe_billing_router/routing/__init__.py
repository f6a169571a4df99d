"""Which product, price and customer a bot bills with."""

from .names import REGION, dotted, wrong_name, wrong_override_key, wrong_override_value
from .strategies import RouteStrategy
from .table import RoutingTable

__all__ = [
    "REGION",
    "RouteStrategy",
    "RoutingTable",
    "dotted",
    "wrong_name",
    "wrong_override_key",
    "wrong_override_value",
]
