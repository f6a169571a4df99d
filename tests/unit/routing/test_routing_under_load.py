"""Many threads, and a table of any size."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from stripe_billing_router.errors import RouteNotFoundError
from stripe_billing_router.models import BotId, Route, RouteKey
from stripe_billing_router.routing import RoutingTable
from tests.unit.routing.routing_samples import BOT, FIELDS, ROUTE, Strategy, rule, table

ROUNDS = 1000


@pytest.fixture(autouse=True)
def eager_switching() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def _together(*jobs: Callable[[], None]) -> None:
    """Run the jobs at one time and raise what any of them raised."""
    barrier = threading.Barrier(len(jobs))

    def started(job: Callable[[], None]) -> None:
        barrier.wait()
        for _ in range(ROUNDS):
            job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for future in [pool.submit(started, job) for job in jobs]:
            future.result()


def test_threads_resolve_and_iterate_while_others_register_and_forget() -> None:
    """A reader sees the file's route or a registered one, whole, and never an error."""
    routes = table()
    prices = {"price_1", "price_a", "price_b"}

    def resolve() -> None:
        assert routes.resolve(BOT, {}).route.price_id in prices
        assert routes.resolve(BOT, {"plan": "pro"}).route.price_id in {"price_pro", "price_gold"}

    def iterate() -> None:
        assert {route.price_id for route in routes.routes.values()} <= prices
        assert all(routes.routes.get(key) is not None for key in list(routes.routes)[:3])

    def register(price: str) -> None:
        routes.register_route("finance", "bot", {**FIELDS, "price_id": price})
        routes.register_override(rule(value="pro"))

    _together(
        resolve,
        resolve,
        iterate,
        lambda: register("price_a"),
        lambda: register("price_b"),
        lambda: routes.forget_registered(BOT),
    )


def test_no_registration_of_several_threads_is_lost() -> None:
    routes = table()
    counters = [iter(range(ROUNDS)) for _ in range(4)]

    def register(thread: int) -> None:
        number = next(counters[thread])
        routes.register_route("many", f"bot{thread}_{number}", FIELDS)
        if number < 10:
            routes.register_strategy(Strategy(lambda _, route: route))

    before = len(routes.routes)
    _together(*(lambda thread=thread: register(thread) for thread in range(4)))
    assert len(routes.routes) == before + 4 * ROUNDS
    assert len(routes._strategies) == 40


def _sized(size: int) -> RoutingTable:
    routes: dict[RouteKey, Route] = {
        ("stripe", "default", f"category{number % 100}", f"bot{number}"): ROUTE
        for number in range(size)
    }
    rules = {(*key, "plan", "pro"): {"price_id": "price_pro"} for key in routes}
    return RoutingTable(routes, rules)


def _bot(number: int) -> BotId:
    return BotId("stripe", f"category{number % 100}", f"bot{number}")


def _seconds(routes: RoutingTable, bots: list[BotId]) -> float:
    started = time.perf_counter()
    for bot in bots:
        routes.resolve(bot, {})
        routes.resolve(bot, {"plan": "pro"})
    return time.perf_counter() - started


def test_resolving_takes_as_long_with_a_hundred_thousand_routes_as_with_ten() -> None:
    """Measured side by side in one run, and the best of each: what else runs here slows both."""
    small, large = _sized(10), _sized(100_000)
    few = [_bot(number) for number in range(10)] * 50
    spread = [_bot(number) for number in range(0, 100_000, 200)]
    gc.disable()
    try:
        pairs = [(_seconds(small, few), _seconds(large, spread)) for _ in range(15)]
    finally:
        gc.enable()
    ratio = min(large for _, large in pairs) / min(small for small, _ in pairs)
    print(f"a resolve costs {ratio:.2f} times as much among 100,000 routes as among 10")
    assert ratio < 3


def test_even_a_failing_lookup_in_a_large_table_answers_quickly() -> None:
    """A misspelt bot in a loop must not occupy a core for seconds at each call."""
    large = _sized(100_000)
    started = time.perf_counter()
    with pytest.raises(RouteNotFoundError, match="did you mean 'bot1"):
        large.resolve(BotId.parse("category1:boot1"), {})
    assert time.perf_counter() - started < 2
