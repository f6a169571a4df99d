"""Every verb as a coroutine: the same names, signatures, results and errors."""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import Any, assert_type

import pytest

from stripe_billing_router import (
    AccountMismatchError,
    Balance,
    BillingRouter,
    Charge,
    ConfigurationError,
    InvalidRequestError,
    PaymentDeclinedError,
    RouteConfigurationError,
    aio,
    api,
    get_router,
    use_router,
)
from stripe_billing_router.testing import Sandbox, sandbox
from tests.integration.aio.aio_bench import booked, crowd, moved
from tests.integration.charge.charge_bench import BOT, ROUTING

ROUTE = {"product_id": "prod_1", "price_id": "price_1", "customer_id": "cus_1"}
VERBS = sorted(
    name
    for name, found in vars(api).items()
    if inspect.isfunction(found) and found.__module__ == api.__name__ and name[0] != "_"
)
METHODS = sorted(
    name for name, _ in inspect.getmembers(BillingRouter, inspect.isfunction) if name[0] != "_"
)


def test_there_is_every_verb_and_nothing_else() -> None:
    assert sorted({*aio.__all__} - {"AsyncBillingRouter", "join"}) == VERBS


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_the_signature_and_the_words_of_the_function(name: str) -> None:
    ours, theirs = getattr(aio, name), getattr(api, name)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__doc__ == theirs.__doc__
    assert (ours.__name__, ours.__module__) == (name, "stripe_billing_router.aio")


def test_a_router_has_each_of_its_methods(box: Sandbox) -> None:
    async_router = aio.AsyncBillingRouter(box.router)
    assert sorted(vars(async_router)) == sorted([*METHODS, "router"])
    for name in METHODS:
        ours, theirs = getattr(async_router, name), getattr(box.router, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
    assert "routing.yaml" in repr(async_router)


def test_a_type_checker_knows_arguments_and_results(box: Sandbox) -> None:
    async def typed() -> None:
        mine = aio.AsyncBillingRouter(box.router)
        assert_type(await aio.charge(BOT, "5", idempotency_key="a"), Charge)
        assert_type(await mine.charge(BOT, amount=6), Charge)
        assert_type(await mine.get_balance(bot_id=BOT), Balance)
        with pytest.raises(InvalidRequestError):
            await aio.charge(BOT, 5, idempotency_key=5)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await mine.refund(BOT)  # type: ignore[call-arg]
        async for event in mine.iter_master_events(event_types=["charge.succeeded"]):
            assert_type(event, dict[str, Any])

    asyncio.run(typed())


def test_a_hundred_charges_at_once_are_a_hundred_charges(box: Sandbox) -> None:
    async def pay() -> None:
        for paid in await asyncio.gather(*crowd(100)):
            assert paid.paid

    asyncio.run(pay())
    assert moved(box) == booked(box) == [100 * (n + 1) for n in range(100)]
    assert box.ledger.verify().ok


def test_an_error_comes_with_its_type_and_what_it_carries(box: Sandbox) -> None:
    box.world.set_outcome("pm_of_cus_one", "declined:insufficient_funds")
    with pytest.raises(PaymentDeclinedError) as found:
        asyncio.run(aio.charge(BOT, 5))
    assert found.value.decline_code == "insufficient_funds"
    assert (found.value.money, found.value.operation_id is None) == ("not_moved", False)
    with pytest.raises(AccountMismatchError) as refused:
        asyncio.run(aio.charge("finance:foreign", 5))
    assert refused.value.account_id == "acct_somebody0else"


def test_the_other_verbs_do_what_the_functions_do(box: Sandbox) -> None:
    async def work() -> None:
        paid = await aio.charge(BOT, "12.50")
        assert (await aio.refund(BOT, paid.id or "", amount=2)).amount_minor == 200
        assert (await aio.get_balance(BOT)).available
        waits = await aio.charge(BOT, 7, on_session=True)
        assert (await aio.cancel(waits.operation_id or "")).state == "canceled"
        assert (await aio.explain(BOT, amount=5)).passes
        with pytest.raises(ConfigurationError, match=r"finance\.foreign"):
            await aio.verify_router([BOT])
        await aio.register_route("finance", "new", ROUTE)
        assert ("stripe", "default", "finance", "new") in get_router().routes
        with pytest.raises(RouteConfigurationError):
            await aio.register_route("finance", "new", {})

    asyncio.run(work())


def test_events_are_listed_page_by_page_and_arguments_are_checked(box: Sandbox) -> None:
    async def read() -> list[str]:
        await aio.charge(BOT, 5)
        with pytest.raises(InvalidRequestError):
            await anext(aio.iter_master_events(created="yesterday"))  # type: ignore[arg-type]
        events = aio.iter_master_events(event_types=["charge.succeeded"])
        return [event["data"]["object"]["object"] async for event in events]

    assert asyncio.run(read()) == ["charge"]


REQUEST_ID = ContextVar("REQUEST_ID", default="none")


def test_what_the_context_holds_is_seen_by_the_host_s_own_code(box: Sandbox) -> None:
    class Strategy:
        def apply(self, bot_id: str, route: Any) -> Any:
            seen.add((REQUEST_ID.get(), threading.current_thread() is threading.main_thread()))
            return route

    async def handle(request: str) -> None:
        REQUEST_ID.set(request)
        await aio.charge(BOT, 5, idempotency_key=request)

    async def serve() -> None:
        await aio.register_strategy(Strategy())
        await asyncio.gather(handle("a"), handle("b"))

    seen: set[tuple[str, bool]] = set()
    asyncio.run(serve())
    assert seen == {("a", False), ("b", False)}


def test_the_router_in_use_is_the_one_that_charges(box: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(ROUTING)
    with sandbox(tmp_path / "other.yaml") as other:
        with use_router(box.router):
            asyncio.run(aio.charge(BOT, 1))
        asyncio.run(aio.charge(BOT, 2))
        asyncio.run(aio.AsyncBillingRouter(box.router).charge(BOT, 3))
        assert (moved(box), moved(other)) == ([100, 300], [200])


def test_a_loop_in_each_thread_works_as_well(box: Sandbox) -> None:
    def pay(amount: int) -> None:
        asyncio.run(aio.charge(BOT, amount))

    threads = [threading.Thread(target=pay, args=(n + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved(box) == [100, 200, 300, 400]
