"""Resolving a route in small and in large tables.

python -m benchmarks.resolution
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.harness import Figure, Promise, medians, shown, tell
from benchmarks.stripe_server import ROUTE
from stripe_billing_router.models import BotId, Route
from stripe_billing_router.routing import RoutingTable

SIZES = (10, 1_000, 100_000)
CALLS = 500
"""Resolutions in one measurement: a single one is too short for the clock."""


def figures(rounds: int = 200) -> Iterator[Figure]:
    """Yield how long a resolution takes, and how it grows with the table."""
    took = medians({f"{size:,} routes": _resolving(size) for size in SIZES}, rounds)
    each = {side: seconds / CALLS for side, seconds in took.items()}
    small, large = each[f"{SIZES[0]:,} routes"], each[f"{SIZES[-1]:,} routes"]
    detail = ", ".join(f"{side} {shown(seconds)}" for side, seconds in each.items())
    yield Figure(
        "resolution: 100,000 routes to 10", large / small, "x", detail, Promise("at most", 1.1)
    )
    yield Figure(
        "resolution at 100,000 routes", large * 1e6, "µs", promise=Promise("at most", 10.0)
    )


def _resolving(size: int) -> Callable[[], object]:
    """Return what resolves the bots of a table of so many routes, spread over all of it.

    As many bots, whatever the table: what a processor caches of them is another subject.
    """
    names = [f"bot{number}" for number in range(size)]
    routes = {("stripe", "default", "bench", name): Route(**ROUTE) for name in names}
    table = RoutingTable(routes, {}, "usd")
    bots = [BotId("stripe", "bench", name) for name in names[:: size // min(SIZES)]]
    return partial(_resolve, table, bots * (CALLS // len(bots)))


def _resolve(table: RoutingTable, bots: list[BotId]) -> None:
    for bot in bots:
        table.resolve(bot, {})


if __name__ == "__main__":
    tell(figures())
